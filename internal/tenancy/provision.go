package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"digione/internal/tenancy/keys"
	"digione/schemas"
)

// Spec describes a tenant to be made, or to be brought to this description.
type Spec struct {
	ID               ID       `yaml:"-"` // of a restored tenant; "" makes a new one
	Slug             string   `yaml:"slug"`
	Kind             string   `yaml:"kind"`
	NameFi           string   `yaml:"name_fi"`
	NameSv           string   `yaml:"name_sv"`
	NameEn           string   `yaml:"name_en"`
	MunicipalityCode string   `yaml:"municipality_code"`
	BusinessID       string   `yaml:"business_id"`
	OrganisationOID  string   `yaml:"organisation_oid"`
	Hosts            []string `yaml:"hosts"`
	Ring             string   `yaml:"ring"`
	Cell             string   `yaml:"cell"`
	Settings         Settings `yaml:"settings"`
}

// Check returns all faults of a description at once, each with the way to mend it.
func (s Spec) Check() error {
	var faults []error
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	add(CheckSlug(s.Slug))
	if strings.TrimSpace(s.NameFi) == "" {
		add(errors.New("name_fi is missing: give --name-fi or name_fi, the name that Finnish users see"))
	}
	if s.MunicipalityCode != "" {
		add(CheckMunicipalityCode(s.MunicipalityCode))
	} else if s.Kind == "" || s.Kind == "municipality" {
		add(errors.New("municipality code is missing: give --municipality-code or municipality_code, three digits"))
	}
	if s.BusinessID != "" {
		add(CheckBusinessID(s.BusinessID))
	}
	if s.OrganisationOID != "" {
		add(CheckOrganisationOID(s.OrganisationOID))
	}
	if !slices.Contains([]string{"", "municipality", "joint-authority", "state", "private"}, s.Kind) {
		add(fmt.Errorf("kind %q: use municipality, joint-authority, state or private", s.Kind))
	}
	if !slices.Contains([]string{"", "canary", "early", "half", "all"}, s.Ring) {
		add(fmt.Errorf("ring %q: use canary, early, half or all", s.Ring))
	}
	if s.Cell != "" && !cellForm.MatchString(s.Cell) {
		add(fmt.Errorf("cell %q: use up to 31 of a-z, 0-9 and hyphens, beginning with a letter", s.Cell))
	}
	for _, h := range s.Hosts {
		add(CheckHost(h))
	}
	faults = append(faults, s.Settings.check()...)
	return errors.Join(faults...)
}

func (s Spec) withDefaults(suffix string) Spec {
	def := func(p *string, v string) {
		if *p == "" {
			*p = v
		}
	}
	def(&s.Kind, "municipality")
	def(&s.NameSv, s.NameFi)
	def(&s.NameEn, s.NameFi)
	def(&s.Ring, ringOf(s.Slug))
	if len(s.Hosts) == 0 {
		s.Hosts = []string{s.Slug + "." + suffix}
	}
	return s
}

// ringOf spreads tenants over the rings: a tenth early, four tenths half, the
// rest all. Canaries are named on purpose.
func ringOf(slug string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(slug))
	switch n := h.Sum32() % 10; {
	case n == 0:
		return "early"
	case n < 5:
		return "half"
	}
	return "all"
}

// StepFunc hears of each step's end.
type StepFunc func(step string, err error)

// provisionStep is one durable step. A step finds what is there and does what is
// missing: it may run any number of times and be killed anywhere.
type provisionStep struct {
	name string
	run  func(o *Operator, ctx context.Context, t *entry, s Spec) error
}

// The order matters: nothing is routable before everything else stands.
var provisionSteps = []provisionStep{
	{"role", (*Operator).stepRole},
	{"schema", (*Operator).stepSchema},
	{"key", (*Operator).stepKey},
	{"objects", (*Operator).stepObjects},
	{"code lists", (*Operator).stepCodes},
	{"hosts", (*Operator).stepHosts},
	{"smoke test", (*Operator).stepSmoke},
	{"routable", (*Operator).stepRoutable},
}

// ProvisionSteps names the steps in their order.
func ProvisionSteps() []string {
	var names []string
	for _, s := range provisionSteps {
		names = append(names, s.name)
	}
	return names
}

// Provision makes a tenant, or finishes making one that was begun. A tenant that
// stands already is returned unchanged.
func (o *Operator) Provision(ctx context.Context, s Spec, heard StepFunc) (Tenant, error) {
	if err := s.Check(); err != nil {
		return Tenant{}, err
	}
	s = s.withDefaults(o.cfg.HostSuffix)
	// Each provisioner holds one connection and needs a second: more of them than
	// half the connections would wait for each other for ever.
	select {
	case o.makers <- struct{}{}:
		defer func() { <-o.makers }()
	case <-ctx.Done():
		return Tenant{}, ctx.Err()
	}
	conn, err := o.pool.Acquire(ctx)
	if err != nil {
		return Tenant{}, err
	}
	defer conn.Release()
	// One provisioner per tenant: a second waits and then finds the work done.
	key := "provision:" + s.Slug
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtextextended($1, 0))", key); err != nil {
		return Tenant{}, err
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock(hashtextextended($1, 0))", key)
	}()
	t, err := o.register(ctx, s)
	if err != nil {
		return Tenant{}, err
	}
	if t.State != Provisioning {
		return t.Tenant, nil
	}
	for _, step := range provisionSteps {
		err := o.record(ctx, t.ID, "provision", step.name, func() error { return step.run(o, ctx, t, s) })
		if heard != nil {
			heard(step.name, err)
		}
		if err != nil {
			return t.Tenant, fmt.Errorf("provision %s, step %s: %w; mend the cause and run the command again, finished steps are kept", s.Slug, step.name, err)
		}
	}
	return o.Find(ctx, string(t.ID))
}

// register writes the catalogue row, in a state that is not routable.
func (o *Operator) register(ctx context.Context, s Spec) (*entry, error) {
	if e, err := o.find(ctx, s.Slug); err != nil || e != nil {
		return e, err
	}
	id := s.ID
	if id == "" {
		var err error
		if id, err = NewID(); err != nil {
			return nil, err
		}
	}
	settings, err := json.Marshal(s.Settings)
	if err != nil {
		return nil, err
	}
	under := strings.ReplaceAll(s.Slug, "-", "_")
	// The place in the cell is taken under the lock that it was found under.
	err = o.locked(ctx, lockCells, func(conn *pgxpool.Conn) error {
		cell, err := o.chooseCell(ctx, conn, s.Cell)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, sqlInsertTenant, pgx.StrictNamedArgs{
			"id": id, "slug": s.Slug, "kind": s.Kind, "name_fi": s.NameFi, "name_sv": s.NameSv, "name_en": s.NameEn,
			"municipality_code": s.MunicipalityCode, "business_id": s.BusinessID, "oid": s.OrganisationOID, "cell": cell,
			"schema": "t_" + under, "role": "t_" + under + "_" + id.tail(), "ring": s.Ring, "settings": settings})
		return conflict(err, s)
	})
	if err != nil {
		return nil, err
	}
	return o.find(ctx, s.Slug)
}

const sqlInsertTenant = `
insert into control.tenant (id, slug, kind, name_fi, name_sv, name_en, municipality_code, business_id, organisation_oid,
                            cell, schema_name, role_name, ring, state, settings)
values (@id, @slug, @kind, @name_fi, @name_sv, @name_en, nullif(@municipality_code, ''), nullif(@business_id, ''),
        nullif(@oid, ''), @cell, @schema, @role, @ring, 'provisioning', @settings)
on conflict (slug) do nothing`

// conflict says in words which other tenant stands in the way.
func conflict(err error, s Spec) error {
	if err == nil {
		return nil
	}
	switch constraintOf(err) {
	case "tenant_business_id_uq":
		return fmt.Errorf("business id %s belongs to another tenant; see: tenantctl tenant list", s.BusinessID)
	case "tenant_municipality_code_uq":
		return fmt.Errorf("municipality code %s belongs to another tenant; see: tenantctl tenant list", s.MunicipalityCode)
	case "tenant_schema_name_uq":
		return fmt.Errorf("slug %s is too like that of another tenant; choose another", s.Slug)
	case "tenant_host_pk":
		return errors.New("a host belongs to another tenant already; choose another with hosts in the manifest")
	}
	return fmt.Errorf("register tenant %s: %w", s.Slug, err)
}

func (o *Operator) find(ctx context.Context, slug string) (*entry, error) {
	list, err := tenants(ctx, o.pool)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Slug == slug {
			return e, nil
		}
	}
	return nil, nil
}

// record runs a step between two durable marks.
func (o *Operator) record(ctx context.Context, id ID, process, name string, run func() error) error {
	var step int64
	err := pgx.ErrNoRows
	for errors.Is(err, pgx.ErrNoRows) { // somebody else took this attempt's number: take the next
		err = o.pool.QueryRow(ctx, sqlBeginStep, id, process, name, time.Now()).Scan(nil, &step)
	}
	if err != nil {
		return fmt.Errorf("record step %s: %w", name, err)
	}
	err = run()
	outcome, detail := "done", ""
	if err != nil {
		outcome, detail = "failed", err.Error()
	}
	_, werr := o.pool.Exec(context.WithoutCancel(ctx), "update control.step set finished_at = $2, outcome = $3, detail = $4 where id = $1"+swiftly,
		step, time.Now(), outcome, detail)
	return errors.Join(err, werr)
}

const sqlBeginStep = `
insert into control.step (tenant, process, name, attempt, started_at)
select $1, $2, $3, coalesce(max(attempt), 0) + 1, $4
  from control.step
 where tenant = $1 and process = $2 and name = $3
on conflict (tenant, process, name, attempt) do nothing` + swiftly + `, id`

// swiftly ends a statement whose commit need not wait for the disk: after a crash
// of the server a mark may be missing, never the work that it speaks of.
const swiftly = `
returning set_config('synchronous_commit', 'off', true)`

func (o *Operator) stepRole(ctx context.Context, t *entry, _ Spec) error {
	return o.locked(ctx, lockRoles, func(conn *pgxpool.Conn) error {
		if err := createRole(ctx, conn, t.Role, "nologin"); err != nil {
			return err
		}
		grant := "grant " + ident(t.Role) + " to " + ident(t.cellRole)
		if o.server >= 160000 { // membership says for itself whether it inherits
			grant += " with inherit false, set true"
		}
		_, err := conn.Exec(ctx, grant, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

// locked runs f while holding a database-wide lock, for what PostgreSQL cannot
// do twice at a time.
func (o *Operator) locked(ctx context.Context, key int, f func(*pgxpool.Conn) error) error {
	conn, err := o.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", key); err != nil {
		return err
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", key) }()
	return f(conn)
}

// stepSchema makes schema, tables and grants in one transaction, and stamps it
// with the version of the snapshot: it is there whole or not at all.
func (o *Operator) stepSchema(ctx context.Context, t *entry, _ Spec) error {
	var there bool
	if err := o.pool.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", t.Schema).Scan(&there); err != nil {
		return err
	}
	if !there {
		script, err := o.script(t)
		if err != nil {
			return err
		}
		if _, err := o.pool.Exec(ctx, script, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("make schema: %w", err)
		}
	}
	// A schema that an earlier attempt made may be unnoted, or of an older program.
	version, err := o.reached(ctx, t)
	if err != nil {
		return err
	}
	latest, err := o.Latest()
	if err == nil && version < latest {
		u := &upgrader{o: o}
		defer u.close()
		_, err = u.migrateOne(ctx, t)
	}
	return err
}

// script is the whole making of a tenant's schema as one message, which
// PostgreSQL runs as one transaction.
func (o *Operator) script(t *entry) (string, error) {
	snapshot, err := fs.ReadFile(schemas.FS, schemas.Snapshot)
	if err != nil {
		return "", fmt.Errorf("read snapshot: %w", err)
	}
	dir, err := tenantMigrations()
	if err != nil {
		return "", err
	}
	versions, err := versionsIn(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	s, r := ident(t.Schema), ident(t.Role)
	fmt.Fprintf(&b, "create schema %s; set local search_path = %s, ext;\n", s, s)
	b.WriteString("create table goose_db_version (id integer generated by default as identity primary key, version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now());\n")
	b.WriteString("insert into goose_db_version (version_id, is_applied) values (0, true)")
	for _, v := range versions {
		fmt.Fprintf(&b, ", (%d, true)", v)
	}
	// From here on each table is the tenant's to read and write as it is made,
	// now and in later migrations; goose's own table is not.
	fmt.Fprintf(&b, ";\ngrant usage on schema %s to %s;\n", s, r)
	fmt.Fprintf(&b, "alter default privileges in schema %s grant select, insert, update, delete on tables to %s;\n", s, r)
	b.Write(snapshot)
	b.WriteString(lockdown(t))
	return b.String(), nil
}

// lockdown takes back what the default privileges grant on append-only tables
// and on their partitions, which are reached through their parent alone.
func lockdown(t *entry) string {
	var b strings.Builder
	for _, table := range schemas.AppendOnly {
		fmt.Fprintf(&b, "\nrevoke update, delete on %s.%s from %s;\n", ident(t.Schema), ident(table), ident(t.Role))
		fmt.Fprintf(&b, `do $$ declare p regclass; begin
  for p in select inhrelid::regclass from pg_inherits where inhparent = '%s.%s'::regclass loop
    execute format('revoke all on %%s from %s', p);
  end loop;
end $$;`, t.Schema, table, ident(t.Role))
	}
	return b.String()
}

func (o *Operator) stepKey(ctx context.Context, t *entry, _ Spec) error {
	if len(t.keyset) > 0 {
		return nil
	}
	k, err := keys.New()
	if err != nil {
		return err
	}
	b, err := k.Wrap(o.cfg.Master, string(t.ID))
	if err != nil {
		return err
	}
	// A key that is there is never replaced: something may be encrypted by it.
	_, err = o.pool.Exec(ctx, "update control.tenant set keyset = $2 where id = $1 and keyset is null", t.ID, b)
	return err
}

func (o *Operator) stepObjects(ctx context.Context, t *entry, _ Spec) error {
	if o.cfg.Objects == nil {
		return nil
	}
	return o.cfg.Objects(ctx, t.ID)
}

func (o *Operator) stepCodes(ctx context.Context, t *entry, _ Spec) error {
	_, err := o.pool.Exec(ctx, "begin; set local search_path = "+ident(t.Schema)+";"+codeList()+" commit", pgx.QueryExecModeSimpleProtocol)
	return err
}

func (o *Operator) stepHosts(ctx context.Context, t *entry, s Spec) error {
	for _, h := range s.Hosts {
		const q = `insert into control.tenant_host (host, tenant) values ($1, $2)
		           on conflict (host) do update set tenant = excluded.tenant where tenant_host.tenant = excluded.tenant`
		tag, err := o.pool.Exec(ctx, q, h, t.ID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("host %s belongs to another tenant; choose another with hosts in the manifest", h)
		}
	}
	return nil
}

func (o *Operator) stepRoutable(ctx context.Context, t *entry, _ Spec) error {
	// With the step's own end: an active tenant has no step that looks half done.
	const q = `
with ended as (
  update control.step set finished_at = now(), outcome = 'done'
   where tenant = $1 and process = 'provision' and name = 'routable' and outcome is null
)
update control.tenant set state = 'active', routable_at = now() where id = $1 and state = 'provisioning'`
	_, err := o.pool.Exec(ctx, q, t.ID)
	return err
}

// stepSmoke enters the tenant as a request would, and tries the doors that must
// be shut: without entering there is nothing to see, and no other tenant's role
// can be taken.
func (o *Operator) stepSmoke(ctx context.Context, t *entry, _ Spec) error {
	conn, err := o.loginAs(ctx, t.cellRole)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "select 1 from unit", pgx.QueryExecModeSimpleProtocol); sqlState(err) != "42P01" {
		return fmt.Errorf("a query outside of a tenant did not fail as it must (42P01): %w", err)
	}
	if _, err := conn.Exec(ctx, "select 1 from "+ident(t.Schema)+".unit", pgx.QueryExecModeSimpleProtocol); sqlState(err) != "42501" {
		return fmt.Errorf("the cell's login sees the tenant's tables without its role: %w", err)
	}
	enter := fmt.Sprintf("begin read only; set local role %s; set local search_path = %s, ext; select 1 from unit limit 1; commit", ident(t.Role), ident(t.Schema))
	if _, err := conn.Exec(ctx, enter, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("enter the tenant: %w", err)
	}
	return nil
}

// loginAs connects as a runtime role.
func (o *Operator) loginAs(ctx context.Context, role string) (*pgx.Conn, error) {
	c := o.pool.Config().ConnConfig.Copy()
	c.User, c.Password = role, rolePassword(o.cfg.Secret, role)
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("log in as %s: %w; is the database secret the one that the cell was made with?", role, err)
	}
	return conn, nil
}
