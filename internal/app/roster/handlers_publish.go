package roster

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// PublishPage is all that templates/publish.html may use.
type PublishPage struct {
	web.Page
	MayChange  bool
	Plan, Name string
	Work       *WorkView
	Rehearsed  bool
	Made       bool
	Day, Time  string // in the form
	State      Tag
	When       time.Time // it is due
	Begun      *time.Time
	Ended      *time.Time
	Asker      string
	Ender      string // who took it back
	Scheduled  bool   // has not begun
	Open       bool   // something may yet be published
	Done       bool
	Figures    []web.Cell
	Held       []PartLine
	Second     bool // another person must approve, and the reader is not one
	Reason     string
	Rows       []PartLine
}

// PartLine is a part of a publication on one line.
type PartLine struct {
	N                                           int
	Name, School                                string
	State                                       Tag
	Why                                         []string
	At                                          *time.Time
	IsSchool                                    bool
	Pupils, PupilsNow, Groups, GroupsNow        int
	New, Comes, Goes, Leaves, Leavers           int
	Add, Change, Remove, Return                 int
	Arrive, Depart, All                         int    // sums of those
	Seen                                        string // what an approval is bound to
	Import, ImportName, Approver, Reason, Label string
	Again                                       bool // it may be given another turn
}

// publishing is where the publication of a plan lies.
func publishing(plan string) string { return own + "/" + plan + "/julkaisu" }

// readPublish reads what the page shows, and the publication, nil when there is none.
func (h handlers) readPublish(rq *web.Request, p *Plan) (*PublishPage, *Publication, error) {
	page := &PublishPage{Page: rq.Page("roster.publish"), MayChange: rq.Actor.May(authz.RosterChange), Plan: p.ID, Name: p.SourceName,
		Day: firstOfAugust(rq.Now).Format(time.DateOnly), Time: "03:00"}
	var pub *Publication
	var rehearsal *Rehearsal
	names := map[string]string{}
	w, err := h.desk.running(rq.Ctx, rq.Tenant)
	if err != nil {
		return nil, nil, err
	}
	page.Work = workView(rq.Lang, w.of(p.ID))
	err = h.desk.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		if rehearsal, page.Rehearsed, err = findRehearsal(rq.Ctx, tx, p.ID); err != nil {
			return err
		}
		var ok bool
		if pub, ok, err = publicationOf(rq.Ctx, tx, p.ID); err != nil || !ok {
			pub = nil
			return err
		}
		accounts := []string{pub.AskedBy, pub.EndedBy}
		for _, part := range pub.Parts {
			accounts = append(accounts, part.ApprovedBy)
		}
		names, err = namesOfAccounts(rq.Ctx, tx, accounts)
		return err
	})
	if err != nil || pub == nil {
		return page, nil, err
	}
	if !page.Rehearsed {
		rehearsal = &Rehearsal{}
	}
	viewer{rq.Lang, names}.publication(page, pub, rehearsal)
	page.Second = tenancy.SamePerson(pub.AskedBy, account(rq))
	return page, pub, nil
}

// firstOfAugust is the day that is offered: a school year begins on it.
func firstOfAugust(now time.Time) time.Time {
	day := time.Date(now.In(i18n.Zone).Year(), time.August, 1, 0, 0, 0, 0, time.UTC)
	if !day.After(now) {
		day = day.AddDate(1, 0, 0)
	}
	return day
}

func (h handlers) publication(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	page, pub, err := h.readPublish(rq, p)
	if err != nil {
		return err
	}
	if pub == nil && p.Kind != "package" || pub != nil && pub.Plan != p.ID {
		return authz.Missing("publication") // one thing has one address
	}
	return rq.Render(pages["publish"], page)
}

// mend shows the page again with what is to be mended in its form; other errors are
// errors.
func (h handlers) mendPublish(rq *web.Request, p *Plan, err error) error {
	at := map[string]string{"roster.error.publish.day": "day", "roster.error.publish.blackout": "day", "roster.error.reason": "reason",
		"roster.error.publish.none": "", "roster.error.twopeople": ""}
	kind := fault.KindOf(err)
	if _, ok := at[fault.Key(err)]; !ok {
		return err
	}
	page, _, rerr := h.readPublish(rq, p)
	if rerr != nil {
		return rerr
	}
	page.Day, page.Time, page.Reason = rq.Form("day"), rq.Form("time"), rq.Form("reason")
	rq.MendFault(&page.Page, err, at)
	status := fiber.StatusUnprocessableEntity
	if kind == fault.Forbidden {
		status = fiber.StatusForbidden
	}
	return rq.RenderStatus(status, pages["publish"], page)
}

// schedule begins to work out what publishing would change, and keeps that for the
// chosen moment.
func (h handlers) schedule(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	at, err := time.ParseInLocation(time.DateOnly+" 15:04", rq.Form("day")+" "+rq.Form("time"), helsinki)
	if err != nil {
		return h.mendPublish(rq, p, fault.New(fault.Invalid, "roster.error.publish.day", "%.40q is no moment", rq.Form("day")+" "+rq.Form("time")))
	}
	if err := h.noted(rq.Ctx, rq, "schedule "+p.ID); err != nil {
		return err
	}
	if err := h.desk.BeginSchedule(rq.Ctx, rq.Tenant, p, at, account(rq)); err != nil {
		return h.mendPublish(rq, p, err)
	}
	return c.Redirect(publishing(p.ID), fiber.StatusSeeOther)
}

// decide is what the smaller forms share: the publication of the plan, a note of who
// did what, and the way back.
func (h handlers) decide(c *fiber.Ctx, rq *web.Request, what string, do func(*Plan, *Publication) error) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	pub, ok, err := h.desk.PublicationOf(rq.Ctx, rq.Tenant, p.ID)
	if err != nil {
		return err
	}
	if !ok || pub.Plan != p.ID {
		return authz.Missing("publication")
	}
	if err := h.noted(rq.Ctx, rq, what+" "+p.ID); err != nil {
		return err
	}
	if err := do(p, pub); err != nil {
		return h.mendPublish(rq, p, err)
	}
	return c.Redirect(publishing(p.ID), fiber.StatusSeeOther)
}

func (h handlers) approveParts(c *fiber.Ctx, rq *web.Request) error {
	return h.decide(c, rq, "approve publication", func(p *Plan, pub *Publication) error {
		var seen []Seen
		field := "part"
		if rq.Form("each") != "" {
			field = "all" // of the page that was looked at, whatever is held by now
		}
		for _, v := range c.Context().PostArgs().PeekMulti(field) {
			n, change, _ := strings.Cut(string(v), ".")
			if i, err := strconv.Atoi(n); err == nil && len(seen) < 5000 {
				seen = append(seen, Seen{i, change})
			}
		}
		a := Approval{Who: account(rq), Approve: true, Reason: strings.TrimSpace(rq.Form("reason"))}
		if len([]rune(a.Reason)) > 500 {
			return fault.New(fault.Invalid, "error.invalid", "the reason is too long")
		}
		if err := h.desk.ApproveParts(rq.Ctx, rq.Tenant, pub, seen, a); err != nil {
			return err
		}
		return h.goOn(rq, p)
	})
}

// goOn begins to publish what is due; what runs already looks for itself.
func (h handlers) goOn(rq *web.Request, p *Plan) error {
	_, due, err := h.desk.DuePublication(rq.Ctx, rq.Tenant)
	if err != nil || !due {
		return err
	}
	err = h.desk.BeginPublish(rq.Ctx, rq.Tenant, p.ID, account(rq))
	if fault.Key(err) == "roster.error.running" {
		return nil // the next look comes soon
	}
	return err
}

func (h handlers) publishNow(c *fiber.Ctx, rq *web.Request) error {
	return h.decide(c, rq, "publish", func(p *Plan, pub *Publication) error {
		if err := h.desk.PublishNow(rq.Ctx, rq.Tenant, pub); err != nil {
			return err
		}
		return h.goOn(rq, p)
	})
}

func (h handlers) stopPublish(c *fiber.Ctx, rq *web.Request) error {
	return h.decide(c, rq, "stop publication", func(_ *Plan, pub *Publication) error {
		if err := h.desk.StopPublication(rq.Ctx, rq.Tenant, pub, account(rq)); err != nil {
			return err
		}
		rq.Flash("flash.publishstopped")
		return nil
	})
}

func (h handlers) retryPart(c *fiber.Ctx, rq *web.Request) error {
	return h.decide(c, rq, "publish again", func(p *Plan, pub *Publication) error {
		n, err := strconv.Atoi(rq.Form("part"))
		if err != nil || !slices.ContainsFunc(pub.Parts, func(o *Part) bool { return o.N == n }) {
			return authz.Missing("part")
		}
		if err := h.desk.RetryPart(rq.Ctx, rq.Tenant, pub, n); err != nil {
			return err
		}
		return h.goOn(rq, p)
	})
}

// publicationCSV is the report as a table: numbers by school, nobody's name.
func (h handlers) publicationCSV(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	page, pub, err := h.readPublish(rq, p)
	if err != nil {
		return err
	}
	if pub == nil || pub.Plan != p.ID {
		return authz.Missing("publication")
	}
	head := []string{}
	for _, key := range []string{"roster.school", "roster.state", "roster.publish.why", "roster.when", "roster.rehearsal.pupils.now", "roster.rehearsal.pupils",
		"roster.publish.groups.now", "roster.rehearsal.groups", "roster.rehearsal.new", "roster.rehearsal.comes", "roster.rehearsal.goes", "roster.rehearsal.leaves",
		"roster.publish.leavers", "roster.change.insert", "roster.change.update", "roster.change.remove", "roster.change.reactivate", "roster.approved", "roster.reason", "roster.import"} {
		head = append(head, rq.Lang.T(key))
	}
	rows := [][]string{head}
	for _, l := range page.Rows {
		at := ""
		if l.At != nil {
			at = rq.Lang.DateTime(*l.At)
		}
		row := []string{l.Name, l.State.Text, strings.Join(l.Why, " "), at}
		for _, n := range []int{l.PupilsNow, l.Pupils, l.GroupsNow, l.Groups, l.New, l.Comes, l.Goes, l.Leaves} {
			cell := ""
			if l.IsSchool {
				cell = strconv.Itoa(n)
			}
			row = append(row, cell)
		}
		for _, n := range []int{l.Leavers, l.Add, l.Change, l.Remove, l.Return} {
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, append(row, l.Approver, l.Reason, l.ImportName))
	}
	c.Attachment(rq.Lang.T("roster.publish.file") + ".csv")
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	return c.Send(spreadsheet(rows))
}
