// Package web is the edge: it turns a Fiber request into plain values (tenant,
// actor, language, clock), an error into an answer and a page into HTML. Features
// meet Fiber only through it, and a route cannot exist without an action. It
// writes no table, reads none, and knows no feature: who is signed in it learns
// through Sessions, which tenant a host is through Tenants.
package web

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/valyala/fasthttp"

	"digione/internal/app/authz"
	"digione/internal/tenancy"
)

// Tenants finds the tenant of a host name; *tenancy.DB does.
type Tenants interface {
	ByHost(host string) (tenancy.Tenant, bool)
}

// Config is what the edge needs. Sessions must be given, and either Tenants or a
// Site.
type Config struct {
	Tenants  Tenants
	Sessions Sessions
	// Site makes a router that serves one host of its own and no tenant; see Beside.
	Site *Site

	// TLS says that people reach the service by https, at this process or at a
	// proxy before it: cookies become Secure and __Host-, and HSTS is sent.
	TLS bool
	// TrustedProxies may name the host in X-Forwarded-Host; from all others the
	// header is ignored.
	TrustedProxies []netip.Prefix

	Timeout     time.Duration               // a request's deadline; 0 is 10 s
	ReadTimeout time.Duration               // for a whole request to come in; 0 is 15 s
	BodyLimit   int                         // bytes; 0 is 1 MB
	Now         func() time.Time            // nil is time.Now
	Log         *slog.Logger                // nil is slog.Default
	Ready       func(context.Context) error // asked by /readyz; nil is always ready
	Observe     func(Observation)           // told of every answered request; nil is nobody
}

func (cfg Config) withDefaults() Config {
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = 15 * time.Second
	}
	if cfg.BodyLimit == 0 {
		cfg.BodyLimit = 1 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Observation) {}
	}
	return cfg
}

// Site is a host that belongs to no tenant.
type Site struct {
	Host   string // lower case, no port
	Name   string // key of what stands beside the mark
	Who    string // key of whom to greet, where sessions know no name
	Cookie string // of its sessions
	Strong string // address of the page that makes a weak session strong
}

// Handler answers one request.
type Handler func(*fiber.Ctx, *Request) error

// Route is one line of the route table.
type Route struct {
	Method, Path string
	Action       authz.Action
}

// Router registers routes; every route names the action it needs.
type Router struct {
	app      *fiber.App
	cfg      Config
	routes   []Route
	nav      []NavItem
	assets   *assets
	sites    map[string]*Router // other routers by their hosts, see Beside
	handle   func(*fiber.Ctx)   // answers a request that came to another router
	draining atomic.Bool
	large    []large
}

// large is where a body may have more bytes, and the time that they need.
type large struct {
	prefix string
	bytes  int
}

// slowBody is how long a large body may take to come in.
const slowBody = 10 * time.Minute

// New returns a router that answers for health, static files and errors; the
// features add their routes.
func New(cfg Config) *Router {
	r := &Router{cfg: cfg.withDefaults(), assets: loadAssets(), sites: map[string]*Router{}}
	r.app = fiber.New(fiber.Config{
		// Without Immutable, strings from Params and forms are overwritten by the
		// next request.
		Immutable:             true,
		DisableStartupMessage: true,
		BodyLimit:             r.cfg.BodyLimit,
		ReadTimeout:           r.cfg.ReadTimeout,
		WriteTimeout:          r.cfg.Timeout + 20*time.Second,
		IdleTimeout:           75 * time.Second,
		ErrorHandler:          r.lastResort,
	})
	r.app.Server().HeaderReceived = func(h *fasthttp.RequestHeader) (c fasthttp.RequestConfig) {
		path, _, _ := bytes.Cut(h.RequestURI(), []byte("?"))
		for _, l := range r.large {
			if bytes.HasPrefix(path, []byte(l.prefix)) && bytes.Contains(h.Peek(fiber.HeaderCookie), []byte(r.sessionCookie()+"=")) { // a stranger's is not even read
				c.MaxRequestBodySize, c.ReadTimeout = l.bytes, slowBody
			}
		}
		return c
	}
	handler := sync.OnceValue(r.app.Handler) // when all routes stand
	r.handle = func(c *fiber.Ctx) { handler()(c.Context()) }
	r.app.Use(r.toSite, r.observe, r.headers)
	r.app.Get("/livez", r.livez)
	r.app.Get("/readyz", r.readyz)
	r.app.Get(assetPath+"*", r.asset)
	r.app.Use(r.enterTenant, compress.New())
	return r
}

// App returns the Fiber application, for listening and for tests.
func (r *Router) App() *fiber.App { return r.app }

// Routes returns the table of all feature routes, sorted.
func (r *Router) Routes() []Route {
	out := slices.Clone(r.routes)
	slices.SortFunc(out, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return out
}

// Large lets requests to addresses that begin with prefix have a body of so many
// bytes, from those who bring a session: for the pages that take files.
func (r *Router) Large(prefix string, size int) { r.large = append(r.large, large{prefix, size}) }

// Get registers a page.
func (r *Router) Get(path string, a authz.Action, h Handler) { r.add(fiber.MethodGet, path, a, h) }

// Post registers a change, or a question that must not stand in an address. It
// is refused without the session's CSRF token and from any other origin.
func (r *Router) Post(path string, a authz.Action, h Handler) { r.add(fiber.MethodPost, path, a, h) }

func (r *Router) add(method, path string, a authz.Action, h Handler) {
	if a == "" {
		panic("route " + method + " " + path + " names no action; write authz.Public if it is meant for all")
	}
	r.routes = append(r.routes, Route{method, path, a})
	serve := func(c *fiber.Ctx) error {
		rq := From(c)
		rq.Action = a
		ctx, cancel := context.WithTimeout(context.Background(), r.cfg.Timeout)
		defer cancel()
		rq.Ctx = ctx
		if to, switched := r.switchLanguage(c); switched {
			return c.Redirect(to, fiber.StatusSeeOther)
		}
		if err := r.findSession(c, rq); err != nil {
			return err
		}
		if !rq.Actor.SignedIn() && a != authz.Public {
			return r.toSignIn(c)
		}
		if err := r.checkOrigin(c, rq); err != nil {
			return err
		}
		if !rq.Actor.May(a) {
			return rq.Actor.Refused(a)
		}
		if a.Strong() && !rq.Session.Strong {
			return r.toStrong(c)
		}
		if err := rq.visit(method); err != nil {
			return err
		}
		return h(c, rq)
	}
	r.app.Add(method, path, serve)
	if method == fiber.MethodGet {
		r.app.Add(fiber.MethodHead, path, serve)
	}
}

// visit lets an operator on a support visit change nothing, and see nothing before
// it is noted.
func (rq *Request) visit(method string) error {
	s := rq.Session.Support
	if s == nil && !rq.Actor.Has(authz.Support) || rq.Action == authz.SessionEnd {
		return nil
	}
	if s == nil || method != fiber.MethodGet && !rq.Action.Asks() {
		return authz.Missing(string(rq.Action))
	}
	return s.Note(rq)
}

// Listen serves plain HTTP on an address until Shutdown.
func (r *Router) Listen(addr string) error { return r.app.Listen(addr) }

// Serve is Listen on an open listener.
func (r *Router) Serve(l net.Listener) error { return r.app.Listener(l) }

// Shutdown makes /readyz fail, takes no new connections and waits for the
// requests under way, at most until ctx ends.
func (r *Router) Shutdown(ctx context.Context) error {
	r.draining.Store(true)
	for _, site := range r.sites {
		site.draining.Store(true)
	}
	return r.app.ShutdownWithContext(ctx)
}
