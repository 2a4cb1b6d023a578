package identity_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func TestSQL(t *testing.T) { dbtest.CheckSQL(t, ".") }

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	back := b.begin(alpha, "aino", "/oma/sivu?x=1")
	got := b.get(alpha, back)
	if got.status != 303 || got.location != "/oma/sivu?x=1" {
		t.Fatalf("way back: %d %s", got.status, got.location)
	}
	var token string
	for _, c := range got.set {
		if c.Name == "digione" {
			token = c.Value
			if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
				t.Errorf("cookie %v", c)
			}
		}
	}
	if raw, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(raw) != 32 {
		t.Fatalf("token %q", token)
	}
	b.in(alpha, "aino Testinen α")
	hash := sha256.Sum256([]byte(token))
	if n := w.count(dbtest.Alpha, `select count(*) from session where token_hash = $1 and person = $2`, hash[:], id("aino")); n != 1 {
		t.Errorf("%d sessions by the hash", n)
	}
	if n := w.count(dbtest.Alpha, `select count(*) from account where subject = 'sub-aino' and person = $1 and linked_by = 'preferred_username = username'`, id("aino")); n != 1 {
		t.Errorf("%d accounts", n)
	}
	if n := w.count(dbtest.Alpha, `select count(*) from identity_provider where secret_cipher like '%secret%'::bytea`); n != 0 {
		t.Error("the client's secret stands in the open")
	}
	if n := w.count(dbtest.Alpha, `select count(*) from sign_in`); n != 0 {
		t.Errorf("%d sign-ins left", n)
	}
	// Signed in already: the sign-in page leads on.
	if got := b.get(alpha, "/kirjaudu?paluu=%2Foma%2Fx"); got.location != "/oma/x" {
		t.Errorf("sign-in page leads to %s", got.location)
	}
	page := b.get(alpha, "/")
	csrf := strings.Split(page.body, "\n")[1]
	if got := b.post(alpha, "/kirjaudu-ulos", url.Values{}); got.status != 403 {
		t.Errorf("sign-out without token: %d", got.status)
	}
	b.in(alpha, "aino Testinen α")
	got = b.post(alpha, "/kirjaudu-ulos", url.Values{"csrf": {csrf}})
	if got.status != 303 || got.location != "/kirjaudu?vaihda=1" || b.cookies[alpha]["digione"] != "" {
		t.Errorf("sign-out: %d %s %v", got.status, got.location, b.cookies[alpha])
	}
	after := b.get(alpha, got.location)
	after.doc(t).Says(".flash", "Olet kirjautunut ulos")
	b.get(alpha, htmlcheck.Attr(after.doc(t).Find(".langs a")[0], "href")) // the choice outlives the language
	start := b.get(alpha, htmlcheck.Attr(after.doc(t).Find("main a.ds-button")[0], "href"))
	if !strings.Contains(start.location, "prompt=login") {
		t.Error("the next one at this browser comes in as the last")
	}
	b.out(alpha)
	b.cookies[alpha]["digione"] = token
	b.out(alpha)
	for action, want := range map[string]int{"session.start": 1, "session.end": 1} {
		if n := w.count(dbtest.Alpha, `select count(*) from audit_event where action = $1 and actor = $2 and actor_kind = 'person'`, action, id("aino")); n != want {
			t.Errorf("%d events %s", n, action)
		}
	}
}

func TestEverySignInHasItsOwnSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	b.signIn(alpha, "aino")
	first := b.cookies[alpha]["digione"]
	w.later(time.Second)
	// The same browser, over a session that lives: as somebody else at the school's computer.
	start := b.get(alpha, "/kirjaudu/"+w.providerID()+"/alku")
	b.get(alpha, b.atProvider(start.location, "teacher"))
	second := b.cookies[alpha]["digione"]
	b.in(alpha, "teacher Testinen α")
	if first == second || first == "" {
		t.Fatal("the token stayed the same")
	}
	b.cookies[alpha]["digione"] = first
	b.out(alpha)
	// Another browser keeps its own.
	other := w.browser()
	other.signIn(alpha, "teacher")
	b.cookies[alpha]["digione"] = second
	b.in(alpha, "teacher Testinen α")
	other.in(alpha, "teacher Testinen α")
	if n := w.count(dbtest.Alpha, `select count(*) from account`); n != 2 {
		t.Errorf("%d accounts", n)
	}
	if n := w.count(dbtest.Alpha, `select count(*) from account where last_login_at > linked_at`); n != 1 {
		t.Errorf("%d accounts signed in again", n)
	}
}

func (w *world) providerID() (s string) {
	w.t.Helper()
	check(w.t, w.env.DB.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), `select id::text from identity_provider order by created_at limit 1`).Scan(&s)
	}))
	return s
}

func TestKeyRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 3 {
		b := w.browser()
		b.signIn(alpha, "aino")
		b.in(alpha, "aino Testinen α")
		check(t, w.idp.RotateKeys())
	}
}

func TestSignInPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := provider(w.issuer, "c-other")
	second.Name = "Vanhemmat <b>"
	w.put(dbtest.Alpha, second)
	b := w.browser()
	for lang, want := range map[string]string{"fi": "Kirjaudu sisään", "sv": "Logga in", "en": "Sign in"} {
		b.cookies[alpha]["lang"] = lang
		doc := b.get(alpha, "/kirjaudu").doc(t)
		doc.Says("h1", want)
		doc.Count("main a.ds-button", 2)
		doc.Says("main a", "Vanhemmat <b>")
	}
	b.cookies[alpha]["lang"] = "fi"
	// An address elsewhere is no return path, before and after.
	for _, to := range []string{"https://evil.example/", "//evil.example", "/\\evil.example"} {
		if got := b.get(alpha, b.begin(alpha, "aino", to)); got.location != "/" {
			t.Errorf("back to %s", got.location)
		}
		delete(b.cookies[alpha], "digione")
	}
	w.exec(dbtest.Alpha, `update sign_in set return_to = return_to`)
	back := b.begin(alpha, "aino", "/")
	w.exec(dbtest.Alpha, `update sign_in set return_to = '//evil.example'`)
	if got := b.get(alpha, back); got.location != "/" {
		t.Errorf("back to %s", got.location)
	}
	for _, path := range []string{"/kirjaudu/x/alku", "/kirjaudu/" + id("none").String() + "/alku"} {
		if got := w.browser().get(alpha, path); got.status != 404 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	if got := w.browser().get(beta, "/kirjaudu/"+w.providerID()+"/alku"); got.status != 404 {
		t.Errorf("another tenant's provider: %d", got.status)
	}
	w.exec(dbtest.Alpha, `update identity_provider set enabled = false`)
	doc := w.browser().get(alpha, "/kirjaudu").doc(t)
	doc.Says("main h2", "Kirjautuminen ei ole vielä käytössä")
	doc.Count("main a.ds-button", 0)
}

func TestWayBackIsTheTenantsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for host, want := range map[string]string{"alpha.test": "http://alpha.test", "ALPHA.test:8080": "http://alpha.test:8080"} {
		b := w.browser()
		b.cookies["ALPHA.test"] = b.cookies[alpha]
		start := b.get(host, b.button(alpha, "/"))
		to, err := url.Parse(start.location)
		check(t, err)
		if got := to.Query().Get("redirect_uri"); got != want+wayBack {
			t.Errorf("%s: back to %s", host, got)
		}
		for key, want := range map[string]string{"code_challenge_method": "S256", "response_type": "code", "client_id": "c-alpha", "scope": "openid profile"} {
			if got := to.Query().Get(key); got != want {
				t.Errorf("%s is %q", key, got)
			}
		}
	}
	b := w.browser()
	path := b.button(alpha, "/")
	b.headers["X-Forwarded-Host"] = "evil.example"
	if got := b.get(alpha, path); strings.Contains(got.location, "evil") {
		t.Errorf("a stranger's header: %s", got.location)
	}
}

func overTLS(edge *web.Config, own *identity.Config) { edge.TLS, own.TLS = true, true }

func TestTLS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, overTLS)
	b := w.browser()
	back := b.begin(alpha, "aino", "/")
	if b.cookies[alpha]["__Host-digione-alku"] == "" {
		t.Errorf("cookies on the way %v", b.cookies[alpha])
	}
	got := b.get(alpha, back)
	b.in(alpha, "aino Testinen α")
	if b.cookies[alpha]["__Host-digione"] == "" || b.cookies[alpha]["__Host-digione-alku"] != "" {
		t.Errorf("cookies inside %v", b.cookies[alpha])
	}
	for _, c := range got.set {
		if !c.Secure || c.Path != "/" || c.Domain != "" {
			t.Errorf("cookie %v", c)
		}
	}
	// A provider in the open is none there, and is not even asked.
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked in the open") }))
	defer plain.Close()
	w.exec(dbtest.Alpha, `update identity_provider set issuer = $1`, plain.URL)
	if got := w.browser().get(alpha, "/kirjaudu/"+w.providerID()+"/alku"); got.status != 503 {
		t.Errorf("plain issuer: %d", got.status)
	}
}
