package roster

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

func isHeld(err error, held **HeldError) bool { return errors.As(err, held) }

// PlanPage is all that templates/plan.html may use.
type PlanPage struct {
	web.Page
	MayChange bool
	Plan      PlanLine
	Work      *WorkView
	Facts     PlanFacts
	Groups    []GroupView // of the findings
	Warnings  int
	Holds     []string
	Leavers   int
	Losers    int      // who would lose one of several roles or a school
	Own       []string // what the reader would lose
	Conflicts []ConflictView
	Matrix    []MatrixRow
	Schools   []SchoolChoice
	School    string // the chosen one
	Open      bool   // can still be applied
	Stale     bool
	First     bool // the first import: that is said by a tick
	Reason    bool // something holds it: a reason is asked
	Second    bool // another person must approve, and the reader is not one
	Failure   string
	Broken    bool   // it can no longer be applied
	Until     string // the day until which it can be taken back
	MayUndo   bool
	Undone    string            // id of what it takes back
	Next      string            // id of the plan that took its place, or takes it back
	Rest      int               // removals left out
	Rehearse  bool              // its package can be worked out for a day to come
	Published string            // address of its publication, empty when it has none that counts
	Sent      map[string]string // what the form held, where it comes back
}

func (h handlers) plan(c *fiber.Ctx, rq *web.Request) error {
	return h.showPlan(c, rq, fiber.StatusOK, nil)
}

// planFields are the fields of the plan's form that errors are about.
var planFields = map[string]string{"roster.error.reason": "reason", "roster.error.long": "reason", "roster.error.initial": "initial", "roster.error.approve": "approve"}

// showPlan is the plan's page, with what is wrong in its form.
func (h handlers) showPlan(c *fiber.Ctx, rq *web.Request, status int, wrong error) error {
	w, err := h.desk.running(rq.Ctx, rq.Tenant)
	if err != nil {
		return err
	}
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	page := PlanPage{Page: rq.Page("roster.title.plan"), MayChange: rq.Actor.May(authz.RosterChange), School: c.Query("koulu")}
	if p.Kind == "rollback" {
		page.Title = rq.Lang.T("roster.title.rollback")
	}
	page.Work = workView(rq.Lang, w.of(p.ID))
	var schools []SchoolCounts
	sampled := map[string]bool{}
	last := &Plan{}
	names := map[string]string{}
	var own []leaver
	busy := false // it is being published school by school, and nothing else is done with it
	err = h.desk.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error {
		if schools, err = h.desk.Schools(rq.Ctx, tx, p); err != nil {
			return err
		}
		if sampled, err = sampledKinds(rq.Ctx, tx, p.ID); err != nil {
			return err
		}
		if last, err = latest(rq.Ctx, tx); err != nil {
			return err
		}
		if own, _, err = leaversOf(rq.Ctx, tx, p.ID, &rq.Actor.Person, perPage, 0); err != nil {
			return err
		}
		if pub, ok, err := publicationOf(rq.Ctx, tx, p.ID); err != nil {
			return err
		} else if ok && pub.State != Cancelled {
			page.Published, busy = publishing(pub.Plan), pub.Open() && pub.Plan == p.ID
		}
		if page.Next, err = successor(rq.Ctx, tx, p); err != nil {
			return err
		}
		names, err = namesOfAccounts(rq.Ctx, tx, accountsOf([]*Plan{p}, nil))
		return err
	})
	if err != nil {
		return err
	}
	v := viewer{rq.Lang, names}
	v.fill(&page, rq.Tenant, p, last.seq, schools, sampled)
	if page.Open {
		page.Own = v.lossesOf(own)
	}
	page.Rehearse = p.mayRehearse() == nil
	page.Open, page.Stale = page.Open && !busy, page.Stale && !busy
	_, mine := PersonOf(p.PlannedBy)
	page.Second = page.Reason && mine && tenancy.SamePerson(p.PlannedBy, account(rq))
	if rq.MendFault(&page.Page, wrong, planFields); wrong != nil {
		page.Sent = map[string]string{}
		for _, f := range []string{"reason", "initial", "approve"} {
			page.Sent[f], _ = rq.Sentence(f, 0, 500)
		}
	}
	return rq.RenderStatus(status, pages["plan"], page)
}

// apply begins to apply the plan, by the word of whoever sends the form.
func (h handlers) apply(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	a := Approval{Who: account(rq), Initial: rq.Form("initial") != "", Approve: rq.Form("approve") != "", Reason: strings.TrimSpace(rq.Form("reason"))}
	if err := p.worded(a); err != nil {
		return h.showPlan(c, rq, fiber.StatusUnprocessableEntity, err)
	}
	if stale, err := h.desk.Stale(rq.Ctx, rq.Tenant, p); err != nil || stale {
		if stale {
			err = fault.New(fault.Conflict, "roster.error.stale", "plan %s is stale", p.ID)
		}
		return err
	}
	if err := h.noted(rq.Ctx, rq, "apply "+p.ID); err != nil {
		return err
	}
	if err := refusal(h.desk.Begin(rq.Ctx, rq.Tenant, p.ID, a)); err != nil {
		return err
	}
	return c.Redirect(own+"/"+p.ID, fiber.StatusSeeOther)
}

// asks tells what a plan that was not applied asks of whoever sends it off: to say that
// it is the first import, or to approve what holds it.
func (p *Plan) asks() (initial, held bool) {
	for _, h := range p.Holds {
		if p.seq == 0 {
			initial, held = initial || h.Rule == RuleInitial, held || h.Rule != RuleInitial
		}
	}
	return initial, held
}

// worded tells what is missing of the words with which a plan is sent off.
func (p *Plan) worded(a Approval) error {
	initial, held := p.asks()
	switch {
	case len([]rune(a.Reason)) > 500:
		return fault.New(fault.Invalid, "roster.error.long", "the reason is too long")
	case initial && !a.Initial:
		return fault.New(fault.Invalid, "roster.error.initial", "the first import was not confirmed")
	case held && !a.Approve:
		return fault.New(fault.Invalid, "roster.error.approve", "what holds the plan was not approved")
	case (held || p.Kind == "rollback") && a.Reason == "":
		return fault.New(fault.Invalid, "roster.error.reason", "no reason")
	}
	return nil
}

func (h handlers) close(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	if err := h.noted(rq.Ctx, rq, "close "+p.ID); err != nil {
		return err
	}
	if _, err := h.desk.Close(rq.Ctx, rq.Tenant, p.ID, account(rq)); err != nil {
		return err
	}
	rq.Flash("flash.planclosed")
	return c.Redirect(own, fiber.StatusSeeOther)
}

// again begins to plan anew from the kept package.
func (h handlers) again(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	if p.seq > 0 || p.State == Closed {
		return fault.New(fault.Conflict, "roster.error.applied", "plan %s is %s", p.ID, p.State)
	}
	if err := h.desk.Again(rq.Ctx, rq.Tenant, p.ID, account(rq)); err != nil {
		return err
	}
	return c.Redirect(own+"/"+p.ID, fiber.StatusSeeOther)
}

// undoTime is how long planning to take an import back may take.
const undoTime = 2 * time.Minute

// undo plans to take an import back, and shows that plan.
func (h handlers) undo(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	// Long for a page, and yet waited for: whoever asks hears at once why it cannot be.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(rq.Ctx), undoTime)
	defer cancel()
	var back *Plan
	err = h.desk.turn(ctx, func() (err error) {
		back, err = h.desk.PlanRollback(ctx, rq.Tenant, p.ID, false, false, account(rq))
		return err
	})
	if err != nil {
		return err
	}
	return c.Redirect(own+"/"+back.ID, fiber.StatusSeeOther)
}
