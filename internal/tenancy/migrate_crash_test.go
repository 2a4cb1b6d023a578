package tenancy_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/wiretest"
)

// TestCrashMigrate kills the migration of a tenant before and after each round trip,
// cancels it there or loses the answer (some of each, all in make
// crashes), runs it again, and compares the end with that of an undisturbed one.
func TestCrashMigrate(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	files := next(t, nextMigration, "-- +goose Up\nalter table pet add column age integer;")
	newer := operator(t, e.DSN, func(c *tenancy.OperatorConfig) { c.Migrations = files })
	migrated := func(slug string, cut int, mode wiretest.Mode) (state string, seen []string) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		tn := provision(t, e.Operator, private(slug, "all"))
		e.Exec(t, fmt.Sprintf("insert into %s.unit (id, kind, name, source, sourced_id, date_last_modified) values (gen_random_uuid(), 'school', 'koulu', 'test', 'x', now())", tn.Schema))
		w := wiretest.New(t, cut, mode, wiretest.All).Hold()
		w.Cancel = cancel
		victim := operator(t, w.Through(t, e.DSN), func(c *tenancy.OperatorConfig) { c.Migrations = files })
		defer victim.Close()
		w.Start()
		_, _ = victim.Migrate(ctx, tenancy.MigrateOptions{Tenant: slug})
		if seen = w.Seen(); cut > 0 && !w.Struck() {
			t.Errorf("%s: not disturbed", slug)
		}
		w.Kill()
		w.Gone(t, e.DSN)
		if _, err := newer.Migrate(context.Background(), tenancy.MigrateOptions{Tenant: slug}); err != nil {
			t.Errorf("%s: run again: %v", slug, err)
		}
		state = shapeOf(t, e.DSN, tn.Schema) + grants(t, e.DSN, tn) +
			line(t, e.DSN, "select string_agg(version_id || ' ' || is_applied, ',' order by id) from "+tn.Schema+".goose_db_version") +
			line(t, e.DSN, "select name || nickname from "+tn.Schema+".unit") + fmt.Sprint(versions(t, newer)[slug])
		return strings.ReplaceAll(state, slug, "SLUG"), seen
	}
	want, seen := migrated("whole", 0, wiretest.Before)
	if len(seen) < 4 {
		t.Fatalf("only %d statements were seen: %q", len(seen), seen)
	}
	full, runs := os.Getenv("DIGIONE_CRASH") == "full", 0
	var wg sync.WaitGroup
	places := make(chan struct{}, 2)
	for cut, what := range seen {
		for _, m := range wiretest.Modes {
			if !full && cut%len(wiretest.Modes) != int(m) {
				continue
			}
			runs++
			places <- struct{}{}
			wg.Go(func() {
				defer func() { <-places }()
				if got, _ := migrated(fmt.Sprintf("m%03d%d", cut+1, m), cut+1, m); got != want {
					t.Errorf("%s %q, compared with an undisturbed one:\n%s", m, what, dbtest.Differ(want, got))
				}
			})
		}
	}
	wg.Wait()
	t.Logf("%d effects, %d runs", len(seen), runs)
	certified(t, newer)
}
