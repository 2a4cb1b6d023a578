package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SupportGrant lets an operator look at a tenant's data: for a reason and a time.
type SupportGrant struct {
	ID           uuid.UUID
	Tenant       ID
	Operator     uuid.UUID
	OperatorName string
	Reason       string
	StartsAt     time.Time
	EndsAt       time.Time
	EndedAt      *time.Time // before its time
}

// Live reports whether the grant counts at a moment.
func (g SupportGrant) Live(now time.Time) bool {
	return g.EndedAt == nil && !now.Before(g.StartsAt) && now.Before(g.EndsAt)
}

// SupportSession is an operator's browser inside a tenant.
type SupportSession struct {
	SupportGrant
	CSRF string
}

// grantLives is what every look at a grant asks for. Whoever is listed no more, or
// only as a viewer, has none; nor has one of an issuer that is not in use.
const grantLives = `
       g.tenant = @tenant
   and g.ended_at is null
   and g.starts_at <= @now
   and g.ends_at > @now
   and exists (select from control.operator o where o.id = g.operator and o.ended_at is null and o.role = 'operator' and o.issuer = @issuer)`

const sqlInsertSupport = `
insert into control.support_grant (id, tenant, operator, operator_name, reason, starts_at, ends_at)
values (@id, @tenant, @operator, @name, @reason, @starts_at, @ends_at)`

// BeginSupport writes a grant, which the tenant sees from then on.
func (d *Desk) BeginSupport(ctx context.Context, g SupportGrant) error {
	_, err := d.pool.Exec(ctx, sqlInsertSupport, pgx.StrictNamedArgs{"id": g.ID, "tenant": g.Tenant, "operator": g.Operator,
		"name": g.OperatorName, "reason": g.Reason, "starts_at": g.StartsAt, "ends_at": g.EndsAt})
	if err != nil {
		return fmt.Errorf("begin support: %w", err)
	}
	return nil
}

const sqlEndSupport = `
update control.support_grant
   set ended_at = @now
 where id = @id and tenant = @tenant and operator = @operator and ended_at is null and ends_at > @now`

// EndSupport ends an operator's own grant at once, with whatever it has opened; ok
// is false where there is none to end.
func (d *Desk) EndSupport(ctx context.Context, tenant ID, operator, grant uuid.UUID, now time.Time) (ok bool, err error) {
	tag, err := d.pool.Exec(ctx, sqlEndSupport, pgx.StrictNamedArgs{"id": grant, "tenant": tenant, "operator": operator, "now": now})
	if err != nil {
		return false, fmt.Errorf("end support: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

const sqlSupport = `
select g.id, g.tenant, g.operator, g.operator_name, g.reason, g.starts_at, g.ends_at, g.ended_at
  from control.support_grant g
 where g.tenant = @tenant
 order by g.starts_at desc, g.id desc
 limit @limit`

// Support lists a tenant's grants, the newest first.
func (d *Desk) Support(ctx context.Context, tenant ID, limit int) ([]SupportGrant, error) {
	rows, err := d.pool.Query(ctx, sqlSupport, pgx.StrictNamedArgs{"tenant": tenant, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list support: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[SupportGrant])
	if err != nil {
		return nil, fmt.Errorf("list support: %w", err)
	}
	return list, nil
}

const (
	sqlSweepEntries = `delete from control.support_entry where expires_at <= @now`
	sqlSweepSupport = `delete from control.support_session where expires_at <= @now`
)

const sqlInsertEntry = `
insert into control.support_entry (token_hash, support_grant, expires_at)
select @token, g.id, @expires_at
  from control.support_grant g
 where g.id = @grant and g.operator = @operator and` + grantLives

// OpenSupport keeps a one-time way into the tenant for an operator's own grant; ok
// is false where the grant does not count.
func (d *Desk) OpenSupport(ctx context.Context, tenant ID, operator, grant uuid.UUID, issuer string, token []byte, now, expires time.Time) (ok bool, err error) {
	for _, sweep := range []string{sqlSweepEntries, sqlSweepSupport} {
		if _, err := d.pool.Exec(ctx, sweep, pgx.StrictNamedArgs{"now": now}); err != nil {
			return false, fmt.Errorf("sweep support: %w", err)
		}
	}
	tag, err := d.pool.Exec(ctx, sqlInsertEntry, pgx.StrictNamedArgs{"token": token, "grant": grant, "operator": operator, "tenant": tenant,
		"issuer": issuer, "now": now, "expires_at": expires})
	if err != nil {
		return false, fmt.Errorf("open support: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// Of two with the same token one gets it, and at another tenant it is not there.
const sqlTakeEntry = `
with taken as (
  delete from control.support_entry e
   using control.support_grant g
   where e.token_hash = @entry
     and e.expires_at > @now
     and g.id = e.support_grant
     and ` + grantLives + `
  returning g.id, g.tenant, g.operator, g.operator_name, g.reason, g.starts_at, least(g.ends_at, @until) as until
), made as (
  insert into control.support_session (token_hash, support_grant, csrf, expires_at)
  select @token, t.id, @csrf, t.until from taken t
)
select id, tenant, operator, operator_name, reason, starts_at, until, null::timestamptz from taken`

// EnterSupport turns an entry token into a session that ends at until or with its
// grant, and notes it: both or neither. ok is false for a token that is unknown,
// used, too old, of another tenant, or of a grant that does not count.
func (d *Desk) EnterSupport(ctx context.Context, tenant ID, issuer string, entry, token []byte, csrf string, now, until time.Time,
	note func(SupportGrant) LogEntry,
) (g SupportGrant, ok bool, err error) {
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, sqlTakeEntry, pgx.StrictNamedArgs{"entry": entry, "token": token, "csrf": csrf, "tenant": tenant,
			"issuer": issuer, "now": now, "until": until}).
			Scan(&g.ID, &g.Tenant, &g.Operator, &g.OperatorName, &g.Reason, &g.StartsAt, &g.EndsAt, &g.EndedAt)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, sqlInsertLog, note(g).args())
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return SupportGrant{}, false, nil
	}
	if err != nil {
		return SupportGrant{}, false, fmt.Errorf("enter support: %w", err)
	}
	return g, true, nil
}

const sqlFindSupport = `
select g.id, g.tenant, g.operator, g.operator_name, g.reason, g.starts_at, least(g.ends_at, s.expires_at), s.csrf
  from control.support_session s
  join control.support_grant g on g.id = s.support_grant
 where s.token_hash = @token
   and s.expires_at > @now
   and ` + grantLives

// FindSupport returns a living session in a tenant whose grant counts at this
// moment; its EndsAt is the session's.
func (d *Desk) FindSupport(ctx context.Context, tenant ID, issuer string, token []byte, now time.Time) (s SupportSession, ok bool, err error) {
	err = d.pool.QueryRow(ctx, sqlFindSupport, pgx.StrictNamedArgs{"token": token, "tenant": tenant, "issuer": issuer, "now": now}).
		Scan(&s.ID, &s.Tenant, &s.Operator, &s.OperatorName, &s.Reason, &s.StartsAt, &s.EndsAt, &s.CSRF)
	if errors.Is(err, pgx.ErrNoRows) {
		return SupportSession{}, false, nil
	}
	if err != nil {
		return SupportSession{}, false, fmt.Errorf("find support session: %w", err)
	}
	return s, true, nil
}

const sqlDeleteSupport = `delete from control.support_session where token_hash = @token`

// LeaveSupport ends a session and notes it; the grant stays as it is.
func (d *Desk) LeaveSupport(ctx context.Context, token []byte, note LogEntry) error {
	b := &pgx.Batch{}
	b.Queue(sqlDeleteSupport, pgx.StrictNamedArgs{"token": token})
	b.Queue(sqlInsertLog, note.args())
	if err := d.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("leave support: %w", err)
	}
	return nil
}
