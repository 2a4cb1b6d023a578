package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

const (
	// A pupil of two schools counts in the primary one, as in a package.
	sqlPresentPupils = `
select distinct on (ru.sourced_id) ru.sourced_id, o.sourced_id, g.person
  from role_grant g
  join roster_user ru on ru.id = g.source_user and ru.status = 'active'
  join unit o on o.id = g.unit
 where g.role = 'student' and g.status = 'active' and g.validity @> @today::date
   and ru.sourced_id is not null and o.sourced_id is not null
 order by ru.sourced_id, g.is_primary desc, g.id`
	sqlPresentGroups = `
select u.sourced_id, u.name,
       (select count(*)::int from teaching_group t where t.unit = u.id and t.status = 'active' and t.validity @> @today::date)
  from unit u
 where u.kind = 'school' and u.status = 'active' and u.sourced_id is not null
 order by u.id
 limit 5000`
)

func readPresent(ctx context.Context, tx tenancy.Read, today string) (is present, err error) {
	is = present{map[string]enrolled{}, map[string]int{}, map[string]string{}}
	rows, err := tx.Query(ctx, sqlPresentPupils, pgx.StrictNamedArgs{"today": today})
	if err != nil {
		return is, fmt.Errorf("read pupils: %w", err)
	}
	var id, school, name string
	var person uuid.UUID
	var n int
	if _, err = pgx.ForEachRow(rows, []any{&id, &school, &person}, func() error { is.pupils[id] = enrolled{school, person}; return nil }); err != nil {
		return is, fmt.Errorf("read pupils: %w", err)
	}
	if rows, err = tx.Query(ctx, sqlPresentGroups, pgx.StrictNamedArgs{"today": today}); err != nil {
		return is, fmt.Errorf("count groups: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &name, &n}, func() error { is.groups[id], is.names[id] = n, name; return nil })
	return is, err
}

const sqlKeepRehearsal = `
insert into roster_rehearsal (plan, day, result, made_by, made_at)
values (@plan, @day, @result, @by, @at)
on conflict (plan) do update
   set day = excluded.day, result = excluded.result, made_by = excluded.made_by, made_at = excluded.made_at`

func keepRehearsal(ctx context.Context, tx tenancy.Write, plan string, r *Rehearsal) error {
	result, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlKeepRehearsal, pgx.StrictNamedArgs{"plan": plan, "day": r.Day, "result": string(result), "by": r.MadeBy, "at": r.MadeAt})
	if err != nil {
		return fmt.Errorf("keep rehearsal: %w", err)
	}
	return nil
}

const sqlRehearsal = `select day, result, made_by, made_at from roster_rehearsal where plan = @plan`

// findRehearsal returns the rehearsal of a plan; ok is false when there was none.
func findRehearsal(ctx context.Context, tx tenancy.Read, plan string) (r *Rehearsal, ok bool, err error) {
	r = &Rehearsal{}
	var result []byte
	err = tx.QueryRow(ctx, sqlRehearsal, pgx.StrictNamedArgs{"plan": plan}).Scan(&r.Day, &result, &r.MadeBy, &r.MadeAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	if err == nil {
		err = json.Unmarshal(result, r)
	}
	if err != nil {
		return nil, false, fmt.Errorf("read rehearsal: %w", err)
	}
	return r, true, nil
}
