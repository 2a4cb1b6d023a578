package tenancy_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

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
   and (c.relname like 'operator%' or c.relname like 'support%' or c.relname like 'family%')
   and has_table_privilege(r.oid, c.oid, p)`

func TestDeskMayDoNoMore(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	want := "family_account delete, family_account insert, family_account select, family_entry delete, family_entry insert, family_entry select, " +
		"family_link delete, family_link insert, family_link select, family_session delete, family_session insert, family_session select, " +
		"family_sign_in delete, family_sign_in insert, family_sign_in select, family_visit delete, family_visit insert, family_visit select, " +
		"operator select, operator_log insert, operator_log select, operator_passkey delete, operator_passkey insert, operator_passkey select, operator_session delete, operator_session insert, operator_session select, " +
		"operator_sign_in delete, operator_sign_in insert, operator_sign_in select, support_entry delete, support_entry insert, support_entry select, " +
		"support_grant insert, support_grant select, support_session delete, support_session insert, support_session select"
	if got := line(t, e.DSN, sqlControl); got != want {
		t.Errorf("the application may: %s", got)
	}
	isolated(t, e.Operator)
}

// A support grant can be ended once, and nothing else of it can change: the owner
// itself is stopped.
func TestSupportGrantStays(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	who, err := e.Operator.PutAccount(ctx, tenancy.OperatorAccount{Issuer: "https://login.example", Subject: "s1", Name: "Maija", Role: tenancy.RoleOperator, AddedBy: "test"})
	if err != nil {
		t.Fatal(err)
	}
	desk, err := e.DB.Desk()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	g := tenancy.SupportGrant{ID: uuid.New(), Tenant: dbtest.Alpha, Operator: who.ID, OperatorName: who.Name, Reason: "ten letters", StartsAt: now, EndsAt: now.Add(8 * time.Hour)}
	for name, spoil := range map[string]func(*tenancy.SupportGrant){
		"too long": func(g *tenancy.SupportGrant) { g.EndsAt = g.EndsAt.Add(time.Second) }, "backwards": func(g *tenancy.SupportGrant) { g.EndsAt = g.StartsAt },
		"no reason": func(g *tenancy.SupportGrant) { g.Reason = "short" }, "nobody": func(g *tenancy.SupportGrant) { g.Operator = uuid.New() },
	} {
		bad := g
		if spoil(&bad); desk.BeginSupport(ctx, bad) == nil {
			t.Errorf("%s was granted", name)
		}
	}
	if err := desk.BeginSupport(ctx, g); err != nil {
		t.Fatal(err)
	}
	const one = ` where id = $1`
	for _, q := range []string{`update control.support_grant set reason = 'other reason'` + one, `update control.support_grant set ends_at = ends_at - interval '1 s', ended_at = now()` + one,
		`delete from control.support_grant` + one} {
		for side, exec := range map[string]func() error{
			"owner":       func() error { return byOwner(ctx, e.DSN, q, g.ID) },
			"application": func() error { _, err := desk.Control().Exec(ctx, q, g.ID); return err },
		} {
			if exec() == nil {
				t.Errorf("%s: %s", side, q)
			}
		}
	}
	if err := byOwner(ctx, e.DSN, `truncate control.support_grant cascade`); err == nil {
		t.Error("emptied")
	}
	for i, want := range []bool{true, false} {
		if done, err := desk.EndSupport(ctx, dbtest.Alpha, who.ID, g.ID, now.Add(time.Minute)); err != nil || done != want {
			t.Errorf("end %d: %v %v", i, done, err)
		}
	}
	if err := byOwner(ctx, e.DSN, `update control.support_grant set ended_at = null`+one, g.ID); err == nil {
		t.Error("begun again")
	}
	isolated(t, e.Operator)
}

func byOwner(ctx context.Context, dsn, q string, args ...any) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, q, args...)
	return err
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
