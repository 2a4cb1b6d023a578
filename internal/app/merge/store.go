package merge

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/tenancy"
)

// The other person of a review is the one who bears an identifier that the row brought.
const sqlSuggestions = `
select least(a.id, b.id) as a, greatest(a.id, b.id) as b, a.family_name || ' ' || a.given_names as a_name, b.family_name || ' ' || b.given_names as b_name,
       a.birth_date as born, min(s.why) as why
  from (select r.person as one, o.id as two, 'review' as why
          from (select m.person, m.sourced_id from match_review m where m.resolved_at is null order by m.created_at, m.id limit 200) r
          join roster_user u on u.sourced_id = r.sourced_id collate "C"
          join person o on o.hetu_hash = u.hetu_hash
         union all
        select i.person, o.id, 'identifier'
          from person_identifier i
          join person o on o.hetu_hash = i.value_hash
         where i.kind = 'hetu' and o.id <> i.person
         union all
        select i.person, o.id, 'identifier'
          from person_identifier i
          join person o on o.oppijanumero = i.value
         where i.kind = 'oppijanumero' and o.id <> i.person) s
  join person a on a.id = least(s.one, s.two) and a.merged_into is null
  join person b on b.id = greatest(s.one, s.two) and b.merged_into is null
 where s.one <> s.two
 group by a.id, b.id
 order by a_name, a, b
 limit 100`

// Reads everyone once, in the order of the index of names: asked for by hand only.
const sqlNamesakes = `
select a.id as a, b.id as b, a.family_name || ' ' || a.given_names as a_name, b.family_name || ' ' || b.given_names as b_name, a.birth_date as born, 'name' as why
  from person a
  join person b on b.family_name collate "C" = a.family_name collate "C" and b.given_names collate "C" = a.given_names collate "C"
               and b.birth_date = a.birth_date and b.id > a.id
 where a.merged_into is null and b.merged_into is null
 order by a_name, a, b
 limit 100`

// Suggest lists pairs that identifiers or the roster's reviews speak for; with
// namesakes those of one name and birth date too.
func Suggest(ctx context.Context, tx tenancy.Read, namesakes bool) ([]Suggestion, error) {
	q := sqlSuggestions
	if namesakes {
		q = sqlNamesakes
	}
	rows, err := tx.Query(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("suggest merges: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Suggestion])
}

const sqlSide = `
select p.id, p.given_names as given, p.family_name as family, p.birth_date as born, coalesce(p.oppijanumero, '') as oppijanumero, p.hetu_hash is not null as hetu,
       coalesce(p.protected @> @today::date, false) as protected,
       array(select u.sourced_id from roster_user u where u.person = p.id order by u.sourced_id limit 20) as sources,
       array(select distinct g.role || '|' || u.kind || '|' || u.name from role_grant g join unit u on u.id = g.unit
              where g.person = p.id and g.status = 'active' and g.validity @> @today::date order by 1 limit 20) as roles,
       array(select t.title from enrolment e join teaching_group t on t.id = e.teaching_group
              where e.person = p.id and e.status = 'active' and e.validity @> @today::date order by t.title limit 20) as groups,
       (select count(*) from guardianship s where s.guardian = p.id and s.validity @> @today::date) as children,
       (select count(*) from guardianship s where s.child = p.id and s.validity @> @today::date) as guardians,
       (select count(*) from account a where a.person = p.id) as accounts
  from person p
 where p.id = @id
   and @all::boolean
   and p.merged_into is null`

// GetSide returns a record to compare, fault.NotFound when there is none within reach.
func GetSide(ctx context.Context, tx tenancy.Read, r authz.Reach, id uuid.UUID, today time.Time) (Side, error) {
	rows, err := tx.Query(ctx, sqlSide, pgx.StrictNamedArgs{"id": id, "today": today, "all": r.All})
	if err != nil {
		return Side{}, fmt.Errorf("read record: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Side])
	if err == nil && len(found) == 0 {
		err = authz.Missing("record")
	}
	if err != nil {
		return Side{}, err
	}
	return found[0], nil
}
