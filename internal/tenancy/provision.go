package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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
	Cluster          string   `yaml:"cluster"` // of a cell that is made for the tenant, or chosen; "" is Home
	Settings         Settings `yaml:"settings"`
	// Providers are plain data here: whoever reads a manifest puts them in.
	Providers []ProviderSpec `yaml:"providers"`
	At        Place          `yaml:"-"`
	WavesAt   Place          `yaml:"-"`

	load *Load // of a restored tenant
}

// ProviderSpec is where people of the tenant sign in, as a manifest says it.
type ProviderSpec struct {
	Name       string   `yaml:"name"`
	Issuer     string   `yaml:"issuer"`
	ClientID   string   `yaml:"client_id"`
	SecretFile string   `yaml:"secret_file"` // relative to the manifest
	Scopes     []string `yaml:"scopes"`
	LinkClaim  string   `yaml:"link_claim"`
	LinkTo     string   `yaml:"link_to"`
	Profile    string   `yaml:"profile"` // mpassid or suomifi
	Also       []struct {
		Claim string `yaml:"claim"`
		To    string `yaml:"to"`
	} `yaml:"also"`
	RequireClaim string   `yaml:"require_claim"`
	RequireValue string   `yaml:"require_value"`
	For          []string `yaml:"for"`
	Strong       bool     `yaml:"strong"`
	StrongACR    []string `yaml:"strong_acr"`
	Disabled     bool     `yaml:"disabled"`
	At           Place    `yaml:"-"`
}

// Place is where in a manifest something stands.
type Place struct {
	File string
	Line int
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

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
	for _, n := range []struct{ field, name string }{{"name_fi", s.NameFi}, {"name_sv", s.NameSv}, {"name_en", s.NameEn}} {
		if s.load == nil { // a name that was let in before does not stop a restore
			add(checkName(n.field, n.name))
		}
	}
	if s.MunicipalityCode != "" {
		add(CheckMunicipalityCode(s.MunicipalityCode))
	} else if (s.Kind == "" || s.Kind == "municipality") && s.load == nil {
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
	if s.Cluster != "" && !cellForm.MatchString(s.Cluster) {
		add(fmt.Errorf("cluster %q: use up to 31 of a-z, 0-9 and hyphens, beginning with a letter", s.Cluster))
	}
	for _, h := range s.Hosts {
		add(CheckHost(h))
	}
	faults = append(faults, s.Settings.check()...)
	return errors.Join(faults...)
}

// longestName is what fits on a page, in characters.
const longestName = 100

// checkName accepts a name as it may stand on pages, in mail and on terminals. The
// fault does not repeat it.
func checkName(field, name string) error {
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return fmt.Errorf("%s holds a line break or another character that is not seen; type the name anew", field)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%s begins or ends with a space; take it away", field)
	case utf8.RuneCountInString(name) > longestName:
		return fmt.Errorf("%s has %d characters; use at most %d", field, utf8.RuneCountInString(name), longestName)
	}
	return nil
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
	return o.provision(ctx, s, "provision", provisionSteps, heard)
}

func (o *Operator) provision(ctx context.Context, s Spec, process string, steps []provisionStep, heard StepFunc) (Tenant, error) {
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
	if t.State == Erased {
		return t.Tenant, fmt.Errorf("tenant %s was erased; choose another slug", s.Slug)
	}
	if t.State != Provisioning {
		return t.Tenant, nil
	}
	if err := o.begunAs(ctx, t, s); err != nil {
		return t.Tenant, err
	}
	for _, step := range steps {
		if s.load != nil { // its steps rest on what earlier ones wrote
			if t, err = o.find(ctx, s.Slug); err != nil {
				return Tenant{}, err
			}
		}
		err := o.record(ctx, t.ID, process, step.name, func() error { return step.run(o, ctx, t, s) })
		if heard != nil {
			heard(step.name, err)
		}
		if err != nil {
			return t.Tenant, fmt.Errorf("provision %s, step %s: %w; mend the cause and run the command again, finished steps are kept", s.Slug, step.name, err)
		}
	}
	return o.Find(ctx, string(t.ID))
}

// As is a tenant as a description makes it, the zero one when there is none yet.
func (o *Operator) As(t Tenant, s Spec) Tenant {
	if t.Slug == "" {
		s = s.withDefaults(o.cfg.HostSuffix)
	}
	over := func(p *string, v string) {
		if v != "" {
			*p = v
		}
	}
	over(&t.Slug, s.Slug)
	over(&t.Kind, s.Kind)
	over(&t.MunicipalityCode, s.MunicipalityCode)
	over(&t.BusinessID, s.BusinessID)
	over(&t.OrganisationOID, s.OrganisationOID)
	if len(s.Hosts) > 0 {
		t.Hosts = s.Hosts
	}
	return t
}

// Clash returns all that a tenant would have and another has, or none can have. It
// is asked before anything is changed, and by dry runs.
func (o *Operator) Clash(t Tenant, others []Tenant) error {
	var faults []error
	for _, kept := range []struct{ host, whose string }{{o.cfg.OperatorHost, "operators'"}, {o.cfg.FamilyHost, "guardians'"}} {
		if slices.Contains(t.Hosts, kept.host) {
			faults = append(faults, fmt.Errorf("host %s is the %s own; choose another", kept.host, kept.whose))
		}
	}
	for _, other := range others {
		if other.Slug == t.Slug || other.State == Erased {
			continue
		}
		taken := func(what, v string) {
			faults = append(faults, fmt.Errorf("%s %s belongs to another tenant; see: tenantctl tenant list (%s)", what, v, other.Slug))
		}
		if t.MunicipalityCode != "" && t.MunicipalityCode == other.MunicipalityCode && t.Kind == "municipality" && other.Kind == "municipality" {
			taken("municipality code", t.MunicipalityCode)
		}
		if t.BusinessID != "" && t.BusinessID == other.BusinessID {
			taken("business id", t.BusinessID)
		}
		if t.OrganisationOID != "" && t.OrganisationOID == other.OrganisationOID {
			taken("organisation oid", t.OrganisationOID)
		}
		for _, h := range t.Hosts {
			if slices.Contains(other.Hosts, h) {
				faults = append(faults, fmt.Errorf("host %s belongs to another tenant; choose another with --host, or hosts in the manifest (%s has it)", h, other.Slug))
			}
		}
	}
	return errors.Join(faults...)
}

// Free returns what stands in the way of making, or finishing, a tenant by this
// description.
func (o *Operator) Free(ctx context.Context, s Spec) error {
	t := o.As(Tenant{}, s)
	list, err := o.rivals(ctx, t)
	if err != nil {
		return err
	}
	return o.Clash(t, list)
}

// register writes the catalogue row, in a state that is not routable.
func (o *Operator) register(ctx context.Context, s Spec) (*entry, error) {
	e, err := o.find(ctx, s.Slug)
	if err != nil || e != nil && e.State != Provisioning {
		return e, err
	}
	if err := o.Free(ctx, s); err != nil || e != nil {
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
	err = o.home.locked(ctx, lockCells, func(conn *pgxpool.Conn) error {
		cell, err := o.chooseCell(ctx, conn, s.Cell, s.Cluster)
		if err != nil {
			return err
		}
		tx, err := conn.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
		_, err = tx.Exec(ctx, sqlInsertTenant, pgx.StrictNamedArgs{
			"id": id, "slug": s.Slug, "kind": s.Kind, "name_fi": s.NameFi, "name_sv": s.NameSv, "name_en": s.NameEn,
			"municipality_code": s.MunicipalityCode, "business_id": s.BusinessID, "oid": s.OrganisationOID, "cell": cell,
			"schema": "t_" + under, "role": "t_" + under + "_" + id.tail(), "ring": s.Ring, "settings": settings})
		if err == nil && s.load != nil {
			err = s.load.note(ctx, tx, id)
		}
		if err == nil {
			err = tx.Commit(ctx)
		}
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
	list, err := tenants(ctx, o.pool, slugOrID, slug)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
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
	_, werr := o.pool.Exec(context.WithoutCancel(ctx), "update control.step set finished_at = $2, outcome = $3, detail = $4 where id = $1 and outcome is null"+swiftly,
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
