package web

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/tenancy"
)

// Session is a signed-in browser, as the edge needs it.
type Session struct {
	ID     uuid.UUID   // names it among the person's own, and opens nothing
	Actor  authz.Actor // loaded for today, see authz.Load
	Name   string      // whom to greet, shown on pages only
	CSRF   string      // the session's token; never empty
	Lang   i18n.Lang   // the person's choice, empty when there is none
	Strong bool        // the sign-in was a strong one
	// Support is set where the actor is an operator on a support visit.
	Support *Support
	// Leave ends a session that is kept elsewhere than the tenant's own.
	Leave func(*Request) error
}

// Support is the visit of an operator in a tenant. It changes nothing, and the edge
// has every page of it noted before the page is made.
type Support struct {
	Grant  uuid.UUID
	Reason string
	Until  time.Time
	Note   func(*Request) error // leaves the audit event; without it there is no page
}

// Sessions finds who is signed in; identity implements it.
type Sessions interface {
	// Find returns the session of a token inside a tenant. ok is false for an
	// unknown, ended or foreign token, and for a person without access any more. At
	// a Site the tenant is empty.
	Find(ctx context.Context, tenant tenancy.ID, token string, now time.Time) (s Session, ok bool, err error)
}

const (
	signInPath = "/kirjaudu"
	returnKey  = "paluu"
	langParam  = "kieli"
	langCookie = "lang"
	endedFlash = "flash.ended"
)

func (r *Router) sessionCookie() string {
	name := "digione"
	if r.cfg.Site != nil {
		name = r.cfg.Site.Cookie
	}
	if r.cfg.TLS {
		return "__Host-" + name
	}
	return name
}

// SetSession gives the browser a session's token.
func (rq *Request) SetSession(token string, expires time.Time) {
	rq.c.Cookie(rq.cookie(rq.router.sessionCookie(), token, expires))
}

// ClearSession takes the token away from the browser.
func (rq *Request) ClearSession() {
	rq.c.Cookie(rq.cookie(rq.router.sessionCookie(), "", time.Unix(1, 0)))
}

// SessionToken returns the token that the browser sent, empty when none.
func (rq *Request) SessionToken() string { return rq.c.Cookies(rq.router.sessionCookie()) }

func (rq *Request) cookie(name, value string, expires time.Time) *fiber.Cookie {
	return &fiber.Cookie{
		Name: name, Value: value, Path: "/", Expires: expires,
		Secure: rq.router.cfg.TLS, HTTPOnly: true, SameSite: fiber.CookieSameSiteLaxMode,
	}
}

func (r *Router) findSession(c *fiber.Ctx, rq *Request) error {
	if token := rq.SessionToken(); token != "" && len(token) <= 128 {
		s, ok, err := r.cfg.Sessions.Find(rq.Ctx, rq.Tenant.ID, token, rq.Now)
		if err != nil {
			return err
		}
		if ok {
			rq.Session, rq.Actor = s, s.Actor
		}
	}
	rq.Lang = langOf(c, rq.Session.Lang)
	return nil
}

// langOf prefers what was chosen in this browser, then what the person chose
// elsewhere, then what the browser asks for.
func langOf(c *fiber.Ctx, person i18n.Lang) i18n.Lang {
	if l, ok := i18n.Parse(c.Cookies(langCookie)); ok {
		return l
	}
	if l, ok := i18n.Parse(string(person)); ok {
		return l
	}
	return i18n.Match(c.Get(fiber.HeaderAcceptLanguage))
}

// switchLanguage keeps the language named in the address and returns the address
// without it.
func (r *Router) switchLanguage(c *fiber.Ctx) (string, bool) {
	l, ok := i18n.Parse(c.Query(langParam))
	if !ok || c.Method() != fiber.MethodGet {
		return "", false
	}
	rq := From(c)
	c.Cookie(rq.cookie(langCookie, string(l), rq.Now.AddDate(1, 0, 0)))
	q, err := url.ParseQuery(string(c.Context().QueryArgs().QueryString()))
	if err != nil {
		return "/", true
	}
	q.Del(langParam)
	to := LocalPath(c.Path())
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to, true
}

// toSignIn sends whoever is signed out to the sign-in page, and a reader back to
// the page they asked for afterwards. What a form held is not repeated.
func (r *Router) toSignIn(c *fiber.Ctx) error {
	to, rq := signInPath, From(c)
	if rq.SessionToken() != "" {
		rq.ClearSession()
		rq.Flash(endedFlash)
	}
	if back := LocalPath(c.Path()); back != "/" && (c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead) {
		to += "?" + returnKey + "=" + url.QueryEscape(back)
	}
	return c.Redirect(to, fiber.StatusSeeOther)
}

// StrongKey marks the sign-in page of those who must sign in strongly.
const StrongKey = "vahva"

// toStrong sends somebody who is signed in weakly to sign in strongly.
func (r *Router) toStrong(c *fiber.Ctx) error {
	to, q := signInPath, url.Values{StrongKey: {"1"}}
	if r.cfg.Site != nil {
		to, q = r.cfg.Site.Strong, url.Values{}
	}
	if back := LocalPath(c.Path()); c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead {
		q.Set(returnKey, back)
	}
	return c.Redirect(to+"?"+q.Encode(), fiber.StatusSeeOther)
}

// ReturnTo is the page to go back to after signing in, "/" when none was asked.
func (rq *Request) ReturnTo() string { return LocalPath(rq.c.Query(returnKey)) }

// LocalPath returns s if it is a plain path on this host and "/" otherwise, so
// that nobody is sent elsewhere by an address they were given.
func LocalPath(s string) string {
	if len(s) > 512 || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
		return "/"
	}
	for _, b := range []byte(s) {
		if b <= ' ' || b == '\\' || b >= 0x7f {
			return "/"
		}
	}
	if u, err := url.Parse(s); err != nil || u.Host != "" || u.Scheme != "" {
		return "/"
	}
	return s
}
