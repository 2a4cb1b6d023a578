package tenancy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// inject runs statements one after the other in one transaction, as somebody would
// who has found a way to have SQL of their own run, and returns the last one's error.
func inject(db *tenancy.DB, id tenancy.ID, statements ...string) error {
	ctx := context.Background()
	return db.Write(ctx, id, func(tx tenancy.Write) error {
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
}

// alone provisions two tenants, each in a cell of its own.
func alone(t testing.TB, e *dbtest.Env) (mine, other tenancy.Tenant) {
	t.Helper()
	a, b := private("gamma", "all"), private("delta", "all")
	a.Cell, b.Cell = "own-a", "own-b"
	mine, other = provision(t, e.Operator, a), provision(t, e.Operator, b)
	refresh(t, e.DB)
	return mine, other
}

// TestInjectedSQL has a tenant in a cell of its own run whatever statements there
// are against a tenant of another cell, the catalogue and the server: PostgreSQL
// refuses each, and what it says tells nothing of the other's rows.
func TestInjectedSQL(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	mine, other := alone(t, e)
	refresh(t, db)
	if err := inject(db, other.ID, "insert into unit (id, kind, name, source, sourced_id, date_last_modified) values (gen_random_uuid(), 'school', 'CANARY', 'test', 'c', now())"); err != nil {
		t.Fatal(err)
	}
	words := strings.NewReplacer("$mine.role", `"`+mine.Role+`"`, "$other.role", `"`+other.Role+`"`, "$mine", mine.Schema, "$other", other.Schema,
		"$cell", `"`+line(t, e.DSN, "select login_role from control.cell where name = 'own-b'")+`"`, "$owner", line(t, e.DSN, "select current_user::text"),
		"$db", line(t, e.DSN, "select current_database()::text"), "$pid", line(t, e.DSN, "select pid::text from pg_stat_activity where datname = current_database() and usename = (select login_role from control.cell where name = 'own-b')"))
	const read = "select name from $other.unit"
	for _, c := range []struct {
		name, want string
		run        []string
	}{
		{"the name in full", "42501", []string{read}},
		{"the cell's login", "42501", []string{"reset role", read}},
		{"no role", "42501", []string{"set role none", read}},
		{"the session's own", "42501", []string{"set session authorization default", read}},
		{"everything reset", "42501", []string{"reset all", "reset role", read}},
		{"the transaction left", "42501", []string{"commit", read}},
		{"the transaction left, without a path", "42P01", []string{"commit", "select name from unit"}},
		{"the transaction chained", "42501", []string{"commit and chain", read}},
		{"a savepoint taken back", "42501", []string{"savepoint s", "reset role", "rollback to savepoint s", read}},
		{"the other's role", "42501", []string{"set role $other.role"}},
		{"the other's role after one's own", "42501", []string{"reset role", "set role $other.role"}},
		{"the other's role by a function", "42501", []string{"select set_config('role', '" + other.Role + "', false)"}},
		{"the other's role in a block", "42501", []string{"do $$ begin execute 'set role $other.role'; end $$"}},
		{"the other cell's login", "42501", []string{"set role $cell"}},
		{"another session", "42501", []string{"set session authorization $other.role"}},
		{"the owner", "42501", []string{"set role $owner"}},
		{"the owner's session", "42501", []string{"set session authorization $owner"}},
		{"a role of the server", "42501", []string{"set role pg_read_all_data"}},
		{"the other's path", "42P01", []string{"set local search_path = $other", "select name from unit"}},
		{"the other's path by a function", "42P01", []string{"select set_config('search_path', '$other', true)", "select name from unit"}},
		{"a query in a function", "42501", []string{"select query_to_xml('" + read + "', true, false, '')"}},
		{"the schema in a function", "42501", []string{"select schema_to_xml('$other', true, false, '')"}},
		{"a change", "42501", []string{"update $other.unit set name = 'x'"}},
		{"a right given", "42501", []string{"grant select on $other.unit to $mine.role"}},
		{"membership", "42501", []string{"grant $other.role to $mine.role"}},
		{"one's own table given away", "<nil>", []string{"grant select on $mine.unit to public"}}, // a warning: nothing is granted, see below
		{"a superuser", "42501", []string{"alter role $mine.role superuser"}},
		{"another's password", "42501", []string{"alter role $cell password 'x'"}},
		{"a role", "42501", []string{"create role x"}},
		{"a table before one's own", "42501", []string{"create temporary table unit (id int)"}},
		{"a function before the server's", "42501", []string{"create function pg_temp.now() returns text language sql as 'select 1::text'"}},
		{"a function in one's schema", "42501", []string{"create function $mine.lower(text) returns text language sql as 'select $1'"}},
		{"a function in ext", "42501", []string{"create function ext.lower(text) returns text language sql as 'select $1'"}},
		{"an operator in one's schema", "42501", []string{"create operator $mine.= (leftarg = text, rightarg = text, function = textne)"}},
		{"a table in one's schema", "42501", []string{"create table $mine.pg_class (id int)"}},
		{"a table in public", "42501", []string{"create table public.unit (id int)"}},
		{"a view", "42501", []string{"create view $mine.v as select 1"}},
		{"a trigger", "42501", []string{"create trigger t before insert on $mine.unit for each row execute function suppress_redundant_updates_trigger()"}},
		{"a schema", "42501", []string{"create schema x"}},
		{"an extension", "42501", []string{"create extension dblink"}},
		{"another connection", "42883", []string{"select dblink_connect('dbname=$db')"}},
		{"a foreign server", "42704", []string{"create server s foreign data wrapper postgres_fdw"}},
		{"a program", "42501", []string{"copy $mine.unit to program 'id'"}},
		{"a program's answer", "42501", []string{"copy $mine.unit from program 'id'"}},
		{"a file", "42501", []string{"copy $mine.unit from '/etc/passwd'"}},
		{"a file written", "42501", []string{"copy $mine.unit to '/tmp/x'"}},
		{"a file as a large object", "42501", []string{"select lo_import('/etc/passwd')"}},
		{"a large object as a file", "42501", []string{"select lo_export(1, '/tmp/x')"}},
		{"a file by a function", "42501", []string{"select pg_read_file('postgresql.conf')"}},
		{"a folder", "42501", []string{"select pg_ls_dir('.')"}},
		{"large objects of all", "42501", []string{"select data from pg_largeobject"}},
		{"passwords", "42501", []string{"select rolpassword from pg_authid"}},
		{"samples of rows", "42501", []string{"select stavalues1 from pg_statistic"}},
		{"a library", "42501", []string{"load 'dblink'"}},
		{"triggers off", "42501", []string{"set session_replication_role = replica"}},
		{"a server's setting", "42501", []string{"set log_statement = 'all'"}},
		{"the catalogue", "42501", []string{"select slug from control.tenant"}},
		{"the catalogue as the cell", "42501", []string{"reset role", "select keyset from control.tenant"}},
		{"versions", "42501", []string{"select version_id from $mine.goose_db_version"}},
		{"one's own audit", "42501", []string{"delete from audit_event"}},
		{"one's own audit as a partition", "42501", []string{"delete from audit_event_default"}},
		{"a stream of changes", "42501", []string{"select pg_create_logical_replication_slot('x', 'pgoutput')"}},
		{"another's backend ended", "42501", []string{"select pg_terminate_backend($pid)"}},
		{"another's backend ended as the cell", "42501", []string{"reset role", "select pg_terminate_backend($pid)"}},
		{"another's statement ended", "42501", []string{"select pg_cancel_backend($pid)"}},
	} {
		var run []string
		for _, sql := range c.run {
			run = append(run, words.Replace(sql))
		}
		err := inject(db, mine.ID, run...)
		if got := code(err); got != c.want {
			t.Errorf("%s: %s, want %s: %v", c.name, got, c.want, err)
		}
		if err != nil && strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: the error shows the other's row: %v", c.name, err)
		}
	}
	// What the server shows to everybody: no text of others' statements and no sample
	// of their rows. Names of schemas and roles, sizes and numbers of rows it does show.
	for sql, want := range map[string]string{
		"select count(*)::text from pg_stat_activity where usename <> session_user and backend_type = 'client backend' and query <> '<insufficient privilege>'": "0",
		words.Replace("select count(*)::text from pg_stats where schemaname = '$other'"):                                                                        "0",
		"select count(*)::text from pg_prepared_statements where statement like '/*" + other.Schema + "%'":                                                      "0",
		"select count(*)::text from pg_largeobject_metadata":                                                                                                    "0",
	} {
		var got string
		err := db.Read(ctx, mine.ID, func(tx tenancy.Read) error { return tx.QueryRow(ctx, sql).Scan(&got) })
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", sql, got, err)
		}
	}
	if got := line(t, e.DSN, words.Replace("select string_agg(name, ' ') from $other.unit")); got != "CANARY" {
		t.Errorf("the other's rows afterwards: %s", got)
	}
	if err := db.Read(ctx, mine.ID, run("select id from unit")); err != nil {
		t.Errorf("the next caller: %v", err)
	}
	isolated(t, e.Operator)
}

// TestNeighboursOfACell shows what a cell of one gives: tenants of one cell share its
// login, so that whoever can run any statement takes a neighbour's role.
func TestNeighboursOfACell(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	beta, _ := db.ByID(dbtest.Beta)
	take := []string{"reset role", `set role "` + beta.Role + `"`, "select name from " + beta.Schema + ".unit"}
	if err := inject(db, dbtest.Alpha, take...); err != nil {
		t.Errorf("a neighbour of the cell is out of reach: %v; then say so in docs/security-database.md", err)
	}
	mine, _ := alone(t, e)
	refresh(t, db)
	if got := code(inject(db, mine.ID, take...)); got != "42501" {
		t.Errorf("from a cell of one: %s, want 42501", got)
	}
}

// TestDefaultsOfTheLogin: PostgreSQL lets every role change its own defaults. The
// certificate sees those that matter, and entering a tenant overrules them.
func TestDefaultsOfTheLogin(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	mine, other := alone(t, e)
	refresh(t, db)
	cell := line(t, e.DSN, "select login_role from control.cell where name = 'own-a'")
	if err := inject(db, mine.ID, "reset role", `alter role "`+cell+`" set search_path = `+other.Schema); err != nil {
		t.Fatal(err)
	}
	cert, err := e.Operator.VerifyIsolation(ctx, "test")
	if err != nil || len(cert.Violations) != 1 || cert.Violations[0].Check != "default path" || cert.Violations[0].Role != cell {
		t.Errorf("certificate: %v, %+v", err, cert.Violations)
	}
	fresh := plainDB(t, e) // its connections begin with the new default
	var schema string
	err = fresh.Read(ctx, mine.ID, func(tx tenancy.Read) error {
		return tx.QueryRow(ctx, "select current_schema()::text from unit right join (select 1) one on true").Scan(&schema)
	})
	if err != nil || schema != mine.Schema {
		t.Errorf("inside: %s, %v", schema, err)
	}
	// Its password too: its own cell's new connections are refused, and no other's.
	if err := inject(db, mine.ID, "reset role", `alter role "`+cell+`" password 'x'`); err != nil {
		t.Fatal(err)
	}
	if got := code(plainDB(t, e).Read(ctx, mine.ID, run("select 1"))); got != "28P01" {
		t.Errorf("with another password: %s", got)
	}
	if err := plainDB(t, e).Read(ctx, other.ID, run("select 1")); err != nil {
		t.Errorf("the other cell: %v", err)
	}
}

// TestNothingIsLeftBehind has a tenant leave things on the connection that it shares
// with a neighbour: the neighbour is served as if nothing were there.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	e.Exec(t, "update control.cell set pool_size = 1 where name = 'shared-1'") // all share one connection
	ctx := context.Background()
	db := plainDB(t, e)
	alpha, _ := db.ByID(dbtest.Alpha)
	beta, _ := db.ByID(dbtest.Beta)
	const asks = "select 'beta''s own'::text, current_setting('TimeZone'), current_setting('default_transaction_read_only')"
	ask := func(id tenancy.ID) (said, zone, ro string) {
		t.Helper()
		b := &pgx.Batch{}
		b.Queue(asks).QueryRow(func(row pgx.Row) error { return row.Scan(&said, &zone, &ro) })
		if err := db.Read(ctx, id, func(tx tenancy.Read) error { return tx.Finish(ctx, b) }); err != nil {
			t.Errorf("the neighbour: %v", err)
		}
		return said, zone, ro
	}
	_, zone, _ := ask(dbtest.Beta)
	// The statement of the neighbour, and the one that enters a tenant, exchanged.
	const exchange = `do $do$ declare n text; begin
  for n in select name from pg_prepared_statements where statement like '%%%s%%' loop
    execute format('deallocate %%I', n);
    execute format('prepare %%I as %s', n);
  end loop; end $do$`
	for name, attack := range map[string][]string{
		"a statement exchanged": {fmt.Sprintf(exchange, "/*"+beta.Schema+"*/", "select ''stolen''::text, ''x'', ''on''")},
		"the entering statement exchanged": {fmt.Sprintf(exchange, "statement_timeout",
			"select set_config(''role'', coalesce(''"+alpha.Role+"'', $1), true), set_config(''search_path'', coalesce(''"+alpha.Schema+"'', $2), true), $3::text")},
		"all statements gone":         {"deallocate all"},
		"everything discarded":        {"commit", "discard all"},
		"a statement of its own":      {"prepare d999 as select 1"},
		"a cursor that stays":         {"declare c cursor with hold for select 1"},
		"a subscription":              {"listen digione_catalogue"},
		"a path":                      {"set search_path = 'pg_catalog'"},
		"a role":                      {`set role "` + beta.Role + `"`},
		"another clock":               {"set timezone = 'Asia/Tokyo'"},
		"another clock by a function": {"select set_config('TimeZone', 'Asia/Tokyo', false)"},
		"writing by a function":       {"select set_config('default_transaction_read_only', 'off', false)"},
		"in a block":                  {"do $$ begin perform set_config('lock_timeout', '1', false); end $$"},
		"behind a comment":            {"/* select */ deallocate all"},
	} {
		ask(dbtest.Beta) // what is prepared on the connection now
		if err := inject(db, dbtest.Alpha, attack...); err != nil && !strings.Contains(err.Error(), "commit: ") {
			t.Errorf("%s: the attack itself: %v", name, err)
		}
		if said, z, ro := ask(dbtest.Beta); said != "beta's own" || z != zone || ro != "on" {
			t.Errorf("%s: the neighbour was told %q, %s, read only %s", name, said, z, ro)
		}
		var left string
		err := db.Read(ctx, dbtest.Beta, func(tx tenancy.Read) error {
			const q = `select concat_ws(' ', (select count(*) from pg_cursors where is_holdable), (select count(*) from pg_listening_channels()), (select count(*) from pg_prepared_statements where name = 'd999'))`
			return tx.QueryRow(ctx, q).Scan(&left)
		})
		if err != nil || left != "0 0 0" {
			t.Errorf("%s: %q is left, %v", name, left, err)
		}
	}
}

// TestNewsOfNobody: any tenant may speak on the channel of the catalogue. Processes
// read it again, and serve on.
func TestNewsOfNobody(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	for range 50 {
		if err := inject(e.DB, dbtest.Alpha, "select pg_notify('digione_catalogue', repeat('x', 7000))"); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		if err := e.DB.Read(context.Background(), id, run("select id from unit")); err != nil {
			t.Errorf("after false news: %v", err)
		}
	}
}
