package tenancy_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// fleet makes six tenants: alpha is the canary, beta early, two are half and two
// in the last ring.
func fleet(t *testing.T) *dbtest.Env {
	t.Helper()
	e := dbtest.New(t)
	for _, s := range []tenancy.Spec{private("gamma", "half"), private("delta", "half"), private("epsilon", "all"), private("zeta", "all")} {
		provision(t, e.Operator, s)
	}
	refresh(t, e.DB)
	return e
}

func refresh(t testing.TB, db *tenancy.DB) {
	t.Helper()
	if err := db.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// served fails the test unless every tenant answers.
func served(t *testing.T, db *tenancy.DB) {
	t.Helper()
	for _, tn := range db.Tenants() {
		if err := db.Read(context.Background(), tn.ID, run("select id, name from unit")); err != nil {
			t.Errorf("%s is not served: %v", tn.Slug, err)
		}
	}
}

func slugs(list []tenancy.Migrated) (out []string) {
	for _, m := range list {
		out = append(out, m.Tenant)
	}
	return out
}

func TestMigrateFleet(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	ctx := context.Background()
	o := upgrader(t, e, nextMigration)
	var rings []string
	done, err := o.Migrate(ctx, tenancy.MigrateOptions{Parallel: 2, Done: func(m tenancy.Migrated) { rings = append(rings, m.Ring) }})
	if err != nil {
		t.Fatalf("%v: %+v", err, done)
	}
	if want := []string{"canary", "early", "half", "half", "all", "all"}; !slices.Equal(rings, want) {
		t.Errorf("rings in the order %v, want %v", rings, want)
	}
	for slug, v := range versions(t, o) {
		if v != nextVersion {
			t.Errorf("%s is on %d", slug, v)
		}
	}
	isolated(t, o)
	served(t, e.DB)
	if again, err := o.Migrate(ctx, tenancy.MigrateOptions{}); err != nil || len(again) != 0 {
		t.Errorf("a second run: %v, %+v", err, again)
	}
	// Made new by the same program, a tenant looks the same.
	made := provision(t, o, private("eta", "all"))
	alpha, _ := e.DB.BySlug("alpha")
	if a, b := shapeOf(t, e.DSN, alpha.Schema), shapeOf(t, e.DSN, made.Schema); a != b {
		t.Errorf("migrated and new tenants differ:\n%s", dbtest.Differ(a, b))
	}
	if a, b := grants(t, e.DSN, alpha), grants(t, e.DSN, made); a != b {
		t.Errorf("grants of migrated and new tenants differ:\n%s", dbtest.Differ(a, b))
	}
}

func TestMigratedTablesBelongToTheirTenant(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	ctx := context.Background()
	part := "-- +goose Up\ncreate table audit_event_2027 partition of audit_event for values from ('2027-01-01') to ('2028-01-01');\n"
	if done, err := upgrader(t, e, nextMigration, part).Migrate(ctx, tenancy.MigrateOptions{}); err != nil {
		t.Fatalf("%v: %+v", err, done)
	}
	isolated(t, e.Operator)
	gamma, _ := e.DB.BySlug("gamma")
	delta, _ := e.DB.BySlug("delta")
	const event = `insert into audit_event (id, at, actor_kind, action) values (gen_random_uuid(), now(), 'system', 'x')`
	for _, c := range []struct{ sql, want string }{
		{"insert into pet (id, name) values (gen_random_uuid(), 'Musti')", "<nil>"},
		{"update pet set name = 'Halli'", "<nil>"},
		{"select name, nickname from unit", "<nil>"},
		{"delete from pet", "<nil>"},
		{"truncate pet", "42501"},
		{"select name from " + delta.Schema + ".pet", "42501"},
		{event, "<nil>"},
		{"select action from audit_event", "<nil>"},
		{"update audit_event set action = 'y'", "42501"},
		{"delete from audit_event", "42501"},
		{"truncate audit_event", "42501"},
		{"select action from audit_event_default", "42501"},
		{"delete from audit_event_default", "42501"},
		{"select action from audit_event_2027", "42501"},
		{"select version_id from goose_db_version", "42501"},
		{"alter table pet add column x text", "42501"},
		{"drop table pet", "42501"},
		{"create table x (a int)", "42501"},
	} {
		got := code(e.DB.Write(ctx, gamma.ID, func(tx tenancy.Write) error { return run(c.sql)(tx.Read) }))
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.sql, got, c.want)
		}
	}
}

func TestMigrateStopsAtABrokenTenant(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	ctx := context.Background()
	gamma, _ := e.DB.BySlug("gamma")
	before := gamma.SchemaVersion
	e.Exec(t, "create table "+gamma.Schema+".pet (a int)")
	o := upgrader(t, e, nextMigration)
	done, err := o.Migrate(ctx, tenancy.MigrateOptions{Parallel: 1})
	if !errors.Is(err, tenancy.ErrSomeFailed) {
		t.Errorf("error %v, want ErrSomeFailed", err)
	}
	i := slices.IndexFunc(done, func(m tenancy.Migrated) bool { return m.Tenant == "gamma" })
	if i < 0 || done[i].Code != "42P07" || !strings.Contains(done[i].Error, `relation "pet" already exists`) || done[i].To != before {
		t.Errorf("the broken tenant is told as %+v", done)
	}
	v := versions(t, o)
	if v["alpha"] != nextVersion || v["beta"] != nextVersion {
		t.Errorf("the rings before are at %v", v)
	}
	if v["gamma"] != before || v["epsilon"] != before || v["zeta"] != before {
		t.Errorf("the broken tenant and the ring after are at %v, want %d", v, before)
	}
	if got := line(t, e.DSN, "select count(*)::text from information_schema.columns where column_name = 'nickname' and table_schema = $1", gamma.Schema); got != "0" {
		t.Error("half of the migration stayed in the broken tenant")
	}
	served(t, e.DB)
	diagnosed(t, o, "gamma", "steps", `relation "pet" already exists`, "migrate up --tenant gamma")

	e.Exec(t, "drop table "+gamma.Schema+".pet")
	done, err = o.Migrate(ctx, tenancy.MigrateOptions{})
	if err != nil || slices.Contains(slugs(done), "alpha") || !slices.Contains(slugs(done), "gamma") || !slices.Contains(slugs(done), "zeta") {
		t.Errorf("after mending: %v, %+v", err, done)
	}
	for slug, at := range versions(t, o) {
		if at != nextVersion {
			t.Errorf("%s is on %d", slug, at)
		}
	}
	isolated(t, o)
}

func TestMigrateTellsWhereAFailedTenantStands(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	o := upgrader(t, e, nextMigration, "-- +goose Up\nalter table unit add constraint unit_name_ck check (name <> '') not valid;\nselect 1 / 0;\n")
	done, err := o.Migrate(context.Background(), tenancy.MigrateOptions{Tenant: "alpha"})
	if err == nil || len(done) != 1 || done[0].Code != "22012" || done[0].To != nextVersion {
		t.Errorf("two migrations, the second broken: %v, %+v", err, done)
	}
	if v := versions(t, o); v["alpha"] != nextVersion {
		t.Errorf("the catalogue has alpha at %d, its schema is at %d", v["alpha"], nextVersion)
	}
}

func TestMigrateOneTenantOneRingOrNothing(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	ctx := context.Background()
	o := upgrader(t, e, nextMigration)
	before := versions(t, o)
	dry, err := o.Migrate(ctx, tenancy.MigrateOptions{DryRun: true})
	if err != nil || len(dry) != 6 || dry[0].To != nextVersion {
		t.Errorf("dry run: %v, %+v", err, dry)
	}
	for slug, v := range versions(t, o) {
		if v != before[slug] {
			t.Errorf("a dry run moved %s", slug)
		}
	}
	if got := line(t, e.DSN, "select count(*)::text from control.step where process = 'migrate'"); got != "0" {
		t.Errorf("a dry run recorded %s steps", got)
	}
	for _, c := range []struct {
		opts tenancy.MigrateOptions
		want []string
	}{
		{tenancy.MigrateOptions{Tenant: "zeta"}, []string{"zeta"}},
		{tenancy.MigrateOptions{Tenant: "zeta"}, nil},
		{tenancy.MigrateOptions{Ring: "half"}, []string{"delta", "gamma"}},
		{tenancy.MigrateOptions{Ring: "half", Tenant: "alpha"}, nil},
		{tenancy.MigrateOptions{}, []string{"alpha", "beta", "epsilon"}},
	} {
		done, err := o.Migrate(ctx, c.opts)
		if err != nil || !slices.Equal(slugs(done), c.want) {
			t.Errorf("%+v: %v, %v, want %v", c.opts, err, slugs(done), c.want)
		}
	}
	if _, err := o.Migrate(ctx, tenancy.MigrateOptions{Tenant: "nobody"}); !errors.Is(err, tenancy.ErrNoTenant) {
		t.Errorf("unknown tenant: %v", err)
	}
	if _, err := o.Migrate(ctx, tenancy.MigrateOptions{Ring: "big"}); err == nil || !strings.Contains(err.Error(), "canary, early, half or all") {
		t.Errorf("unknown ring: %v", err)
	}
}

func TestTwoMigrators(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	a, b := upgrader(t, e, nextMigration), upgrader(t, e, nextMigration)
	var wg sync.WaitGroup
	for _, o := range []*tenancy.Operator{a, b} {
		wg.Go(func() {
			if done, err := o.Migrate(context.Background(), tenancy.MigrateOptions{Parallel: 3}); err != nil {
				t.Errorf("%v: %+v", err, done)
			}
		})
	}
	wg.Wait()
	for slug, v := range versions(t, a) {
		if v != nextVersion {
			t.Errorf("%s is on %d", slug, v)
		}
	}
	gamma, _ := e.DB.BySlug("gamma")
	if got := line(t, e.DSN, "select count(*)::text from "+gamma.Schema+".goose_db_version where version_id = 90001"); got != "1" {
		t.Errorf("the migration is noted %s times", got)
	}
	isolated(t, a)
}

func TestNewTenantUnderWayIsMigratedToo(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := e.Operator.Provision(ctx, private("gamma", "all"), func(step string, _ error) {
		if step == "schema" {
			cancel()
		}
	})
	if err == nil {
		t.Fatal("not stopped")
	}
	o := upgrader(t, e, nextMigration)
	provision(t, o, private("gamma", "all"))
	if _, err := o.Migrate(context.Background(), tenancy.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	if v := versions(t, o); v["gamma"] != nextVersion {
		t.Errorf("a tenant begun by the old program and finished by the new one is on %d", v["gamma"])
	}
	served(t, e.DB)
}

func TestMigrationOutsideOfATransaction(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	o := upgrader(t, e, nextMigration, "-- +goose NO TRANSACTION\n-- +goose Up\ncreate index concurrently unit_oid_ix on unit (oid);\n", "-- +goose Up\nalter table pet add column age int;\n")
	if done, err := o.Migrate(context.Background(), tenancy.MigrateOptions{}); err != nil {
		t.Fatalf("%v: %+v", err, done)
	}
	want := shapeOf(t, e.DSN, "t_alpha")
	if !strings.Contains(want, "unit_oid_ix") || !strings.Contains(want, "pet.age") {
		t.Error("migrations are missing")
	}
	for _, tn := range e.DB.Tenants() {
		if got := shapeOf(t, e.DSN, tn.Schema); got != want {
			t.Errorf("%s differs from alpha:\n%s", tn.Slug, dbtest.Differ(want, got))
		}
		if v := versions(t, o)[tn.Slug]; v != nextVersion+2 {
			t.Errorf("%s is on %d", tn.Slug, v)
		}
	}
	served(t, e.DB)
	isolated(t, o)
}
