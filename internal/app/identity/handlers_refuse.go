package identity

import (
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/web"
)

// RefusedPage is all that templates/refused.html may use.
type RefusedPage struct {
	web.Page
	Help        string
	Again       string // address of another try, empty when there is none
	AgainLabel  string
	Choose      string // address of the sign-in page
	ChooseLabel string
	Inside      bool // signed in already
}

// refuse answers a sign-in that failed with a page, and anything else as an
// error. Only what began here leaves an audit event: a state made up by a
// stranger would let them write as much as they like.
func (h handlers) refuse(c *fiber.Ctx, rq *web.Request, in Pending, err error) error {
	var r *refusal
	if !errors.As(err, &r) {
		return err
	}
	attrs := []any{
		"request", rq.ID, "realm", h.realm.Name(rq), "code", r.code,
		slog.String("provider", in.Provider.String()),
	}
	if r.cause != nil {
		attrs = append(attrs, "error", r.cause.Error())
	}
	h.Log.Warn("sign-in refused", attrs...)
	if in.Verifier != "" {
		if err := h.realm.Refused(rq, r.code); err != nil {
			return err
		}
	}
	if r.status == fiber.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, "30")
	}
	return rq.RenderStatus(r.status, pages["refused"], refusedPage(rq, in, r))
}

func refusedPage(rq *web.Request, in Pending, r *refusal) RefusedPage {
	page := RefusedPage{Page: rq.Page(r.title), Help: rq.Lang.T(r.help), Inside: rq.Actor.SignedIn()}
	page.Status = r.status
	for i, l := range page.Langs {
		// This address answers once; in another language it would say something else.
		page.Langs[i].Path = signInPath + "?kieli=" + l.Lang
	}
	back := web.LocalPath(in.ReturnTo)
	page.Choose, page.ChooseLabel = signInPath, rq.Lang.T("identity.choose")
	if back != "/" {
		page.Choose += "?" + returnKey + "=" + url.QueryEscape(back)
	}
	switch {
	case r.again && in.Provider != uuid.Nil:
		page.Again, page.AgainLabel = StartPath(in.Provider, back, false, false), rq.Lang.T("identity.again")
	case r.other && in.Provider != uuid.Nil:
		page.Again, page.AgainLabel = StartPath(in.Provider, back, true, false), rq.Lang.T("identity.other")
	}
	return page
}

func (h handlers) browserCookie() string {
	if h.TLS {
		return "__Host-digione-alku"
	}
	return "digione-alku"
}

// browserSecret marks the browser for as long as a sign-in may take. Two begun
// side by side in one browser share it, so that both can end.
func (h handlers) browserSecret(c *fiber.Ctx, rq *web.Request) string {
	secret := c.Cookies(h.browserCookie())
	if len(secret) != tokenLen {
		secret = NewToken()
	}
	h.setBrowser(c, fiber.Cookie{Value: secret, Expires: rq.Now.Add(signInTime)})
	return secret
}

func (h handlers) forgetBrowser(c *fiber.Ctx) {
	h.setBrowser(c, fiber.Cookie{Expires: time.Unix(1, 0)})
}

func (h handlers) setBrowser(c *fiber.Ctx, cookie fiber.Cookie) {
	cookie.Name, cookie.Path = h.browserCookie(), "/"
	cookie.Secure, cookie.HTTPOnly = h.TLS, true
	cookie.SameSite = fiber.CookieSameSiteLaxMode // the way back is a cross-site GET
	c.Cookie(&cookie)
}

// redirectURI is the way back on the host that was asked, if it is the realm's:
// a proxy before us may have named it in X-Forwarded-Host.
func (h handlers) redirectURI(c *fiber.Ctx, rq *web.Request) string {
	scheme, host, hosts := "http://", "", h.realm.Hosts(rq)
	if h.TLS {
		scheme = "https://"
	}
	for _, asked := range []string{string(c.Request().Header.Host()), c.Get(fiber.HeaderXForwardedHost)} {
		asked = strings.ToLower(asked)
		name, _, _ := strings.Cut(asked, ":")
		if host == "" && slices.Contains(hosts, strings.TrimSuffix(name, ".")) {
			host = asked
		}
	}
	if host == "" && len(hosts) > 0 {
		host = hosts[0]
	}
	return scheme + host + callbackPath
}
