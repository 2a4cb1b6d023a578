package tenancy_test

import (
	"context"
	"strings"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// TestSabotageIsFound breaks the isolation in every way that the rules know, one
// at a time, and asks that the rule finds it and names role and object. Roles
// belong to the whole server: only those of this test's own tenants are touched.
func TestSabotageIsFound(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	specA, specB := private("gamma", "all"), private("delta", "all")
	specA.Cell, specB.Cell = "own-a", "own-b"
	a, b := provision(t, e.Operator, specA), provision(t, e.Operator, specB)
	cellA := line(t, e.DSN, "select login_role from control.cell where name = 'own-a'")
	isolated(t, e.Operator)
	words := strings.NewReplacer("$A.role", `"`+a.Role+`"`, "$B.role", `"`+b.Role+`"`, "$A", a.Schema, "$B", b.Schema, "$cell", `"`+cellA+`"`,
		"$db", line(t, e.DSN, "select current_database()::text"))
	for _, c := range []struct{ name, do, undo, check, role, object string }{
		{"usage on another's schema", "grant usage on schema $B to $A.role", "revoke usage on schema $B from $A.role", "pairs", "$A.role", "$B"},
		{"create in another's schema", "grant create on schema $B to $A.role", "revoke create on schema $B from $A.role", "pairs", "$A.role", "$B"},
		{"create in its own schema", "grant create on schema $A to $A.role", "revoke create on schema $A from $A.role", "schema grants", "$A.role", "$A"},
		{"usage to public", "grant usage on schema $B to public", "revoke usage on schema $B from public", "schema grants", "public", "$B"},
		{"a table to public", "grant select on $A.person to public", "revoke select on $A.person from public", "table grants", "public", "$A.person"},
		{"a table to another tenant", "grant insert on $B.person to $A.role", "revoke insert on $B.person from $A.role", "table grants", "$A.role", "$B.person"},
		{"a table to the cell", "grant select on $A.person to $cell", "revoke select on $A.person from $cell", "table grants", "$cell", "$A.person"},
		{"a log that can be changed", "grant update on $A.audit_event to $A.role", "revoke update on $A.audit_event from $A.role", "append-only", "$A.role", "$A.audit_event"},
		{"a part of a log", "grant select on $A.audit_event_default to $A.role", "revoke select on $A.audit_event_default from $A.role", "append-only", "$A.role", "$A.audit_event_default"},
		{"a column", "grant select (given_names) on $B.person to $A.role", "revoke select (given_names) on $B.person from $A.role", "column grants", "$A.role", "$B.person.given_names"},
		{"a tenant inside another", "grant $B.role to $A.role", "revoke $B.role from $A.role", "membership", "$A.role", "$B.role"},
		{"the cell given a foreign tenant", "grant $B.role to $cell", "revoke $B.role from $cell", "membership", "$cell", "$B.role"},
		{"the cell given a server role", "grant pg_read_all_data to $cell", "revoke pg_read_all_data from $cell", "membership", "$cell", "pg_read_all_data"},
		{"a superuser", "alter role $A.role superuser", "alter role $A.role nosuperuser", "attributes", "$A.role", ""},
		{"past row security", "alter role $cell bypassrls", "alter role $cell nobypassrls", "attributes", "$cell", ""},
		{"a cell that inherits", "alter role $cell inherit", "alter role $cell noinherit", "attributes", "$cell", ""},
		{"a tenant that logs in", "alter role $A.role login", "alter role $A.role nologin", "attributes", "$A.role", ""},
		{"who makes roles", "alter role $cell createrole", "alter role $cell nocreaterole", "attributes", "$cell", ""},
		{"later tables to another", "alter default privileges in schema $B grant select on tables to $A.role", "alter default privileges in schema $B revoke select on tables from $A.role", "default grants", "$A.role", "$B"},
		{"later tables anywhere", "alter default privileges grant select on tables to $A.role", "alter default privileges revoke select on tables from $A.role", "default grants", "$A.role", "every schema"},
		{"a table owned by a tenant", "create table $B.x (a int); alter table $B.x owner to $A.role", "drop table $B.x", "ownership", "$A.role", "x"},
		{"owner's rights", "create function $A.f() returns int language sql security definer as 'select 1'", "drop function $A.f", "functions", "", "$A.f"},
		{"owner's rights for all", "create function ext.f() returns int language sql security definer as 'select 1'", "drop function ext.f", "functions", "", "ext.f"},
		{"a view of another", "create view $A.v as select given_names from $B.person", "drop view $A.v", "views", "$A.role", "$A.v"},
		{"a key into another", "alter table $A.unit add constraint far_fk foreign key (parent) references $B.unit", "alter table $A.unit drop constraint far_fk", "views", "$A.role", "$A.unit.far_fk"},
		{"the catalogue", "grant usage on schema control to $cell", "revoke usage on schema control from $cell", "catalogue", "$cell", "control"},
		{"operators of one's own", "grant insert on control.operator to $cell", "revoke insert on control.operator from $cell", "operators", "$cell", "control.operator"},
		{"a role of one's own", "grant update (role) on control.operator to $cell", "revoke update (role) on control.operator from $cell", "operators", "$cell", "control.operator"},
		{"an operator log that forgets", "grant delete on control.operator_log to $cell", "revoke delete on control.operator_log from $cell", "operators", "$cell", "control.operator_log"},
		{"a host moved", "grant update on control.tenant_host to $A.role", "revoke update on control.tenant_host from $A.role", "operators", "$A.role", "control.tenant_host"},
		{"temporary tables", "grant temporary on database $db to public", "revoke temporary on database $db from public", "database", "$A.role", "$db"},
		{"schemas", "grant create on database $db to $cell", "revoke create on database $db from $cell", "database", "$cell", "$db"},
		{"things in public", "grant create on schema public to public", "revoke create on schema public from public", "database", "$A.role", "$db"},
		{"a path by default", "alter role $cell set search_path = $A", "alter role $cell set search_path = ''", "default path", "$cell", ""},
		{"a path in this database", "alter role $cell in database $db set search_path = $A", "alter role $cell in database $db reset search_path", "default path", "$cell", "$db"},
		{"a role by default", "alter role $cell in database $db set role = $A.role", "alter role $cell in database $db reset role", "default path", "$cell", "$db"},
		{"a lost schema", "alter schema $A rename to lost", "alter schema lost rename to $A", "completeness", "$A.role", "$A"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.Exec(t, words.Replace(c.do))
			cert, err := e.Operator.VerifyIsolation(ctx, "test")
			e.Exec(t, words.Replace(c.undo))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range cert.Violations {
				if v.Check == c.check && bare(v.Role) == bare(words.Replace(c.role)) && bare(v.Object) == bare(words.Replace(c.object)) {
					return
				}
			}
			t.Errorf("not found by %q: %+v", c.check, cert.Violations)
		})
	}
	isolated(t, e.Operator)
}

func bare(name string) string { return strings.ReplaceAll(name, `"`, "") }

// TestIsolationWhileOneIsMade: a tenant that is being made is no violation after
// any of its steps.
func TestIsolationWhileOneIsMade(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	seen := 0
	_, err := e.Operator.Provision(context.Background(), private("epsilon", "all"), func(step string, err error) {
		if err != nil {
			return
		}
		seen++
		cert, err := e.Operator.VerifyIsolation(context.Background(), "test")
		if err != nil || len(cert.Violations) > 0 {
			t.Errorf("after %s: %+v, %v", step, cert.Violations, err)
		}
	})
	if err != nil || seen < len(tenancy.ProvisionSteps()) {
		t.Fatalf("%d steps were seen: %v", seen, err)
	}
}

func TestCertificateSaysWhatItLookedAt(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	for _, slug := range []string{"gamma", "delta", "epsilon"} {
		provision(t, e.Operator, private(slug, "all"))
	}
	cert, err := e.Operator.VerifyIsolation(context.Background(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	if cert.Tenants != 5 || cert.Pairs != 20 || cert.Version != "v1" || cert.Server == "" || len(cert.Violations) != 0 {
		t.Errorf("certificate %+v", cert)
	}
	for _, rule := range cert.Checks {
		if rule.Meaning == "" || rule.Violations != 0 || (rule.Examined == 0 && rule.Name != "default grants") {
			t.Errorf("rule %+v", rule)
		}
	}
}

func TestIsolationOfNobody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o, err := tenancy.OpenOperator(ctx, dbtest.OperatorConfig(dbtest.Empty(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if err := o.Init(ctx); err != nil {
		t.Fatal(err)
	}
	isolated(t, o)
}
