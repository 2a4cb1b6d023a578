package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"digione/internal/app/jobs"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func TestSQL(t *testing.T) { dbtest.CheckSQL(t, ".") }

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func runner(db *tenancy.DB, c *clock) *jobs.Runner {
	return &jobs.Runner{DB: db, Log: slog.New(slog.DiscardHandler), Now: c.now}
}

func TestDue(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.Open(t)
	alpha, _ := db.ByID(dbtest.Alpha)
	beta, _ := db.ByID(dbtest.Beta)
	c := &clock{at: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)}
	runs := map[tenancy.ID]int{}
	fails := false
	task := jobs.Task{Name: "test", Every: time.Hour, Run: func(_ context.Context, tn tenancy.Tenant) error {
		runs[tn.ID]++
		if fails {
			return errors.New("it failed")
		}
		return nil
	}}
	run := func(tn tenancy.Tenant, want bool) {
		t.Helper()
		_, ran, err := runner(db, c).RunDue(ctx, tn, task)
		if ran != want || (err != nil) != (fails && want) {
			t.Errorf("at %s: ran %t, want %t (%v)", c.now(), ran, want, err)
		}
	}
	run(alpha, true)
	run(alpha, false)
	run(beta, true) // one tenant's runs are nothing to the other
	c.move(59 * time.Minute)
	run(alpha, false)
	c.move(2 * time.Minute)
	fails = true
	run(alpha, true)
	c.move(time.Hour)
	run(alpha, true)
	if runs[dbtest.Alpha] != 3 || runs[dbtest.Beta] != 1 {
		t.Errorf("runs: %v", runs)
	}
	var list []jobs.Job
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) (err error) { list, err = jobs.List(ctx, tx); return err })
	if err != nil || len(list) != 1 || list[0].Failures != 2 || list[0].Error != "it failed" || list[0].Finished == nil {
		t.Errorf("%+v, %v", list, err)
	}
}

// Of many processes one runs a task; when it dies, another does once the lease ends.
func TestLease(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.Open(t)
	alpha, _ := db.ByID(dbtest.Alpha)
	c := &clock{at: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)}
	var runs atomic.Int32
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	task := jobs.Task{Name: "test", Every: time.Hour, Lease: 10 * time.Minute, Run: func(context.Context, tenancy.Tenant) error {
		runs.Add(1)
		held <- struct{}{}
		<-hold
		return nil
	}}
	ended := make(chan error, 1)
	go func() { _, _, err := runner(db, c).RunDue(ctx, alpha, task); ended <- err }()
	<-held
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, ran, err := runner(db, c).RunDue(ctx, alpha, task); ran || err != nil {
				t.Errorf("ran beside another: %t, %v", ran, err)
			}
		})
	}
	wg.Wait()
	c.move(11 * time.Minute) // as if the first had died
	go func() { _, _, err := runner(db, c).RunDue(ctx, alpha, task); ended <- err }()
	<-held
	close(hold)
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Error(err)
	}
	if n := runs.Load(); n != 2 {
		t.Errorf("%d runs, want 2", n)
	}
	if _, ran, _ := runner(db, c).RunDue(ctx, alpha, task); ran {
		t.Error("ran again at once: the one that overstayed took the end of the other")
	}
}

// A panic is a failure, not the end of the process.
func TestPanic(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	alpha, _ := db.ByID(dbtest.Alpha)
	c := &clock{at: time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)}
	_, ran, err := runner(db, c).RunDue(context.Background(), alpha, jobs.Task{Name: "test", Every: time.Hour, Run: func(context.Context, tenancy.Tenant) error {
		panic("a secret")
	}})
	if !ran || err == nil || err.Error() != "the task panicked" {
		t.Errorf("%t, %v", ran, err)
	}
}

// The loop serves every tenant and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	var mu sync.Mutex
	seen := map[tenancy.ID]int{}
	ctx, cancel := context.WithCancel(context.Background())
	r := &jobs.Runner{DB: db, Log: slog.New(slog.DiscardHandler), Now: time.Now, Tasks: []jobs.Task{{Name: "test", Every: time.Millisecond,
		Run: func(_ context.Context, tn tenancy.Tenant) error {
			mu.Lock()
			defer mu.Unlock()
			if seen[tn.ID]++; len(seen) == 2 {
				cancel()
			}
			return nil
		}}}}
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		cancel()
		t.Fatalf("saw %v", seen)
	}
	if seen[dbtest.Alpha] == 0 || seen[dbtest.Beta] == 0 {
		t.Errorf("saw %v", seen)
	}
}
