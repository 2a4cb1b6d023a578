package roster

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

const sqlHeldRoles = `
select id, person, role, unit
  from role_grant
 where id = any (@ids) and status = 'active' and (upper(validity) is null or upper(validity) > @day::date)`

// heldRoles calls f with those of stored roles that hold today.
func (r *run) heldRoles(ids []uuid.UUID, f func(uuid.UUID, held)) error {
	for len(ids) > 0 {
		n := min(20000, len(ids))
		rows, err := r.tx.Query(r.ctx, sqlHeldRoles, pgx.StrictNamedArgs{"ids": ids[:n], "day": today(r.at)})
		if err != nil {
			return fmt.Errorf("read roles: %w", err)
		}
		var id uuid.UUID
		var is held
		if _, err := pgx.ForEachRow(rows, []any{&id, &is.person, &is.role, &is.unit}, func() error { f(id, is); return nil }); err != nil {
			return fmt.Errorf("read roles: %w", err)
		}
		ids = ids[n:]
	}
	return nil
}

const sqlInsertLosses = `
insert into roster_leaver (plan, n, person, role, unit, bare)
select @plan, @after + l.n, l.person, l.role, nullif(l.unit, '00000000-0000-0000-0000-000000000000'), l.bare
  from unnest(@persons::uuid[], @roles::text[], @units::uuid[], @bare::boolean[]) with ordinality as l(person, role, unit, bare, n)`

// keepLosses stores who would lose which role by a plan.
func keepLosses(ctx context.Context, tx tenancy.Write, plan string, list []loss) error {
	const most = 5000
	for from := 0; from < len(list); from += most {
		part := list[from:min(from+most, len(list))]
		persons, roles, units, bare := make([]uuid.UUID, len(part)), make([]string, len(part)), make([]uuid.UUID, len(part)), make([]bool, len(part))
		for i, l := range part {
			persons[i], roles[i], units[i], bare[i] = l.person, l.role, l.unit, l.bare
		}
		_, err := tx.Exec(ctx, sqlInsertLosses, pgx.StrictNamedArgs{"plan": plan, "after": from, "persons": persons, "roles": roles, "units": units, "bare": bare})
		if err != nil {
			return fmt.Errorf("keep who loses a role: %w", err)
		}
	}
	return nil
}

// leaver is a person who would lose a role, the role and where; both empty where the
// person would be here no longer.
type leaver struct {
	Person               uuid.UUID
	Name                 string
	Role, Unit, UnitKind string
	Bare                 bool
}

const sqlLeavers = `
select p.id, btrim(coalesce(nullif(p.call_name, ''), p.given_names) || ' ' || p.family_name), l.role, coalesce(u.name, ''), coalesce(u.kind, ''), l.bare,
       count(*) over ()::int
  from roster_leaver l
  join person p on p.id = l.person
  left join unit u on u.id = l.unit
 where l.plan = @plan and (@person::uuid is null or l.person = @person)
 order by l.bare desc, 2, p.id, l.role, 4, l.n
 limit @limit offset @offset`

// leaversOf reads who would lose a role by a plan, those with nothing left first, and how
// many lines there are. person chooses one, nil all.
func leaversOf(ctx context.Context, tx tenancy.Read, plan string, person *uuid.UUID, limit, offset int) (list []leaver, total int, err error) {
	rows, err := tx.Query(ctx, sqlLeavers, pgx.StrictNamedArgs{"plan": plan, "person": person, "limit": limit, "offset": offset})
	if err != nil {
		return nil, 0, fmt.Errorf("read who loses a role: %w", err)
	}
	var l leaver
	_, err = pgx.ForEachRow(rows, []any{&l.Person, &l.Name, &l.Role, &l.Unit, &l.UnitKind, &l.Bare, &total}, func() error {
		list = append(list, l)
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read who loses a role: %w", err)
	}
	return list, total, nil
}
