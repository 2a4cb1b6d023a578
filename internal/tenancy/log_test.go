package tenancy_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func TestOperatorLog(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended, err := e.Operator.Began(ctx, "maija", "tenant suspend alpha", "alpha")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Operator.Began(ctx, "ville", "migrate up", ""); err != nil { // killed: it has no end
		t.Fatal(err)
	}
	cancel()
	if err := ended(tenancy.Held, "two people"); err != nil {
		t.Errorf("the end of a cancelled command: %v", err)
	}
	ctx = context.Background()
	all, err := e.Operator.Log(ctx, "", 10)
	if err != nil || len(all) != 3 {
		t.Fatalf("%v: %+v", err, all)
	}
	if end, begin := all[0], all[2]; end.Run != begin.Run || end.Phase != "end" || end.Outcome != "held" || end.Detail != "two people" ||
		begin.Phase != "begin" || begin.Actor != "maija" || begin.Tenant != "alpha" || all[1].Run == begin.Run {
		t.Errorf("log %+v", all)
	}
	if of, err := e.Operator.Log(ctx, "alpha", 1); err != nil || len(of) != 1 || of[0].Phase != "end" {
		t.Errorf("of one tenant: %v, %+v", err, of)
	}
	if none, err := e.Operator.Log(ctx, "beta", 10); err != nil || len(none) != 0 {
		t.Errorf("of another: %v, %+v", err, none)
	}
}

func TestOperatorLogIsAppendOnly(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	if _, err := e.Operator.Began(ctx, "maija", "x", ""); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, e.DSN) // the owner, a superuser
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range []string{"update control.operator_log set actor = 'other'", "delete from control.operator_log", "delete from control.operator_log where false", "truncate control.operator_log"} {
		if _, err := conn.Exec(ctx, sql); code(err) != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// The application may read it and add to it; a cell's login does not even see it.
	const may = `
select coalesce(string_agg(distinct left(rolname, 11) || ' ' || p, ', ' order by left(rolname, 11) || ' ' || p), '')
  from pg_roles cross join unnest('{select,insert,update,delete,truncate}'::text[]) p
 where has_table_privilege(oid, 'control.operator_log', p)
   and (rolname like 'digione\_app\_%' or rolname in (select login_role from control.cell))`
	if got := line(t, e.DSN, may); got != "digione_app insert, digione_app select" {
		t.Errorf("privileges of runtime roles on the log: %s", got)
	}
	if list, err := e.Operator.Log(ctx, "", 5); err != nil || len(list) != 1 {
		t.Errorf("after the attempts: %v, %+v", err, list)
	}
}
