package oversight

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// sqlLooks: of an actor's units the one where the person was placed at that time
// comes first, then their primary one.
const sqlLooks = `
select date_trunc('day', e.at at time zone 'Europe/Helsinki')::date as day, min(e.at), max(e.at), coalesce(o.name, '') as unit, coalesce(o.name_sv, ''),
       e.actor_kind, e.actor_role, e.action, case when e.actor_kind = 'operator' then '' else e.reason end as why, count(*)::int
  from audit_event e
  left join lateral (
        select u.name, u.name_sv
          from role_grant g
          join unit u on u.id = g.unit
         where e.actor_kind = 'person'
           and e.actor_role <> 'guardian'
           and g.person = e.actor
           and g.validity @> (e.at at time zone 'Europe/Helsinki')::date
         order by exists (select 1 from grade_placement p where p.learner = e.target and p.unit = g.unit) desc, g.is_primary desc, u.kind = 'provider', u.name
         limit 1) o on true
 where e.target = @person
   and e.target_kind = 'person'
   and e.at < @before
   and e.at >= @since
   and e.actor_role <> 'self'
   and e.actor is distinct from @viewer::uuid
 group by 1, 4, 5, 6, 7, 8, 9
 order by day desc, max(e.at) desc
 limit 200`

const sqlProtected = `select coalesce(p.protected @> @today::date, false) from person p where p.id = @person`

// looks lists who looked at a person in a span of time, the newest first.
func looks(ctx context.Context, tx tenancy.Read, person, viewer uuid.UUID, since, before time.Time) ([]Look, error) {
	rows, err := tx.Query(ctx, sqlLooks, pgx.StrictNamedArgs{"person": person, "viewer": viewer, "since": since, "before": before})
	if err != nil {
		return nil, fmt.Errorf("list looks: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Look])
}

func protected(ctx context.Context, tx tenancy.Read, person uuid.UUID, today time.Time) (is bool, err error) {
	err = tx.QueryRow(ctx, sqlProtected, pgx.StrictNamedArgs{"person": person, "today": today}).Scan(&is)
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	return is, err
}

// sqlRaise: usual is the most persons of one hour in the seven days before the last.
const sqlRaise = `
insert into audit_alarm (id, actor, actor_kind, day, first_at, last_at, persons, usual, allowed)
select gen_random_uuid(), r.actor, r.actor_kind, @today::date, r.first_at, r.last_at, r.persons, u.most, greatest(@limit::int, 2 * u.most)
  from (select e.actor, e.actor_kind, min(e.at) as first_at, max(e.at) as last_at, count(distinct e.target)::int as persons
          from audit_event e
         where e.at > @now::timestamptz - interval '1 hour'
           and e.at <= @now::timestamptz
           and e.target_kind = 'person'
           and e.actor_role not in ('self', 'guardian')
           and e.actor is not null
         group by e.actor, e.actor_kind
        having count(distinct e.target) > @limit::int) r
 cross join lateral (
        select coalesce(max(h.persons), 0)::int as most
          from (select count(distinct b.target) as persons
                  from audit_event b
                 where b.actor = r.actor
                   and b.at > @now::timestamptz - interval '8 days'
                   and b.at <= @now::timestamptz - interval '1 day'
                   and b.target_kind = 'person'
                   and b.actor_role not in ('self', 'guardian')
                 group by date_trunc('hour', b.at)) h) u
 where r.persons > greatest(@limit::int, 2 * u.most)
on conflict (actor, day) do update
   set last_at = excluded.last_at, persons = greatest(audit_alarm.persons, excluded.persons)`

const sqlUntold = `select a.id from audit_alarm a where a.told_at is null order by a.id limit 1000`

const sqlTold = `update audit_alarm set told_at = @now where id = any(@ids) and told_at is null`

func raise(ctx context.Context, tx tenancy.Write, now, today time.Time, limit int) error {
	_, err := tx.Exec(ctx, sqlRaise, pgx.StrictNamedArgs{"now": now, "today": today, "limit": limit})
	if err != nil {
		return fmt.Errorf("look for mass reads: %w", err)
	}
	return nil
}

func listUntold(ctx context.Context, tx tenancy.Read) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, sqlUntold)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

func markTold(ctx context.Context, tx tenancy.Write, ids []uuid.UUID, now time.Time) error {
	_, err := tx.Exec(ctx, sqlTold, pgx.StrictNamedArgs{"ids": ids, "now": now})
	return err
}

const sqlAlarms = `
select a.id, a.actor, coalesce(coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) || ' ' || p.family_name, ''), a.actor_kind, a.first_at, a.last_at, a.persons, a.usual, a.allowed, a.told_at, a.reviewed_at,
       a.review, coalesce(coalesce(nullif(r.call_name, ''), split_part(r.given_names, ' ', 1)) || ' ' || r.family_name, '')
  from audit_alarm a
  left join person p on p.id = a.actor
  left join person r on r.id = a.reviewed_by
 order by a.reviewed_at is not null, a.last_at desc
 limit 200`

// sqlReview: nobody reviews what they did themselves.
const sqlReview = `
update audit_alarm
   set reviewed_by = @by, reviewed_at = @now, review = @review
 where id = @id and reviewed_at is null and actor <> @by`

func alarms(ctx context.Context, tx tenancy.Read) ([]Alarm, error) {
	rows, err := tx.Query(ctx, sqlAlarms)
	if err != nil {
		return nil, fmt.Errorf("list alarms: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Alarm])
}

func review(ctx context.Context, tx tenancy.Write, id, by uuid.UUID, text string, now time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, sqlReview, pgx.StrictNamedArgs{"id": id, "by": by, "review": text, "now": now})
	return tag.RowsAffected() == 1, err
}

const sqlNames = `select p.id, coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) || ' ' || p.family_name from person p where p.id = any(@ids) order by p.id limit 50`

func names(ctx context.Context, tx tenancy.Read, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	rows, err := tx.Query(ctx, sqlNames, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return nil, err
	}
	out := map[uuid.UUID]string{}
	var (
		id   uuid.UUID
		name string
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { out[id] = name; return nil })
	return out, err
}
