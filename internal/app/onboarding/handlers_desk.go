package onboarding

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/operators"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

type desk struct {
	handlers
	site *operators.Site
}

// BoardPage is all that templates/board.html may use.
type BoardPage struct {
	web.Page
	Rows                         []BoardRow
	Stages                       []StageCount
	Count, Overdue, Halted, Live int
	Drilled                      int // whose restore drill passed
	Cohorts, Owners              []Choice
	Last                         string // the last event, to see whether there is news
	Anyone                       bool   // some municipality is joining, shown or not
}

// BoardRow is a municipality on the board.
type BoardRow struct {
	Name, Slug, Cohort, Stage string
	State                     Tag
	Next                      *Row
	Due, Late                 int
}

// StageCount is how many municipalities are in a stage.
type StageCount struct {
	Name  string
	Count int
}

// Choice is something to filter by.
type Choice struct {
	Value, Label string
	Chosen       bool
}

// Parameters of the board's address.
const (
	byCohort = "aalto"
	byOwner  = "kenelta"
)

func (d desk) board(c *fiber.Ctx, rq *web.Request) (operators.View, error) {
	all, last, err := d.service.All(rq.Ctx)
	if err != nil {
		return operators.View{}, err
	}
	cohort, owner := c.Query(byCohort), c.Query(byOwner)
	page := BoardPage{Page: rq.Page("onboarding.board"), Last: strconv.FormatInt(last, 10), Anyone: len(all) > 0}
	v := viewer{rq.Lang, rq.Today()}
	var cohorts []string
	counts := map[string]int{}
	for _, t := range d.db.Tenants() {
		s := all[string(t.ID)]
		if s == nil || t.State.Gone() {
			continue
		}
		cohorts = append(cohorts, s.Cohort)
		due := s.Due()
		if owner != "" {
			due = slices.DeleteFunc(slices.Clone(due), func(st *joining.Status) bool { return st.Waits() != owner })
		}
		if (cohort != "" && s.Cohort != cohort) || (owner != "" && len(due) == 0) {
			continue
		}
		row := BoardRow{Name: t.Name(string(rq.Lang)), Slug: t.Slug, Cohort: s.Cohort, State: v.state(s), Due: len(due)}
		row.Stage = v.stage(s)
		for _, st := range due {
			if v.late(st) {
				row.Late++
			}
		}
		if len(due) > 0 {
			next := v.row(due[0])
			row.Next = &next
		}
		counts[s.Stage]++
		page.Count++
		page.Overdue += min(1, row.Late)
		if s.Passed("restore-drill") {
			page.Drilled++
		}
		switch s.State {
		case joining.Halted:
			page.Halted++
		case joining.Live:
			page.Live++
		}
		page.Rows = append(page.Rows, row)
	}
	slices.SortStableFunc(page.Rows, func(a, b BoardRow) int {
		if a.Late > 0 != (b.Late > 0) {
			return b.Late - a.Late
		}
		return strings.Compare(dueOf(a), dueOf(b))
	})
	if tpl, err := d.service.Templates.Get(joining.DefaultTemplate); err == nil {
		for _, stage := range tpl.Stages {
			page.Stages = append(page.Stages, StageCount{stage.Names.In(string(rq.Lang)), counts[stage.ID]})
		}
	}
	slices.Sort(cohorts)
	for _, x := range slices.Compact(cohorts) {
		if x != "" {
			page.Cohorts = append(page.Cohorts, Choice{x, x, x == cohort})
		}
	}
	for _, x := range []string{joining.Municipality, joining.Tiera, joining.System} {
		page.Owners = append(page.Owners, Choice{x, rq.Lang.T("onboarding.owner." + x), x == owner})
	}
	return operators.View{Template: pages["board"], Page: page}, nil
}

// dueOf orders by day; who has nothing due comes last.
func dueOf(r BoardRow) string {
	if r.Next == nil {
		return "9"
	}
	return r.Next.day
}

// latest is the id of the last event: the board asks for it to see whether there
// is news. It says nothing of any tenant.
func (d desk) latest(c *fiber.Ctx, rq *web.Request) error {
	_, last, err := d.service.All(rq.Ctx)
	if err != nil {
		return err
	}
	return c.SendString(strconv.FormatInt(last, 10))
}

// JoiningPage is all that templates/joining.html may use.
type JoiningPage struct {
	web.Page
	Slug      string
	Started   bool
	Stage     string
	State     Tag
	Paused    string
	Stages    []StageView
	Waves     []WaveView
	History   []Line
	Files     []joining.Evidence
	Approvals []Row
	Open      []Choice // requirements to waive
	Begun     []Choice // stages to reopen
	MayChange bool
}

func (d desk) tenant(c *fiber.Ctx, rq *web.Request) (operators.View, error) {
	t, err := d.site.Tenant(c)
	if err != nil {
		return operators.View{}, err
	}
	page := JoiningPage{Page: rq.Page("onboarding.title"), Slug: t.Slug, MayChange: operators.From(rq).MayChange()}
	page.Title = t.Name(string(rq.Lang)) + ": " + page.Title
	s, err := d.service.State(rq.Ctx, t)
	if errors.Is(err, joining.ErrNotStarted) {
		return operators.View{Template: pages["joining"], Page: page}, nil
	}
	if err != nil {
		return operators.View{}, err
	}
	events, err := d.service.Events(rq.Ctx, t)
	if err != nil {
		return operators.View{}, err
	}
	v := viewer{rq.Lang, rq.Today()}
	page.Started, page.State, page.Paused = true, v.state(s), s.PausedWhy
	page.Stage, page.Stages = v.stage(s), v.stages(s)
	page.Waves, page.History, page.Files = v.waves(s), v.history(s, events), filesOf(s)
	for _, stage := range s.Template.Stages[:s.Template.StageAt(s.Stage)+1] {
		page.Begun = append(page.Begun, Choice{Value: stage.ID, Label: stage.Names.In(string(rq.Lang))})
	}
	for _, st := range s.Due() {
		if st.State == joining.Second && st.Waits() == joining.Tiera {
			page.Approvals = append(page.Approvals, v.row(st))
		}
		page.Open = append(page.Open, Choice{Value: st.ID, Label: st.Names.In(string(rq.Lang))})
	}
	return operators.View{Template: pages["joining"], Page: page}, nil
}

// evidenceOf sends what a municipality handed in to the operator who is to approve
// it; that it was looked at stands in the operator log.
func (d desk) evidenceOf(c *fiber.Ctx, rq *web.Request) (operators.View, error) {
	t, err := d.site.Tenant(c)
	if err != nil {
		return operators.View{}, err
	}
	b, f, err := d.kept(rq, t, c.Params("hash"))
	return operators.View{Send: func() error { return attach(c, b, f) }}, err
}

// step is one change of a municipality's joining by an operator.
type step func(s *joining.Service, rq *web.Request, t tenancy.Tenant, by joining.Actor) error

func approve(s *joining.Service, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	_, err := s.Approve(rq.Ctx, t, by, []string{rq.Form("requirement")}, rq.Form("reason"))
	return err
}

func waive(s *joining.Service, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	_, err := s.Waive(rq.Ctx, t, by, rq.Form("requirement"), rq.Form("reason"))
	return err
}

func reopen(s *joining.Service, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	_, err := s.Reopen(rq.Ctx, t, by, rq.Form("requirement"), rq.Form("reason"))
	return err
}

func pause(s *joining.Service, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	_, err := s.Pause(rq.Ctx, t, by, rq.Form("reason"))
	return err
}

func resume(s *joining.Service, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	_, err := s.Resume(rq.Ctx, t, by, rq.Form("reason"))
	return err
}

func (d desk) change(f step) operators.Changer {
	return func(c *fiber.Ctx, rq *web.Request) (string, error) {
		t, err := d.site.Tenant(c)
		if err != nil {
			return "", err
		}
		by := joining.Actor{Account: operators.From(rq).Name, Side: joining.Tiera}
		if err := refusal(f(d.service, rq, t, by)); err != nil {
			return "", err
		}
		rq.Flash("flash.confirmed")
		return "/t/" + t.Slug + "/liittyminen", nil
	}
}
