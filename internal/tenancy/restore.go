package tenancy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"digione/internal/tenancy/keys"
)

// Load is what a tenant is restored from. Its functions may be called again after
// a kill; Rows runs in one transaction, as the owner, in the tenant's schema.
type Load struct {
	SHA256  string // of the file
	Source  ID     // the tenant that the file is of
	Version int64  // of the schema that the rows are of
	HashKey []byte
	Drill   bool // never reached by a host, thrown away afterwards
	Rows    func(ctx context.Context, tx pgx.Tx, t Tenant) error
	Files   func(ctx context.Context, t Tenant) error
	Discard func(ctx context.Context, t Tenant) error // deletes the objects of an attempt with another file
}

// restoreSteps are the steps of a provisioning with what fills the tenant between
// them. Nothing is routable before all of it stands.
var restoreSteps = []provisionStep{
	{"role", (*Operator).stepRole},
	{"schema", (*Operator).stepSchemaAt},
	{"key", (*Operator).stepKey},
	{"objects", (*Operator).stepObjects},
	{"rows", (*Operator).stepRows},
	{"files", func(_ *Operator, ctx context.Context, t *entry, s Spec) error { return s.load.Files(ctx, t.Tenant) }},
	{"migrate", (*Operator).stepMigrate},
	{"code lists", (*Operator).stepCodes},
	{"smoke test", (*Operator).stepSmoke},
	{"hosts", (*Operator).stepHosts},
	{"routable", (*Operator).stepRoutable},
}

// RestoreSteps names the steps in their order.
func RestoreSteps() []string {
	var names []string
	for _, s := range restoreSteps {
		names = append(names, s.name)
	}
	return names
}

// Restore provisions a tenant and fills it. Killed anywhere, the same call goes
// on; with another file what was begun is thrown away first. A drill's tenant
// gets no host and stays in provisioning.
func (o *Operator) Restore(ctx context.Context, s Spec, l Load, heard StepFunc) (Tenant, error) {
	if err := o.Knows(l.Version); err != nil {
		return Tenant{}, err
	}
	s.load = &l
	steps := restoreSteps
	if l.Drill {
		steps = steps[:len(steps)-2]
	}
	return o.provision(ctx, s, "restore", steps, heard)
}

// Knows refuses a schema version that this program has no migration to.
func (o *Operator) Knows(version int64) error {
	latest, err := o.Latest()
	if err == nil && (version > latest || version < 1) {
		err = fmt.Errorf("the file is of schema version %d and this program knows %d; use the version of tenantctl that wrote it, or a newer one", version, latest)
	}
	return err
}

// CheckRestored is Check for a tenant that is restored: a municipality may be
// without a code that another tenant has.
func (s Spec) CheckRestored() error {
	s.load = &Load{}
	return s.Check()
}

// note enters the file with the tenant's row: who finds the row knows what it is.
func (l *Load) note(ctx context.Context, tx pgx.Tx, id ID) error {
	const q = `
insert into control.restore (tenant, sha256, source, drill)
select id, $2, $3, $4 from control.tenant where id = $1`
	_, err := tx.Exec(ctx, q, id, l.SHA256, l.Source, l.Drill)
	return err
}

// restoring tells whether an unfinished tenant is made from a file.
func (o *Operator) restoring(ctx context.Context, id ID) (yes bool, err error) {
	err = o.pool.QueryRow(ctx, "select exists (select from control.restore where tenant = $1 and done_at is null)", id).Scan(&yes)
	return yes, err
}

// begunAs refuses to finish one way what was begun another. A restore that was
// begun with another file is thrown away: nobody has been served from it.
func (o *Operator) begunAs(ctx context.Context, t *entry, s Spec) error {
	var sha string
	err := o.pool.QueryRow(ctx, "select sha256 from control.restore where tenant = $1", t.ID).Scan(&sha)
	begun := !errors.Is(err, pgx.ErrNoRows)
	if err != nil && begun {
		return err
	}
	switch {
	case begun && s.load == nil:
		return fmt.Errorf("tenant %s is being restored; run: tenantctl tenant restore %s --from FILE", t.Slug, t.Slug)
	case !begun && s.load != nil:
		return fmt.Errorf("tenant %s was begun by tenant create; finish it with that, and restore into another slug", t.Slug)
	case !begun || sha == s.load.SHA256:
		return nil
	}
	srv, err := o.at(ctx, t.Tenant)
	if err != nil {
		return err
	}
	if _, err := srv.pool.Exec(ctx, "drop schema if exists "+ident(t.Schema)+" cascade", pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("throw away what was restored: %w", err)
	}
	if err := s.load.Discard(ctx, t.Tenant); err != nil {
		return fmt.Errorf("throw away what was restored: %w", err)
	}
	const q = `
with emptied as (update control.tenant set keyset = null, schema_version = 0 where id = $1)
update control.restore set sha256 = $2, source = $3, loaded_at = null where tenant = $1`
	_, err = o.pool.Exec(ctx, q, t.ID, s.load.SHA256, s.load.Source)
	return err
}

// stepSchemaAt makes the schema at the version of the file: from the snapshot when
// that is it, else by the migrations.
func (o *Operator) stepSchemaAt(ctx context.Context, t *entry, s Spec) error {
	return o.schemaAt(ctx, t, s.load.Version)
}

func (o *Operator) schemaAt(ctx context.Context, t *entry, version int64) error {
	snapshot, err := tenantMigrations()
	if err != nil {
		return err
	}
	newest, err := latestIn(snapshot)
	if err != nil {
		return err
	}
	if err := o.makeSchema(ctx, t, version == newest); err != nil {
		return err
	}
	srv, err := o.at(ctx, t.Tenant)
	if err != nil {
		return err
	}
	u := &upgrader{o: o}
	defer u.close()
	for {
		at, err := versionOf(ctx, srv.pool, t.Schema)
		if err != nil {
			return err
		}
		if at >= version { // an earlier attempt may have come further
			return o.noteVersion(ctx, t, at)
		}
		i := slices.IndexFunc(o.migrations, func(m migration) bool { return m.version > at })
		if i >= 0 && o.migrations[i].alone {
			err = o.gooseTo(ctx, t, o.migrations[i].version)
		} else {
			_, err = u.advance(ctx, t)
		}
		if err != nil {
			return plain(err)
		}
	}
}

func (o *Operator) noteVersion(ctx context.Context, t *entry, v int64) error {
	_, err := o.pool.Exec(ctx, "update control.tenant set schema_version = $2 where id = $1 and cell = $3", t.ID, v, t.Cell)
	return err
}

// gooseTo runs one migration that may not run inside a transaction.
func (o *Operator) gooseTo(ctx context.Context, t *entry, version int64) error {
	s, err := o.at(ctx, t.Tenant)
	if err != nil {
		return err
	}
	db := s.open(t.Schema + ", ext")
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, o.tenant, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	_, err = p.UpTo(ctx, version)
	return err
}

// stepRows loads all rows in one transaction and notes it then. Killed in between
// it loads them again: what is there is thrown away first.
func (o *Operator) stepRows(ctx context.Context, t *entry, s Spec) error {
	var loaded bool
	const q = `select loaded_at is not null from control.restore where tenant = $1`
	if err := o.pool.QueryRow(ctx, q, t.ID).Scan(&loaded); err != nil || loaded {
		return err
	}
	err := o.InSchema(ctx, t.Tenant, pgx.TxOptions{}, func(tx pgx.Tx) error { return s.load.Rows(ctx, tx, t.Tenant) })
	if err == nil {
		_, err = o.pool.Exec(ctx, "update control.restore set loaded_at = now() where tenant = $1", t.ID)
	}
	return err
}

// stepMigrate brings the restored schema up, and its statistics.
func (o *Operator) stepMigrate(ctx context.Context, t *entry, _ Spec) error {
	u := &upgrader{o: o}
	defer u.close()
	if _, err := u.migrateOne(ctx, t); err != nil {
		return err
	}
	return o.Analyze(ctx, t.Tenant)
}

// InSchema runs f in a transaction of the owner that stands in a tenant's schema,
// whatever the tenant's state: for moving whole tenants, never for a feature.
func (o *Operator) InSchema(ctx context.Context, t Tenant, opts pgx.TxOptions, f func(pgx.Tx) error) error {
	s, err := o.at(ctx, t)
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, s.pool, opts, func(tx pgx.Tx) error {
		if err := standIn(ctx, tx, t.Schema); err != nil {
			return err
		}
		return f(tx)
	})
}

// Control gives the packages below this one the owner's connections, for the
// tables of schema control that they own.
func (o *Operator) Control() *pgxpool.Pool { return o.pool }

// Step runs f between two durable marks that the doctor reads.
func (o *Operator) Step(ctx context.Context, id ID, process, name string, f func() error) error {
	return o.record(ctx, id, process, name, f)
}

// Alone runs f while no other process runs anything of the same key.
func (o *Operator) Alone(ctx context.Context, key string, f func() error) error {
	conn, err := o.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for end := time.Now().Add(lingering); ; {
		var got bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock(hashtextextended($1, 0))", key).Scan(&got); err != nil {
			return err
		}
		if got {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s is under way in another process; wait for its end", key)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock(hashtextextended($1, 0))", key)
	}()
	return f()
}

// lingering is how long PostgreSQL may take to notice that a killed process is gone.
const lingering = 2 * time.Second

// OpenKeyset opens a tenant's keys with the installation's master key.
func (o *Operator) OpenKeyset(t Tenant) (*keys.Keyset, error) {
	return keys.Unwrap(o.cfg.Master, string(t.ID), t.keyset)
}
