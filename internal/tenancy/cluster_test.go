package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
	"digione/internal/tenancy/transfer"
	"digione/internal/tenancy/wiretest"
)

// mover moves whole tenants that have no objects.
func moverOf(o *tenancy.Operator) *transfer.Service {
	return &transfer.Service{Operator: o, Now: time.Now, Files: transfer.Files{
		Get: func(context.Context, tenancy.Tenant, *keys.Keyset, string, [32]byte) (io.ReadCloser, error) {
			return nil, errors.New("no objects")
		},
		Put: func(context.Context, tenancy.Tenant, *keys.Keyset, string, io.Reader) ([32]byte, error) {
			return [32]byte{}, errors.New("no objects")
		},
		Erase: func(context.Context, tenancy.ID) (int, error) { return 0, nil },
	}}
}

// certified looks at both clusters.
func certified(t testing.TB, o *tenancy.Operator) tenancy.Certificate {
	t.Helper()
	cert, err := o.VerifyIsolation(context.Background(), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range cert.Violations {
		t.Errorf("isolation: %+v", v)
	}
	for _, c := range cert.Clusters {
		if n := int64(c.Tenants); c.Pairs != n*max(n-1, 0) {
			t.Errorf("cluster %s: %d pairs of %d tenants", c.Cluster, c.Pairs, c.Tenants)
		}
	}
	return cert
}

// remains names what a tenant has left on a server.
func remains(t testing.TB, dsn string, tn tenancy.Tenant) string {
	t.Helper()
	return line(t, dsn, `select nspname::text from pg_namespace where nspname = $1 union all select rolname::text from pg_roles where rolname = $2 order by 1`, tn.Schema, tn.Role)
}

// TestCluster takes a tenant through its whole life on a second cluster.
func TestCluster(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	others := everything(t, e.DSN)
	dsn, _ := e.Cluster(t, "east")
	s := moverOf(e.Operator)

	spec := private("idas", "all")
	spec.Cluster = "east"
	tn := provision(t, e.Operator, spec)
	own := private("itse", "all")
	own.Cluster, own.Cell = "east", "own-itse"
	two := provision(t, e.Operator, own)
	if tn.Cluster != "east" || two.Cluster != "east" || two.Cell != "own-itse" {
		t.Fatalf("%+v, %+v", tn, two)
	}
	if got := remains(t, e.DSN, tn); got != "" {
		t.Errorf("at home lies %s", got)
	}
	if err := e.DB.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	addUnit(t, e.DB, tn.ID, "a")
	if n := units(t, e.DB, tn.ID); n != 1 {
		t.Errorf("%d units", n)
	}
	cert := certified(t, e.Operator)
	if len(cert.Clusters) != 2 || cert.Clusters[1].Tenants != 2 || cert.Clusters[1].Pairs != 2 || cert.Tenants != 4 {
		t.Errorf("certificate: %+v", cert.Clusters)
	}
	sound(t, e.Operator)

	f := filepath.Join(t.TempDir(), "x.zip")
	if _, _, err := s.ExportFile(ctx, tn, f); err != nil {
		t.Fatal(err)
	}
	file, err := transfer.OpenFile(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	copySpec := private("kopio", "all")
	copySpec.Cluster = "east"
	twin, err := s.Restore(ctx, copySpec, file, nil)
	if err != nil || twin.Cluster != "east" {
		t.Fatalf("restored: %+v, %v", twin, err)
	}
	if d, err := s.Diff(ctx, tn, twin); err != nil || len(d) > 0 {
		t.Errorf("differences %v, %v", d, err)
	}
	if d, err := s.Drill(ctx, tn); err != nil || !d.OK {
		t.Errorf("drill: %+v, %v", d, err)
	}

	if twin, err = s.Leave(ctx, twin, "test", "it goes"); err != nil {
		t.Fatal(err)
	}
	g := filepath.Join(t.TempDir(), "y.zip")
	if _, _, err := s.ExportFile(ctx, twin, g); err != nil {
		t.Fatal(err)
	}
	last, err := transfer.OpenFile(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = last.Close() }()
	said := transfer.Verification{SHA256: last.SHA256, Side: transfer.ByMunicipality, Actor: "person 1", Name: "Rehtori", At: time.Now()}
	if err := transfer.Verify(ctx, e.Operator.Control(), twin, said); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Seal(ctx, twin, "one", last)
	if _, err := s.Seal(ctx, twin, "two", last); err != nil {
		t.Fatal(err)
	}
	if twin, err = e.Operator.Find(ctx, string(twin.ID)); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Erase(ctx, twin, "one", "it goes", nil)
	if _, err := s.Erase(ctx, twin, "two", "it goes", nil); err != nil {
		t.Fatal(err)
	}
	if got := remains(t, dsn, twin); got != "" {
		t.Errorf("of an erased tenant lies there %s", got)
	}
	certified(t, e.Operator)
	sound(t, e.Operator)
	if got := everything(t, e.DSN); got != others {
		t.Errorf("other tenants changed:\n%s", dbtest.Differ(others, got))
	}
}

// sound lets the doctor find nothing.
func sound(t testing.TB, o *tenancy.Operator) {
	t.Helper()
	list, err := o.Doctor(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if !d.OK {
			t.Errorf("doctor: %+v", d)
		}
	}
}

func addUnit(t testing.TB, db *tenancy.DB, id tenancy.ID, name string) {
	t.Helper()
	if err := put(context.Background(), db, id, name); err != nil {
		t.Fatal(err)
	}
}

func put(ctx context.Context, db *tenancy.DB, id tenancy.ID, name string) error {
	return db.Write(ctx, id, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, insertUnit, name, name)
		return err
	})
}

func units(t testing.TB, db *tenancy.DB, id tenancy.ID) (n int) {
	t.Helper()
	ctx := context.Background()
	err := db.Read(ctx, id, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select count(*)::int from unit").Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestClusterMigrates: the fleet's rings go over both clusters, and what a kill has
// left between a cluster and the catalogue heals.
func TestClusterMigrates(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	e.Cluster(t, "east")
	for i, ring := range tenancy.Rings {
		s := private(fmt.Sprintf("ring%d", i), ring)
		if i%2 == 0 {
			s.Cluster = "east"
		}
		provision(t, e.Operator, s)
	}
	files := next(t, nextMigration, "-- +goose Up\nalter table pet add column age integer;")
	newer := operator(t, e.DSN, func(c *tenancy.OperatorConfig) { c.Migrations = files })
	latest, err := newer.Latest()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for cut, done := 1, false; !done; cut++ {
		w := wiretest.New(t, cut, wiretest.Modes[cut%len(wiretest.Modes)], wiretest.Changes)
		run, cancel := context.WithCancel(ctx)
		w.Cancel = cancel
		victim := operator(t, w.Through(t, e.DSN), func(c *tenancy.OperatorConfig) { c.Migrations, c.Resolve = files, w.Resolve(t) })
		_, _ = victim.Migrate(run, tenancy.MigrateOptions{Parallel: 1})
		cancel()
		done = !w.Struck()
		seen = max(seen, len(w.Seen()))
		w.Kill()
		w.Gone(t, e.DSN)
		victim.Close()
	}
	if seen < 5 {
		t.Errorf("only %d statements were seen", seen)
	}
	if _, err := newer.Migrate(ctx, tenancy.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	for slug, v := range versions(t, newer) {
		if v != latest {
			t.Errorf("%s is on version %d of %d", slug, v, latest)
		}
	}
	certified(t, newer)
}

// TestClusterRefuses: addresses that lead elsewhere, and what is missing.
func TestClusterRefuses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	dsn, ref := e.Cluster(t, "east")
	_, other := dbtest.Elsewhere(t)
	for _, c := range []struct{ name, ref, want string }{
		{"main", ref, "and not main"},
		{"North", ref, "use up to 31"},
		{"north", "postgres://a:b@c/d", "use env:VARIABLE"},
		{"north", "env:NOT_SET", "is not set"},
		{"north", ref, "another cluster already"},
		{"north", other, "it is the server of cluster east"},
	} {
		if err := e.Operator.AddCluster(ctx, c.name, c.ref, true); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "a:b@") {
			t.Errorf("%s at %s: %v, want %s", c.name, c.ref, err, c.want)
		}
	}
	if err := e.Operator.AddCluster(ctx, "east", ref, true); err != nil {
		t.Errorf("twice: %v", err)
	}
	s := private("idas", "all")
	s.Cluster = "east"
	tn := provision(t, e.Operator, s)
	s = private("muu", "all")
	s.Cluster = "west"
	if _, err := e.Operator.Provision(ctx, s, nil); err == nil || !strings.Contains(err.Error(), "there is none") {
		t.Errorf("on a cluster that is not: %v", err)
	}

	for what, resolve := range map[string]tenancy.Resolver{
		"unset":   func(ref string) (string, error) { return "", fmt.Errorf("%s is not set", ref) },
		"another": func(string) (string, error) { return dbtest.Address(other) },
		"nobody":  func(string) (string, error) { return "postgres://x:geheim@127.0.0.1:1/x", nil },
	} {
		cfg := dbtest.Config(e.DSN)
		cfg.Resolve = resolve
		db, err := tenancy.Open(ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(ctx, tn.ID, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select 1").Scan(new(int)) })
		if !errors.Is(err, tenancy.ErrNoCluster) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", what, err)
		}
		units(t, db, dbtest.Alpha)
		if err := db.Warm(ctx); !errors.Is(err, tenancy.ErrNoCluster) {
			t.Errorf("%s: warmed: %v", what, err)
		}
		db.Close()

		oc := dbtest.OperatorConfig(e.DSN)
		oc.Resolve = resolve
		o, err := tenancy.OpenOperator(ctx, oc)
		if err != nil {
			t.Fatal(err)
		}
		list, err := o.Doctor(ctx, "")
		named := 0
		for _, d := range list {
			if !d.OK {
				named++
				if !strings.Contains(d.Check+d.Next, "cluster") || strings.Contains(d.Found, "geheim") {
					t.Errorf("%s: doctor: %+v", what, d)
				}
			}
		}
		if err != nil || named != 2 { // the cluster, and its tenant
			t.Errorf("%s: doctor named %d: %v", what, named, err)
		}
		if _, err := o.VerifyIsolation(ctx, "test"); !errors.Is(err, tenancy.ErrNoCluster) {
			t.Errorf("%s: a certificate of what was not seen: %v", what, err)
		}
		o.Close()
	}
	// A copy that was left behind is found.
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "create schema t_alpha"); err != nil {
		t.Fatal(err)
	}
	cert, err := e.Operator.VerifyIsolation(ctx, "test")
	if err != nil || len(cert.Violations) != 1 || cert.Violations[0].Check != "elsewhere" || cert.Violations[0].Cluster != "east" {
		t.Errorf("a schema on the wrong cluster: %+v, %v", cert.Violations, err)
	}
}
