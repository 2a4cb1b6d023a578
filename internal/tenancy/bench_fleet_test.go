//go:build bench

package tenancy_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/embedded"
)

// TestBenchProvision makes half of the tenants with four workers and half by one
// psql after the other with the same SQL, in turns of fifty.
func TestBenchProvision(t *testing.T) {
	ctx := context.Background()
	o, dsn, _ := benchOperator(t, benchServer(t), "provisioning", true, 1000)
	bin, err := embedded.Binaries()
	must(t, err)
	provisionMany(t, o, "p", 9000, 9002, 2) // the cell stands
	cell := line(t, dsn, "select login_role from control.cell")
	const turn = 50
	var ours, psql time.Duration
	n := 0
	for ; n < *benchTenants; n += turn {
		began := time.Now()
		provisionMany(t, o, "p", n, n+turn, 4)
		ours += time.Since(began)
		began = time.Now()
		for i := n; i < n+turn; i++ {
			script, err := o.Script(fmt.Sprintf("b%04d", i), cell)
			must(t, err)
			cmd := exec.CommandContext(ctx, filepath.Join(bin, "psql"), "-qX", "-v", "ON_ERROR_STOP=1", dsn)
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		psql += time.Since(began)
	}
	result(t, fmt.Sprintf("provisioning, %d tenants each", n), map[string]any{"ours_ms_each": round(ours.Seconds() * 1e3 / float64(n)),
		"psql_ms_each": round(psql.Seconds() * 1e3 / float64(n)), "ratio": round(ours.Seconds() / psql.Seconds())})
}

// TestBenchMigrate brings a fleet to the next version: a quarter by the same SQL
// over one connection, one tenant after the other; a half by Migrate; and by hand
// the last quarter.
func TestBenchMigrate(t *testing.T) {
	ctx := context.Background()
	n := *benchTenants
	o, dsn, _ := benchOperator(t, benchServer(t), "migrating", true, 1000)
	provisionMany(t, o, "b", 0, 2*n, 4)
	env := &dbtest.Env{DSN: dsn}
	for i, ring := range []string{"half", "canary", "canary", "all"} {
		env.Exec(t, fmt.Sprintf("update control.tenant set ring = '%s' where substr(slug, 2)::int %% 4 = %d", ring, i))
	}
	up, _, _ := strings.Cut(strings.TrimPrefix(nextMigration, "-- +goose Up\n"), "-- +goose Down")
	u := operator(t, dsn, func(c *tenancy.OperatorConfig) { c.Migrations = next(t, nextMigration) })
	env.Exec(t, "checkpoint")
	byHand := func(ring string) time.Duration {
		began := time.Now()
		migrateByHand(t, dsn, ring, up)
		return time.Since(began)
	}
	first := byHand("half")
	began := time.Now()
	done, err := u.Migrate(ctx, tenancy.MigrateOptions{Ring: "canary", Parallel: *benchParallel})
	if err != nil || len(done) != n {
		t.Fatalf("%v: %d of %d", err, len(done), n)
	}
	ours := time.Since(began)
	second := byHand("all")
	result(t, fmt.Sprintf("migrating, %d tenants each", n), map[string]any{"ours_ms_each": round(ours.Seconds() * 1e3 / float64(n)),
		"sequential_ms_each": round((first + second).Seconds() * 1e3 / float64(n)), "ratio": round(ours.Seconds() / (first + second).Seconds()),
		"parts": fmt.Sprint(first.Round(time.Millisecond), ours.Round(time.Millisecond), second.Round(time.Millisecond))})
}

// migrateByHand is one message and transaction a tenant, with the grant that the
// new table needs and the two notes of the version.
func migrateByHand(t *testing.T, dsn, ring, up string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	must(t, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "select slug, role_name from control.tenant where ring = $1 order by slug", ring)
	must(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Slug, Role string }])
	must(t, err)
	for _, tn := range list {
		sql := fmt.Sprintf(`begin; set local search_path = t_%s, ext; %s grant select, insert, update, delete on pet to %s;
insert into goose_db_version (version_id, is_applied) values (%d, true);
update control.tenant set schema_version = %d where slug = '%s'; commit`, tn.Slug, up, pgx.Identifier{tn.Role}.Sanitize(), nextVersion, nextVersion, tn.Slug)
		_, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		must(t, err)
	}
}
