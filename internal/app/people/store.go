package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/tenancy"
)

// What the roster told of a person stands while the roster still has that user.
const (
	grantLives     = ` (g.source_user is null or exists (select from roster_user ru where ru.id = g.source_user and ru.status = 'active')) `
	enrolmentLives = ` (e.source_user is null or exists (select from roster_user ru where ru.id = e.source_user and ru.status = 'active')) `
)

// A person is reached through a school by a role there other than a guardian's,
// or by learning there alone, through a group by learning in it. Removed rows and
// rows of other days reach nobody. The fields that protection withholds are empty
// already here.
const sqlPerson = `
with seen as (
  select p.id,
         exists (select from role_grant g
                  where g.person = p.id and g.status = 'active' and g.validity @> @today::date and ` + grantLives + `
                    and g.role not in ('guardian', 'parent', 'relative')
                    and g.unit = any(@units)) as via_unit,
         exists (select from role_grant g
                  where g.person = p.id and g.status = 'active' and g.validity @> @today::date and ` + grantLives + `
                    and g.role not in ('guardian', 'parent', 'relative')
                    and g.unit = any(@office)) as via_office,
         exists (select from role_grant g
                  where g.person = p.id and g.status = 'active' and g.validity @> @today::date and ` + grantLives + `
                    and g.role = 'student'
                    and g.unit = any(@learning)) as via_learning,
         exists (select from enrolment e
                   join teaching_group t on t.id = e.teaching_group
                  where e.person = p.id and e.role = 'student' and e.status = 'active' and e.validity @> @today::date and ` + enrolmentLives + `
                    and t.status = 'active' and t.validity @> @today::date
                    and t.id = any(@groups)) as via_group
    from person p
   where p.id = @id
     and p.merged_into is null
)
select p.id, p.given_names, coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as call_name,
       p.family_name, p.birth_date, p.language,
       case when p.protected @> @today::date then '' else p.home_municipality end as home_municipality,
       case when p.protected @> @today::date then '' else p.email end as email,
       case when p.protected @> @today::date then '' else p.phone end as phone,
       coalesce(p.oppijanumero, '') as oppijanumero,
       coalesce(p.protected @> @today::date, false) as protected,
       s.via_office, s.via_unit or s.via_learning or s.via_group as via_school
  from person p
  join seen s on s.id = p.id
 where p.id = @id
   and (@all or p.id = any(@persons) or s.via_unit or s.via_learning or s.via_group)`

// Get returns a person whom the actor reaches with an action, fault.NotFound
// otherwise.
func Get(ctx context.Context, tx tenancy.Read, a authz.Actor, act authz.Action, id uuid.UUID, today time.Time) (Person, error) {
	r := a.Reach(act)
	rows, err := tx.Query(ctx, sqlPerson, pgx.StrictNamedArgs{
		"id": id, "today": today, "all": r.All, "units": r.Units, "learning": r.Learning, "groups": r.Groups, "persons": r.Persons,
		"office": a.Reach(authz.PersonManage).Units})
	if err != nil {
		return Person{}, fmt.Errorf("read person: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Person])
	if errors.Is(err, pgx.ErrNoRows) {
		return Person{}, authz.Missing("person")
	}
	if err != nil {
		return Person{}, fmt.Errorf("read person: %w", err)
	}
	return p, nil
}

const sqlNames = `
select p.id, p.given_names, coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as call_name,
       p.family_name, coalesce(p.protected @> @today::date, false) as protected
  from person p
 where p.id = any(@persons)
 order by p.birth_date nulls last, p.given_names, p.id
 limit 50`

// A placement made by hand outranks the roster's.
const sqlPlacements = `
select g.person, u.name as school, u.name_sv as school_sv,
       coalesce(pl.grade, '') as grade, coalesce(h.title, '') as home_group
  from role_grant g
  join unit u on u.id = g.unit and u.status = 'active'
  left join lateral (
         select gp.grade, gp.home_group
           from grade_placement gp
          where gp.learner = g.person and gp.unit = g.unit and gp.validity @> @today::date
          order by gp.source, gp.id
          limit 1) pl on true
  left join teaching_group h on h.id = pl.home_group and h.status = 'active' and h.validity @> @today::date
 where g.person = any(@persons)
   and g.role = 'student'
   and g.status = 'active'
   and g.validity @> @today::date
   and ` + grantLives + `
 order by g.person, g.is_primary desc, u.name, g.id
 limit 200`

const sqlMemberships = `
select e.person, t.id as "group", t.title, t.kind = 'homeroom' as homeroom,
       array(select coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) || ' ' || p.family_name
               from enrolment te
               join person p on p.id = te.person
              where te.teaching_group = t.id and te.role = 'teacher' and te.status = 'active' and te.validity @> @today::date
                and (te.source_user is null or exists (select from roster_user ru where ru.id = te.source_user and ru.status = 'active'))
                and not coalesce(p.protected @> @today::date, false)
              order by te.is_primary desc nulls last, p.family_name, p.id
              limit 5) as teachers
  from enrolment e
  join teaching_group t on t.id = e.teaching_group and t.status = 'active' and t.validity @> @today::date
 where e.person = any(@persons)
   and e.role = 'student'
   and e.status = 'active'
   and e.validity @> @today::date
   and ` + enrolmentLives + `
 order by e.person, (t.kind = 'homeroom') desc, t.title collate "fi-x-icu", t.id
 limit 1000`

// Learners returns a card for each of the persons that exists, with where they
// are today; in one round trip. What the viewer may not see is left out.
func Learners(ctx context.Context, tx tenancy.Read, v Viewer, persons []uuid.UUID, today time.Time) ([]Card, error) {
	var cards []Card
	at := map[uuid.UUID]int{}
	args := pgx.StrictNamedArgs{"persons": persons, "today": today}
	var b pgx.Batch
	b.Queue(sqlNames, args).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[Person])
		for i, p := range found {
			at[p.ID] = i
			cards = append(cards, Card{Person: p, Sight: SightOf(v, p.Protected)})
		}
		return err
	})
	b.Queue(sqlPlacements, args).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Placement])
		for _, pl := range found {
			if i, ok := at[pl.Person]; ok && cards[i].Sight.Place {
				cards[i].Placements = append(cards[i].Placements, pl)
			}
		}
		return err
	})
	b.Queue(sqlMemberships, args).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Membership])
		for _, m := range found {
			if i, ok := at[m.Person]; ok && cards[i].Sight.Place {
				cards[i].Groups = append(cards[i].Groups, m)
			}
		}
		return err
	})
	if err := tx.Batch(ctx, &b); err != nil {
		return nil, fmt.Errorf("read learners: %w", err)
	}
	return cards, nil
}

const sqlGuardians = `
select coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) || ' ' || p.family_name as name,
       case when p.protected @> @today::date then '' else p.email end as email,
       case when p.protected @> @today::date then '' else p.phone end as phone
  from person p
 where p.id in (select s.guardian
                  from guardianship s
                  join person c on c.id = s.child
                 where s.child = @child
                   and s.validity @> @today::date
                   and (s.ended_on is null or s.ended_on > @today::date)
                   and not exists (select from guardian_block b where b.child = s.child and b.guardian = s.guardian and b.lifted_at is null)
                   and (c.birth_date is null or c.birth_date + interval '18 years' > @today::date))
 order by p.family_name collate "fi-x-icu", p.given_names, p.id
 limit 20`

const sqlRoles = `
select g.role as word, u.kind as unit_kind, u.name as unit, u.name_sv as unit_sv
  from role_grant g
  join unit u on u.id = g.unit and u.status = 'active'
 where g.person = @person
   and g.status = 'active'
   and g.validity @> @today::date
   and ` + grantLives + `
 order by g.is_primary desc, u.name, g.role, g.id
 limit 50`

// background returns the guardians and roles of a person, in one round trip.
func background(ctx context.Context, tx tenancy.Read, id uuid.UUID, today time.Time) (gs []Contact, rs []RoleAt, err error) {
	var b pgx.Batch
	b.Queue(sqlGuardians, pgx.StrictNamedArgs{"child": id, "today": today}).Query(func(rows pgx.Rows) (err error) {
		gs, err = pgx.CollectRows(rows, pgx.RowToStructByName[Contact])
		return err
	})
	b.Queue(sqlRoles, pgx.StrictNamedArgs{"person": id, "today": today}).Query(func(rows pgx.Rows) (err error) {
		rs, err = pgx.CollectRows(rows, pgx.RowToStructByName[RoleAt])
		return err
	})
	if err := tx.Batch(ctx, &b); err != nil {
		return nil, nil, fmt.Errorf("read guardians and roles: %w", err)
	}
	return gs, rs, nil
}

// nameWords are the folded words of a name: the expression of the index
// person_names_ix, which finds them by how they begin.
const nameWords = `array_to_tsvector(array_remove(string_to_array(lower(translate(left(replace(p.given_names || ' ' || p.call_name || ' ' || p.family_name, '-', ' '), 400), '` +
	foldFrom + `', '` + foldTo + `')), ' '), ''))`

// Only who has something to do with the municipality today is found: a role, or
// a child. That is asked of no more than the first @most by name, and their school
// of none but those who are shown.
const searchHead = `
with named as materialized (
  select n.*, row_number() over () as rank
    from (select p.id, p.given_names, p.call_name, p.family_name, p.protected
            from person p
           where p.merged_into is null
             and ` + nameWords + ` @@ @words::tsquery`

const searchTail = `
           order by p.family_name collate "fi-x-icu", p.given_names collate "fi-x-icu", p.id
           limit @most) n
), p as materialized (
  select n.*, a.words
    from named n
    left join lateral (
           select array_agg(distinct g.role) as words
             from role_grant g
            where g.person = n.id and g.status = 'active' and g.validity @> @today::date and ` + grantLives + `) a on true
   where a.words is not null
      or exists (select from guardianship s where s.guardian = n.id and s.validity @> @today::date and (s.ended_on is null or s.ended_on > @today::date))
   order by n.rank
   limit 51
)
select p.id, p.family_name || ' ' || coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as name,
       coalesce(p.words, '{}') as words,
       case when p.protected @> @today::date then '' else coalesce(pl.school, '') end as place,
       case when p.protected @> @today::date then '' else coalesce(pl.school_sv, '') end as place_sv,
       case when p.protected @> @today::date then '' else coalesce(pl.home_group, '') end as home_group,
       coalesce(p.protected @> @today::date, false) as protected,
       (select count(*) from named) as named
  from p
  left join lateral (
         select u.name as school, u.name_sv as school_sv, h.title as home_group
           from role_grant g
           join unit u on u.id = g.unit and u.status = 'active'
           left join grade_placement gp on gp.learner = p.id and gp.unit = u.id and gp.validity @> @today::date
           left join teaching_group h on h.id = gp.home_group and h.status = 'active'
          where g.person = p.id and g.status = 'active' and g.validity @> @today::date and ` + grantLives + `
          order by g.is_primary desc, u.name, gp.source, g.id
          limit 1) pl on true
 order by p.rank`

// searchReach is the reach of sqlPerson over many: whoever is found has a page that opens.
const searchReach = `
             and p.id in (
                  select g.person from role_grant g
                   where g.status = 'active' and g.validity @> @today::date and ` + grantLives + `
                     and (g.unit = any(@units) and g.role not in ('guardian', 'parent', 'relative')
                       or g.unit = any(@learning) and g.role = 'student')
                   union all
                  select e.person from enrolment e
                    join teaching_group t on t.id = e.teaching_group
                   where e.role = 'student' and e.status = 'active' and e.validity @> @today::date and ` + enrolmentLives + `
                     and t.status = 'active' and t.validity @> @today::date
                     and t.id = any(@groups)
                   union all
                  select unnest(@persons::uuid[]))`

const (
	sqlSearch       = searchHead + searchTail
	sqlSearchWithin = searchHead + searchReach + searchTail
)

// mostNamed is how many of those with a name are looked at first: more than are
// shown, as some have left.
const mostNamed = 300

// Search returns up to 51 persons within the reach whose names begin with the words.
func Search(ctx context.Context, tx tenancy.Read, r authz.Reach, w Words, today time.Time) ([]Hit, error) {
	var hits []Hit
	sql, args := sqlSearch, pgx.StrictNamedArgs{"words": string(w), "today": today}
	if !r.All {
		sql = sqlSearchWithin
		args["units"], args["learning"], args["groups"], args["persons"] = r.Units, r.Learning, r.Groups, r.Persons
	}
	for _, most := range []*int{new(int(mostNamed)), nil} {
		args["most"] = most
		rows, err := tx.Query(ctx, sql, args)
		if err != nil {
			return nil, fmt.Errorf("search people: %w", err)
		}
		if hits, err = pgx.CollectRows(rows, pgx.RowToStructByName[Hit]); err != nil {
			return nil, fmt.Errorf("search people: %w", err)
		}
		if len(hits) > 50 || len(hits) > 0 && hits[0].Named < mostNamed {
			break
		}
	}
	return hits, nil
}
