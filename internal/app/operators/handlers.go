package operators

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/identity"
	appmail "digione/internal/app/mail"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// Site is the operators' host with its pages.
type Site struct {
	Router *web.Router
	db     *tenancy.DB
	issuer string
	host   string
	tls    bool
	mail   appmail.Server
	logger *slog.Logger
}

// New returns the site; serve it by web.Router.Beside.
func New(cfg Config) *Site {
	cfg = cfg.withDefaults()
	r := realm{cfg}
	s := &Site{db: cfg.DB, issuer: cfg.Issuer, host: cfg.Host, tls: cfg.TLS, mail: cfg.Mail, logger: cfg.Log, Router: web.New(web.Config{Sessions: r, Site: &web.Site{Host: cfg.Host, Name: "operators.place", Cookie: "digione-operator", Strong: provePath},
		TLS: cfg.TLS, TrustedProxies: cfg.TrustedProxies, Now: cfg.Now, Log: cfg.Log, Ready: cfg.Ready, Observe: cfg.Observe})}
	identity.Mount(s.Router, r, identity.Config{TLS: cfg.TLS, Transport: cfg.Transport, Log: cfg.Log})
	s.routes()
	return s
}

// routes are all pages and changes of the site.
func (s *Site) routes() {
	h := handlers{s}
	s.Page("/", "tenants", h.tenants)
	s.Page("/t/:slug", "tenant", h.tenant)
	h.supportRoutes()
	h.passkeyRoutes()
	s.Page("/loki", "log", h.log)
	s.Page("/operaattorit", "operators", h.operators)
	s.Router.Nav(
		web.NavItem{Key: "operators.tenants", Path: "/", Action: authz.FleetRead, Order: 10},
		web.NavItem{Key: "operators.log", Path: "/loki", Action: authz.FleetRead, Order: 80},
		web.NavItem{Key: "operators.list", Path: "/operaattorit", Action: authz.FleetRead, Order: 90},
		web.NavItem{Key: "operators.keys", Path: keysPath, Action: authz.FleetRead, Order: 95},
	)
}

// View is a page that is ready to be sent.
type View struct {
	Template *template.Template
	Page     any          // the template's struct
	Send     func() error // sends a file in place of a page
	Tenant   string       // slug in the log's line, where the address has no :slug
}

// Handler prepares a page.
type Handler func(c *fiber.Ctx, rq *web.Request) (View, error)

// Page registers a page for all operators, viewers too. That it was looked at, as
// "view" and name, stands in the operator log before the page is sent.
func (s *Site) Page(path, name string, h Handler) {
	s.Router.Get(path, authz.FleetRead, func(c *fiber.Ctx, rq *web.Request) error {
		t, err := s.slug(c)
		if err != nil {
			return err
		}
		v, err := h(c, rq)
		if err != nil {
			return err
		}
		if t == "" {
			t = v.Tenant
		}
		d, err := s.db.Desk()
		if err != nil {
			return err
		}
		if err := d.Note(rq.Ctx, line(rq, From(rq), viewed+name, t)); err != nil {
			return err
		}
		if v.Send != nil {
			return v.Send()
		}
		return rq.Render(v.Template, v.Page)
	})
}

// Changer makes a change and returns the address of the page to show then.
type Changer func(c *fiber.Ctx, rq *web.Request) (to string, err error)

// Change registers a change, for operators who are no viewers. Its begin stands in
// the operator log under name before it is made, its end and outcome after.
func (s *Site) Change(path, name string, h Changer) { s.Form(path, name, h, nil) }

// Form registers a change whose mistakes are said with its form: again prepares the
// page that has it, with what is wrong.
func (s *Site) Form(path, name string, h Changer, again func(c *fiber.Ctx, rq *web.Request, wrong error) (View, error)) {
	s.Router.Post(path, authz.FleetChange, func(c *fiber.Ctx, rq *web.Request) error {
		t, err := s.slug(c)
		if err != nil {
			return err
		}
		d, err := s.db.Desk()
		if err != nil {
			return err
		}
		e := line(rq, From(rq), name, t)
		begin := e
		begin.Phase, begin.Outcome = "begin", ""
		if err := d.Note(rq.Ctx, begin); err != nil {
			return err
		}
		to, err := h(c, rq)
		e.At = time.Now()
		if err != nil {
			e.Outcome, e.Detail = string(outcomeOf(err)), e.Detail+": "+err.Error()
		}
		// The end is noted even when the request's time is up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(rq.Ctx), 5*time.Second)
		defer cancel()
		noted := d.Note(ctx, e)
		if status := mendable[fault.KindOf(err)]; again != nil && err != nil && noted == nil && status != 0 {
			v, err := again(c, rq, err)
			if err != nil {
				return err
			}
			return rq.RenderStatus(status, v.Template, v.Page)
		}
		if err := errors.Join(err, noted); err != nil {
			return err
		}
		return c.Redirect(web.LocalPath(to), fiber.StatusSeeOther)
	})
}

// mendable are the mistakes that a form comes back with.
var mendable = map[fault.Kind]int{fault.Invalid: fiber.StatusUnprocessableEntity, fault.Conflict: fiber.StatusConflict}

func outcomeOf(err error) tenancy.Outcome {
	if fault.KindOf(err) == fault.Forbidden {
		return tenancy.Refused
	}
	return tenancy.Failed
}

// Tenant returns the tenant of the parameter :slug, in any state.
func (s *Site) Tenant(c *fiber.Ctx) (tenancy.Tenant, error) {
	t, ok := s.db.BySlug(c.Params("slug"))
	if !ok {
		return t, authz.Missing("tenant")
	}
	return t, nil
}

// slug returns the tenant that the address names, "" where it names none.
func (s *Site) slug(c *fiber.Ctx) (string, error) {
	if c.Params("slug") == "" {
		return "", nil
	}
	t, err := s.Tenant(c)
	return t.Slug, err
}
