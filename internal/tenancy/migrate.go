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
	var all []Migrated
	for _, ring := range Rings {
		var wave []*entry
		for _, t := range list {
			if t.Ring == ring {
				wave = append(wave, t)
			}
		}
		done := o.migrateWave(ctx, wave, m)
		all = append(all, done...)
		for _, d := range done {
			if d.Error != "" {
				err = ErrSomeFailed
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
	list, err := tenants(ctx, o.pool)
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
func (o *Operator) migrateWave(ctx context.Context, wave []*entry, m MigrateOptions) []Migrated {
	n := m.Parallel
	if n <= 0 {
		n = 4
	}
	queue := make(chan *entry)
	stop, halt := context.WithCancel(ctx)
	defer halt()
	var mu sync.Mutex
	var out []Migrated
	var wg sync.WaitGroup
	for range min(n, len(wave)) {
		wg.Go(func() {
			u := &upgrader{o: o}
			defer u.close()
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
	return out
}

func (u *upgrader) migrateTenant(ctx context.Context, t *entry, dry bool) Migrated {
	began := time.Now()
	d := Migrated{Tenant: t.Slug, Ring: t.Ring, From: t.SchemaVersion}
	var err error
	if dry {
		d.To, err = u.o.Latest()
	} else {
		err = u.o.record(ctx, t.ID, "migrate", "schema", func() error {
			d.To, err = u.migrateOne(ctx, t)
			return err
		})
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
	db := o.open(schema + ", ext")
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, "create schema "+ident(schema)); err != nil {
		return err
	}
	return gooseUp(ctx, db, o.tenant)
}
