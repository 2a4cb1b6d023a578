package wiretest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Tables lists the tables of a schema.
func Tables(t testing.TB, conn *pgx.Conn, schema string) []string {
	t.Helper()
	rows, err := conn.Query(context.Background(), `select relname::text from pg_class where relkind = 'r' and relnamespace = $1::regnamespace order by 1`, schema)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// Kept is how a tenant's rows were, to which it can return: every run begins there.
type Kept struct {
	conn           *pgx.Conn
	schema, aside  string
	tables, filled []string
}

// Keep notes a schema's rows. The database must be the test's own.
func Keep(t testing.TB, dsn, schema string) *Kept {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	k := &Kept{conn: conn, schema: schema, aside: schema + "_kept", tables: Tables(t, conn, schema)}
	k.exec(t, "create schema "+k.aside)
	for _, table := range k.tables {
		tag, err := conn.Exec(context.Background(), fmt.Sprintf("create table %s.%s as table %s.%s", k.aside, table, schema, table))
		if err != nil {
			t.Fatal(err)
		}
		if tag.RowsAffected() > 0 {
			k.filled = append(k.filled, table)
		}
	}
	return k
}

// Return makes the rows what they were.
func (k *Kept) Return(t testing.TB) {
	t.Helper()
	var b strings.Builder
	b.WriteString("begin; set local session_replication_role = replica;")
	for _, table := range k.tables {
		fmt.Fprintf(&b, "delete from %s.%s;", k.schema, table)
	}
	for _, table := range k.filled {
		fmt.Fprintf(&b, "insert into %s.%s overriding system value table %s.%s;", k.schema, table, k.aside, table)
	}
	b.WriteString("commit")
	k.exec(t, b.String())
}

// Counts says how many rows each table has.
func (k *Kept) Counts(t testing.TB) string {
	t.Helper()
	var parts []string
	for _, table := range k.tables {
		parts = append(parts, fmt.Sprintf("select '%s ' || count(*) as line from %s.%s", table, k.schema, table))
	}
	return k.Lines(t, strings.Join(parts, " union all ")+" order by 1")
}

// Lines asks for lines of text, inside the schema.
func (k *Kept) Lines(t testing.TB, sql string) string {
	t.Helper()
	ctx := context.Background()
	k.exec(t, "set search_path = "+k.schema)
	rows, err := k.conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "\n")
}

func (k *Kept) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := k.conn.Exec(context.Background(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
}

// Exec runs SQL as the owner, inside the schema: time that passes, say.
func (k *Kept) Exec(t testing.TB, sql string) {
	t.Helper()
	k.exec(t, "set search_path = "+k.schema+"; "+sql)
}
