package tenancy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func TestNotRoutableBeforeTheLastStep(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	var steps []string
	made, err := e.Operator.Provision(ctx, private("gamma", "all"), func(step string, err error) {
		steps = append(steps, step)
		refresh(t, e.DB)
		tn, ok := e.DB.BySlug("gamma")
		if !ok {
			t.Fatal("the catalogue does not know what is being made")
		}
		read := e.DB.Read(ctx, tn.ID, run("select id from unit"))
		if step == "routable" && (read != nil || tn.RoutableAt == nil) {
			t.Errorf("after the last step: %v", read)
		}
		if step != "routable" && (!errors.Is(read, tenancy.ErrNotReady) || tn.RoutableAt != nil) {
			t.Errorf("after step %s: %v, routable at %v", step, read, tn.RoutableAt)
		}
	})
	if err != nil || made.State != tenancy.Active {
		t.Fatalf("%v: %+v", err, made)
	}
	if !slices.Equal(steps, tenancy.ProvisionSteps()) {
		t.Errorf("steps %v, want %v", steps, tenancy.ProvisionSteps())
	}
}

// A program that dies by a panic or a cancel after any step is run again.
func TestProvisionStoppedAfterEachStep(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	for i, at := range tenancy.ProvisionSteps() {
		for how, stop := range map[string]func(context.CancelFunc){
			"cancel": func(c context.CancelFunc) { c() },
			"panic":  func(context.CancelFunc) { panic("killed") },
		} {
			slug := fmt.Sprintf("%s%d", how, i)
			ctx, cancel := context.WithCancel(context.Background())
			func() {
				defer func() { _ = recover() }()
				_, _ = e.Operator.Provision(ctx, private(slug, "all"), func(step string, _ error) {
					if step == at {
						stop(cancel)
					}
				})
			}()
			cancel()
			if got := provision(t, e.Operator, private(slug, "all")); got.State != tenancy.Active {
				t.Errorf("%s after %s: %s", how, at, got.State)
			}
		}
	}
	isolated(t, e.Operator)
	if n := line(t, e.DSN, "select count(*)::text from control.step where outcome is null"); n != "0" {
		t.Errorf("%s steps without an end", n)
	}
}

func TestFailedStepNamesTheNextStep(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	broken := errors.New("bucket is locked")
	o := operator(t, e.DSN, func(c *tenancy.OperatorConfig) {
		c.Objects = func(context.Context, tenancy.ID) error { return broken }
	})
	_, err := o.Provision(context.Background(), private("gamma", "all"), nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "step objects") || !strings.Contains(err.Error(), "run the command again") {
		t.Errorf("error: %v", err)
	}
	diagnosed(t, o, "gamma", "provisioning", `step "objects" failed: bucket is locked`, "tenantctl tenant create gamma")
	tn := provision(t, e.Operator, private("gamma", "all"))
	again := provision(t, o, private("gamma", "all")) // stands: no step runs
	if !bytes.Equal(tn.WrappedKeyset(), again.WrappedKeyset()) {
		t.Error("the keyset was replaced")
	}
}

func TestProvisionTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s := private("gamma", "all")
	provision(t, e.Operator, s)
	const all = "select string_agg(x, ' ') from (select t::text as x from control.tenant t union all select s::text from control.step s union all select c::text from control.cell c union all select h::text from control.tenant_host h order by 1) r"
	before := line(t, e.DSN, all)
	s.NameFi, s.Hosts = "Another name", []string{"other.test"}
	provision(t, e.Operator, s)
	if after := line(t, e.DSN, all); after != before {
		t.Errorf("changed:\n%s\nwas:\n%s", after, before)
	}
}

func TestProvisionersAtOnce(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	o := operator(t, e.DSN, func(c *tenancy.OperatorConfig) { c.Conns, c.CellCapacity = 4, 3 })
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]map[tenancy.ID]bool{}
	for i := range 12 { // six slugs, two provisioners each
		wg.Go(func() {
			slug := fmt.Sprintf("many%d", i%6)
			who := []*tenancy.Operator{o, e.Operator}[i/6]
			tn, err := who.Provision(context.Background(), private(slug, "all"), nil)
			if err != nil {
				t.Errorf("%s: %v", slug, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if ids[slug] == nil {
				ids[slug] = map[tenancy.ID]bool{}
			}
			ids[slug][tn.ID] = true
		})
	}
	wg.Wait()
	for slug, of := range ids {
		if len(of) != 1 {
			t.Errorf("%s was made %d times", slug, len(of))
		}
	}
	if full := line(t, e.DSN, "select coalesce(string_agg(name, ' '), '') from control.cell c where (select count(*) from control.tenant t where t.cell = c.name) > capacity"); full != "" {
		t.Errorf("cells over their capacity: %s", full)
	}
	isolated(t, o)
}

func TestCells(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	o := operator(t, e.DSN, func(c *tenancy.OperatorConfig) { c.CellCapacity, c.CellPool = 2, 3 })
	own := private("own", "all")
	own.Cell = "espoo"
	for _, c := range []struct {
		spec tenancy.Spec
		cell string
	}{
		{private("c1", "all"), "shared-2"}, {private("c2", "all"), "shared-2"}, // the twins fill shared-1
		{own, "espoo"},
		{private("c3", "all"), "shared-3"}, {private("c4", "all"), "shared-3"}, {private("c5", "all"), "shared-4"},
	} {
		if got := provision(t, o, c.spec); got.Cell != c.cell {
			t.Errorf("%s is in cell %s, want %s", c.spec.Slug, got.Cell, c.cell)
		}
	}
	if got := line(t, e.DSN, "select string_agg(t.slug, ' ') || ' of ' || max(c.capacity) from control.tenant t join control.cell c on c.name = t.cell where c.name = 'espoo'"); got != "own of 1" {
		t.Errorf("the cell of one's own has %s", got)
	}
	late := private("late", "all")
	late.Cell = "espoo"
	if _, err := o.Provision(context.Background(), late, nil); err == nil || !strings.Contains(err.Error(), "cell espoo is full; name another") {
		t.Errorf("into a full cell: %v", err)
	}
	late.Cell = "Espoo's"
	if _, err := o.Provision(context.Background(), late, nil); err == nil || !strings.Contains(err.Error(), "cell \"Espoo's\": use") {
		t.Errorf("cell name: %v", err)
	}
	isolated(t, o)
}

func TestDuplicatesAreNamed(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	first := tenancy.Spec{Slug: "espoo", NameFi: "Espoo", MunicipalityCode: "049", BusinessID: "0101263-6", Hosts: []string{"espoo.test", "koulu.test"}}
	provision(t, e.Operator, first)
	for _, c := range []struct {
		spec tenancy.Spec
		want string
	}{
		{tenancy.Spec{Slug: "b1", NameFi: "B", MunicipalityCode: "050", BusinessID: "0101263-6"}, "business id 0101263-6 belongs to another tenant; see: tenantctl tenant list"},
		{tenancy.Spec{Slug: "b2", NameFi: "B", MunicipalityCode: "049"}, "municipality code 049 belongs to another tenant; see: tenantctl tenant list"},
		{tenancy.Spec{Slug: "b3", NameFi: "B", MunicipalityCode: "051", Hosts: []string{"koulu.test"}}, "host koulu.test belongs to another tenant; choose another"},
		{tenancy.Spec{Slug: "b4", NameFi: "B", MunicipalityCode: "51"}, "use three digits"},
		{tenancy.Spec{Slug: "B5", NameFi: "", MunicipalityCode: ""}, "name_fi is missing"},
	} {
		_, err := e.Operator.Provision(context.Background(), c.spec, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.spec.Slug, err, c.want)
		}
	}
	if got, _ := e.Operator.Find(context.Background(), "espoo"); !slices.Equal(got.Hosts, first.Hosts) {
		t.Errorf("espoo has lost hosts: %v", got.Hosts)
	}
}

// The owner of a managed database is no superuser.
func TestOwnerWithoutSuperuser(t *testing.T) {
	t.Parallel()
	dsn := dbtest.Empty(t)
	ctx := context.Background()
	name := line(t, dsn, "select 'dt_owner_' || oid from pg_database where datname = current_database()")
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	env := &dbtest.Env{DSN: dsn}
	env.Exec(t, "create role "+name+" with login createrole createdb password 'owner'")
	env.Exec(t, "do $$ begin execute format('alter database %I owner to "+name+"', current_database()); end $$")
	owned := *u
	owned.User = url.UserPassword(name, "owner")
	o := operator(t, owned.String(), func(c *tenancy.OperatorConfig) { c.Secret = []byte(name) })
	t.Cleanup(func() {
		o.Close()
		roles := lines(t, dsn, "select role_name from control.tenant union select login_role from control.cell union select rolname from pg_roles where rolname = $1", appRole(t, dsn))
		env.Exec(t, "drop owned by "+name+" cascade; drop schema if exists control cascade")
		for _, r := range roles {
			env.Exec(t, `drop owned by "`+r+`" cascade; drop role "`+r+`"`)
		}
		env.Exec(t, "reassign owned by "+name+" to current_user; drop owned by "+name+"; drop role "+name)
	})
	for range 2 {
		if err := o.Init(ctx); err != nil {
			t.Fatal(err)
		}
	}
	ctx2, cancel := context.WithCancel(ctx)
	_, err = o.Provision(ctx2, private("gamma", "all"), func(string, error) { cancel() }) // the role exists already when it goes on
	if err == nil {
		t.Error("not stopped")
	}
	provision(t, o, private("gamma", "all"))
	provision(t, o, private("delta", "all"))
	isolated(t, o)
	db, err := tenancy.Open(ctx, tenancy.Config{DSN: owned.String(), Secret: []byte(name), Assert: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	served(t, db)
}

// appRole is the only login role in the database's control schema that is no cell.
func appRole(t *testing.T, dsn string) string {
	return line(t, dsn, "select distinct a.grantee::regrole::text from pg_namespace n, aclexplode(n.nspacl) a where nspname = 'control' and a.grantee <> n.nspowner")
}
