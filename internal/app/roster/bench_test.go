//go:build bench

package roster_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/embedded"
	"digione/internal/tenancy/keys"
)

// The tables that an import fills, in the order in which they can be copied.
var filled = []string{"unit", "term", "course", "teaching_group", "person", "roster_user", "role_grant", "enrolment", "roster_record",
	"guardianship", "grade_placement", "study_right"}

// TestBenchImport measures imports of 220,000 rows against a raw \copy of the
// very rows that they make, into the same indexed tables of a twin, on a durable
// server of its own.
func TestBenchImport(t *testing.T) {
	dir, err := os.MkdirTemp("", "digione-bench-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	srv, err := embedded.Start(ctx, dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Stop() })
	cfg := dbtest.OperatorConfig(srv.DSN())
	op, err := tenancy.OpenOperator(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(op.Close)
	if err := op.Init(ctx); err != nil {
		t.Fatal(err)
	}
	const learners = 18200
	first, second := made(t, learners, 0, 0), made(t, learners, 0.02, 1)
	store, err := objects.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]time.Duration{}
	var rows int64
	const rounds = 3
	for round := range rounds {
		var ts [2]tenancy.Tenant
		for i := range ts {
			ts[i], err = op.Provision(ctx, tenancy.Spec{Slug: fmt.Sprintf("bench-%d-%d", round, i), NameFi: "B", Kind: "private"}, nil)
			if err != nil {
				t.Fatal(err)
			}
		}
		dcfg := dbtest.Config(srv.DSN())
		dcfg.Assert = false
		db, err := tenancy.Open(ctx, dcfg)
		if err != nil {
			t.Fatal(err)
		}
		svc := &roster.Service{DB: db, Objects: store, Now: time.Now, Keyset: func(tn tenancy.Tenant) (*keys.Keyset, error) {
			return keys.Unwrap(dbtest.Master, string(tn.ID), tn.WrappedKeyset())
		}}
		timed := func(what string, f func()) {
			began := time.Now()
			f()
			sum[what] += time.Since(began)
		}
		load := func(b []byte) *roster.Plan {
			p, err := svc.Import(ctx, ts[0], pack(b), roster.Options{}, roster.Approval{Who: "b", Initial: true, Approve: true, Reason: "b"}, nil)
			if err != nil {
				t.Fatal(explain(err))
			}
			return p
		}
		timed("parse and check", func() { check(t, first) })
		timed("import, first", func() { rows = load(first).Rows })
		// As tenantctl does after a large import; it is not the import's time.
		timed("analyze", func() {
			if err := op.Analyze(ctx, ts[0]); err != nil {
				t.Fatal(err)
			}
		})
		dump := dumpTables(t, srv.DSN(), ts[0].Schema, dir)
		timed("copy, all tables", func() { copyTables(t, srv.DSN(), ts[1].Schema, dump, filled) })
		timed("import, unchanged file", func() { load(first) })
		timed("import, unchanged rows", func() { load(rezip(t, first)) })
		timed("rezip", func() { rezip(t, first) })
		timed("import, 2 % changed", func() { load(second) })
		db.Close()
		truncate(t, srv.DSN(), ts[1].Schema)
		timed("copy, person and enrolment", func() {
			copyTables(t, srv.DSN(), ts[1].Schema, dump, filled[:4])
			began := time.Now()
			copyTables(t, srv.DSN(), ts[1].Schema, dump, []string{"person", "enrolment"})
			sum["two tables"] += time.Since(began)
		})
	}
	sum["import, unchanged rows"] -= sum["rezip"]
	limit := sum["copy, all tables"]
	fmt.Printf("\nimport of %d rows, mean of %d rounds\n%-34s %8s %8s\n", rows, rounds, "", "seconds", "ratio")
	for _, k := range []string{"copy, all tables", "two tables", "parse and check", "import, first", "import, 2 % changed", "import, unchanged rows", "import, unchanged file", "analyze"} {
		fmt.Printf("%-34s %8.2f %8.2f\n", k, sum[k].Seconds()/rounds, float64(sum[k])/float64(limit))
	}
}

func check(t *testing.T, b []byte) {
	p, err := oneroster.OpenReader(strings.NewReader(string(b)), int64(len(b)), "x", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func dumpTables(t *testing.T, dsn, schema, dir string) string {
	t.Helper()
	for _, table := range filled {
		order := " order by id"
		psql(t, dsn, fmt.Sprintf(`\copy (select * from %s.%s%s) to '%s'`, schema, table, order, filepath.Join(dir, table+".txt")))
	}
	return dir
}

func copyTables(t *testing.T, dsn, schema, dir string, tables []string) {
	t.Helper()
	var cmds []string
	for _, table := range tables {
		cmds = append(cmds, fmt.Sprintf(`\copy %s.%s from '%s'`, schema, table, filepath.Join(dir, table+".txt")))
	}
	psql(t, dsn, cmds...)
}

func psql(t *testing.T, dsn string, cmds ...string) {
	t.Helper()
	args := []string{"-q", "-v", "ON_ERROR_STOP=1", "-1", dsn}
	for _, c := range cmds {
		args = append(args, "-c", c)
	}
	if out, err := exec.Command("psql", args...).CombinedOutput(); err != nil {
		t.Fatalf("psql: %v %s", err, out)
	}
}

func truncate(t *testing.T, dsn, schema string) {
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for i := range filled {
		if _, err := conn.Exec(context.Background(), "truncate "+schema+"."+filled[len(filled)-1-i]+" cascade"); err != nil {
			t.Fatal(err)
		}
	}
}
