package tenancy_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/embedded"
	"digione/schemas"
)

var update = flag.Bool("update", false, "write golden files anew")

// shape lists everything about a schema that a query can meet, one line each.
const shape = `
select 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '')
  from information_schema.columns where table_schema = $1
union all
select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = $1::regnamespace
union all
select 'index ' || indexdef from pg_indexes where schemaname = $1
union all
select 'comment ' || c.relname || ' ' || coalesce(a.attname, '') || ' ' || d.description
  from pg_description d join pg_class c on c.oid = d.objoid and c.relnamespace = $1::regnamespace
  left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
 order by 1`

func shapeOf(t *testing.T, dsn, schema string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, shape, schema)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(strings.Join(lines, "\n"), schema+".", "")
}

// TestSnapshot holds schemas/tenant/schema.sql to what the migrations make.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	dsn := dbtest.Empty(t)
	if err := tenancy.MigrateScratch(context.Background(), dsn, "t_scratch"); err != nil {
		t.Fatal(err)
	}
	if *update {
		dump(t, dsn)
	}
	sql, err := os.ReadFile(filepath.Join("..", "..", "schemas", schemas.Snapshot))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "create schema t_snap; set search_path = t_snap, ext; "+string(sql), pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	got := shapeOf(t, dsn, "t_snap")
	want := regexp.MustCompile(`(?m)^.*goose_db_version.*\n?`).ReplaceAllString(shapeOf(t, dsn, "t_scratch"), "")
	if strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("schema.sql is not what the migrations make; run: make snapshot\nsnapshot:\n%s\nmigrations:\n%s", got, want)
	}
}

func dump(t *testing.T, dsn string) {
	t.Helper()
	bin, err := embedded.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(bin, "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", "-n", "t_scratch", "-T", "t_scratch.goose_db_version", dsn).Output()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("-- The schema of one tenant, as all tenant migrations together make it.\n-- Written by make snapshot; do not edit. A test holds it to the migrations.\n")
	for _, line := range strings.Split(string(out), "\n") {
		switch {
		case strings.HasPrefix(line, "--"), strings.HasPrefix(line, "SET "), strings.HasPrefix(line, "SELECT pg_catalog"),
			strings.HasPrefix(line, "CREATE SCHEMA"), strings.HasPrefix(line, `\`), strings.TrimSpace(line) == "":
			continue
		}
		b.WriteString(strings.ReplaceAll(line, "t_scratch.", "") + "\n")
	}
	if err := os.WriteFile(filepath.Join("..", "..", "schemas", schemas.Snapshot), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
