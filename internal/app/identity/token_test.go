package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"digione/internal/tenancy/dbtest"
)

// refused asserts a clear page, and that nothing came of the sign-in.
func (w *world) refused(t *testing.T, b *browser, got answer, status int, says, code string) {
	t.Helper()
	if got.status != status {
		t.Errorf("status %d, want %d", got.status, status)
	}
	doc := got.doc(t)
	doc.Says("h1", says)
	doc.Lacks("β", "sub-", "nonce", "oidc")
	if b.cookies[alpha]["digione"] != "" {
		t.Error("a session's cookie was set")
	}
	if n := w.count(dbtest.Alpha, `select (select count(*) from session) + (select count(*) from account)`); n != 0 {
		t.Errorf("%d sessions and accounts", n)
	}
	want := 1
	if code == "" {
		want = 0
	}
	if n := w.count(dbtest.Alpha, `select count(*) from audit_event where action like 'session.%'`); n != want {
		t.Errorf("%d events, want %d", n, want)
	}
	if n := w.count(dbtest.Alpha, `select count(*) from audit_event where action = 'session.refused' and reason = $1 and actor is null and target is null and actor_kind = 'system'`, code); n != want {
		t.Errorf("%d events with code %q, want %d", n, code, want)
	}
}

func set(name string, v any) func(map[string]any) {
	return func(claims map[string]any) { claims[name] = v }
}

func TestTokensThatAreNotOurs(t *testing.T) {
	t.Parallel()
	forged, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	soon := float64(time.Now().Add(2 * time.Minute).Unix())
	for name, c := range map[string]struct {
		tamper func(map[string]any)
		resign func(*world) func([]byte) string
	}{
		"signed by another key with the same id": {nil, func(w *world) func([]byte) string {
			return func(b []byte) string { return sign(forged, jose.ES256, w.key().KeyID, b) }
		}},
		"signed by an unknown key": {nil, func(*world) func([]byte) string {
			return func(b []byte) string { return sign(forged, jose.ES256, "mine", b) }
		}},
		"signed by the client's secret": {nil, func(w *world) func([]byte) string {
			return func(b []byte) string {
				return sign([]byte("secret of c-alpha and then some more"), jose.HS256, w.key().KeyID, b)
			}
		}},
		"unsigned": {nil, func(*world) func([]byte) string {
			return func(b []byte) string {
				enc := base64.RawURLEncoding.EncodeToString
				return enc([]byte(`{"alg":"none"}`)) + "." + enc(b) + "."
			}
		}},
		"no token":                {nil, func(*world) func([]byte) string { return func([]byte) string { return "" } }},
		"another audience":        {set("aud", "c-beta"), nil},
		"two audiences, no azp":   {func(m map[string]any) { m["aud"] = []string{"c-alpha", "c-beta"}; delete(m, "azp") }, nil},
		"another party":           {set("azp", "c-beta"), nil},
		"another issuer":          {set("iss", "https://login.example"), nil},
		"another nonce":           {set("nonce", "x"), nil},
		"no nonce":                {func(m map[string]any) { delete(m, "nonce") }, nil},
		"no subject":              {func(m map[string]any) { delete(m, "sub") }, nil},
		"a subject without end":   {set("sub", strings.Repeat("x", 300)), nil},
		"not valid yet":           {set("nbf", soon), nil},
		"issued later":            {set("iat", soon), nil},
		"never issued":            {func(m map[string]any) { delete(m, "iat") }, nil},
		"expired, beyond skew":    {set("exp", float64(time.Now().Add(-2*time.Minute).Unix())), nil},
		"a claim of another kind": {set("azp", []string{"c-alpha"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser()
			back := b.begin(alpha, "aino", "/")
			var resign func([]byte) string
			if c.resign != nil {
				resign = c.resign(w)
			}
			w.meddle(c.tamper, resign)
			w.refused(t, b, b.get(alpha, back), 403, "Kirjautumista ei voitu varmistaa", "token")
			w.meddle(nil, nil)
			// Replayed, the code and the state are worth nothing.
			if got := b.get(alpha, back); got.status != 400 {
				t.Errorf("replay: %d", got.status)
			}
			b.out(alpha)
		})
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	for offset, ok := range map[time.Duration]bool{
		-45 * time.Second: true, -75 * time.Second: false, // the provider is ahead
		10*time.Minute + 45*time.Second: true, 11*time.Minute + 15*time.Second: false, // its token has run out
	} {
		w := newWorld(t)
		w.later(offset)
		b := w.browser()
		got := b.signIn(alpha, "aino")
		if in := got.status == 303; in != ok {
			t.Errorf("%s: %d", offset, got.status)
		}
	}
}
