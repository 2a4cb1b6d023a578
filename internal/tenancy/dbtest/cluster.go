package dbtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// addresses are the clusters of all tests, by their references.
var addresses sync.Map

// Address resolves the references of tests.
func Address(ref string) (string, error) {
	dsn, ok := addresses.Load(ref)
	if !ok {
		return "", fmt.Errorf("%s is not set", ref)
	}
	return dsn.(string), nil
}

// Cluster gives the installation a second cluster, an empty database on another
// server, and returns the owner's URL of it and the reference that leads there. It
// is dropped when the test ends, with the roles that only it knew.
func (e *Env) Cluster(t testing.TB, name string) (dsn, ref string) {
	t.Helper()
	dsn, ref = Elsewhere(t)
	ok(t, e.Operator.AddCluster(context.Background(), name, ref, true))
	return dsn, ref
}

// Elsewhere is an empty database on the second server, and a reference to it.
func Elsewhere(t testing.TB) (dsn, ref string) {
	t.Helper()
	admin := second.start(t, os.Getenv("DIGIONE_TEST_SECOND_DSN"), "-second")
	name := "dc_" + random()
	exec(t, admin, "create database "+name)
	dsn, ref = withDatabase(admin, name), "env:"+name
	addresses.Store(ref, dsn)
	t.Cleanup(func() {
		addresses.Delete(ref)
		roles := granted(t, dsn)
		exec(t, admin, "drop database "+name+" with (force)")
		for _, r := range roles {
			exec(t, admin, "drop role if exists "+pgx.Identifier{r}.Sanitize())
		}
	})
	return dsn, ref
}

// granted are the roles that something in a database is granted to: tenants' and
// cells' own.
func granted(t testing.TB, dsn string) []string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	ok(t, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `
select a.grantee::regrole::text from pg_namespace n, aclexplode(n.nspacl) a where a.grantee <> 0 and a.grantee <> n.nspowner
 union
select a.grantee::regrole::text from pg_database d, aclexplode(d.datacl) a where d.datname = current_database() and a.grantee <> 0 and a.grantee <> d.datdba`)
	ok(t, err)
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	for i, r := range roles { // regrole quotes
		if len(r) > 1 && r[0] == '"' {
			roles[i] = r[1 : len(r)-1]
		}
	}
	return roles
}
