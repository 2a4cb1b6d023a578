package joining

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"digione/internal/tenancy"
)

// DB is a connection or a pool that may read and append to the log.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Log keeps the events.
type Log interface {
	// decide lets f choose what to append to a tenant's events, knowing the state
	// that they lead to, and appends it; nobody else appends meanwhile.
	decide(ctx context.Context, ts Templates, tenant tenancy.ID, f func(*State) ([]Event, error)) (*State, error)
	// events returns what came after an id, of one tenant or, for "", of all.
	events(ctx context.Context, tenant tenancy.ID, after int64) ([]Event, error)
	// measured notes when requirements were measured, measuredAt returns it: beside
	// the events, for most nights change nothing.
	measured(ctx context.Context, tenant tenancy.ID, requirements []string, at time.Time) error
	measuredAt(ctx context.Context, tenant tenancy.ID) (map[string]time.Time, error)
}

// Postgres is the log in the schema control.
func Postgres(db DB) Log { return Through(func() (DB, error) { return db, nil }) }

// Through is the log in the schema control, whose connections are asked for when
// they are needed.
func Through(open func() (DB, error)) Log { return postgres{open} }

type postgres struct{ open func() (DB, error) }

func (p postgres) events(ctx context.Context, tenant tenancy.ID, after int64) ([]Event, error) {
	db, err := p.open()
	if err != nil {
		return nil, err
	}
	return events(ctx, db, tenant, after)
}

// lockLog serialises the writers of the log, so that events become visible in
// the order of their ids and each decides on what is really there.
const lockLog = `select pg_advisory_xact_lock(7310)`

const sqlEvents = `
select id, tenant, at, actor, name, side, kind, requirement, stage, reason, template, cohort, wave, waves, evidence, measurement, entered, version
  from control.join_event
 where id > @after
   and (@tenant = '' or tenant = @tenant)
 order by id`

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// events returns what is in the log after an id, of one tenant or of all.
func events(ctx context.Context, q querier, tenant tenancy.ID, after int64) ([]Event, error) {
	rows, err := q.Query(ctx, sqlEvents, pgx.StrictNamedArgs{"after": after, "tenant": string(tenant)})
	if err != nil {
		return nil, fmt.Errorf("read joining log: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
		var waves, evidence, measurement []byte
		err = row.Scan(&e.ID, &e.Tenant, &e.At, &e.Actor, &e.Name, &e.Side, &e.Kind, &e.Requirement, &e.Stage, &e.Reason,
			&e.Template, &e.Cohort, &e.Wave, &waves, &evidence, &measurement, &e.Entered, &e.Version)
		for _, part := range []struct {
			b []byte
			v any
		}{{waves, &e.Waves}, {evidence, &e.Evidence}, {measurement, &e.Measurement}} {
			if err == nil && part.b != nil {
				err = json.Unmarshal(part.b, part.v)
			}
		}
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read joining log: %w", err)
	}
	return list, nil
}

const sqlAppend = `
insert into control.join_event (tenant, at, actor, name, side, kind, requirement, stage, reason, template, cohort, wave, waves, evidence, measurement, entered, version)
values (@tenant, @at, @actor, @name, @side, @kind, @requirement, @stage, @reason, @template, @cohort, @wave, @waves, @evidence, @measurement, @entered, @version)
returning id`

func appendEvent(ctx context.Context, tx pgx.Tx, e *Event) error {
	err := tx.QueryRow(ctx, sqlAppend, pgx.StrictNamedArgs{"tenant": e.Tenant, "at": e.At, "actor": e.Actor, "name": e.Name, "side": e.Side,
		"kind": string(e.Kind), "requirement": e.Requirement, "stage": e.Stage, "reason": e.Reason, "template": e.Template,
		"cohort": e.Cohort, "wave": e.Wave, "waves": orNull(e.Waves, e.Waves == nil), "evidence": orNull(e.Evidence, e.Evidence == nil),
		"measurement": orNull(e.Measurement, e.Measurement == nil), "entered": e.Entered, "version": e.Version}).Scan(&e.ID)
	if err != nil {
		return fmt.Errorf("append to joining log: %w", err)
	}
	return nil
}

const sqlMeasured = `
insert into control.join_measured (tenant, requirement, at)
select @tenant, r.id, @at
  from unnest(@requirements::text[]) r (id)
 order by r.id
    on conflict (tenant, requirement) do update
   set at = excluded.at`

func (p postgres) measured(ctx context.Context, tenant tenancy.ID, requirements []string, at time.Time) error {
	db, err := p.open()
	if err != nil || len(requirements) == 0 {
		return err
	}
	if _, err := db.Exec(ctx, sqlMeasured, pgx.StrictNamedArgs{"tenant": string(tenant), "requirements": requirements, "at": at}); err != nil {
		return fmt.Errorf("note when it was measured: %w", err)
	}
	return nil
}

const sqlMeasuredAt = `
select requirement, at
  from control.join_measured
 where tenant = @tenant
 order by requirement`

func (p postgres) measuredAt(ctx context.Context, tenant tenancy.ID) (map[string]time.Time, error) {
	db, err := p.open()
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, sqlMeasuredAt, pgx.StrictNamedArgs{"tenant": string(tenant)})
	if err != nil {
		return nil, fmt.Errorf("read when it was measured: %w", err)
	}
	out := map[string]time.Time{}
	var id string
	var at time.Time
	if _, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error { out[id] = at; return nil }); err != nil {
		return nil, fmt.Errorf("read when it was measured: %w", err)
	}
	return out, nil
}

func orNull(v any, null bool) any {
	if null {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data
	}
	return b
}

const (
	sqlOpening = `
insert into control.tenant_opening (tenant, opening)
values (@id, @opening)
    on conflict (tenant) do update
   set opening = excluded.opening
 where tenant_opening.opening <> excluded.opening`
	sqlWhollyOpen = `delete from control.tenant_opening where tenant = @id and @opening::jsonb is null`
)

// setOpening tells the servers which schools are open.
func setOpening(ctx context.Context, tx pgx.Tx, tenant string, o Opening) error {
	opening, sql := orNull(o, o.All), sqlOpening
	if o.All {
		sql = sqlWhollyOpen
	}
	if _, err := tx.Exec(ctx, sql, pgx.StrictNamedArgs{"id": tenant, "opening": opening}); err != nil {
		return fmt.Errorf("note which schools are open: %w", err)
	}
	return nil
}

// decide works under the log's lock; what follows for the tenant's opening is
// written with the events.
func (p postgres) decide(ctx context.Context, ts Templates, tenant tenancy.ID, f func(*State) ([]Event, error)) (*State, error) {
	db, err := p.open()
	if err != nil {
		return nil, err
	}
	tx, err := db.Begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, lockLog); err != nil {
		return nil, fmt.Errorf("lock joining log: %w", err)
	}
	list, err := events(ctx, tx, tenant, 0)
	if err != nil {
		return nil, err
	}
	s, err := Fold(ts, list)
	if err != nil {
		return nil, err
	}
	more, err := f(s)
	if err != nil || s == nil && len(more) == 0 {
		return s, err
	}
	for i := range more {
		more[i].Tenant = string(tenant)
		more[i].At = more[i].At.UTC().Truncate(time.Microsecond)
		if err := appendEvent(ctx, tx, &more[i]); err != nil {
			return nil, err
		}
	}
	if s, err = Fold(ts, append(list, more...)); err != nil {
		return nil, err
	}
	if err := setOpening(ctx, tx, string(tenant), s.Opening()); err != nil {
		return nil, err
	}
	if err := tx.Commit(ctx); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	return s, nil
}
