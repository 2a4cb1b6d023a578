package tenancy_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/schemas"
)

// nextVersion is the version that the tests' own migration brings a fleet to.
const nextVersion = 90001

const nextMigration = `-- +goose Up
alter table unit add column nickname text not null default '';
create index unit_nickname_ix on unit (nickname);
create table pet (
  id          uuid        not null constraint pet_pk primary key,
  name        text        not null,
  created_at  timestamptz not null default now()
);
comment on table pet is 'What a next version adds. Owned by the tests.';
-- +goose Down
drop table pet;
alter table unit drop column nickname;
`

// next returns the real tenant migrations and the given ones after them.
func next(t testing.TB, more ...string) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	files, err := fs.Glob(schemas.FS, "tenant/0*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := fs.ReadFile(schemas.FS, f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimPrefix(f, "tenant/")] = &fstest.MapFile{Data: b}
	}
	for i, sql := range more {
		out[fmt.Sprintf("%d_next.sql", nextVersion+i)] = &fstest.MapFile{Data: []byte(sql)}
	}
	return out
}

// operator opens an operator of the test's database with a changed configuration.
func operator(t testing.TB, dsn string, change func(*tenancy.OperatorConfig)) *tenancy.Operator {
	t.Helper()
	cfg := dbtest.OperatorConfig(dsn)
	change(&cfg)
	o, err := tenancy.OpenOperator(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.Close)
	return o
}

func upgrader(t testing.TB, e *dbtest.Env, more ...string) *tenancy.Operator {
	t.Helper()
	dir := next(t, more...)
	return operator(t, e.DSN, func(c *tenancy.OperatorConfig) { c.Migrations = dir })
}

// private is a tenant that needs no municipality code.
func private(slug, ring string) tenancy.Spec {
	return tenancy.Spec{Slug: slug, NameFi: strings.ToUpper(slug), Kind: "private", Ring: ring}
}

func provision(t testing.TB, o *tenancy.Operator, s tenancy.Spec) tenancy.Tenant {
	t.Helper()
	got, err := o.Provision(context.Background(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// lines runs a query as the owner and returns its only column.
func lines(t testing.TB, dsn, sql string, args ...any) []string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

func line(t testing.TB, dsn, sql string, args ...any) string {
	t.Helper()
	return strings.Join(lines(t, dsn, sql, args...), "\n")
}

// versions are the fleet's schema versions by slug.
func versions(t testing.TB, o *tenancy.Operator) map[string]int64 {
	t.Helper()
	list, err := o.Tenants(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, tn := range list {
		out[tn.Slug] = tn.SchemaVersion
	}
	return out
}

// isolated fails the test unless the catalogue proves the tenants apart.
func isolated(t testing.TB, o *tenancy.Operator) {
	t.Helper()
	cert, err := o.VerifyIsolation(context.Background(), "test")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range cert.Violations {
		t.Errorf("isolation: %+v", v)
	}
	if n := int64(cert.Tenants); cert.Pairs != n*(n-1) {
		t.Errorf("%d pairs were looked at, want %d", cert.Pairs, n*(n-1))
	}
}
