package identity_test

import (
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy/dbtest"
)

func TestStates(t *testing.T) {
	t.Parallel()
	const says = "Kirjautuminen ei ole enää voimassa"
	t.Run("made up", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		b.begin(alpha, "aino", "/")
		for _, q := range []string{"", "?code=x", "?state=x&code=x", "?state=x.y&code=x", "?error=access_denied", "?state=" + strings.Repeat("x", 300)} {
			w.refused(t, b, b.get(alpha, wayBack+q), 400, says, "")
		}
	})
	t.Run("of another browser", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b, thief := w.browser(), w.browser()
		back := b.begin(alpha, "aino", "/")
		w.refused(t, thief, thief.get(alpha, back), 400, says, "")
		thief.begin(alpha, "teacher", "/")
		w.refused(t, thief, thief.get(alpha, back), 400, says, "")
		b.get(alpha, back) // it stayed whole for its own
		b.in(alpha, "aino Testinen α")
	})
	t.Run("of another tenant", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		back := b.begin(beta, "aino", "/")
		b.cookies[alpha]["digione-alku"] = b.cookies[beta]["digione-alku"]
		w.refused(t, b, b.get(alpha, back), 400, says, "")
		b.get(beta, back)
		b.in(beta, "aino Testinen β")
		b.out(alpha)
	})
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		back := b.begin(alpha, "aino", "/")
		w.later(10*time.Minute + time.Second)
		w.refused(t, b, b.get(alpha, back), 400, says, "")
		b.begin(alpha, "aino", "/") // sweeps
		if n := w.count(dbtest.Alpha, `select count(*) from sign_in`); n != 1 {
			t.Errorf("%d sign-ins are left", n)
		}
	})
	t.Run("brought twice at once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		back := b.begin(alpha, "aino", "/")
		var all sync.WaitGroup
		for range 5 {
			again := w.browser()
			again.cookies[alpha]["digione-alku"] = b.cookies[alpha]["digione-alku"]
			all.Go(func() { again.get(alpha, back) })
		}
		all.Wait()
		if n := w.count(dbtest.Alpha, `select count(*) from session`); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
	t.Run("two side by side in one browser", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		one, two := b.begin(alpha, "aino", "/"), b.begin(alpha, "teacher", "/")
		cookie := b.cookies[alpha]["digione-alku"]
		b.get(alpha, one)
		b.in(alpha, "aino Testinen α")
		b.cookies[alpha]["digione-alku"] = cookie
		b.get(alpha, two)
		b.in(alpha, "teacher Testinen α")
	})
}

func TestProviderSaysNo(t *testing.T) {
	t.Parallel()
	for query, c := range map[string]struct {
		status     int
		says, code string
	}{
		"error=access_denied":                        {403, "Kirjautuminen keskeytyi", "cancelled"},
		"error=server_error&error_description=sub-x": {403, "Kirjautumispalvelu ei päästänyt sisään", "provider"},
		"error=temporarily_unavailable":              {503, "Kirjautumispalvelu ei vastaa", "outage"},
		"code=made-up":                               {403, "Kirjautumista ei voitu varmistaa", "token"},
	} {
		w := newWorld(t)
		b := w.browser()
		back, err := url.Parse(b.begin(alpha, "aino", "/"))
		check(t, err)
		got := b.get(alpha, wayBack+"?state="+back.Query().Get("state")+"&"+query)
		w.refused(t, b, got, c.status, c.says, c.code)
		got.doc(t).Says("main a", "Yritä uudelleen")
	}
}

// One tenant's providers share the way back: what one of them sends must not pass
// for another's.
func TestAnswerOfAnotherProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	got := b.get(alpha, b.begin(alpha, "aino", "/")+"&iss=https%3A%2F%2Fevil.example")
	w.refused(t, b, got, 403, "Kirjautumista ei voitu varmistaa", "token")
	b.get(alpha, b.begin(alpha, "aino", "/")+"&iss="+url.QueryEscape(w.issuer))
	b.in(alpha, "aino Testinen α")
}

func TestProviderDown(t *testing.T) {
	t.Parallel()
	const says = "Kirjautumispalvelu ei vastaa"
	t.Run("before", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		b := w.browser()
		w.down.Store("/.well-known")
		got := b.get(alpha, b.button(alpha, "/oma/x"))
		w.refused(t, b, got, 503, says, "")
		again := htmlcheck.Attr(got.doc(t).Find("main a.ds-button")[0], "href")
		if got.header.Get("Retry-After") == "" || !strings.HasSuffix(again, "?paluu=%2Foma%2Fx") {
			t.Errorf("retry at %s", again)
		}
		w.down.Store("")
		start := b.get(alpha, again)
		if got := b.get(alpha, b.atProvider(start.location, "aino")); got.location != "/oma/x" {
			t.Errorf("retried: %d %s", got.status, got.location)
		}
	})
	for _, path := range []string{"/oauth/token", "/keys"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			back := b.begin(alpha, "aino", "/")
			w.down.Store(path)
			w.refused(t, b, b.get(alpha, back), 503, says, "outage")
		})
	}
}
