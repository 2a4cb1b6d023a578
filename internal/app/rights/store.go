package rights

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/tenancy"
)

var sqlUnits = authz.Scope(`
select u.id, u.kind, u.name, u.name_sv,
       (select count(*) from role_grant g
         where g.unit = u.id and g.source = 'hand' and g.status = 'active' and g.validity @> @today::date) as given
  from unit u
 where u.kind in ('provider', 'school')
   and u.status = 'active'
   and within(u.id)
   and (@id::uuid is null or u.id = @id)
 order by (u.kind = 'provider') desc, u.name collate "fi-x-icu", u.id
 limit 500`)

func units(ctx context.Context, tx tenancy.Read, r authz.Reach, id *uuid.UUID, today time.Time) ([]Unit, error) {
	sql, args := sqlUnits.For(r, pgx.StrictNamedArgs{"id": id, "today": today})
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read units: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Unit])
}

// ListUnits lists the provider and the schools within reach.
func ListUnits(ctx context.Context, tx tenancy.Read, r authz.Reach, today time.Time) ([]Unit, error) {
	return units(ctx, tx, r, nil, today)
}

// GetUnit returns one within reach, fault.NotFound otherwise.
func GetUnit(ctx context.Context, tx tenancy.Read, r authz.Reach, id uuid.UUID, today time.Time) (Unit, error) {
	found, err := units(ctx, tx, r, &id, today)
	if err == nil && len(found) == 0 {
		err = authz.Missing("unit")
	}
	if err != nil {
		return Unit{}, err
	}
	return found[0], nil
}

const sqlRights = `
select g.id, g.person, p.family_name || ' ' || coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as name,
       g.role as word, coalesce(t.title, '') as "group", lower(g.validity) as "from", upper(g.validity) as "to",
       g.source = 'hand' as by_hand, g.status <> 'active' as ended, g.status = 'active' and g.validity @> @today::date as live,
       g.reason, g.end_reason, coalesce(coalesce(nullif(b.call_name, ''), split_part(b.given_names, ' ', 1)) || ' ' || b.family_name, '') as giver
  from role_grant g
  join person p on p.id = g.person
  left join teaching_group t on t.id = g.teaching_group
  left join person b on b.id = g.granted_by
 where g.unit = @unit
   and g.role not in ('student', 'guardian', 'parent', 'relative')
   and (g.source = 'hand' and (upper_inf(g.validity) or upper(g.validity) > @today::date - 365)
        or g.status = 'active' and g.validity @> @today::date
           and (g.source_user is null or exists (select from roster_user ru where ru.id = g.source_user and ru.status = 'active')))
 order by live desc, p.family_name collate "fi-x-icu", p.given_names, g.role, g.id
 limit 500`

// ListRights lists who has which right at a unit, and those by hand of the last
// year. The caller has made sure that the actor reaches the unit.
func ListRights(ctx context.Context, tx tenancy.Read, unit uuid.UUID, today time.Time) ([]Right, error) {
	rows, err := tx.Query(ctx, sqlRights, pgx.StrictNamedArgs{"unit": unit, "today": today})
	if err != nil {
		return nil, fmt.Errorf("list rights: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Right])
}

const sqlGroups = `
select t.id, t.title
  from teaching_group t
 where t.unit in (select u.id from unit u where u.id = @unit or u.parent = @unit and u.kind <> 'school')
   and t.status = 'active'
   and (upper_inf(t.validity) or upper(t.validity) > @today::date)
 order by (t.kind = 'homeroom') desc, t.title collate "fi-x-icu", t.id
 limit 500`

// ListGroups lists the groups of a unit that a right can be for.
func ListGroups(ctx context.Context, tx tenancy.Read, unit uuid.UUID, today time.Time) ([]Group, error) {
	rows, err := tx.Query(ctx, sqlGroups, pgx.StrictNamedArgs{"unit": unit, "today": today})
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Group])
}

// Events that were noted of a record that has become part of this person's count
// as theirs.
const sqlViews = `
select e.at, e.actor_kind as kind,
       coalesce(coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) || ' ' || p.family_name, '') as actor,
       e.action, case when e.actor_kind = 'operator' then '' else e.reason end as reason, e.target <> @person as former
  from audit_event e
  left join person p on p.id = e.actor
 where e.target in (select @person::uuid union all select m.id from person m where m.merged_into = @person)
 order by e.at desc, e.id
 limit 200`

// ListViews returns the latest looks at a person.
func ListViews(ctx context.Context, tx tenancy.Read, person uuid.UUID) ([]View, error) {
	rows, err := tx.Query(ctx, sqlViews, pgx.StrictNamedArgs{"person": person})
	if err != nil {
		return nil, fmt.Errorf("list views: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[View])
}
