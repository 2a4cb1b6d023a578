// Package jobs runs what a tenant needs by itself, such as sealing its audit: each
// task once in a while for each tenant, on one of the processes that serve. It
// writes job. A task must bear being run again at any moment: a process that dies
// leaves a lease that ends by itself, and another takes the task up.
//
// Each process looks at the tenants by itself and claims what is due by one
// statement in the tenant's own schema; there is no list of jobs that spans tenants,
// and so none through which one could reach another's.
package jobs

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"digione/internal/tenancy"
)

// Task is something that is done for each tenant.
type Task struct {
	Name  string        // in the table job and in metrics, such as audit.seal
	Every time.Duration // from the end of one run to the next
	Lease time.Duration // no run takes longer; 0 is 10 minutes
	// Run does it. Its error is logged and kept: nothing about a person is in it.
	Run func(ctx context.Context, t tenancy.Tenant) error
}

// Runner runs tasks for all tenants that are served.
type Runner struct {
	DB      *tenancy.DB
	Tasks   []Task
	Log     *slog.Logger
	Now     func() time.Time
	Observe func(task, outcome string, took time.Duration) // may be nil
}

// workers is how many tasks a process runs at once: they share the connections of
// those who wait for a page.
const workers = 2

// look is how often a process looks for what is due; recheck is how long it trusts
// what another process may have changed meanwhile.
const (
	look    = time.Second
	recheck = 5 * time.Minute
)

// key is one task of one tenant.
type key struct {
	tenant tenancy.ID
	task   int
}

// Run runs what is due until ctx ends, and returns when the last task has ended.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	next := map[key]time.Time{}
	var mu sync.Mutex
	busy := make(chan struct{}, workers)
	for tick := time.NewTicker(look); ; {
		for _, t := range r.DB.Served() {
			for i := range r.Tasks {
				k, now := key{t.ID, i}, r.Now()
				mu.Lock()
				at, known := next[k]
				if !known { // spread over the interval, so that a start is no rush
					at = now.Add(rand.N(min(r.Tasks[i].Every, recheck))) //nolint:gosec // no secret
				}
				due := !at.After(now)
				if due {
					at = now.Add(recheck) // whoever runs it says better below
				}
				next[k] = at
				mu.Unlock()
				if !due {
					continue
				}
				select {
				case busy <- struct{}{}:
				case <-ctx.Done():
					return
				}
				wg.Go(func() {
					defer func() { <-busy }()
					again := r.one(ctx, t, r.Tasks[i])
					mu.Lock()
					next[k] = again
					mu.Unlock()
				})
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// one runs a task if it is due, and returns when to look again.
func (r *Runner) one(ctx context.Context, t tenancy.Tenant, task Task) (again time.Time) {
	due, ran, err := r.RunDue(ctx, t, task)
	switch {
	case err == nil:
	case ctx.Err() != nil, errors.Is(err, tenancy.ErrNoTenant), errors.Is(err, tenancy.ErrGone):
		// It goes on elsewhere, or there is nobody to do it for.
	default:
		r.Log.Warn("job", "task", task.Name, "tenant", t.ID, "ran", ran, "error", err)
	}
	return minTime(due, r.Now().Add(recheck))
}

func minTime(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// RunDue claims a task of a tenant if it is due and nobody has it, and runs it.
// It returns when it is due next.
func (r *Runner) RunDue(ctx context.Context, t tenancy.Tenant, task Task) (due time.Time, ran bool, err error) {
	lease := task.Lease
	if lease == 0 {
		lease = 10 * time.Minute
	}
	began := r.Now()
	due, ran, err = claim(ctx, r.DB, t.ID, task.Name, began, began.Add(lease))
	if err != nil || !ran {
		return due, ran, err
	}
	run, cancel := context.WithTimeout(ctx, lease)
	failed := safely(run, t, task)
	cancel()
	due = r.Now().Add(task.Every)
	// What was cut short by the end of the process is due at once, elsewhere.
	if ctx.Err() != nil && failed != nil {
		due = r.Now()
	}
	done, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = finish(done, r.DB, t.ID, task.Name, began, due, r.Now(), failed)
	if r.Observe != nil {
		outcome := "done"
		if failed != nil {
			outcome = "failed"
		}
		r.Observe(task.Name, outcome, r.Now().Sub(began))
	}
	return due, true, errors.Join(failed, err)
}

func safely(ctx context.Context, t tenancy.Tenant, task Task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("the task panicked")
			slog.Error("job panicked", "task", task.Name, "tenant", t.ID, "panic", p)
		}
	}()
	return task.Run(ctx, t)
}
