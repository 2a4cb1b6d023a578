package tenancy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func TestOperatorAccounts(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	maija := tenancy.OperatorAccount{Issuer: "https://login.example", Subject: "s1", Name: "Maija", Role: tenancy.RoleOperator, AddedBy: "test"}
	first, err := e.Operator.PutAccount(ctx, maija)
	if err != nil || first.ID == uuid.Nil || first.CreatedAt.IsZero() {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := e.Operator.PutAccount(ctx, maija); err != nil || again != first {
		t.Errorf("added again: %+v, %v", again, err)
	}
	desk, err := e.DB.Desk()
	if err != nil {
		t.Fatal(err)
	}
	find := func(issuer, subject string) bool {
		t.Helper()
		_, ok, err := desk.FindAccount(ctx, issuer, subject)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !find("https://login.example", "s1") || find("https://login.example", "S1") || find("https://other.example", "s1") {
		t.Error("found by another than issuer and subject")
	}
	if err := e.Operator.EndAccount(ctx, first.ID); err != nil || find("https://login.example", "s1") {
		t.Errorf("ended: %v", err)
	}
	if err := e.Operator.EndAccount(ctx, uuid.New()); !errors.Is(err, tenancy.ErrNoOperator) {
		t.Errorf("nobody: %v", err)
	}
	maija.Role = tenancy.RoleViewer
	if back, err := e.Operator.PutAccount(ctx, maija); err != nil || back.EndedAt != nil || back.Role != tenancy.RoleViewer || back.ID != first.ID {
		t.Errorf("back: %+v, %v", back, err)
	}
	for name, spoil := range map[string]func(*tenancy.OperatorAccount){
		"no issuer": func(a *tenancy.OperatorAccount) { a.Issuer = "login" }, "no subject": func(a *tenancy.OperatorAccount) { a.Subject = "" },
		"no name": func(a *tenancy.OperatorAccount) { a.Name = " " }, "role": func(a *tenancy.OperatorAccount) { a.Role = "admin" },
	} {
		a := maija
		if spoil(&a); a.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// sqlControl lists what the application's login may do in the schema control, the
// columns of an update that is not of the whole row.
const sqlControl = `
select coalesce(string_agg(c.relname || ' ' || p, ', ' order by c.relname, p), '')
  from pg_class c
  join pg_roles r on r.rolname like 'digione\_app\_%' and has_schema_privilege(r.oid, 'control', 'usage')
 cross join unnest('{select,insert,update,delete,truncate}'::text[]) p
 where c.relnamespace = 'control'::regnamespace
   and c.relkind in ('r', 'p', 'v', 'm')
   and c.relname like 'operator%'
   and has_table_privilege(r.oid, c.oid, p)`

func TestDeskMayDoNoMore(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	want := "operator select, operator_log insert, operator_log select, operator_session delete, operator_session insert, operator_session select, " +
		"operator_sign_in delete, operator_sign_in insert, operator_sign_in select"
	if got := line(t, e.DSN, sqlControl); got != want {
		t.Errorf("the application may: %s", got)
	}
	isolated(t, e.Operator)
}

func TestOperatorsHostIsKept(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	if err := tenancy.CheckSlug("operator"); err == nil {
		t.Error("the slug is free")
	}
	for _, s := range []tenancy.Spec{
		{Slug: "operator", NameFi: "O", MunicipalityCode: "903"},
		{Slug: "gamma", NameFi: "G", MunicipalityCode: "903", Hosts: []string{"gamma.test", "operator.test"}},
	} {
		if _, err := e.Operator.Provision(ctx, s, nil); err == nil {
			t.Errorf("%s was made", s.Slug)
		}
		if _, err := e.Operator.Find(ctx, s.Slug); !errors.Is(err, tenancy.ErrNoTenant) {
			t.Errorf("%s is there: %v", s.Slug, err)
		}
	}
	alpha, err := e.Operator.Find(ctx, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	spec := tenancy.Spec{Slug: "alpha", NameFi: "Alfa", MunicipalityCode: "901", Hosts: []string{"operator.test"}}
	if err := e.Operator.Update(ctx, alpha, spec); err == nil {
		t.Error("a tenant took the operators' host over")
	}
}
