package operators_test

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	if got := b.get(desk, "/t/alpha"); got.status != 303 || got.location != "/kirjaudu?paluu=%2Ft%2Falpha" {
		t.Errorf("signed out: %d %s", got.status, got.location)
	}
	b.get(desk, "/kirjaudu").doc(t).Says("main", "Operaattorin tunnus")
	b.signIn("paula")
	first := b.cookies[cookie]
	hash := sha256.Sum256([]byte(first))
	if n := w.one(`select count(*) from control.operator_session s join control.operator o on o.id = s.operator where token_hash = $1 and subject = 'op-paula'`, hash[:]); n != 1 {
		t.Errorf("%d sessions by the hash", n)
	}
	if n := w.one(`select count(*) from control.operator_sign_in`); n != 0 {
		t.Errorf("%d sign-ins left", n)
	}
	doc := b.get(desk, "/").doc(t)
	doc.Says(".name", "Nimi paula")
	doc.Says(".place", "Ylläpito · Operaattori")
	// A new id at every sign-in; the browser's former one ends.
	b.signIn("olli")
	if b.cookies[cookie] == first || w.one(`select count(*) from control.operator_session`) != 1 {
		t.Error("the former session lives on")
	}
	b.get(desk, "/").doc(t).Says(".place", "Ylläpito · Katselija")
	if got := b.post(desk, "/kirjaudu-ulos", url.Values{}); got.status != 403 {
		t.Errorf("sign-out without token: %d", got.status)
	}
	last, token := b.cookies[cookie], b.csrf()
	if got := b.post(desk, "/kirjaudu-ulos", url.Values{"csrf": {token}}); got.status != 303 || b.cookies[cookie] != "" {
		t.Errorf("sign-out: %d", got.status)
	}
	b.cookies[cookie] = last
	if got := b.get(desk, "/"); got.status != 303 {
		t.Errorf("after signing out: %d", got.status)
	}
	for command, want := range map[string]int{"sign in": 2, "sign out": 1, "view tenants": 3} {
		if n := w.one(`select count(*) from control.operator_log where command = $1 and outcome = 'done' and actor like 'Nimi %'`, command); n != want {
			t.Errorf("%d lines %q, want %d", n, command, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nobodyIn := func(b *browser, name string) {
		t.Helper()
		if b.cookies[cookie] != "" || w.one(`select count(*) from control.operator_session`) != 0 {
			t.Errorf("%s has a session", name)
		}
	}
	// Listed is by issuer and subject: the e-mail address of one who is opens nothing.
	for _, name := range []string{"outi", "ended"} {
		b := w.browser()
		got := b.get(desk, b.begin(name))
		if got.status != 403 {
			t.Errorf("%s: %d", name, got.status)
		}
		doc := got.doc(t)
		doc.Says("h1", "Sinua ei ole lisätty operaattoreihin")
		doc.Lacks("paula@example.fi", "op-"+name)
		nobodyIn(b, name)
	}
	if n := w.one(`select count(*) from control.operator_log where command = 'sign in' and outcome = 'refused' and detail like 'unlisted,%'`); n != 2 {
		t.Errorf("%d lines", n)
	}
	// A state of one's own, another browser's, and one that was used.
	b := w.browser()
	back := b.begin("paula")
	forged, err := url.Parse(back)
	w.check(err)
	q := forged.Query()
	q.Set("state", "x"+q.Get("state"))
	for name, path := range map[string]string{"forged state": "/kirjaudu/paluu?" + q.Encode(), "no state": "/kirjaudu/paluu?code=" + q.Get("code")} {
		if got := b.get(desk, path); got.status != 400 {
			t.Errorf("%s: %d", name, got.status)
		}
		nobodyIn(b, name)
	}
	other := w.browser()
	if got := other.get(desk, back); got.status != 400 {
		t.Errorf("another browser: %d", got.status)
	}
	nobodyIn(other, "another browser")
	// A nonce that is not ours.
	w.env.Exec(t, `update control.operator_sign_in set nonce = 'forged'`)
	if got := b.get(desk, back); got.status != 403 {
		t.Errorf("forged nonce: %d", got.status)
	}
	nobodyIn(b, "forged nonce")
	if got := b.get(desk, back); got.status != 400 {
		t.Errorf("used: %d", got.status)
	}
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, b *browser){
		"idle": func(w *world, _ *browser) { w.later(30*time.Minute + time.Second) },
		"absolutely": func(w *world, b *browser) {
			for range 21 {
				w.later(29 * time.Minute)
				b.get(desk, "/operaattorit")
			}
		},
		"ended": func(w *world, _ *browser) {
			all, err := w.env.Operator.Accounts(w.Context())
			w.check(err)
			for _, a := range all {
				if a.Subject == "op-paula" {
					w.check(w.env.Operator.EndAccount(w.Context(), a.ID))
				}
			}
		},
		"other issuer": func(w *world, _ *browser) {
			w.env.Exec(w.T, `update control.operator set issuer = 'https://other.example'`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.browser().signIn("paula")
			w.later(29 * time.Minute)
			if got := b.get(desk, "/"); got.status != 200 {
				t.Fatalf("in use: %d", got.status)
			}
			end(w, b)
			got := b.get(desk, "/loki")
			if got.status != 303 || got.location != "/kirjaudu?paluu=%2Floki" {
				t.Fatalf("%d %s", got.status, got.location)
			}
			b.get(desk, got.location).doc(t).Says(".flash", "Istuntosi on päättynyt")
		})
	}
}

// The two kinds of hosts share no route and no session.
func TestHostsAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("paula")
	token := b.cookies[cookie]
	for _, path := range []string{"/t/alpha", "/loki", "/operaattorit"} {
		if got := b.get(alpha, path); got.status != 404 {
			t.Errorf("%s at a tenant: %d", path, got.status)
		}
	}
	for _, path := range []string{"/koulut", "/omat-tiedot", "/haku", "/henkilot/0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"} {
		if got := b.get(desk, path); got.status != 404 {
			t.Errorf("%s at the operators' host: %d", path, got.status)
		}
	}
	if got := b.get("OPERATOR.test.:8080", "/loki"); got.status != 200 {
		t.Errorf("another writing of the host: %d", got.status)
	}
	for _, host := range []string{"x.operator.test", "operator.test.evil.example", "operator"} {
		if got := b.get(host, "/loki"); got.status != 404 {
			t.Errorf("%s: %d", host, got.status)
		}
	}
	// An operator's token at a tenant.
	b.cookies["digione"] = token
	if got := b.get(alpha, "/"); got.status != 303 || got.location != "/kirjaudu" {
		t.Errorf("an operator's token at a tenant: %d %s", got.status, got.location)
	}
	// A tenant's token at the operators' host, under both names.
	person := w.browser()
	tenants := strings.Repeat("A", 43)
	hash := sha256.Sum256([]byte(tenants))
	w.tenantSession(hash[:])
	person.cookies["digione"] = tenants
	if got := person.get(alpha, "/"); got.status != 200 {
		t.Fatalf("the tenant's own session: %d %.200s", got.status, got.body)
	}
	person.cookies = map[string]string{"digione": tenants, cookie: tenants}
	if got := person.get(desk, "/"); got.status != 303 {
		t.Errorf("a tenant's token at the operators' host: %d", got.status)
	}
}

func TestViewersOnlyLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		who    string
		status int
		ran    int32
	}{{"olli", 403, 0}, {"paula", 303, 1}} {
		b := w.browser().signIn(c.who)
		for _, path := range []string{"/", "/t/alpha", "/loki", "/operaattorit"} {
			if got := b.get(desk, path); got.status != 200 {
				t.Errorf("%s at %s: %d", c.who, path, got.status)
			}
		}
		if got := b.post(desk, "/t/alpha/koe", url.Values{}); got.status != 403 || w.paused.Load() != 0 {
			t.Errorf("%s without token: %d", c.who, got.status)
		}
		got := b.post(desk, "/t/alpha/koe", url.Values{"csrf": {b.csrf()}})
		if got.status != c.status || w.paused.Load() != c.ran {
			t.Errorf("%s: %d, ran %d times", c.who, got.status, w.paused.Load())
		}
		if c.ran == 0 {
			got.doc(t).Says("h1", "Voit katsoa tietoja mutta et muuttaa niitä")
		}
		if got := b.post(desk, "/t/nosuch/koe", url.Values{"csrf": {b.csrf()}}); got.status == 303 {
			t.Errorf("%s at no tenant: %d", c.who, got.status)
		}
	}
	if n := w.one(`select count(*) from control.operator_log where command = 'test change' and tenant = 'alpha' and actor = 'Nimi paula'`); n != 2 {
		t.Errorf("%d lines of the change, want begin and end", n)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("paula")
	if _, err := w.env.Operator.Began(t.Context(), "maija", "migrate up", ""); err != nil { // killed: it has no end
		t.Fatal(err)
	}
	for i := range 120 {
		ended, err := w.env.Operator.Began(t.Context(), "maija", fmt.Sprintf("roster import %d", i), []string{"alpha", "beta"}[i%2])
		w.check(err)
		w.check(ended(tenancy.Held, "kaksi <b> ihmistä"))
	}
	doc := b.get(desk, "/").doc(t)
	doc.Says("h1", "Kunnat")
	doc.Says(".lead", "2 kuntaa, käytössä 2")
	doc.Says("tbody", "Alfa")
	doc = b.get(desk, "/t/alpha").doc(t)
	for _, want := range []string{"901", "alpha.test", "shared-1", "canary", "roster import 118", "Odottaa", "kaksi <b> ihmistä"} {
		doc.Says("main", want)
	}
	doc.Lacks("roster import 119", "roster import 98", "Kesken", "tnt_")
	doc.Says(".place", "Ylläpito · Operaattori")
	if got := htmlcheck.Text(doc.Find(".place")[0]); got != "Ylläpito · Operaattori" {
		t.Errorf("beside the mark: %.200s", got)
	}
	if got := b.get(desk, "/t/nosuch"); got.status != 404 {
		t.Errorf("no such tenant: %d", got.status)
	}
	// The log is paged, and every line stands on one page.
	seen, pages := 0, 0
	for path := "/loki?kunta=beta&tekija=maija"; path != ""; pages++ {
		doc := b.get(desk, path).doc(t)
		seen += len(doc.Find("tbody tr"))
		doc.Lacks("roster import 118")
		path = ""
		for _, a := range doc.Find(".pager a") {
			if htmlcheck.Text(a) == "Vanhemmat" {
				path = htmlcheck.Attr(a, "href")
			}
		}
	}
	if seen != 60 || pages != 2 {
		t.Errorf("%d lines on %d pages", seen, pages)
	}
	if n := w.one(`select count(*) from control.operator_log where command = 'view log' and tenant = 'beta'`); n != 2 {
		t.Errorf("%d views of the log", n)
	}
	b.get(desk, "/loki?muutokset=1").doc(t).Lacks("Katsottiin")
	b.get(desk, "/loki?ennen=x&kunta=nosuch").doc(t).Says("tbody", "Katsottiin")
	b.get(desk, "/loki").doc(t).Says("select", "Alfa (alpha)") // a restored one has the same name
	b.get(desk, "/loki?tekija=ei-ketaan").doc(t).Says("main", "Ei merkintöjä")
	b.get(desk, "/operaattorit").doc(t).Says("tbody", "Nimi olli")
	for lang, want := range map[string]string{"fi": "Kunnat", "sv": "Kommuner", "en": "Municipalities"} {
		b.cookies["lang"] = lang
		for _, path := range []string{"/", "/t/alpha", "/loki", "/operaattorit", "/t/nosuch"} {
			b.get(desk, path).doc(t)
		}
		b.get(desk, "/").doc(t).Says("h1", want)
		out := w.browser()
		out.cookies["lang"] = lang
		out.get(desk, "/kirjaudu").doc(t).Count("main a.ds-button", 1)
	}
	// What cannot be noted is not shown.
	w.env.Exec(t, `alter table control.operator_log add constraint full_ck check (command <> 'view tenant') not valid`)
	if got := b.get(desk, "/t/alpha"); got.status != 500 || strings.Contains(got.body, "alpha.test") {
		t.Errorf("shown without a line in the log: %d", got.status)
	}
}
