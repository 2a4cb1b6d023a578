package onboarding

import (
	"context"
	"errors"
	"maps"
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
	Drilled                      int // whose last restore drill passed, and is not too old
	Cohorts, Owners              []Choice
	Last                         string // the last event, to see whether there is news
	Anyone                       bool   // some municipality is joining, shown or not
}

// BoardRow is a municipality on the board.
type BoardRow struct {
	Name, Slug, Cohort, Stage string
	State                     Tag
	Next                      *Row
	Due, Late, Red            int
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
	v := viewer{l: rq.Lang, today: rq.Today(), known: d.service.Templates}
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
		row := BoardRow{Name: t.Name(string(rq.Lang)), Slug: t.Slug, Cohort: s.Cohort, State: v.state(s), Due: len(due), Red: s.Red()}
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
		if drilled(s, rq.Today()) {
			page.Drilled++
		}
		if s.State == joining.Halted || s.Red() > 0 {
			page.Halted++
		}
		if s.Lives() {
			page.Live++
		}
		page.Rows = append(page.Rows, row)
	}
	slices.SortStableFunc(page.Rows, func(a, b BoardRow) int {
		if a.Late > 0 != (b.Late > 0) {
			return b.Late - a.Late
		}
		if a.Red > 0 != (b.Red > 0) {
			return b.Red - a.Red
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
	Red       int
	Paused    string
	Stages    []StageView
	Waves     []WaveView
	History   History
	Files     []joining.Evidence
	Approvals []Row
	Forms     []Form // of those who may change
	Moves     []Move
	MayChange bool
}

// Form is one of the changes that an operator makes. Its id begins those of its fields.
type Form struct {
	ID, Name, Path, What, Label string
	Choices                     []Choice
	Why, WhyNeeded, File, Who   bool // which fields it has besides
	WhoNeeded                   bool
	Reason, Named               string // what was typed, where the form comes back
}

// Move is another version of the template, and what it asks otherwise.
type Move struct{ ID, Added, Removed, Changed string }

func (d desk) tenant(c *fiber.Ctx, rq *web.Request) (operators.View, error) {
	t, err := d.site.Tenant(c)
	if err != nil {
		return operators.View{}, err
	}
	page := JoiningPage{Page: rq.Page("onboarding.title"), Slug: t.Slug, MayChange: operators.From(rq).MayChange()}
	page.Title = t.Name(string(rq.Lang)) + ": " + page.Title
	s, err := d.service.State(rq.Ctx, t)
	if errors.Is(err, joining.ErrNotStarted) {
		page.Forms = []Form{page.form(rq, "s", "start", Form{Who: true, Label: rq.Lang.T("onboarding.board.wave")})}
		return operators.View{Template: pages["joining"], Page: page}, nil
	}
	if err != nil {
		return operators.View{}, err
	}
	events, err := d.service.Events(rq.Ctx, t)
	if err != nil {
		return operators.View{}, err
	}
	v, err := d.viewer(rq, t)
	if err != nil {
		return operators.View{}, err
	}
	page.Started, page.State, page.Red, page.Paused = true, v.state(s), s.Red(), s.PausedWhy
	page.Stage, page.Stages = v.stage(s), v.stages(s)
	page.Waves, page.Files = v.waves(s), filesOf(events)
	page.History = v.history(s, events, "/t/"+t.Slug+own, before(c))
	for _, st := range s.Due() {
		if st.State == joining.Second && st.Waits() == joining.Tiera {
			page.Approvals = append(page.Approvals, v.row(st))
		}
	}
	page.Forms, page.Moves = page.forms(rq, s), d.moves(v, s)
	return operators.View{Template: pages["joining"], Page: page}, nil
}

// form fills in what the form has been sent with, when it comes back.
func (p JoiningPage) form(rq *web.Request, id, name string, f Form) Form {
	f.ID, f.Name, f.Path = id, rq.Lang.T("onboarding.step."+name), "/t/"+p.Slug+own+"/"+name
	if rq.Form("lomake") == id {
		f.Reason, _ = rq.Sentence("reason", 0, 500)
		f.Named, _ = rq.Sentence("nimi", 0, 100)
		for i := range f.Choices {
			f.Choices[i].Chosen = f.Choices[i].Value == rq.Form("requirement")
		}
	}
	return f
}

// forms are the changes that are possible now.
func (p JoiningPage) forms(rq *web.Request, s *joining.State) []Form {
	lang, word := string(rq.Lang), rq.Lang.T
	var said, open, begun, waves []Choice
	for _, st := range s.Due() {
		c := Choice{Value: st.ID, Label: st.Names.In(lang)}
		if attestable(st) {
			said = append(said, c)
		}
		if !st.NoWaiver && st.Kind != joining.Waves {
			open = append(open, c)
		}
	}
	stages := s.Template.Stages
	if !s.Lives() {
		stages = stages[:s.Template.StageAt(s.Stage)+1]
	}
	for _, stage := range stages {
		begun = append(begun, Choice{Value: stage.ID, Label: stage.Names.In(lang)})
	}
	for _, w := range s.OpenWaves {
		waves = append(waves, Choice{Value: w, Label: w})
	}
	out := []Form{p.form(rq, "v", "advance", Form{}), p.form(rq, "c", "check", Form{})}
	add := func(id, name string, f Form) { out = append(out, p.form(rq, id, name, f)) }
	if len(said) > 0 {
		add("a", "attest", Form{What: word("onboarding.requirement"), Choices: said, File: true, Why: true, Who: true, Label: word("onboarding.signer")})
	}
	if len(open) > 0 {
		add("w", "waive", Form{What: word("onboarding.requirement"), Choices: open, Why: true, WhyNeeded: true})
	}
	add("o", "reopen", Form{What: word("onboarding.stage"), Choices: begun, Why: true, WhyNeeded: true})
	if len(waves) > 0 {
		add("b", "rollback", Form{What: word("onboarding.board.wave"), Choices: waves, Why: true, WhyNeeded: true})
	}
	if s.Paused {
		add("r", "resume", Form{Why: true})
	} else {
		add("p", "pause", Form{Why: true, WhyNeeded: true})
	}
	return out
}

// moves are the other versions that a municipality could be moved to.
func (d desk) moves(v viewer, s *joining.State) (out []Move) {
	for _, id := range slices.Sorted(maps.Keys(d.service.Templates)) {
		if id == s.Template.ID {
			continue
		}
		p := s.Preview(d.service.Templates[id])
		list := func(ids []string) string {
			for i := range ids {
				ids[i] = v.requirement(s.Template, ids[i])
			}
			return strings.Join(ids, ", ")
		}
		out = append(out, Move{id, list(p.Added), list(p.Removed), list(p.Changed)})
	}
	return out
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
type step func(c *fiber.Ctx, rq *web.Request, t tenancy.Tenant, by joining.Actor) error

// steps are the changes, by their names in the operator log.
func (d desk) steps() map[string]step {
	s := d.service
	of := func(f func(context.Context, tenancy.Tenant, joining.Actor, string, string) (*joining.State, error)) step {
		return func(_ *fiber.Ctx, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
			_, err := f(rq.Ctx, t, by, rq.Form("requirement"), rq.Form("reason"))
			return err
		}
	}
	plain := func(f func(context.Context, tenancy.Tenant, joining.Actor, string) (*joining.State, error)) step {
		return of(func(ctx context.Context, t tenancy.Tenant, by joining.Actor, _, why string) (*joining.State, error) {
			return f(ctx, t, by, why)
		})
	}
	return map[string]step{
		"approve": of(func(ctx context.Context, t tenancy.Tenant, by joining.Actor, what, why string) (*joining.State, error) {
			return s.Approve(ctx, t, by, []string{what}, why)
		}),
		"waive": of(s.Waive), "reopen": of(s.Reopen), "rollback": of(s.RollBack), "pause": plain(s.Pause), "resume": plain(s.Resume),
		"start": d.start, "check": d.check, "advance": d.advance, "attest": d.attest, "move": d.move,
	}
}

func (d desk) start(_ *fiber.Ctx, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	cohort, _ := rq.Sentence("nimi", 0, 100)
	if _, err := d.service.Start(rq.Ctx, t, by, "", cohort); err != nil {
		return err
	}
	return Plan(rq.Ctx, d.service, t, by)
}

func (d desk) check(_ *fiber.Ctx, rq *web.Request, t tenancy.Tenant, _ joining.Actor) error {
	_, err := d.service.Check(rq.Ctx, t, "")
	return err
}

func (d desk) advance(_ *fiber.Ctx, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	if _, err := d.service.State(rq.Ctx, t); err != nil {
		return err
	}
	if err := Plan(rq.Ctx, d.service, t, by); err != nil {
		return err
	}
	_, err := d.service.Advance(rq.Ctx, t)
	return err
}

// attest writes down what somebody of the municipality said, or says it for Tiera.
func (d desk) attest(c *fiber.Ctx, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	if _, err := d.service.State(rq.Ctx, t); err != nil {
		return err
	}
	if name, ok := rq.Sentence("nimi", 1, 100); ok {
		by.Side, by.Name = joining.Municipality, name
	}
	kept, err := d.keep(c, rq, t)
	if err != nil {
		return err
	}
	_, err = d.service.Attest(rq.Ctx, t, by, []string{rq.Form("requirement")}, kept, rq.Form("reason"))
	return err
}

func (d desk) move(_ *fiber.Ctx, rq *web.Request, t tenancy.Tenant, by joining.Actor) error {
	_, _, err := d.service.MoveTemplate(rq.Ctx, t, by, rq.Form("requirement"), false)
	return err
}

func (d desk) change(f step) operators.Changer {
	return func(c *fiber.Ctx, rq *web.Request) (string, error) {
		t, err := d.site.Tenant(c)
		if err != nil {
			return "", err
		}
		by := joining.Actor{Account: operators.From(rq).Name, Side: joining.Tiera}
		if err := refusal(f(c, rq, t, by)); err != nil {
			return "", err
		}
		rq.Flash("flash.confirmed")
		return "/t/" + t.Slug + own, nil
	}
}

// deskFields are the fields that errors are about.
var deskFields = map[string]string{"onboarding.wrong.reason": "why", "onboarding.wrong.file": "file", "onboarding.type": "file", "onboarding.toolarge": "file",
	"onboarding.empty": "file", "onboarding.wrong.signer": "name", "onboarding.wrong.measured": "what", "onboarding.wrong.done": "what"}

// again is the page with what is wrong in one of its forms.
func (d desk) again(c *fiber.Ctx, rq *web.Request, wrong error) (operators.View, error) {
	v, err := d.tenant(c, rq)
	if err != nil {
		return v, err
	}
	page := v.Page.(JoiningPage)
	rq.MendFault(&page.Page, wrong, deskFields)
	v.Page = page
	return v, nil
}
