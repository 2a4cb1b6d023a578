package tenancy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/wiretest"
)

// TestExportCrashMatrix kills an export before and after each statement, from
// either cluster: an older file stays as it was, nothing half-written lies beside
// it, the tenant is as it was, and the next export holds the same.
func TestExportCrashMatrix(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	others := everything(t, e.DSN)
	east, _ := e.Cluster(t, "east")
	for cluster, dsn := range map[string]string{"main": e.DSN, "east": east} {
		s := private("vienti-"+cluster, "all")
		s.Cluster = cluster
		tn := provision(t, e.Operator, s)
		if err := e.DB.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		addUnit(t, e.DB, tn.ID, "a")
		was := settled(t, dsn, tn)
		whole, _, err := moverOf(e.Operator).ExportFile(ctx, tn, filepath.Join(t.TempDir(), "whole.zip"))
		if err != nil {
			t.Fatal(err)
		}
		kills := 0
		for cut, done := 1, false; !done; cut++ {
			for _, after := range []bool{false, true} {
				dir := t.TempDir()
				file := filepath.Join(dir, "x.zip")
				if err := os.WriteFile(file, []byte("older"), 0o600); err != nil {
					t.Fatal(err)
				}
				w := wiretest.New(t, cut, wiretest.Killed(after), wiretest.Changes)
				cfg := dbtest.OperatorConfig(w.Through(t, e.DSN))
				cfg.Resolve = w.Resolve(t)
				victim, err := tenancy.OpenOperator(ctx, cfg)
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = moverOf(victim).ExportFile(ctx, tn, file)
				done = !w.Struck()
				last := w.Seen()[min(cut, len(w.Seen()))-1]
				w.Kill()
				victim.Close()
				state := fmt.Sprintf("%s, killed at %.60q (after it: %v)", cluster, last, after)
				left, rerr := os.ReadDir(dir)
				if rerr != nil || len(left) != 1 {
					t.Errorf("%s: beside the file lies %v, %v", state, left, rerr)
				}
				if b, rerr := os.ReadFile(file); rerr != nil || (err != nil) != (string(b) == "older") {
					t.Errorf("%s: %v, and the file has %d bytes: %v", state, err, len(b), rerr)
				}
				if kills++; err == nil {
					continue
				}
				m, _, err := moverOf(e.Operator).ExportFile(ctx, tn, file)
				if err != nil || !reflect.DeepEqual(m.Tables, whole.Tables) {
					t.Errorf("%s, run again: %v, other tables", state, err)
				}
			}
		}
		if kills < 20 {
			t.Errorf("only %d kills", kills)
		}
		if got := settled(t, dsn, tn); got != was {
			t.Errorf("the tenant changed:\n%s", dbtest.Differ(was, got))
		}
	}
	if got := everything(t, e.DSN); got != others {
		t.Errorf("other tenants changed:\n%s", dbtest.Differ(others, got))
	}
}
