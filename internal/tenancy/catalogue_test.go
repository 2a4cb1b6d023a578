package tenancy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// soon waits for something that another process does.
func soon(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("not within 5 s: %s", what)
}

func TestEveryNodeHears(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	nodes := []*tenancy.DB{e.DB, plainDB(t, e)}
	provision(t, e.Operator, private("gamma", "all"))
	e.Exec(t, "insert into control.tenant_host select 'uusi.test', id from control.tenant where slug = 'gamma'")
	for i, db := range nodes {
		soon(t, fmt.Sprintf("node %d knows the new host", i), func() bool { tn, ok := db.ByHost("uusi.test"); return ok && tn.Slug == "gamma" })
	}
	e.Exec(t, "delete from control.tenant_host where host = 'uusi.test'")
	for i, db := range nodes {
		soon(t, fmt.Sprintf("node %d forgets the host", i), func() bool { _, ok := db.ByHost("uusi.test"); return !ok })
	}
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	for _, host := range []string{"", "nobody.test", "ALPHA.test", "alpha.test:80", "alpha.test."} {
		if got, ok := db.ByHost(host); ok || got.ID != "" {
			t.Errorf("host %q is %+v", host, got)
		}
	}
	if got, ok := db.ByHost("alpha.test"); !ok || got.ID != dbtest.Alpha {
		t.Errorf("alpha.test is %+v", got)
	}
	if _, ok := db.BySlug("nobody"); ok {
		t.Error("unknown slug")
	}
	if _, ok := db.ByID("tnt_x"); ok {
		t.Error("unknown id")
	}
}

// The listening backend is killed, changes happen meanwhile, and are seen.
func TestListenerReconnects(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	const listeners = "from pg_stat_activity where datname = current_database() and usename like 'digione\\_app\\_%'"
	for i, state := range []string{"suspended", "active"} {
		e.Exec(t, "select pg_terminate_backend(pid) "+listeners)
		e.Exec(t, "update control.tenant set state = '"+state+"' where slug = 'alpha'")
		soon(t, "the change made while nobody listened, "+state, func() bool { tn, _ := e.DB.BySlug("alpha"); return string(tn.State) == state })
		soon(t, "one listener", func() bool { return line(t, e.DSN, "select count(*)::text "+listeners) == "1" })
		e.Exec(t, fmt.Sprintf("update control.tenant set name_sv = 'n%d' where slug = 'beta'", i))
		soon(t, "a later change", func() bool { tn, _ := e.DB.BySlug("beta"); return tn.NameSv == fmt.Sprintf("n%d", i) })
	}
}

// A reading that began earlier never replaces what a later one has seen.
func TestRefreshNeverGoesBack(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = e.DB.Refresh(ctx)
			}
		})
	}
	last := ""
	for i := range 200 {
		last = fmt.Sprintf("n%03d", i)
		e.Exec(t, "update control.tenant set name_sv = '"+last+"' where slug = 'beta'")
	}
	cancel()
	wg.Wait()
	soon(t, "the last name", func() bool { tn, _ := e.DB.BySlug("beta"); return tn.NameSv == last })
}

func TestCloseDoesNotWait(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db, err := tenancy.Open(context.Background(), dbtest.Config(e.DSN))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	db.Close()
	if d := time.Since(began); d > 700*time.Millisecond {
		t.Errorf("Close took %s", d)
	}
}
