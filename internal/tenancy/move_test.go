package tenancy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/wiretest"
)

// TestMoveCrashMatrix kills a move before and after each statement that has an
// effect and runs it again: the tenant ends in the new cell, which alone may take
// its role, and is entered at every moment.
func TestMoveCrashMatrix(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	others := everything(t, e.DSN)
	tn, err := e.Operator.Provision(ctx, private("mover", "all"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cells := []string{"one", "two"}
	for _, c := range cells {
		if tn, err = e.Operator.Move(ctx, tn, c, nil); err != nil {
			t.Fatal(err)
		}
	}
	for cut, done := 1, false; !done; cut++ {
		for _, after := range []bool{false, true} {
			to := cells[0]
			if tn.Cell == to {
				to = cells[1]
			}
			w := wiretest.New(t, cut, wiretest.Killed(after), wiretest.Changes)
			victim, err := tenancy.OpenOperator(ctx, dbtest.OperatorConfig(w.Through(t, e.DSN)))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = victim.Move(ctx, tn, to, nil) // killed, or the last round
			done = !w.Struck()
			last := w.Seen()[len(w.Seen())-1]
			w.Kill()
			victim.Close()
			if err := e.DB.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			err = e.DB.Read(ctx, tn.ID, func(tx tenancy.Read) error {
				var n int
				return tx.QueryRow(ctx, "select count(*)::int from unit").Scan(&n)
			})
			if err != nil {
				t.Errorf("killed at %q (after it: %v): the tenant is not entered: %v", last, after, err)
			}
			if tn, err = e.Operator.Move(ctx, tn, to, nil); err != nil || tn.Cell != to {
				t.Fatalf("killed at %q, run again: cell %s, %v", last, tn.Cell, err)
			}
			const q = `select string_agg(c.name, ' ') from pg_auth_members m join pg_roles l on l.oid = m.member
			             join control.cell c on c.login_role = l.rolname join pg_roles r on r.oid = m.roleid where r.rolname = $1`
			if got := line(t, e.DSN, q, tn.Role); got != to {
				t.Errorf("killed at %q (after it: %v): the role is granted to %s, want %s", last, after, got, to)
			}
		}
	}
	if got := everything(t, e.DSN); got != others {
		t.Errorf("other tenants changed:\n%s", dbtest.Differ(others, got))
	}
	isolated(t, e.Operator)
}

func TestMoveRefuses(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	tn, err := e.Operator.Provision(ctx, private("mover", "all"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for cell, want := range map[string]string{"No Cell": "use up to 31", "shared-1": "is full; name another"} {
		if _, err := e.Operator.Move(ctx, tn, cell, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want %s", cell, err, want)
		}
	}
	for _, state := range []tenancy.State{tenancy.Provisioning, tenancy.Sealed, tenancy.Erased} {
		tn.State = state
		if _, err := e.Operator.Move(ctx, tn, "other", nil); err == nil {
			t.Errorf("a tenant that is %s was moved", state)
		}
	}
	if got := fmt.Sprint(e.Operator.SetState(ctx, tn, tenancy.Active)); !strings.Contains(got, "cannot become active") {
		t.Errorf("an erased tenant was resumed: %s", got)
	}
}
