package web

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/gofiber/fiber/v2"

	"digione/internal/tenancy"
)

// Beside serves another router, made for a Site, at that site's host. The two share
// no route: what one has, the other answers with 404.
func (r *Router) Beside(other *Router) { r.sites[other.cfg.Site.Host] = other }

// toSite hands a request for the host of another router over to it, whole.
func (r *Router) toSite(c *fiber.Ctx) error {
	if len(r.sites) > 0 {
		if host, ok := r.hostOf(c); ok && r.sites[host] != nil {
			r.sites[host].handle(c)
			return nil
		}
	}
	return c.Next()
}

// enterTenant finds the tenant by the host name alone and answers at once where
// there is none to enter, whatever the verb and the path.
func (r *Router) enterTenant(c *fiber.Ctx) error {
	rq := From(c)
	host, ok := r.hostOf(c)
	if !ok {
		return r.errorPage(c, rq, fiber.StatusNotFound, "error.host")
	}
	if r.cfg.Site != nil {
		if host != r.cfg.Site.Host {
			return r.errorPage(c, rq, fiber.StatusNotFound, "error.host")
		}
		return c.Next()
	}
	t, ok := r.cfg.Tenants.ByHost(host)
	if !ok {
		return r.errorPage(c, rq, fiber.StatusNotFound, "error.host")
	}
	switch t.State {
	case tenancy.Active, tenancy.Leaving:
		rq.Tenant = t
		return c.Next()
	case tenancy.Suspended:
		return r.errorPage(c, rq, fiber.StatusServiceUnavailable, "error.suspended")
	case tenancy.Sealed, tenancy.Erased:
		return r.errorPage(c, rq, fiber.StatusGone, "error.sealed")
	default:
		return r.errorPage(c, rq, fiber.StatusServiceUnavailable, "error.provisioning")
	}
}

// hostOf returns the host that the client asked for. A request that names two is
// refused: what stands before us may have looked at the other one.
func (r *Router) hostOf(c *fiber.Ctx) (string, bool) {
	h := &c.Request().Header
	if countHosts(h.RawHeaders()) > 1 {
		return "", false
	}
	said := string(h.Host())
	if uri := string(h.RequestURI()); !strings.HasPrefix(uri, "/") && uri != "*" {
		// The absolute form names a host of its own.
		_, rest, _ := strings.Cut(uri, "://")
		authority, _, _ := strings.Cut(rest, "/")
		if !sameASCII(authority, said) {
			return "", false
		}
	}
	if fwd := c.Get(fiber.HeaderXForwardedHost); fwd != "" && r.fromProxy(c) {
		said = fwd
	}
	return normalHost(said)
}

func (r *Router) fromProxy(c *fiber.Ctx) bool {
	ip, ok := netip.AddrFromSlice(c.Context().RemoteIP())
	return ok && r.trusts(ip)
}

func (r *Router) trusts(a netip.Addr) bool {
	return slices.ContainsFunc(r.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

func countHosts(raw []byte) int {
	n := 0
	for line := range bytes.SplitSeq(raw, []byte("\n")) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if ok && bytes.EqualFold(bytes.TrimSpace(name), []byte("host")) {
			n++
		}
	}
	return n
}

// sameASCII compares without case. Letters that Unicode folds into ASCII ones, such as
// the Kelvin sign, are others: what stands before us takes them for others.
func sameASCII(a, b string) bool {
	return strings.EqualFold(a, b) && isASCII(a) && isASCII(b)
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) < 0
}

// normalHost lowers the case and takes off the port and one trailing dot. Any
// other writing is no host of ours.
func normalHost(s string) (string, bool) {
	name, port, hasPort := strings.Cut(s, ":")
	if hasPort && (port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "") {
		return "", false
	}
	if !isASCII(name) {
		return "", false
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	if name == "" || len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" {
		return "", false
	}
	return name, true
}

// Address is where the request comes from: behind trusted proxies, the last address
// that none of them has.
func (rq *Request) Address() netip.Addr {
	from, _ := netip.ParseAddr(rq.c.Context().RemoteIP().String())
	r := rq.router
	if !r.fromProxy(rq.c) {
		return from
	}
	hops := strings.Split(rq.c.Get(fiber.HeaderXForwardedFor), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if from = a; !r.trusts(a) {
			break
		}
	}
	return from
}
