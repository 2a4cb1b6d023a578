package identity

import (
	"crypto/subtle"
	"encoding/hex"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/time/rate"

	"digione/internal/app/web"
)

// throttle bounds how many sign-ins begin: each writes a row and asks the provider.
// There is no password here to guess, so it need not be strict, and it must not shut
// out a school, which comes from one address and all at once: an address may begin as
// many as a large school has pupils, and a browser in which somebody was let in lately
// is not counted with its address. One browser, however known, has a bound of its own.
type throttle struct {
	mu    sync.Mutex
	seen  map[string]*bucket
	swept time.Time
}

type bucket struct {
	*rate.Limiter
	used time.Time
}

// The bounds: at once, and per second after that.
const (
	addressBurst, addressRate = 1000, 20
	browserBurst, browserRate = 15, 0.2
	keepBucket                = 10 * time.Minute
)

// take uses one of a key's, or tells how long to wait.
func (t *throttle) take(key string, burst int, perSecond float64, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep(now)
	b := t.seen[key]
	if b == nil {
		b = &bucket{Limiter: rate.NewLimiter(rate.Limit(perSecond), burst)}
		t.seen[key] = b
	}
	b.used = now
	if b.AllowN(now, 1) {
		return 0
	}
	r := b.ReserveN(now, 1)
	defer r.CancelAt(now)
	return max(r.DelayFrom(now), time.Second)
}

func (t *throttle) sweep(now time.Time) {
	if t.seen == nil {
		t.seen = map[string]*bucket{}
	}
	if now.Sub(t.swept) < keepBucket {
		return
	}
	t.swept = now
	for k, b := range t.seen {
		if now.Sub(b.used) > keepBucket {
			delete(t.seen, k)
		}
	}
}

// slow refuses somebody who begins too many sign-ins.
func (h handlers) slow(c *fiber.Ctx, rq *web.Request) (wait time.Duration) {
	realm := h.realm.Name(rq)
	if secret := c.Cookies(h.browserCookie()); len(secret) == tokenLen {
		if wait = h.throttle.take("browser "+realm+" "+hex.EncodeToString(HashOf(secret)), browserBurst, browserRate, rq.Now); wait > 0 {
			return wait
		}
	}
	if h.isKnown(c, rq) {
		return 0
	}
	return h.throttle.take("address "+realm+" "+network(rq.Address()), addressBurst, addressRate, rq.Now)
}

// network is what one household or school holds at least: an IPv6 /64.
func network(a netip.Addr) string {
	if a = a.Unmap(); a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}

// rememberedFor is how long a browser is remembered in which somebody was let in.
const rememberedFor = 30 * 24 * time.Hour

// The mark of a known browser: random bytes and what the realm makes of them. It
// opens nothing and names nobody.
func (h handlers) knownCookie() string {
	if h.TLS {
		return "__Host-digione-tuttu"
	}
	return "digione-tuttu"
}

func (h handlers) isKnown(c *fiber.Ctx, rq *web.Request) bool {
	token, mark, ok := strings.Cut(c.Cookies(h.knownCookie()), ".")
	if !ok || len(token) != tokenLen {
		return false
	}
	want, err := h.realm.Mark(rq, token)
	return err == nil && want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(mark)) == 1
}

func (h handlers) remember(c *fiber.Ctx, rq *web.Request) {
	if h.isKnown(c, rq) {
		return
	}
	token := NewToken()
	mark, err := h.realm.Mark(rq, token)
	if err != nil || mark == "" {
		return
	}
	c.Cookie(&fiber.Cookie{Name: h.knownCookie(), Value: token + "." + mark, Path: "/", Expires: rq.Now.Add(rememberedFor),
		Secure: h.TLS, HTTPOnly: true, SameSite: fiber.CookieSameSiteLaxMode})
}
