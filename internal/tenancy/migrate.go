package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Rings are the order in which the fleet migrates: a fault shows itself on few
// tenants before it meets many.
var Rings = []string{"canary", "early", "half", "all"}

// MigrateOptions bound a fleet migration.
type MigrateOptions struct {
	Ring     string // only this ring; "" is all, in their order
	Tenant   string // only this tenant, by slug
	Parallel int    // tenants at a time; default 4
	DryRun   bool   // say what would run, change nothing
	Done     func(Migrated)
}

// Migrated is how one tenant's migration went.
type Migrated struct {
	Tenant  string  `json:"tenant"`
	Ring    string  `json:"ring"`
	From    int64   `json:"from"`
	To      int64   `json:"to"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error"`
	Code    string  `json:"sqlstate"` // PostgreSQL's SQLSTATE, "" when it went well
}

// ErrSomeFailed says that a ring was stopped by tenants that could not migrate;
// the others are done and served.
var ErrSomeFailed = errors.New("some tenants could not be migrated")

// Migrate brings tenants to the latest version, ring by ring. It may be killed
// and run again: what is done is not done twice. A tenant that fails stops the
// rings after its own; the result names it.
func (o *Operator) Migrate(ctx context.Context, m MigrateOptions) ([]Migrated, error) {
	list, err := o.pending(ctx, m)
	if err != nil {
		return nil, err
	}
	n := m.Parallel
	if n <= 0 {
		n = 4
	}
	crew := make([]*upgrader, n) // their connections stay warm from ring to ring
	for i := range crew {
		crew[i] = &upgrader{o: o}
		defer crew[i].close()
	}
	var all []Migrated
	for _, ring := range Rings {
		var wave []*entry
		for _, t := range list {
			if t.Ring == ring {
				wave = append(wave, t)
			}
		}
		done, err := o.migrateWave(ctx, crew, wave, m)
		all = append(all, done...)
		for _, d := range done {
			if d.Error != "" {
				err = errors.Join(ErrSomeFailed, err)
				break
			}
		}
		if err != nil || ctx.Err() != nil {
			return all, errors.Join(err, ctx.Err())
		}
	}
	return all, nil
}

// pending lists the tenants that a run would touch.
func (o *Operator) pending(ctx context.Context, m MigrateOptions) ([]*entry, error) {
	latest, err := o.Latest()
	if err != nil {
		return nil, err
	}
	list, err := tenants(ctx, o.pool, "true")
	if err != nil {
		return nil, err
	}
	if m.Ring != "" && !slices.Contains(Rings, m.Ring) {
		return nil, fmt.Errorf("ring %q: use canary, early, half or all", m.Ring)
	}
	found := false
	list = slices.DeleteFunc(list, func(t *entry) bool {
		found = found || t.Slug == m.Tenant
		return t.SchemaVersion == 0 || t.State.Gone() || t.SchemaVersion >= latest ||
			(m.Ring != "" && t.Ring != m.Ring) || (m.Tenant != "" && t.Slug != m.Tenant)
	})
	if m.Tenant != "" && !found {
		return nil, fmt.Errorf("tenant %q: %w; see: tenantctl tenant list", m.Tenant, ErrNoTenant)
	}
	return list, nil
}

// migrateWave migrates tenants in parallel. The first failure lets no new tenant
// begin; those under way finish.
func (o *Operator) migrateWave(ctx context.Context, crew []*upgrader, wave []*entry, m MigrateOptions) ([]Migrated, error) {
	queue := make(chan *entry)
	stop, halt := context.WithCancel(ctx)
	defer halt()
	var mu sync.Mutex
	var out []Migrated
	var wg sync.WaitGroup
	for _, u := range crew[:min(len(crew), len(wave))] {
		wg.Go(func() {
			for t := range queue {
				d := u.migrateTenant(ctx, t, m.DryRun)
				if d.Error != "" {
					halt()
				}
				mu.Lock()
				out = append(out, d)
				if m.Done != nil {
					m.Done(d)
				}
				mu.Unlock()
			}
		})
	}
feed:
	for _, t := range wave {
		select {
		case queue <- t:
		case <-stop.Done():
			break feed
		}
	}
	close(queue)
	wg.Wait()
	slices.SortFunc(out, func(a, b Migrated) int { return cmp.Compare(a.Tenant, b.Tenant) })
	if m.DryRun || len(out) == 0 {
		return out, nil
	}
	return out, o.flush(ctx)
}

// failed notes a migration that went wrong: its own transaction is gone.
func (o *Operator) failed(ctx context.Context, id ID, began time.Time, err error) error {
	const note = `
insert into control.step (tenant, process, name, attempt, started_at, finished_at, outcome, detail)
select $1, 'migrate', 'schema', coalesce(max(attempt), 0) + 1, $2, $3, 'failed', $4
  from control.step
 where tenant = $1 and process = 'migrate' and name = 'schema'`
	_, nerr := o.pool.Exec(context.WithoutCancel(ctx), note, id, began, time.Now(), err.Error())
	return nerr
}

// flush waits until all that was committed before is on the disk: a commit that
// waits takes with it those that did not.
func (o *Operator) flush(ctx context.Context) error {
	// What lies on other clusters has waited for its disk already.
	const mark = "select pg_catalog.pg_logical_emit_message(true, 'digione', 'migrated')::text"
	if _, err := o.pool.Exec(context.WithoutCancel(ctx), mark); err != nil {
		return fmt.Errorf("flush the migrations to disk: %w", err)
	}
	return nil
}

func (u *upgrader) migrateTenant(ctx context.Context, t *entry, dry bool) Migrated {
	began := time.Now()
	d := Migrated{Tenant: t.Slug, Ring: t.Ring, From: t.SchemaVersion}
	var err error
	if dry {
		d.To, err = u.o.Latest()
	} else {
		d.To, err = u.migrateOne(ctx, t) // a success is noted with the work itself
		if err != nil {
			err = errors.Join(err, u.o.failed(ctx, t.ID, began, err))
		}
	}
	d.Seconds = time.Since(began).Seconds()
	if err != nil {
		d.Error, d.Code, d.To = err.Error(), sqlState(err), max(d.From, d.To)
	}
	return d
}

// plain brings PostgreSQL's own words to the front of a migration's error.
func plain(err error) error {
	pe := (*pgconn.PgError)(nil)
	if !errors.As(err, &pe) {
		return err
	}
	return &migrationError{pe, err}
}

type migrationError struct {
	pe  *pgconn.PgError
	err error
}

func (e *migrationError) Error() string {
	s := e.pe.Message + " (SQLSTATE " + e.pe.Code + ")"
	if e.pe.Detail != "" {
		s += ": " + e.pe.Detail
	}
	return s
}
func (e *migrationError) Unwrap() error { return e.err }

// VersionCount is a row of the fleet's state.
type VersionCount struct {
	Ring    string `json:"ring"`
	Version int64  `json:"version"`
	Tenants int    `json:"tenants"`
	Behind  bool   `json:"behind"`
}

// MigrateStatus counts tenants by ring and schema version.
func (o *Operator) MigrateStatus(ctx context.Context) ([]VersionCount, error) {
	latest, err := o.Latest()
	if err != nil {
		return nil, err
	}
	list, err := o.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[VersionCount]int{}
	for _, t := range list {
		if t.State.Gone() {
			continue
		}
		counts[VersionCount{Ring: t.Ring, Version: t.SchemaVersion, Behind: t.SchemaVersion < latest}]++
	}
	out := []VersionCount{}
	for k, n := range counts {
		k.Tenants = n
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b VersionCount) int {
		return cmp.Or(cmp.Compare(slices.Index(Rings, a.Ring), slices.Index(Rings, b.Ring)), cmp.Compare(a.Version, b.Version))
	})
	return out, nil
}

// MigrateScratch makes a schema by the migrations alone, without a tenant: the
// test of the snapshot compares with it.
func MigrateScratch(ctx context.Context, dsn, schema string) error {
	o, err := OpenOperator(ctx, OperatorConfig{DSN: dsn})
	if err != nil {
		return err
	}
	defer o.Close()
	db := o.home.open(schema + ", ext")
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "create schema "+ident(schema)); err != nil {
		return err
	}
	return gooseUp(ctx, db, o.tenant)
}
