package web

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/fault"
)

const (
	csrfField  = "csrf"
	csrfHeader = "X-Csrf-Token"
)

// checkOrigin lets a change pass only when the browser says that it comes from
// our own page and, in a session, when it carries the session's token.
func (r *Router) checkOrigin(c *fiber.Ctx, rq *Request) error {
	switch c.Method() {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodOptions:
		return nil
	}
	site, origin := c.Get("Sec-Fetch-Site"), c.Get(fiber.HeaderOrigin)
	if site != "" && site != "same-origin" {
		return refused("Sec-Fetch-Site is %s", site)
	}
	if origin != "" && !sameASCII(origin, r.origin(c)) {
		return refused("foreign Origin")
	}
	if !rq.Actor.SignedIn() {
		if site == "" && origin == "" {
			return refused("neither Origin nor Sec-Fetch-Site")
		}
		return nil
	}
	sent := rq.Form(csrfField)
	if sent == "" {
		sent = c.Get(csrfHeader)
	}
	if !sameToken(sent, rq.Session.CSRF) {
		return refused("no valid token")
	}
	return nil
}

func refused(format string, args ...any) error {
	return fault.New(fault.Forbidden, "error.csrf", "csrf: "+format, args...)
}

func (r *Router) origin(c *fiber.Ctx) string {
	host := string(c.Request().Header.Host())
	if fwd := c.Get(fiber.HeaderXForwardedHost); fwd != "" && r.fromProxy(c) {
		host = fwd
	}
	if r.cfg.TLS {
		return "https://" + host
	}
	return "http://" + host
}

// Origin is the one under which the browser asked, as scheme, host and port.
func (rq *Request) Origin() string { return rq.router.origin(rq.c) }

// OriginOf is how a browser that asked here reaches another host of the service.
func (rq *Request) OriginOf(host string) string {
	scheme, here, _ := strings.Cut(rq.Origin(), "://")
	if _, port, ok := strings.Cut(here, ":"); ok {
		host += ":" + port
	}
	return scheme + "://" + host
}

// FromOwnPage reports whether the browser says that the reader came by a link on a
// page of this host.
func (rq *Request) FromOwnPage() bool {
	if site := rq.c.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	u, err := url.Parse(rq.c.Get(fiber.HeaderReferer))
	return err == nil && u.Host != "" && sameASCII(u.Scheme+"://"+u.Host, rq.Origin())
}

// Masked writes a token as a page does, differently each time: so that the size of
// a compressed page tells nothing about it.
func Masked(token string) string {
	if token == "" {
		return ""
	}
	b := make([]byte, 2*len(token))
	pad, masked := b[:len(token)], b[len(token):]
	rand.Read(pad)
	subtle.XORBytes(masked, []byte(token), pad)
	return base64.RawURLEncoding.EncodeToString(b)
}

func sameToken(sent, token string) bool {
	b, err := base64.RawURLEncoding.DecodeString(sent)
	if err != nil || token == "" || len(b) != 2*len(token) {
		return false
	}
	pad, masked := b[:len(token)], b[len(token):]
	subtle.XORBytes(masked, masked, pad)
	return subtle.ConstantTimeCompare(masked, []byte(token)) == 1
}
