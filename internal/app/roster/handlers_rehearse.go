package roster

import (
	"context"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// RehearsalPage is all that templates/rehearsal.html may use.
type RehearsalPage struct {
	web.Page
	MayChange  bool
	Plan, Name string
	Work       *WorkView
	Day        string // in the form
	Made       bool
	On, By     string // the day that was rehearsed, and who did
	MadeAt     time.Time
	Rows       []RehearsedSchool
	Sum        RehearsedSchool
	School     *RehearsedSchool // the chosen one
	Loose      []PupilLine
	Goes       []PupilLine
	Leaves     []PupilLine
}

// PupilLine is a pupil whom somebody should look at.
type PupilLine struct{ Path, Name, To string }

// rehearsal shows what was worked out, in all or for one school.
func (h handlers) rehearsal(c *fiber.Ctx, rq *web.Request) error {
	w, err := h.desk.running(rq.Ctx, rq.Tenant)
	if err != nil {
		return err
	}
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	page := RehearsalPage{Page: rq.Page("roster.rehearsal"), MayChange: rq.Actor.May(authz.RosterChange), Plan: p.ID, Name: p.SourceName,
		Day: nextAutumn(rq.Now).Format(time.DateOnly)}
	page.Work = workView(rq.Lang, w.of(p.ID))
	var school string
	if school = c.Query("koulu"); len(school) > 255 {
		school = ""
	}
	err = h.desk.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error { return page.read(rq, tx, p, school) }, tenancy.Trace())
	if err != nil {
		return err
	}
	return rq.Render(pages["rehearsal"], page)
}

func (page *RehearsalPage) read(rq *web.Request, tx tenancy.Write, p *Plan, school string) error {
	r, ok, err := findRehearsal(rq.Ctx, tx.Read, p.ID)
	if err != nil || !ok {
		return err
	}
	names, err := namesOfAccounts(rq.Ctx, tx.Read, []string{r.MadeBy})
	if err != nil {
		return err
	}
	page.Made, page.MadeAt, page.By = true, r.MadeAt, viewer{rq.Lang, names}.who(r.MadeBy)
	page.On, page.Day, page.Rows = rq.Lang.Date(r.Day), r.Day.Format(time.DateOnly), r.Schools
	for i, s := range r.Schools {
		page.Sum.add(s)
		if s.ID == school {
			page.School = &r.Schools[i]
		}
	}
	if page.School == nil {
		return nil
	}
	return page.people(rq, tx)
}

// add sums what can be summed.
func (s *RehearsedSchool) add(o RehearsedSchool) {
	s.Pupils, s.PupilsNow, s.GroupsNow = s.Pupils+o.Pupils, s.PupilsNow+o.PupilsNow, s.GroupsNow+o.GroupsNow
	s.Loose, s.Untaught, s.Goes, s.Leaves, s.New = s.Loose+o.Loose, s.Untaught+o.Untaught, s.Goes+o.Goes, s.Leaves+o.Leaves, s.New+o.New
	s.Groups = append(s.Groups, o.Groups...)
}

// people names the pupils of the chosen school: that leaves an event for each.
func (page *RehearsalPage) people(rq *web.Request, tx tenancy.Write) error {
	var ids []uuid.UUID
	for _, p := range page.School.People {
		if p.Person != uuid.Nil && !slices.Contains(ids, p.Person) {
			ids = append(ids, p.Person)
		}
	}
	found, err := namesOfPersons(rq.Ctx, tx.Read, ids)
	if err != nil {
		return err
	}
	named := map[uuid.UUID]string{}
	for _, n := range found {
		named[n.ID] = n.Name
	}
	for _, p := range page.School.People {
		l := PupilLine{Name: p.Name, To: p.To}
		if p.Person != uuid.Nil {
			if l.Name = named[p.Person]; l.Name == "" {
				continue // is no more
			}
			l.Path = "/henkilot/" + p.Person.String()
		}
		list := map[string]*[]PupilLine{pupilLoose: &page.Loose, pupilGoes: &page.Goes, pupilLeaves: &page.Leaves}[p.Kind]
		if list != nil {
			*list = append(*list, l)
		}
	}
	return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, ids...))
}

// nextAutumn is the day that is rehearsed where nobody says another: schools begin in
// the second week of August.
func nextAutumn(now time.Time) time.Time {
	day := time.Date(now.In(i18n.Zone).Year(), time.August, 12, 0, 0, 0, 0, time.UTC)
	if !day.After(now) {
		day = day.AddDate(1, 0, 0)
	}
	return day
}

// rehearse begins to work a package out for a day.
func (h handlers) rehearse(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	day, err := time.Parse(time.DateOnly, rq.Form("day"))
	if err != nil || day.Before(rq.Today().AddDate(-1, 0, 0)) || day.After(rq.Today().AddDate(3, 0, 0)) {
		return fault.New(fault.Invalid, "roster.error.day", "%q is no day near enough", rq.Form("day"))
	}
	if err := h.noted(rq.Ctx, rq, "rehearse "+p.ID); err != nil {
		return err
	}
	if err := h.desk.BeginRehearsal(rq.Ctx, rq.Tenant, p, day, account(rq)); err != nil {
		return err
	}
	return c.Redirect(own+"/"+p.ID+"/harjoitus", fiber.StatusSeeOther)
}

// BeginRehearsal begins to work out how things would stand on a day by a plan's
// package. What cannot be rehearsed is said at once.
func (d *Desk) BeginRehearsal(ctx context.Context, t tenancy.Tenant, p *Plan, day time.Time, who string) error {
	_, done, err := d.openWhole(ctx, t, p, nil)
	if err != nil {
		return err
	}
	done()
	w := &Work{ID: uuid.New(), Kind: workShow, Plan: p.ID, StartedBy: who}
	return d.start(ctx, t, w, func(ctx context.Context, say Progress) error {
		_, err := d.Rehearse(ctx, t, p.ID, day, who, say)
		return err
	})
}
