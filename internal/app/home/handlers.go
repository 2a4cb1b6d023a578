package home

import (
	"embed"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files, people.Parts, org.Parts)

type handlers struct{ db *tenancy.DB }

// Routes mounts the front page.
func Routes(r *web.Router, db *tenancy.DB) {
	h := handlers{db}
	r.Get("/", authz.HomeRead, h.show)
	r.Nav(web.NavItem{Key: "home.nav", Path: "/", Action: authz.HomeRead, Order: 10})
}

// HomePage is all that templates/home.html may use.
type HomePage struct {
	web.Page
	Day       string
	Self      *people.Card // the learner whose page it is
	Children  []people.Card
	Groups    *org.GroupTable // a teacher's, today
	Mine      *org.SchoolTable
	Led       []SchoolCard     // a principal's schools
	All       *org.SchoolTable // the municipality's
	Learners  int
	Fresh     org.Fresh // from when the lists are
	CanSearch bool
	Welfare   bool
	Told      []people.Card // disclosed to welfare staff
	Nobody    bool          // no role today
}

func (h handlers) show(_ *fiber.Ctx, rq *web.Request) error {
	page := HomePage{
		Page: rq.Page("home.title"), Day: rq.Lang.LongDay(rq.Today()),
		CanSearch: rq.Actor.May(authz.PersonSearch), Nobody: len(rq.Actor.Roles()) == 0,
	}
	var got content
	// Only a page with somebody's data on it leaves an event, and so a write.
	read := func(tx tenancy.Read) error { return h.read(rq, tx, &page, &got) }
	var err error
	if seen := append(family(rq.Actor), disclosed(rq.Actor)...); len(seen) > 0 {
		err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
			if err := read(tx.Read); err != nil {
				return err
			}
			return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
		}, tenancy.Trace())
	} else {
		err = h.db.Read(rq.Ctx, rq.Tenant.ID, read)
	}
	if err != nil {
		return err
	}
	page.fill(rq.Actor, got)
	page.Fresh = org.FreshOf(rq, got.freshAt())
	return rq.Render(pages["home"], page)
}

func (h handlers) read(rq *web.Request, tx tenancy.Read, page *HomePage, got *content) (err error) {
	a, today := rq.Actor, rq.Today()
	if ids := family(a); len(ids) > 0 {
		if got.cards, err = people.Learners(rq.Ctx, tx, people.Family, ids, today); err != nil {
			return err
		}
	}
	if ids := disclosed(a); len(ids) > 0 {
		if got.told, err = people.Learners(rq.Ctx, tx, people.Welfare, ids, today); err != nil {
			return err
		}
	}
	if a.May(authz.SchoolRead) {
		if got.schools, err = org.ListSchools(rq.Ctx, tx, a.Reach(authz.SchoolRead), today); err != nil {
			return err
		}
	}
	if a.Leads() && !a.Has(authz.Admin) {
		if got.grades, err = org.CountGrades(rq.Ctx, tx, unitsOf(got.schools), today); err != nil {
			return err
		}
	}
	if a.Teaches() {
		// A teacher's own groups, also when another role reaches more.
		mine := authz.OnlyGroups(a.Groups)
		if got.groups, err = org.ListGroups(rq.Ctx, tx, mine, nil, today); err != nil {
			return err
		}
	}
	return nil
}

// fill gives each role its part of the page.
func (p *HomePage) fill(a authz.Actor, got content) {
	for _, c := range got.cards {
		c.Lang = p.Lang
		if c.Person.ID == a.Person {
			p.Self = &c
		} else {
			c.Linked = true
			p.Children = append(p.Children, c)
		}
	}
	for _, c := range got.told {
		c.Lang, c.Linked = p.Lang, true
		p.Told = append(p.Told, c)
	}
	p.Welfare = a.Has(authz.Welfare)
	switch {
	case a.Has(authz.Admin), a.Has(authz.Support):
		p.All = &org.SchoolTable{Page: p.Page, Rows: got.schools}
		for _, s := range got.schools {
			p.Learners += s.Learners
		}
	case a.Leads():
		p.Led = schoolCards(got.schools, got.grades)
	case a.Teaches():
		p.Mine = &org.SchoolTable{Page: p.Page, Rows: got.schools}
	}
	if a.Teaches() {
		schools := map[string]bool{}
		for _, g := range got.groups {
			schools[g.Unit.String()] = true
		}
		p.Groups = &org.GroupTable{Page: p.Page, Rows: got.groups, WithSchool: len(schools) > 1}
	}
}
