package org

import (
	"context"
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

// When the roster was last brought in travels with what it is said of. What was
// taken back does not count.
const freshAt = ` (select max(i.applied_at) from roster_import i where i.state = 'applied' and i.kind = 'package') as fresh_at `

var sqlSchools = authz.Scope(`
select u.id, u.name, u.name_sv, ` + freshAt + `,
       coalesce(r.learners, 0) as learners, coalesce(r.staff, 0) as staff, coalesce(t.groups, 0) as groups
  from unit u
  left join (select g.unit,
                    count(distinct g.person) filter (where g.role = 'student') as learners,
                    count(distinct g.person) filter (where g.role <> 'student') as staff
               from role_grant g
               left join roster_user ru on ru.id = g.source_user
              where g.role not in ('guardian', 'parent', 'relative', 'hand:welfare') and g.status = 'active' and g.validity @> @today::date and (g.source_user is null or ru.status = 'active')
                and within(g.unit)
              group by g.unit) r on r.unit = u.id
  left join (select t.unit, count(*) as groups
               from teaching_group t
              where t.status = 'active' and t.validity @> @today::date
                and within(t.unit)
              group by t.unit) t on t.unit = u.id
 where u.kind = 'school'
   and u.status = 'active'
   and within(u.id)
 order by u.name collate "fi-x-icu", u.id
 limit 500`)

// ListSchools lists the schools within reach, with counts of today.
func ListSchools(ctx context.Context, tx tenancy.Read, r authz.Reach, today time.Time) ([]School, error) {
	sql, args := sqlSchools.For(r, pgx.StrictNamedArgs{"today": today})
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read schools: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[School])
	if err != nil {
		return nil, fmt.Errorf("read schools: %w", err)
	}
	return found, nil
}

// GetSchool returns one school within reach, fault.NotFound otherwise.
func GetSchool(ctx context.Context, tx tenancy.Read, r authz.Reach, id uuid.UUID, today time.Time) (School, error) {
	if !r.Holds(authz.Object{Units: []uuid.UUID{id}}) {
		return School{}, authz.Missing("school")
	}
	found, err := ListSchools(ctx, tx, authz.OnlyUnits(id), today) // counts in the one school only
	if err != nil {
		return School{}, err
	}
	if len(found) == 0 {
		return School{}, authz.Missing("school")
	}
	return found[0], nil
}

// Only learners with a role at the school count: a placement has no status of
// its own. One made by hand outranks the roster's.
const sqlGrades = `
select p.unit, p.grade, count(*) as count
  from (select distinct on (gp.learner, gp.unit) gp.learner, gp.unit, gp.grade
          from grade_placement gp
         where gp.unit = any(@units)
           and gp.validity @> @today::date
           and exists (select from role_grant g
                        where g.person = gp.learner and g.unit = gp.unit and g.role = 'student'
                          and g.status = 'active' and g.validity @> @today::date and ` + grantLives + `)
         order by gp.learner, gp.unit, gp.source, gp.id) p
 group by p.unit, p.grade
 order by p.unit, length(p.grade), p.grade
 limit 5000`

// CountGrades counts learners by grade in the given schools. The caller has made sure
// that the actor reaches them.
func CountGrades(ctx context.Context, tx tenancy.Read, units []uuid.UUID, today time.Time) ([]GradeCount, error) {
	rows, err := tx.Query(ctx, sqlGrades, pgx.StrictNamedArgs{"units": units, "today": today})
	if err != nil {
		return nil, fmt.Errorf("count grades: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[GradeCount])
	if err != nil {
		return nil, fmt.Errorf("count grades: %w", err)
	}
	return found, nil
}

var sqlGroups = authz.Scope(`
select t.id, t.title, t.kind = 'homeroom' as homeroom, t.unit, u.name as school, u.name_sv as school_sv, ` + freshAt + `,
       coalesce(m.learners, 0) as learners, coalesce(m.teachers, '{}') as teachers
  from teaching_group t
  join unit u on u.id = t.unit and u.status = 'active'
  left join lateral (
         select count(*) filter (where e.role = 'student') as learners,
                array_agg(coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) || ' ' || p.family_name
                          order by e.is_primary desc nulls last, p.family_name, p.id)
                  filter (where e.role = 'teacher') as teachers
           from enrolment e
           join person p on p.id = e.person
          where e.teaching_group = t.id and e.status = 'active' and e.validity @> @today::date and ` + enrolmentLives + `) m on true
 where t.status = 'active'
   and t.validity @> @today::date
   and within(t.unit, t.id)
   and (@unit::uuid is null or t.unit = @unit)
   and (@id::uuid is null or t.id = @id)
 order by (t.kind = 'homeroom') desc, t.title collate "fi-x-icu", t.id
 limit 500`)

// ListGroups lists the groups within reach that run today; of one school, when unit
// is not nil.
func ListGroups(ctx context.Context, tx tenancy.Read, r authz.Reach, unit *uuid.UUID, today time.Time) ([]Group, error) {
	return groups(ctx, tx, r, unit, nil, today)
}

// GetGroup returns one group within reach, fault.NotFound otherwise.
func GetGroup(ctx context.Context, tx tenancy.Read, r authz.Reach, id uuid.UUID, today time.Time) (Group, error) {
	found, err := groups(ctx, tx, r, nil, &id, today)
	if err != nil {
		return Group{}, err
	}
	if len(found) == 0 {
		return Group{}, authz.Missing("group")
	}
	return found[0], nil
}

func groups(ctx context.Context, tx tenancy.Read, r authz.Reach, unit, id *uuid.UUID, today time.Time) ([]Group, error) {
	if r.All && unit != nil { // the same, by an index
		r = authz.OnlyUnits(*unit)
	} else if r.All && id != nil {
		r = authz.OnlyGroups([]uuid.UUID{*id})
	}
	sql, args := sqlGroups.For(r, pgx.StrictNamedArgs{"unit": unit, "id": id, "today": today})
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Group])
	if err != nil {
		return nil, fmt.Errorf("read groups: %w", err)
	}
	return found, nil
}

const sqlMembers = `
select p.id, p.family_name || ' ' || coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as name,
       coalesce(pl.grade, '') as grade, coalesce(h.title, '') as home_group
  from (select distinct e.person
          from enrolment e
         where e.teaching_group = @id and e.role = 'student' and e.status = 'active' and e.validity @> @today::date and ` + enrolmentLives + `) m
  join person p on p.id = m.person and (@protected or p.protected @> @today::date is not true)
  left join lateral (
         select gp.grade, gp.home_group
           from grade_placement gp
          where gp.learner = p.id and gp.unit = @unit and gp.validity @> @today::date
          order by gp.source, gp.id
          limit 1) pl on true
  left join teaching_group h on h.id = pl.home_group and h.status = 'active'
 order by p.family_name collate "fi-x-icu", p.given_names collate "fi-x-icu", p.id
 limit 500`

// ListMembers lists the learners in a group today. The caller has made sure that the
// actor reaches the group, and says whether they may see where protected persons are.
func ListMembers(ctx context.Context, tx tenancy.Read, g Group, protected bool, today time.Time) ([]Member, error) {
	rows, err := tx.Query(ctx, sqlMembers, pgx.StrictNamedArgs{"id": g.ID, "unit": g.Unit, "protected": protected, "today": today})
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Member])
	if err != nil {
		return nil, fmt.Errorf("read members: %w", err)
	}
	return found, nil
}
