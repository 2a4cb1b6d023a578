package tenancy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
	"digione/internal/tenancy/wiretest"
)

// TestProvisionCrashMatrix kills a provisioning before or after each statement
// that has an effect, cancels it there or loses the answer (one of these at each, all in
// make crashes), looks at what is there, runs it again, and compares the end with that
// of an uninterrupted one.
func TestProvisionCrashMatrix(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	others := everything(t, e.DSN)
	want, seen := finishedTenant(t, e, "whole", 0, wiretest.Before)
	if len(seen) < 40 {
		t.Fatalf("only %d statements were seen: %q", len(seen), seen)
	}
	type point struct {
		cut  int
		mode wiretest.Mode
	}
	points := make(chan point)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for p := range points {
				slug := fmt.Sprintf("k%03d%d", p.cut, p.mode)
				got, _ := finishedTenant(t, e, slug, p.cut, p.mode)
				if got != want {
					t.Errorf("%s %q, compared with an uninterrupted one:\n%s", p.mode, seen[p.cut-1], dbtest.Differ(want, got))
				}
			}
		})
	}
	full, runs := os.Getenv("DIGIONE_CRASH") == "full", 0
	for cut := range seen {
		for _, m := range wiretest.Modes {
			if full || cut%len(wiretest.Modes) == int(m) {
				runs++
				points <- point{cut + 1, m}
			}
		}
	}
	close(points)
	wg.Wait()
	t.Logf("%d effects, %d runs", len(seen), runs)
	if got := everything(t, e.DSN); got != others {
		t.Errorf("other tenants changed:\n%s", dbtest.Differ(others, got))
	}
	isolated(t, e.Operator)
	if got := line(t, e.DSN, "select coalesce(string_agg(rolname, ' '), '') from pg_roles where rolname like 'c\\_%\\_' || (select oid from pg_database where datname = current_database()) and rolname not in (select login_role from control.cell)"); got != "" {
		t.Errorf("cell roles without a cell: %s", got)
	}
}

// finishedTenant provisions a tenant with a cell of its own through a wire that
// is cut at a statement, then again without, and returns what is there then.
func finishedTenant(t *testing.T, e *dbtest.Env, slug string, cut int, mode wiretest.Mode) (state string, seen []string) {
	ctx := context.Background()
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	s := private(slug, "all")
	s.NameFi = "Koulut"
	s.Cell = "own-" + slug
	w := wiretest.New(t, cut, mode, wiretest.Changes)
	w.Cancel = cancel
	cfg := dbtest.OperatorConfig(w.Through(t, e.DSN))
	victim, err := tenancy.OpenOperator(ctx, cfg)
	if err != nil {
		t.Error(err)
		return "", nil
	}
	defer victim.Close()
	_, err = victim.Provision(run, s, nil)
	seen, struck := w.Seen(), w.Struck()
	w.Kill()
	w.Gone(t, e.DSN)
	if cut > 0 {
		key := keyset(t, e, slug)
		if last := seen[len(seen)-1]; mode == wiretest.Before || mode == wiretest.After {
			if struck == (err == nil) && !strings.Contains(last, "advisory_unlock") {
				t.Errorf("%s: killed at %q: %v, error %v", slug, last, struck, err)
			}
			halfMade(t, e, slug, seen, mode == wiretest.After)
		}
		if _, err := e.Operator.Provision(ctx, s, nil); err != nil {
			t.Errorf("%s: run again after a kill at %q: %v", slug, seen[len(seen)-1], err)
			return "", seen
		}
		if now := keyset(t, e, slug); len(key) > 0 && !bytes.Equal(now, key) {
			t.Errorf("%s: the keyset was replaced", slug)
		}
	}
	return stateOf(t, e, slug), seen
}

func keyset(t *testing.T, e *dbtest.Env, slug string) []byte {
	tn, err := e.Operator.Find(context.Background(), slug)
	if err != nil {
		return nil
	}
	return tn.WrappedKeyset()
}

// halfMade checks that a tenant whose provisioning was killed is not routable and
// that the doctor says so.
func halfMade(t *testing.T, e *dbtest.Env, slug string, seen []string, after bool) {
	ctx := context.Background()
	tn, err := e.Operator.Find(ctx, slug)
	if err != nil {
		return // not begun
	}
	last := seen[len(seen)-1]
	opened := slices.IndexFunc(seen, func(sql string) bool { return strings.Contains(sql, "set state = 'active'") })
	routed := opened >= 0 && (after || opened < len(seen)-1)
	if routed != (tn.State == tenancy.Active) {
		t.Errorf("%s is %s after a kill at %q", slug, tn.State, last)
	}
	if routed {
		return
	}
	list, err := e.Operator.Doctor(ctx, slug)
	if err != nil || len(list) != 1 || list[0].OK || list[0].Found == "" || list[0].Next != "run: tenantctl tenant create "+slug {
		t.Errorf("doctor of %s, killed at %q: %+v, %v", slug, last, list, err)
	}
}

// stateOf tells everything about a tenant in words that are the same for every tenant.
func stateOf(t *testing.T, e *dbtest.Env, slug string) string {
	ctx := context.Background()
	tn, err := e.Operator.Find(ctx, slug)
	if err != nil {
		t.Error(err)
		return ""
	}
	if _, err := keys.Unwrap(dbtest.Master, string(tn.ID), tn.WrappedKeyset()); err != nil {
		t.Error(err)
	}
	list, err := e.Operator.Doctor(ctx, slug)
	if err != nil {
		t.Error(err)
	}
	for _, d := range list {
		if !d.OK {
			t.Errorf("doctor of %s when all is done: %+v", slug, d)
		}
	}
	if tn.RoutableAt == nil {
		t.Errorf("%s is not routable in the end", slug)
	}
	shown := tn
	shown.ID, shown.RoutableAt, shown.CreatedAt = "", nil, time.Time{}
	row, err := json.Marshal(shown)
	if err != nil {
		t.Error(err)
	}
	var b strings.Builder
	b.Write(row)
	b.WriteString("\ncodes " + line(t, e.DSN, "select md5(string_agg(list || value || name_fi || name_sv || name_en, ',' order by list, value)) from "+tn.Schema+".code"))
	b.WriteString("\nversions " + line(t, e.DSN, "select string_agg(version_id || ' ' || is_applied, ',' order by id) from "+tn.Schema+".goose_db_version"))
	b.WriteString("\nsteps " + line(t, e.DSN, "select string_agg(name, ',' order by name) from (select distinct name from control.step where tenant = $1 and outcome = 'done') s", string(tn.ID)))
	b.WriteString("\nroles " + line(t, e.DSN, `select string_agg(r::text, E'\n' order by rolname) from (
	  select left(rolname, 2) as rolname, rolsuper, rolinherit, rolcanlogin, rolbypassrls, rolcreaterole, rolconfig from pg_roles where rolname = $1 or rolname = (select login_role from control.cell where name = $2)) r`, tn.Role, tn.Cell))
	b.WriteString("\n" + grants(t, e.DSN, tn) + "\n" + shapeOf(t, e.DSN, tn.Schema))
	return strings.ReplaceAll(b.String(), slug, "SLUG")
}

// everything is a digest of the twins: their catalogue rows, hosts and steps, and
// the rows and shape of their schemas.
func everything(t *testing.T, dsn string) string {
	var b strings.Builder
	for _, slug := range []string{"alpha", "beta"} {
		b.WriteString(line(t, dsn, `select t::text || ' ' || (select string_agg(h::text, ' ') from control.tenant_host h where h.tenant = t.id) ||
		  ' ' || (select string_agg(s::text, ' ' order by s.id) from control.step s where s.tenant = t.id) from control.tenant t where slug = $1`, slug))
		for _, table := range lines(t, dsn, "select relname::text from pg_class where relkind = 'r' and relnamespace = $1::regnamespace order by 1", "t_"+slug) {
			b.WriteString("\n" + table + " " + line(t, dsn, "select coalesce(md5(string_agg(x::text, ',' order by x::text)), '') from t_"+slug+"."+table+" x"))
		}
		b.WriteString("\n" + shapeOf(t, dsn, "t_"+slug) + "\n")
	}
	return b.String()
}
