package family

import (
	"embed"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

const (
	townsPath = "/kunnat"
	linkPath  = "/liita"
	goPath    = "/mene"
	entryPath = "/sisaan" // at tenants' hosts
)

// Site is the guardians' host with its pages.
type Site struct {
	Router *web.Router
	cfg    Config
}

// New returns the site; serve it by web.Router.Beside.
func New(cfg Config) *Site {
	cfg = cfg.withDefaults()
	r := realm{cfg}
	s := &Site{cfg: cfg, Router: web.New(web.Config{Sessions: r, Site: &web.Site{Host: cfg.Host, Name: "family.place", Who: "family.who", Cookie: "digione-koti", Strong: "/"},
		TLS: cfg.TLS, TrustedProxies: cfg.TrustedProxies, Now: cfg.Now, Log: cfg.Log, Ready: cfg.Ready, Observe: cfg.Observe})}
	identity.Mount(s.Router, r, identity.Config{TLS: cfg.TLS, Transport: cfg.Transport, Log: cfg.Log})
	s.Router.Get("/", authz.FamilyRead, s.front)
	s.Router.Get(townsPath, authz.FamilyRead, s.towns)
	s.Router.Post(townsPath+"/:link/irrota", authz.FamilyChange, s.unlink)
	s.Router.Get(linkPath, authz.FamilyRead, s.step)
	s.Router.Post(linkPath, authz.FamilyChange, s.wish)
	s.Router.Post(linkPath+"/vahvista", authz.FamilyChange, s.link)
	s.Router.Get(goPath+"/:link", authz.FamilyRead, s.goTo)
	s.Router.Get(goPath+"/:link/:child", authz.FamilyRead, s.goTo)
	s.Router.Nav(web.NavItem{Key: "family.children", Path: "/", Action: authz.FamilyRead, Order: 10},
		web.NavItem{Key: "family.towns", Path: townsPath, Action: authz.FamilyRead, Order: 20})
	return s
}

// Routes mounts the way into a tenant by a link.
func Routes(r *web.Router, v Visits) { r.Get(entryPath+"/:token", authz.Public, v.redeem) }

// Town is a municipality that is tied, with what there is to see today.
type Town struct {
	Name, Path string
	UndoPath   string
	Since      time.Time
	Children   []Child
	Late       bool // nothing could be had in time
}

// Child is a child on one line.
type Child struct {
	Name, Where, Path string
	Veiled            bool
}

// FrontPage is all that templates/front.html may use.
type FrontPage struct {
	web.Page
	Day   string
	Count int // children
	Towns []Town
	Free  []Choice
}

func (s *Site) front(_ *fiber.Ctx, rq *web.Request) error {
	_, links, err := s.linked(rq)
	if err != nil {
		return err
	}
	page := FrontPage{Page: rq.Page("family.title"), Day: rq.Lang.LongDay(rq.Today())}
	for i, got := range s.gather(rq.Ctx, links) {
		t := s.town(rq, links[i])
		t.Late = got.err != nil
		for _, c := range got.cards {
			c.Lang = rq.Lang
			t.Children = append(t.Children, Child{Name: c.Person.Name(), Where: c.Where(), Path: t.Path + "/" + c.Person.ID.String(), Veiled: !c.Sight.Place})
		}
		page.Count += len(t.Children)
		page.Towns = append(page.Towns, t)
	}
	if len(links) == 0 {
		page.Free = s.free(rq, links)
	}
	return rq.Render(pages["front"], page)
}

// linked are the municipalities that the guardian has tied.
func (s *Site) linked(rq *web.Request) (*tenancy.Families, []tenancy.FamilyLink, error) {
	f, err := s.cfg.DB.Families()
	if err != nil {
		return nil, nil, err
	}
	links, err := f.Links(rq.Ctx, rq.Actor.Person)
	return f, links, err
}

func (s *Site) town(rq *web.Request, l tenancy.FamilyLink) Town {
	t, _ := s.cfg.DB.ByID(l.Tenant)
	return Town{Name: t.Name(string(rq.Lang)), Path: goPath + "/" + l.ID.String(), UndoPath: townsPath + "/" + l.ID.String() + "/irrota", Since: i18n.Day(l.CreatedAt)}
}

// Choice is a municipality that can be tied.
type Choice struct{ Slug, Name string }

// free lists what can be tied: all that are served, but for those that are tied.
func (s *Site) free(rq *web.Request, links []tenancy.FamilyLink) []Choice {
	var out []Choice
	for _, t := range s.cfg.DB.Served() {
		if t.State != tenancy.Active || slices.ContainsFunc(links, func(l tenancy.FamilyLink) bool { return l.Tenant == t.ID }) {
			continue
		}
		out = append(out, Choice{t.Slug, t.Name(string(rq.Lang))})
	}
	less := rq.Lang.Collator()
	slices.SortStableFunc(out, func(a, b Choice) int { return less.CompareString(a.Name, b.Name) })
	return out
}

// TownsPage is all that templates/towns.html may use.
type TownsPage struct {
	web.Page
	Towns []Town
	Free  []Choice
}

func (s *Site) towns(_ *fiber.Ctx, rq *web.Request) error {
	_, links, err := s.linked(rq)
	if err != nil {
		return err
	}
	page := TownsPage{Page: rq.Page("family.towns.title"), Free: s.free(rq, links)}
	for _, l := range links {
		page.Towns = append(page.Towns, s.town(rq, l))
	}
	return rq.Render(pages["towns"], page)
}

// wish notes which municipality is to be tied, and leads to the step after it.
func (s *Site) wish(c *fiber.Ctx, rq *web.Request) error {
	t, f, err := s.chosen(rq)
	if err != nil {
		return err
	}
	if err := f.Wish(rq.Ctx, identity.HashOf(rq.SessionToken()), t.ID, rq.Now.Add(wishTime)); err != nil {
		return err
	}
	return c.Redirect(linkPath, fiber.StatusSeeOther)
}

// chosen is the municipality that a form names.
func (s *Site) chosen(rq *web.Request) (tenancy.Tenant, *tenancy.Families, error) {
	t, ok := s.cfg.DB.BySlug(rq.Form("kunta"))
	if !ok || t.State != tenancy.Active {
		return t, nil, fault.New(fault.Invalid, "family.choose", "no such municipality is served")
	}
	f, err := s.cfg.DB.Families()
	return t, f, err
}

// StepPage is all that templates/step.html may use.
type StepPage struct {
	web.Page
	Town, Slug string
	State      string // as tenancy.WishState
	SignIn     string // address of a fresh sign-in
}

// step shows what comes next on the way to a link: to sign in once more, to say yes,
// or that nobody was found.
func (s *Site) step(c *fiber.Ctx, rq *web.Request) error {
	f, err := s.cfg.DB.Families()
	if err != nil {
		return err
	}
	now, ok, err := f.FindSession(rq.Ctx, identity.HashOf(rq.SessionToken()), s.cfg.Issuer, rq.Now, rq.Now.Add(-s.cfg.Limits.Idle))
	if err != nil {
		return err
	}
	t, known := s.cfg.DB.ByID(now.Wish.Tenant)
	if !ok || !known {
		return c.Redirect(townsPath, fiber.StatusSeeOther)
	}
	town := t.Name(string(rq.Lang))
	page := StepPage{Page: rq.Page("family.step.title", "Town", town), Town: town, Slug: t.Slug, State: string(now.Wish.State),
		SignIn: identity.StartPath(providerID, linkPath, true, false)}
	return rq.Render(pages["step"], page)
}

// link ties what the sign-in before has found: the click is the guardian's word.
func (s *Site) link(c *fiber.Ctx, rq *web.Request) error {
	t, f, err := s.chosen(rq)
	if err != nil {
		return err
	}
	ok, err := f.Link(rq.Ctx, identity.HashOf(rq.SessionToken()), t.ID, rq.Now)
	if err != nil {
		return err
	}
	if !ok {
		return fault.New(fault.Conflict, "family.expired", "nobody was found for this session, or too long ago")
	}
	rq.Flash("flash.family.linked")
	return c.Redirect("/", fiber.StatusSeeOther)
}

func (s *Site) unlink(c *fiber.Ctx, rq *web.Request) error {
	link, err := rq.ParamID("link")
	if err != nil {
		return err
	}
	f, err := s.cfg.DB.Families()
	if err != nil {
		return err
	}
	ok, err := f.Unlink(rq.Ctx, rq.Actor.Person, link)
	if err != nil {
		return err
	}
	if !ok {
		return authz.Missing("link")
	}
	rq.Flash("flash.family.unlinked")
	return c.Redirect(townsPath, fiber.StatusSeeOther)
}

// goTo leads into a tenant by a token that is good once and for a minute. It is a
// link, because a form may lead to no other host; so that no other page can send
// anybody there, it works from our own pages alone.
func (s *Site) goTo(c *fiber.Ctx, rq *web.Request) error {
	link, err := rq.ParamID("link")
	if err != nil {
		return err
	}
	var child *uuid.UUID
	if c.Params("child") != "" {
		id, err := rq.ParamID("child")
		if err != nil {
			return err
		}
		child = &id
	}
	if c.Method() != fiber.MethodGet || !rq.FromOwnPage() {
		return c.Redirect("/", fiber.StatusSeeOther)
	}
	f, links, err := s.linked(rq)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(links, func(l tenancy.FamilyLink) bool { return l.ID == link })
	if i < 0 {
		return authz.Missing("link")
	}
	t, ok := s.cfg.hosted(links[i].Tenant)
	if !ok {
		return fault.New(fault.NotFound, "family.closed", "the municipality is not served now")
	}
	token := identity.NewToken()
	ok, err = f.OpenEntry(rq.Ctx, identity.HashOf(token), identity.HashOf(rq.SessionToken()), link, child, rq.Now, rq.Now.Add(entryTime))
	if err != nil {
		return err
	}
	if !ok {
		return authz.Missing("link")
	}
	return c.Redirect(rq.OriginOf(t.Hosts[0])+entryPath+"/"+token, fiber.StatusSeeOther)
}

// redeem begins a visit. A token that is worth nothing is answered as an address that
// is not there, whatever the cause.
func (v Visits) redeem(c *fiber.Ctx, rq *web.Request) error {
	if c.Method() != fiber.MethodGet { // to look whether the page is there uses nothing up
		return authz.Missing("entry")
	}
	token, to, ok, err := v.enter(rq, c.Params("token"))
	if err != nil {
		return err
	}
	if !ok {
		return authz.Missing("entry")
	}
	rq.SetSession(token, to.Expires)
	if to.Child != nil {
		return c.Redirect("/henkilot/"+to.Child.String(), fiber.StatusSeeOther)
	}
	return c.Redirect("/", fiber.StatusSeeOther)
}
