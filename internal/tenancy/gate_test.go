package tenancy_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// TestFurtherOnesGiveWay: while as many transactions run as may at once, a tenant that
// has one running waits with the next, and everybody else's first passes.
func TestFurtherOnesGiveWay(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	provision(t, e.Operator, private("gamma", "all"))
	cfg := dbtest.Config(e.DSN)
	cfg.Assert, cfg.AtOnce, cfg.Patience = false, 2, 100*time.Millisecond
	db := open(t, cfg)
	ctx := context.Background()
	gamma := dbtest.Beta
	for _, tn := range db.Tenants() {
		if tn.Slug == "gamma" {
			gamma = tn.ID
		}
	}
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	hold := func(id tenancy.ID, opts ...tenancy.Option) (let func()) {
		held, on := make(chan struct{}), make(chan struct{})
		wg.Go(func() {
			err := db.Read(ctx, id, func(tenancy.Read) error { close(held); <-on; return nil }, opts...)
			if err != nil {
				t.Error(err)
			}
		})
		<-held
		return sync.OnceFunc(func() { close(on) })
	}
	busy := func() bool {
		return errors.As(db.Read(ctx, dbtest.Alpha, run("select 1")), new(*tenancy.BusyError))
	}
	long := hold(dbtest.Alpha, tenancy.Within(time.Minute))
	defer long()
	if busy() {
		t.Error("an import counts")
	}
	first := hold(dbtest.Alpha)
	defer first()
	if busy() {
		t.Error("a second one gives way to nobody")
	}
	other := hold(dbtest.Beta)
	defer other()
	if !busy() {
		t.Error("a second one does not give way")
	}
	if err := db.Read(ctx, gamma, run("select 1")); err != nil {
		t.Errorf("another tenant's first: %v", err)
	}
	waits := make(chan error, 1)
	wg.Go(func() { waits <- db.Read(ctx, dbtest.Alpha, run("select 1")) })
	time.AfterFunc(20*time.Millisecond, other)
	if err := <-waits; err != nil {
		t.Errorf("when the other has ended: %v", err)
	}
	wg.Go(func() { waits <- db.Read(ctx, dbtest.Alpha, run("select 1")) })
	other = hold(dbtest.Beta)
	time.AfterFunc(20*time.Millisecond, first)
	if err := <-waits; err != nil {
		t.Errorf("when its own first has ended: %v", err)
	}
	other()
}
