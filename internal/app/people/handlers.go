package people

import (
	"embed"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

// Parts holds the card of a learner for other features' pages: part_learner.html.
//
//go:embed templates/part_*.html
var Parts embed.FS

var pages = web.Pages(files)

// PersonPage is all that templates/person.html may use.
type PersonPage struct {
	web.Page
	Person    Person
	Self      bool
	Sight     Sight
	Card      Card
	Learner   bool
	Guardians []Contact
	Roles     []string
	Children  []Card
	Manage    bool // the way to guardians and disclosures stands here
	Imports   bool // the reader may see what imports have changed
}

// Full is the name with all given names, where it differs from the shown one.
func (p PersonPage) Full() string {
	if p.Person.GivenNames == p.Person.CallName {
		return ""
	}
	return p.Person.GivenNames + " " + p.Person.FamilyName
}

// Tongue is the person's language in words, its code when it has no word here.
func (p PersonPage) Tongue() string {
	code := strings.ToLower(p.Person.Language)
	if l, ok := i18n.Parse(code); ok {
		return p.T("people.language." + string(l))
	}
	return p.Person.Language
}

type handlers struct{ db *tenancy.DB }

// Routes mounts the pages about persons.
func Routes(r *web.Router, db *tenancy.DB) {
	h := handlers{db}
	r.Get("/omat-tiedot", authz.SelfRead, h.self)
	r.Get("/henkilot/:person", authz.PersonRead, h.person)
	h.guardianRoutes(r)
	r.Get("/haku", authz.PersonSearch, h.ask)
	r.Post("/haku", authz.PersonSearch, h.search)
	r.Nav(
		web.NavItem{Key: "people.nav.search", Path: "/haku", Action: authz.PersonSearch, Order: 30},
		web.NavItem{Key: "people.nav.self", Path: "/omat-tiedot", Action: authz.SelfRead, Order: 90},
	)
}

func (h handlers) self(_ *fiber.Ctx, rq *web.Request) error { return h.show(rq, rq.Actor.Person) }

func (h handlers) person(_ *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("person")
	if err != nil {
		return err
	}
	return h.show(rq, id)
}

// show reads the page and records the view in one transaction; only then the
// page is made.
func (h handlers) show(rq *web.Request, id uuid.UUID) error {
	page := PersonPage{Self: id == rq.Actor.Person}
	var roles []RoleAt
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.Person, err = Get(rq.Ctx, tx.Read, rq.Actor, rq.Action, id, rq.Today()); err != nil {
			return err
		}
		v, sight := page.Person.sight(rq.Actor)
		page.Sight = sight
		page.Manage = v == Office && rq.Actor.May(authz.PersonManage) && !page.Self
		seen := []uuid.UUID{id}
		cards, err := Learners(rq.Ctx, tx.Read, v, append(seen, page.children(rq)...), rq.Today())
		if err != nil {
			return err
		}
		page.Children = nil
		for _, c := range cards {
			if c.Lang = rq.Lang; c.Person.ID == id {
				page.Card = c
			} else {
				c.Linked, seen = true, append(seen, c.Person.ID)
				page.Children = append(page.Children, c)
			}
		}
		if page.Guardians, roles, err = background(rq.Ctx, tx.Read, id, rq.Today()); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	page.hide(rq.Lang, roles)
	page.Imports = rq.Actor.May(authz.RosterRead)
	title := "people.title.person"
	if page.Self {
		title = "people.title.self"
	}
	page.Page = rq.Page(title) // without the name: titles stay in the browser's history
	return rq.Render(pages["person"], page)
}

// children are shown on one's own page only.
func (p *PersonPage) children(rq *web.Request) []uuid.UUID {
	if p.Self {
		return rq.Actor.Children
	}
	return nil
}

// hide takes away what the sight does not cover, so that no template can show it.
func (p *PersonPage) hide(l i18n.Lang, roles []RoleAt) {
	s := p.Sight
	if !s.Identity {
		p.Person.BirthDate, p.Person.Oppijanumero = nil, ""
	}
	if !s.Home {
		p.Person.HomeMunicipality, p.Person.Language = "", ""
	}
	if !s.Contact {
		p.Person.Email, p.Person.Phone = "", ""
	}
	if !s.Guardians && !p.Self {
		p.Guardians = nil
	}
	if p.Self { // the names are the learner's own data, the numbers the guardians'
		for i := range p.Guardians {
			p.Guardians[i].Email, p.Guardians[i].Phone = "", ""
		}
	}
	for _, r := range roles {
		role, ok := r.Role()
		p.Learner = p.Learner || role == authz.Learner
		line := l.T("role."+string(role)) + ", " + unitName(l, r.Unit, r.UnitSv)
		if ok && s.Place && !slices.Contains(p.Roles, line) {
			p.Roles = append(p.Roles, line)
		}
	}
}

// SearchPage is all that templates/search.html may use.
type SearchPage struct {
	web.Page
	Query  string
	Within bool // the reader finds the people of their own schools and groups alone
	Asked  bool
	More   bool
	Hits   []HitLine
}

// HitLine is a person in the answer.
type HitLine struct {
	ID, Path, Name, What, Where string
	Protected                   bool
}

func (h handlers) ask(_ *fiber.Ctx, rq *web.Request) error {
	return rq.Render(pages["search"], SearchPage{Page: rq.Page("people.search.title"), Within: !rq.Reach().All})
}

// search answers a form: names do not belong in addresses, which browsers and
// proxies keep.
func (h handlers) search(_ *fiber.Ctx, rq *web.Request) error {
	page := SearchPage{Page: rq.Page("people.search.title"), Within: !rq.Reach().All, Query: strings.TrimSpace(rq.Form("nimi"))}
	words, ok := WordsOf(page.Query)
	if !ok || len(page.Query) > 100 || !utf8.ValidString(page.Query) || strings.ContainsRune(page.Query, 0) {
		page.Mend("nimi", rq.Lang.T("people.search.short"))
		if !utf8.ValidString(page.Query) || len(page.Query) > 100 {
			page.Query = ""
		}
		return rq.RenderStatus(fiber.StatusUnprocessableEntity, pages["search"], page)
	}
	var hits []Hit
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if hits, err = Search(rq.Ctx, tx.Read, rq.Reach(), words, rq.Today()); err != nil {
			return err
		}
		hits, page.More = cut(hits, 50)
		ids := make([]uuid.UUID, len(hits))
		for i, hit := range hits {
			ids[i] = hit.ID
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Search), rq.Seen(audit.Person, ids...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	page.Asked = true
	for _, hit := range hits {
		page.Hits = append(page.Hits, hit.Line(rq.Lang))
	}
	return rq.Render(pages["search"], page)
}

func cut(hits []Hit, n int) ([]Hit, bool) {
	if len(hits) > n {
		return hits[:n], true
	}
	return hits, false
}

// Line is the hit as a list shows it.
func (h Hit) Line(l i18n.Lang) HitLine {
	var words []string
	seen := map[authz.Role]bool{}
	for _, w := range h.Words {
		if role, ok := authz.RoleOf(w, "provider"); ok && !seen[role] {
			seen[role] = true
			words = append(words, l.T("role."+string(role)))
		}
	}
	if len(words) == 0 {
		words = []string{l.T("role.guardian")}
	}
	where := unitName(l, h.Place, h.PlaceSv)
	if h.HomeGroup != "" {
		where = h.HomeGroup + ", " + where
	}
	return HitLine{h.ID.String(), "/henkilot/" + h.ID.String(), h.Name, strings.Join(words, ", "), where, h.Protected}
}
