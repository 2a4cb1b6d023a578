package tenancy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"digione/internal/tenancy/keys"
	"digione/schemas"
)

// Operator is the side that may change structure: it logs in as the owner of
// the schemas, which no served request ever does.
type Operator struct {
	cfg    OperatorConfig
	home   *server
	pool   *pgxpool.Pool // home's
	tenant fs.FS         // tenant migrations, without the snapshot
	makers chan struct{} // provisioners at work

	mu      sync.Mutex
	servers map[string]*server // other clusters, as they are met

	migrations []migration // in their order
}

// OperatorConfig says what an Operator works on.
type OperatorConfig struct {
	// DSN logs in as the owner: a role that may create roles and schemas. It leads
	// to the home cluster; Resolve gives the addresses of others, for their owner.
	DSN     string
	Resolve Resolver
	// Secret is what the passwords of the runtime roles are derived from.
	Secret []byte
	// Master wraps the keysets of new tenants.
	Master keys.Master
	// Objects prepares a tenant's place for files; nil skips that step.
	Objects func(ctx context.Context, id ID) error
	// HostSuffix completes the first host of a tenant: slug + "." + suffix.
	HostSuffix string
	// OperatorHost is the operators' own host, which no tenant can have; empty is
	// "operator." + HostSuffix.
	OperatorHost string
	// FamilyHost is the guardians' own host, of which the same holds; empty is "koti."
	// + HostSuffix.
	FamilyHost string
	// Cell gives shared cells made from now on their size; zero takes 4
	// connections for 75 tenants.
	CellPool, CellCapacity int
	// Migrations replaces the tenant migrations; tests use it.
	Migrations fs.FS
	// Conns caps the operator's own connections; default 10, at least 2.
	Conns int
}

// OpenOperator connects and checks the server. It changes nothing: see Init.
func OpenOperator(ctx context.Context, cfg OperatorConfig) (*Operator, error) {
	home, err := connect(ctx, Home, cfg.DSN, cfg.Conns)
	if err != nil {
		return nil, fmt.Errorf("%w; check --database-url", err)
	}
	if cfg.OperatorHost == "" {
		cfg.OperatorHost = OperatorSlug + "." + cfg.HostSuffix
	}
	if cfg.FamilyHost == "" {
		cfg.FamilyHost = FamilySlug + "." + cfg.HostSuffix
	}
	o := &Operator{cfg: cfg, home: home, pool: home.pool, makers: make(chan struct{}, home.pool.Config().MaxConns/2), servers: map[string]*server{}}
	if o.tenant = cfg.Migrations; o.tenant == nil {
		if o.tenant, err = tenantMigrations(); err != nil {
			o.Close()
			return nil, err
		}
	}
	if o.migrations, err = readMigrations(o.tenant); err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// Close ends the operator's connections.
func (o *Operator) Close() {
	o.pool.Close()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.servers {
		s.pool.Close()
	}
}

// migrationsOnly hides the snapshot, which is no migration.
type migrationsOnly struct{ fs.FS }

func (m migrationsOnly) ReadDir(name string) ([]fs.DirEntry, error) {
	all, err := fs.ReadDir(m.FS, name)
	out := all[:0]
	for _, e := range all {
		if e.Name() != "schema.sql" {
			out = append(out, e)
		}
	}
	return out, err
}

func tenantMigrations() (fs.FS, error) {
	dir, err := fs.Sub(schemas.FS, "tenant")
	return migrationsOnly{dir}, err
}

// Locks that serialise what may happen once at a time in a database.
const (
	lockInit  = 7301
	lockRoles = 7302
	lockCells = 7303
)

// Init brings the control schema, the shared roles and the database's own
// privileges to the state that this program needs. Running it again changes nothing.
func (o *Operator) Init(ctx context.Context) error {
	current, err := o.initialised(ctx)
	if err != nil || current {
		return err
	}
	conn, err := o.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", lockInit); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", lockInit) }()
	if _, err := conn.Exec(ctx, "create schema if not exists control"); err != nil {
		return fmt.Errorf("make schema control: %w", err)
	}
	if err := o.migrateControl(ctx); err != nil {
		return err
	}
	role := appRole(o.cfg.Secret)
	if err := createRole(ctx, conn, role, "login password '"+rolePassword(o.cfg.Secret, role)+"'"); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, shutScript+strings.ReplaceAll(initScript, "$app", ident(role)), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("set privileges of the database: %w", err)
	}
	return nil
}

// shutScript shuts what PostgreSQL leaves open to everyone, on every cluster.
const shutScript = `
do $$ begin execute format('revoke all on database %I from public', current_database()); end $$;
revoke all on schema public from public;
create schema if not exists ext;
create extension if not exists unaccent schema ext;
grant usage on schema ext to public;`

// initScript opens to the application the part of the catalogue that routing needs.
const initScript = `
do $$ begin execute format('grant connect on database %I to $app', current_database()); end $$;
alter role $app set search_path = '';
alter role $app set statement_timeout = '10s';
grant usage on schema control to $app;
grant select on control.cluster, control.cell, control.tenant, control.tenant_host, control.tenant_move, control.operator to $app;
grant select, insert, update (seen_at, strong, challenge), delete on control.operator_session to $app;
grant select, insert, update (credential, used_at), delete on control.operator_passkey to $app;
grant select, insert, delete on control.operator_sign_in to $app;
grant select, insert on control.operator_log to $app;
grant select, insert, update (ended_at) on control.support_grant to $app;
grant select, insert, delete on control.support_entry, control.support_session to $app;
grant select, insert on control.join_event, control.export_verification to $app;
grant select on control.leaving to $app;
grant select, insert, update on control.join_measured to $app;
grant select, insert, delete on control.family_account, control.family_sign_in, control.family_entry to $app;
grant select, insert, update (person, created_at), delete on control.family_link to $app;
grant select, insert, update (wish, wish_state, wish_person, wish_until, seen_at), delete on control.family_session to $app;
grant select, insert, update (session, seen_at), delete on control.family_visit to $app;
grant select, insert, update, delete on control.tenant_opening to $app;
insert into control.cluster (id, dsn_ref) values ('main', 'env:DIGIONE_DATABASE_URL') on conflict do nothing;`

// initialised tells whether nothing is left to do, by two cheap looks.
func (o *Operator) initialised(ctx context.Context) (bool, error) {
	const q = `select to_regclass('control.goose_db_version') is not null and exists (select from pg_roles where rolname = $1)`
	var there bool
	if err := o.pool.QueryRow(ctx, q, appRole(o.cfg.Secret)).Scan(&there); err != nil || !there {
		return false, err
	}
	var version int64
	if err := o.pool.QueryRow(ctx, "select max(version_id) from control.goose_db_version").Scan(&version); err != nil {
		return false, err
	}
	dir, err := fs.Sub(schemas.FS, "control")
	if err != nil {
		return false, err
	}
	latest, err := latestIn(dir)
	if err != nil || version != latest {
		return false, err
	}
	const granted = `select has_schema_privilege($1, 'control', 'usage') and exists (select from control.cluster)`
	err = o.pool.QueryRow(ctx, granted, appRole(o.cfg.Secret)).Scan(&there)
	return there, err
}

func (o *Operator) migrateControl(ctx context.Context) error {
	dir, err := fs.Sub(schemas.FS, "control")
	if err != nil {
		return err
	}
	db := o.home.open("control, pg_catalog")
	defer func() { _ = db.Close() }()
	return gooseUp(ctx, db, dir)
}

// open returns a database/sql handle of one connection, for goose.
func (s *server) open(searchPath string) *sql.DB {
	cc := s.pool.Config().ConnConfig.Copy()
	cc.RuntimeParams["search_path"] = searchPath
	db := stdlib.OpenDB(*cc)
	db.SetMaxOpenConns(1)
	return db
}

func gooseUp(ctx context.Context, db *sql.DB, dir fs.FS) error {
	p, err := goose.NewProvider(goose.DialectPostgres, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return err
	}
	return nil
}

// latestIn returns the highest version among the migrations of a folder.
func latestIn(dir fs.FS) (int64, error) {
	versions, err := versionsIn(dir)
	if err != nil || len(versions) == 0 {
		return 0, err
	}
	return versions[len(versions)-1], nil
}

func versionsIn(dir fs.FS) ([]int64, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, e := range entries {
		v, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", e.Name(), err)
		}
		out = append(out, v)
	}
	return out, nil
}

// Latest is the schema version that this program brings tenants to.
func (o *Operator) Latest() (int64, error) { return latestIn(o.tenant) }

// ident quotes a name that the catalogue has already checked.
func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

type execer interface {
	querier
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// createRole makes a role or sets an existing one right. Roles belong to the
// whole server, so that a racer may come first from another database.
func createRole(ctx context.Context, db execer, role, how string) error {
	for range 5 {
		_, err := db.Exec(ctx, "create role "+ident(role)+" with noinherit nosuperuser nocreatedb nocreaterole nobypassrls noreplication "+how, pgx.QueryExecModeSimpleProtocol)
		switch sqlState(err) {
		case "42710", "23505": // duplicate_object, and its race
			var wrong string
			if wrong, err = wrongAttributes(ctx, db, role); err != nil {
				break
			}
			_, err = db.Exec(ctx, "alter role "+ident(role)+" with "+wrong+how, pgx.QueryExecModeSimpleProtocol)
			if sqlState(err) == "XX000" { // tuple concurrently updated: the racer did the same
				time.Sleep(20 * time.Millisecond)
				continue
			}
		}
		if err != nil {
			return fmt.Errorf("make role %s: %w", role, err)
		}
		return nil
	}
	return fmt.Errorf("make role %s: others keep changing it; try again", role)
}

// wrongAttributes names what an existing role must be rid of. Nothing else may be
// named: an owner who is no superuser is refused the very word.
func wrongAttributes(ctx context.Context, db querier, role string) (string, error) {
	const q = `
select concat(case when rolinherit then 'noinherit ' end, case when rolsuper then 'nosuperuser ' end, case when rolcreatedb then 'nocreatedb ' end,
              case when rolcreaterole then 'nocreaterole ' end, case when rolbypassrls then 'nobypassrls ' end,
              case when rolreplication then 'noreplication ' end)
  from pg_roles where rolname = $1`
	rows, err := db.Query(ctx, q, role)
	if err != nil {
		return "", err
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(wrong, ""), err
}

// Find returns a tenant by slug or ID, in any state.
func (o *Operator) Find(ctx context.Context, key string) (Tenant, error) {
	list, err := tenants(ctx, o.pool, slugOrID, key)
	if err != nil {
		return Tenant{}, err
	}
	if len(list) > 0 {
		return list[0].Tenant, nil
	}
	return Tenant{}, fmt.Errorf("tenant %q: %w; see: tenantctl tenant list", key, ErrNoTenant)
}

// Tenants lists all tenants by slug, from the database.
func (o *Operator) Tenants(ctx context.Context) ([]Tenant, error) {
	return o.tenants(ctx, "true")
}

// rivals lists the tenants of which one may clash with t: by name, code or host.
func (o *Operator) rivals(ctx context.Context, t Tenant) ([]Tenant, error) {
	const near = `t.municipality_code = $1 or t.business_id = $2 or t.organisation_oid = $3
    or t.id in (select h.tenant from control.tenant_host h where h.host = any($4))`
	return o.tenants(ctx, near, t.MunicipalityCode, t.BusinessID, t.OrganisationOID, t.Hosts)
}

func (o *Operator) tenants(ctx context.Context, condition string, args ...any) ([]Tenant, error) {
	list, err := tenants(ctx, o.pool, condition, args...)
	if err != nil {
		return nil, err
	}
	out := make([]Tenant, len(list))
	for i, e := range list {
		out[i] = e.Tenant
	}
	return out, nil
}

// MayBecome returns what stands in the way of SetState.
func (t Tenant) MayBecome(s State) error {
	if t.State == Provisioning {
		return fmt.Errorf("tenant %s: %w; run: tenantctl tenant create %s", t.Slug, ErrNotReady, t.Slug)
	}
	if s != Active && s != Suspended {
		return errors.New("a tenant can be made active or suspended")
	}
	if t.State.Gone() || (t.State == Leaving && s == Suspended) {
		return fmt.Errorf("tenant %s is %s; it cannot become %s", t.Slug, t.State, s)
	}
	return nil
}

// SetState suspends or resumes a tenant; the catalogue of every node follows at
// once. Setting the state that it has changes nothing.
func (o *Operator) SetState(ctx context.Context, t Tenant, s State) error {
	if err := t.MayBecome(s); err != nil {
		return err
	}
	const q = `
with stays as (delete from control.leaving where tenant = $1 and $2 = 'active' and sealed_at is null)
update control.tenant set state = $2 where id = $1 and state <> $2 and state in ('active', 'suspended', 'leaving')`
	if _, err := o.pool.Exec(ctx, q, t.ID, string(s)); err != nil {
		return fmt.Errorf("set state of %s: %w", t.Slug, err)
	}
	return nil
}

// Analyze gathers statistics of a tenant's tables: after a first import the
// planner otherwise takes them for empty until autovacuum comes by.
func (o *Operator) Analyze(ctx context.Context, t Tenant) error {
	s, err := o.at(ctx, t)
	if err != nil {
		return err
	}
	rows, err := s.pool.Query(ctx, "select tablename from pg_tables where schemaname = $1", t.Schema)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(names) == 0 {
		return err
	}
	for i, n := range names {
		names[i] = ident(t.Schema) + "." + ident(n)
	}
	_, err = s.pool.Exec(ctx, "analyze "+strings.Join(names, ", "), pgx.QueryExecModeSimpleProtocol)
	return err
}
