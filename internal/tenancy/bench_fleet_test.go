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

// TestBenchMigrate brings a fleet to the next version, two rings by Migrate and
// two by the same SQL over one connection, one tenant after the other.
func TestBenchMigrate(t *testing.T) {
	ctx := context.Background()
	n := *benchTenants
	o, dsn, _ := benchOperator(t, benchServer(t), "migrating", true, 1000)
	began := time.Now()
	provisionMany(t, o, "b", 0, n, 4)
	t.Logf("provisioned %d in %s", n, time.Since(began))
	conn, err := pgx.Connect(ctx, dsn)
	must(t, err)
	defer func() { _ = conn.Close(ctx) }()
	for i, ring := range tenancy.Rings {
		_, err := conn.Exec(ctx, "update control.tenant set ring = $1 where substr(slug, 2)::int % 4 = $2", ring, i)
		must(t, err)
	}
	up, _, _ := strings.Cut(strings.TrimPrefix(nextMigration, "-- +goose Up\n"), "-- +goose Down")
	u := operator(t, dsn, func(c *tenancy.OperatorConfig) { c.Migrations = next(t, nextMigration) })
	var ours, sequential time.Duration
	var each []string
	for i, ring := range tenancy.Rings {
		began := time.Now()
		if i%2 == 0 {
			done, err := u.Migrate(ctx, tenancy.MigrateOptions{Ring: ring, Parallel: *benchParallel})
			if err != nil || len(done) == 0 {
				t.Fatalf("%v: %+v", err, done)
			}
			ours += time.Since(began)
		} else {
			migrateByHand(t, conn, ring, up)
			sequential += time.Since(began)
		}
		each = append(each, time.Since(began).Round(time.Millisecond).String())
	}
	result(t, fmt.Sprintf("migrating, %d tenants", n), map[string]any{"ours_ms_each": round(ours.Seconds() * 1e3 / float64(n/2)),
		"sequential_ms_each": round(sequential.Seconds() * 1e3 / float64(n/2)), "ratio": round(ours.Seconds() / sequential.Seconds()), "rings": each})
}

// migrateByHand is one message and transaction a tenant, with the grant that the
// new table needs and the two notes of the version.
func migrateByHand(t *testing.T, conn *pgx.Conn, ring, up string) {
	t.Helper()
	ctx := context.Background()
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
