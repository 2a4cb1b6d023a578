package roster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// What a program does in the background of a request.
const (
	workCheck = "check" // an upload, or a plan to be made anew, becomes a plan
	workApply = "apply"
	workInbox = "inbox" // what was delivered is brought in
	workShow  = "rehearse"
	workPlan  = "schedule" // what publishing would change is worked out
	workGo    = "publish"
)

// Work is something that runs without anybody waiting for it, in one of the
// programs. Its beat says that it lives.
type Work struct {
	ID        uuid.UUID
	Kind      string
	Upload    *uuid.UUID
	Plan      string
	Running   bool
	Stage     string
	Type      oneroster.Type
	Rows      int64
	StartedBy string
	StartedAt time.Time
	dead      bool // no beat for too long
}

// Desk runs checks and imports for people at the pages: a closed browser does not
// stop them. There is one thing at a time in a tenant, whichever program does it,
// and few at a time in this program.
type Desk struct {
	*Service
	Log  *slog.Logger
	Beat time.Duration // between two signs of life

	ctx   context.Context
	stop  context.CancelFunc
	slots chan struct{}
	under sync.WaitGroup
}

// atOnce bounds the packages that one program works on: each holds what a large
// municipality has in memory.
const atOnce = 2

// deadAfter is how long after its last beat work is taken for dead.
const deadAfter = 30 * time.Second

// NewDesk returns a desk; Shutdown ends it.
func NewDesk(s *Service, log *slog.Logger) *Desk {
	if log == nil {
		log = slog.Default()
	}
	ctx, stop := context.WithCancel(context.Background())
	return &Desk{Service: s, Log: log, Beat: time.Second, ctx: ctx, stop: stop, slots: make(chan struct{}, atOnce)}
}

// Shutdown stops what runs, says so in its records and waits for that, at most
// until ctx ends. What was stopped has changed nothing.
func (d *Desk) Shutdown(ctx context.Context) {
	d.stop()
	done := make(chan struct{})
	go func() { d.under.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// progress is what work last said of itself.
type progress struct {
	stage string
	t     oneroster.Type
	rows  int64
}

// Check begins to make a plan of a received package.
func (d *Desk) Check(ctx context.Context, t tenancy.Tenant, u *Upload, who string) error {
	w := &Work{ID: uuid.New(), Kind: workCheck, Upload: &u.ID, StartedBy: who}
	return d.start(ctx, t, w, func(ctx context.Context, say Progress) error { return d.check(ctx, t, u.ID, say) })
}

// Again begins to make a plan anew.
func (d *Desk) Again(ctx context.Context, t tenancy.Tenant, plan, who string) error {
	w := &Work{ID: uuid.New(), Kind: workCheck, Plan: plan, StartedBy: who}
	return d.start(ctx, t, w, func(ctx context.Context, say Progress) error {
		_, err := d.Replan(ctx, t, plan, who, say)
		return err
	})
}

// Begin begins to apply a plan, when the approval suffices for that.
func (d *Desk) Begin(ctx context.Context, t tenancy.Tenant, plan string, a Approval) error {
	p, err := d.Show(ctx, t, plan)
	if err != nil {
		return err
	}
	if err := p.mayApply(t, a); err != nil {
		return err
	}
	err = d.DB.Read(ctx, t.ID, func(tx tenancy.Read) error { return notScheduled(ctx, tx, p.ID) })
	if err != nil {
		return err
	}
	w := &Work{ID: uuid.New(), Kind: workApply, Plan: p.ID, StartedBy: a.Who}
	return d.start(ctx, t, w, func(ctx context.Context, say Progress) error {
		_, err := d.Apply(ctx, t, p.ID, a, say)
		return err
	})
}

// BeginSchedule begins to work out what publishing a plan school by school would
// change. What cannot be is said at once.
func (d *Desk) BeginSchedule(ctx context.Context, t tenancy.Tenant, p *Plan, at time.Time, who string) error {
	if err := d.maySchedule(ctx, t, p, at); err != nil {
		return err
	}
	w := &Work{ID: uuid.New(), Kind: workPlan, Plan: p.ID, StartedBy: who}
	return d.start(ctx, t, w, func(ctx context.Context, say Progress) error {
		_, err := d.SchedulePublication(ctx, t, p.ID, at, who, say)
		return err
	})
}

// BeginPublish begins to publish what is due.
func (d *Desk) BeginPublish(ctx context.Context, t tenancy.Tenant, plan, who string) error {
	w := &Work{ID: uuid.New(), Kind: workGo, Plan: plan, StartedBy: who}
	return d.start(ctx, t, w, func(ctx context.Context, say Progress) error {
		_, err := d.Publish(ctx, t, say)
		return err
	})
}

func (d *Desk) start(ctx context.Context, t tenancy.Tenant, w *Work, do func(context.Context, Progress) error) error {
	if d.ctx.Err() != nil {
		return fault.New(fault.Conflict, "roster.error.ending", "this program is ending; try again")
	}
	if _, err := d.running(ctx, t); err != nil {
		return err
	}
	if err := d.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return insertWork(ctx, tx, w) }); err != nil {
		return err
	}
	d.under.Add(1)
	go d.run(t, w, do)
	return nil
}

func (d *Desk) run(t tenancy.Tenant, w *Work, do func(context.Context, Progress) error) {
	defer d.under.Done()
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	var now atomic.Pointer[progress]
	now.Store(&progress{stage: "queue"})
	over := make(chan struct{})
	go func() { defer close(over); d.beat(ctx, cancel, t, w, &now) }()
	err := d.turn(ctx, func() error {
		return do(ctx, func(stage string, ty oneroster.Type, rows int64) { now.Store(&progress{stage, ty, rows}) })
	})
	cancel()
	<-over
	if err != nil {
		d.Log.Warn("roster work failed", "tenant", string(t.ID), "work", w.ID.String(), "kind", w.Kind, "error", err.Error())
	}
	end, done := context.WithTimeout(context.Background(), 10*time.Second)
	defer done()
	if err := d.DB.Write(end, t.ID, func(tx tenancy.Write) error { return endWork(end, tx, w, err, d.Now()) }); err != nil {
		d.Log.Warn("roster work has no end", "tenant", string(t.ID), "work", w.ID.String(), "error", err.Error())
	}
}

// turn waits until few enough others are at work.
func (d *Desk) turn(ctx context.Context, f func() error) error {
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beat says every now and then that the work lives, and how far it is. Whoever took
// it for dead has said so in its record: then it stops.
func (d *Desk) beat(ctx context.Context, cancel context.CancelFunc, t tenancy.Tenant, w *Work, now *atomic.Pointer[progress]) {
	tick := time.NewTicker(d.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		alive := true
		err := d.DB.Write(ctx, t.ID, func(tx tenancy.Write) (err error) {
			alive, err = beatWork(ctx, tx, w.ID, now.Load())
			return err
		})
		if err == nil && !alive {
			cancel()
			return
		}
	}
}

// check makes a plan of a package that has come whole. Its parts are deleted when
// the plan stands, which keeps the package itself.
func (d *Desk) check(ctx context.Context, t tenancy.Tenant, id uuid.UUID, say Progress) error {
	u, err := d.Upload(ctx, t, id)
	if err != nil {
		return err
	}
	err = d.planUpload(ctx, t, u, say)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err == nil {
		return d.dropParts(end, t, u)
	}
	var findings []oneroster.Finding
	bad := (*InvalidError)(nil)
	switch key, _ := failureOf(err); {
	case errors.As(err, &bad):
		u.State, u.Totals, findings = Faulty, bad.Report.Totals, boundFindings(bad.Report.Findings)
	case key != "":
		u.State, u.Failure = Broken, key
	default:
		u.State, u.Failure = Broken, failedStopped
	}
	serr := d.DB.Write(end, t.ID, func(tx tenancy.Write) error {
		_, err := settleUpload(end, tx, u, findings, d.Now())
		return err
	})
	if bad != nil {
		err = nil
	}
	if err = errors.Join(err, serr); err != nil || u.State == Broken {
		return err
	}
	return d.dropParts(end, t, u)
}

// planUpload keeps the plan and says so at the upload in one transaction: a package
// becomes one plan, wherever its program dies.
func (d *Desk) planUpload(ctx context.Context, t tenancy.Tenant, u *Upload, say Progress) error {
	ks, err := d.Keyset(t)
	if err != nil {
		return err
	}
	say.say("gather", "", 0)
	f, err := d.assembled(ctx, t, ks, u)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	p := Package{Name: u.Name, Content: f, Size: u.Size}
	p.Note = func(ctx context.Context, tx tenancy.Write, plan *Plan) error {
		became := *u
		became.State, became.Plan, became.Failure = Checked, plan.ID, ""
		settled, err := settleUpload(ctx, tx, &became, nil, d.Now())
		if err == nil && !settled { // it was taken for dead, and somebody else made one
			err = fault.New(fault.Conflict, "roster.error.upload", "upload %s is a plan already", u.ID)
		}
		return err
	}
	_, err = d.Plan(ctx, t, p, u.Options, u.SentBy, say)
	return err
}

// running returns what runs in the tenant, nil when nothing does. A page asks before
// it reads anything else: work that ends afterwards has left its traces in what is
// read then, while the other way round a page could show neither.
//
// Work whose program has died ends here: what it did is undone by the database, and
// the plan or the upload says that it was stopped.
func (d *Desk) running(ctx context.Context, t tenancy.Tenant) (w *Work, err error) {
	err = d.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		w, err = runningWork(ctx, tx)
		return err
	})
	if err != nil || w == nil || !w.dead {
		return w, err
	}
	err = d.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return reapWork(ctx, tx, w, d.Now()) })
	if fault.Key(err) == "roster.error.running" {
		return w, nil // its transaction lives on, and ends as it may
	}
	return nil, err
}
