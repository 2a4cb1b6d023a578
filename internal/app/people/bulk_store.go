package people

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Persons takes the people of an import. Rows are never removed: access ends
// with roles, and what hangs on a person stays.
var Persons = tenancy.Bulk{
	Table: "person",
	Columns: []string{"id", "given_names", "call_name", "family_name", "birth_date", "language", "home_municipality",
		"email", "phone", "hetu_cipher", "hetu_hash", "oppijanumero", "protected"},
	Update: sqlUpdatePersons,
}

const personRows = `
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, given_names text, call_name text, family_name text, birth_date date,
       language text, home_municipality text, email text, phone text, hetu_cipher bytea, hetu_hash bytea, oppijanumero text, protected daterange)`

// What the source leaves out does not erase what is known from elsewhere: an
// identifier goes only when another comes in its place. Nor does a row lift the
// protection that came with a record that was merged in: its own row may be another.
const sqlUpdatePersons = `
update person p
   set given_names = n.given_names, call_name = n.call_name, family_name = n.family_name,
       birth_date = coalesce(n.birth_date, p.birth_date), language = n.language, home_municipality = n.home_municipality,
       email = n.email, phone = n.phone, hetu_cipher = coalesce(n.hetu_cipher, p.hetu_cipher),
       hetu_hash = coalesce(n.hetu_hash, p.hetu_hash), oppijanumero = coalesce(n.oppijanumero, p.oppijanumero),
       protected = case when n.protected is null
                         and not exists (select from person m where m.merged_into = p.id and m.protected is not null) then null
                        else coalesce(p.protected, n.protected) end` + personRows + `
 where p.id = n.id`

const sqlKeepIdentifiers = `
insert into person_identifier (id, person, kind, value_hash, cipher, value, source, validity)
select gen_random_uuid(), p.id, 'hetu', p.hetu_hash, p.hetu_cipher, null, 'roster', daterange(null, @today::date)` + personRows + `
  join person p on p.id = n.id
 where p.hetu_hash is not null and n.hetu_hash is not null and p.hetu_hash <> n.hetu_hash
union all
select gen_random_uuid(), p.id, 'oppijanumero', convert_to(p.oppijanumero, 'UTF8'), null, p.oppijanumero, 'roster', daterange(null, @today::date)` + personRows + `
  join person p on p.id = n.id
 where p.oppijanumero is not null and n.oppijanumero is not null and p.oppijanumero <> n.oppijanumero`

// KeepIdentifiers notes the identifiers that the coming change of persons
// replaces. rows is JSON as Persons.Update takes it.
func KeepIdentifiers(ctx context.Context, tx tenancy.Write, rows string, today string) error {
	if _, err := tx.Exec(ctx, sqlKeepIdentifiers, pgx.StrictNamedArgs{"rows": rows, "today": today}); err != nil {
		return fmt.Errorf("keep former identifiers: %w", err)
	}
	return nil
}

const sqlUpdateBirthDates = `
update person p
   set birth_date = n.birth_date
  from unnest(@ids::uuid[], @dates::date[]) as n(id, birth_date)
 where p.id = n.id and p.birth_date is distinct from n.birth_date`

// SetBirthDates takes birth dates that were delivered apart from names.
func SetBirthDates(ctx context.Context, tx tenancy.Write, ids []uuid.UUID, dates []string) error {
	if _, err := tx.Exec(ctx, sqlUpdateBirthDates, pgx.StrictNamedArgs{"ids": ids, "dates": dates}); err != nil {
		return fmt.Errorf("set birth dates: %w", err)
	}
	return nil
}

// The relation ends by itself on the child's 18th birthday. An end that a source
// other than the roster has set is not the roster's to change. Everyone's and a
// few people's are two statements: one plan cannot be good for both.
const (
	guardianshipHead = `
insert into guardianship (id, child, guardian, kind, source, validity)
  with pair as materialized (
       select c.person as child, a.sourced_id as agent
         from `
	guardianshipTail = `
        cross join unnest(c.agents) as a(sourced_id)
        where c.status = 'active')
select gen_random_uuid(), d.child, d.guardian, 'agent', 'roster', d.validity
  from (select distinct pair.child, g.person as guardian,
               daterange(null, (p.birth_date + interval '18 years')::date) as validity
          from pair
          join roster_user g on g.sourced_id = pair.agent collate "C" and g.status = 'active'
          join person p on p.id = pair.child
         where pair.child <> g.person) d
    on conflict (child, guardian, source) do update
   set validity = excluded.validity
 where guardianship.validity is distinct from excluded.validity`

	sqlUpsertAllGuardianships  = guardianshipHead + `roster_user c` + guardianshipTail
	sqlUpsertSomeGuardianships = guardianshipHead + `unnest(@persons::uuid[]) as t(person) join roster_user c on c.person = t.person` + guardianshipTail
)

// Tables that were filled in this very transaction have no statistics yet:
// without this the planner takes them for small and loops.
// It holds for the one statement that it is meant for: others have joins that
// nothing but a loop can do.
const sqlNestedLoops = `select set_config('enable_nestloop', @loops, true)`

const sqlEndGuardianships = `
update guardianship s
   set validity = daterange(lower(s.validity), @today::date)
 where s.source = 'roster' and s.validity @> @today::date
   and (s.child = any (@persons) or s.guardian = any (@persons))
   and not exists (select from roster_user c
                     join roster_user g on g.sourced_id collate "C" = any (c.agents) and g.status = 'active'
                    where c.person = s.child and g.person = s.guardian and c.status = 'active')`

// DeriveGuardianships brings the roster's guardianships of the given children
// and guardians to what roster_user says.
// With many of them it looks at everyone.
func DeriveGuardianships(ctx context.Context, tx tenancy.Write, many bool, persons []uuid.UUID, today string) error {
	if _, err := tx.Exec(ctx, sqlEndGuardianships, pgx.StrictNamedArgs{"persons": persons, "today": today}); err != nil {
		return fmt.Errorf("end guardianships: %w", err)
	}
	if many {
		return DeriveAllGuardianships(ctx, tx)
	}
	if _, err := tx.Exec(ctx, sqlUpsertSomeGuardianships, pgx.StrictNamedArgs{"persons": persons}); err != nil {
		return fmt.Errorf("derive guardianships: %w", err)
	}
	return nil
}

// DeriveAllGuardianships does the same for everyone.
func DeriveAllGuardianships(ctx context.Context, tx tenancy.Write) error {
	if _, err := tx.Exec(ctx, sqlNestedLoops, pgx.StrictNamedArgs{"loops": "off"}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlUpsertAllGuardianships); err != nil {
		return fmt.Errorf("derive guardianships: %w", err)
	}
	_, err := tx.Exec(ctx, sqlNestedLoops, pgx.StrictNamedArgs{"loops": "on"})
	return err
}
