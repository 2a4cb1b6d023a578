package family_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"digione/internal/app/identity"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// What belongs to one account is not there for another.
func TestForeignLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	maija := w.browser().signIn("maija").tie("maija", "beta")
	kalle := w.browser().signIn("kalle").tie("kalle", "alpha")
	hers := maija.linkTo(dbtest.Beta)
	kalle.status(home, hers, 404)
	kalle.status(home, hers+"/"+id("aino").String(), 404)
	if got := kalle.post(home, "/kunnat/"+strings.TrimPrefix(hers, "/mene/")+"/irrota", url.Values{"csrf": {kalle.csrf(home)}}); got.status != 404 {
		t.Errorf("her link undone by him: %d", got.status)
	}
	kalle.get(home, "/").doc(t).Lacks("β", "aino", "Beeta")
	maija.get(home, "/").doc(t).Says("main", "aino Testinen β")
	// Through his own link he sees his own children, whatever the address names.
	kalle.visit(dbtest.Alpha, alpha)
	kalle.status(alpha, "/henkilot/"+id("aino").String(), 404)
	if got := kalle.get(alpha, kalle.entry(dbtest.Alpha, "/"+id("aino").String())); got.status != 303 {
		t.Fatalf("entry: %d", got.status)
	}
	kalle.status(alpha, "/henkilot/"+id("aino").String(), 404)
	kalle.status(alpha, "/henkilot/"+id("eeli").String(), 200)
}

// An entry is good once, for a minute, at its own tenant, and for as long as what it
// came from.
func TestEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha", "beta")
	at := func(host, path string, want int) {
		t.Helper()
		if got := w.browser().get(host, path); got.status != want {
			t.Errorf("%s%.12s…: %d, want %d", host, path, got.status, want)
		}
	}
	path := b.entry(dbtest.Alpha, "")
	for _, host := range []string{beta, home, desk} {
		at(host, path, 404)
	}
	if got := w.browser().send(httptest.NewRequest(http.MethodHead, path, nil), alpha); got.status != 404 {
		t.Errorf("HEAD: %d", got.status)
	}
	at(alpha, path, 303)
	at(alpha, path, 404) // replayed
	for _, forged := range []string{identity.NewToken(), "", "x", strings.Repeat("a", 500), strings.TrimPrefix(path, "/sisaan/") + "a"} {
		at(alpha, "/sisaan/"+url.PathEscape(forged), 404)
	}
	// What the database holds is no token.
	for _, hash := range w.lines(`select encode(token_hash, 'base64') from control.family_visit`) {
		at(alpha, "/sisaan/"+url.PathEscape(strings.TrimRight(hash, "=")), 404)
	}
	old := b.entry(dbtest.Alpha, "")
	w.later(61 * time.Second)
	at(alpha, old, 404)
	out := b.entry(dbtest.Beta, "")
	if got := b.post(home, "/kirjaudu-ulos", url.Values{"csrf": {b.csrf(home)}}); got.status != 303 {
		t.Fatalf("sign-out: %d", got.status)
	}
	at(beta, out, 404)
}

// Nobody but the guardian makes a link, by a sign-in and a click.
func TestLinkIsTheGuardians(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija")
	none := func(what string) {
		t.Helper()
		if n := w.count("control.family_link"); n != "0" {
			t.Errorf("%s: %s links", what, n)
		}
	}
	refused := func(what string, got answer, want int) {
		t.Helper()
		if got.status != want {
			t.Errorf("%s: %d, want %d", what, got.status, want)
		}
		none(what)
	}
	refused("nothing wished", b.confirm("alpha"), 409)
	b.post(home, "/liita", url.Values{"csrf": {b.csrf(home)}, "kunta": {"alpha"}})
	refused("wished, and not signed in since", b.confirm("alpha"), 409)
	b.wish("alpha", "maija")
	refused("another than was found", b.confirm("beta"), 409)
	refused("another browser of hers", w.browser().signIn("maija").confirm("alpha"), 409)
	form := url.Values{"kunta": {"alpha"}}
	refused("no token", b.post(home, "/liita/vahvista", form), 403)
	form.Set("csrf", w.browser().signIn("kalle").csrf(home))
	refused("somebody else's token", b.post(home, "/liita/vahvista", form), 403)
	form.Set("csrf", b.csrf(home))
	rq := httptest.NewRequest(http.MethodPost, "/liita/vahvista", strings.NewReader(form.Encode()))
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Origin", "http://"+alpha)
	refused("from a tenant's page", b.send(rq, home), 403)
	refused("by an address", b.get(home, "/liita/vahvista?kunta=alpha"), 405)
	w.later(11 * time.Minute)
	refused("too late", b.confirm("alpha"), 409)
	w.offset.Store(0) // the provider's clock did not move

	// Who signs in in her browser as another is another, and finds nothing of her wish.
	b = w.browser().signIn("maija")
	b.post(home, "/liita", url.Values{"csrf": {b.csrf(home)}, "kunta": {"alpha"}})
	page := b.get(home, "/liita").doc(t)
	page.Says("main", "Tunnistaudu")
	b.signIn("kalle")
	if got := b.get(home, "/liita"); got.status != 303 || got.location != "/kunnat" {
		t.Errorf("her wish in his session: %d %s", got.status, got.location)
	}
	refused("her wish, his sign-in", b.confirm("alpha"), 409)
}

// Another site's link or form does nothing in a guardian's name.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha")
	path := b.linkTo(dbtest.Alpha)
	for name, header := range map[string][2]string{"cross-site": {"Sec-Fetch-Site", "cross-site"}, "same-site": {"Sec-Fetch-Site", "same-site"}, "typed": {"Sec-Fetch-Site", "none"},
		"old browser": {"Referer", "http://" + alpha + "/"}, "nothing": {"X-Nothing", ""}} {
		rq := httptest.NewRequest(http.MethodGet, path, nil)
		rq.Header.Set(header[0], header[1])
		if got := b.send(rq, home); got.status != 303 || got.location != "/" {
			t.Errorf("%s: %d %s", name, got.status, got.location)
		}
	}
	if n := w.count("control.family_entry"); n != "0" {
		t.Errorf("%s entries", n)
	}
	rq := httptest.NewRequest(http.MethodGet, path, nil)
	rq.Header.Set("Referer", "http://"+home+"/")
	if got := b.send(rq, home); !strings.Contains(got.location, "/sisaan/") {
		t.Errorf("an old browser's own link: %d %s", got.status, got.location)
	}
	link := strings.TrimPrefix(path, "/mene/")
	for _, to := range []string{"/kunnat/" + link + "/irrota", "/liita", "/kirjaudu-ulos"} {
		if got := b.post(home, to, url.Values{"kunta": {"beta"}}); got.status != 403 {
			t.Errorf("%s without a token: %d", to, got.status)
		}
	}
}

// The three kinds of hosts share no page, no cookie and no token.
func TestHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha", "beta").visit(dbtest.Alpha, alpha)
	hub, visit := b.cookies[home][cookie], b.cookies[alpha]["digione"]
	for _, c := range []struct{ host, name, token string }{
		{alpha, "digione", hub}, {beta, "digione", visit}, {beta, "digione", hub}, {home, cookie, visit}, {home, "digione", hub}, {home, "digione-operator", hub},
		{desk, "digione-operator", hub}, {desk, "digione-operator", visit}, {alpha, cookie, hub}, {home, cookie, "perhe." + hub}, {alpha, "digione", "perhe." + hub},
	} {
		thief := w.browser()
		thief.cookies[c.host] = map[string]string{c.name: c.token}
		if got := thief.get(c.host, "/"); got.status != 303 || got.location != "/kirjaudu" {
			t.Errorf("%s at %s: %d %s", c.name, c.host, got.status, got.location)
		}
	}
	for _, path := range []string{"/kunnat", "/liita", b.linkTo(dbtest.Alpha)} {
		for _, host := range []string{alpha, desk} {
			b.status(host, path, 404)
		}
	}
	for _, path := range []string{"/henkilot/" + id("aino").String(), "/koulut/" + id("Kilteri").String(), "/omat-tiedot", "/t/alpha", "/loki", "/tuki"} {
		b.status(home, path, 404)
	}
	for _, c := range []struct{ host, forwarded string }{{alpha, home}, {home, alpha}} {
		thief := w.browser()
		thief.cookies[c.host] = maps.Clone(b.cookies[c.forwarded])
		rq := httptest.NewRequest(http.MethodGet, "/", nil)
		rq.Header.Set("X-Forwarded-Host", c.forwarded)
		if got := thief.send(rq, c.host); got.status != 303 {
			t.Errorf("%s as %s: %d", c.host, c.forwarded, got.status)
		}
	}
	for _, s := range []tenancy.Spec{{Slug: "koti", NameFi: "Koti", MunicipalityCode: "903"}, {Slug: "gamma", NameFi: "Gamma", MunicipalityCode: "903", Hosts: []string{"koti.test"}}} {
		if _, err := w.env.Operator.Provision(context.Background(), s, nil); err == nil {
			t.Errorf("a tenant has %s", s.Slug)
		}
	}
}

// A session ends when it is idle and when it is old; who is at work in a tenant is
// not idle.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser().signIn("maija").tie("maija", "alpha").visit(dbtest.Alpha, alpha)
	for range 3 {
		w.later(40 * time.Minute)
		b.status(alpha, "/", 200)
	}
	b.status(home, "/", 200)
	for range 14 {
		w.later(40 * time.Minute)
		b.status(alpha, "/", 200)
		b.status(home, "/", 200)
	}
	w.later(41 * time.Minute)
	b.status(alpha, "/", 303)
	b.status(home, "/", 303)
	w.offset.Store(0)
	b = w.browser().signIn("maija").visit(dbtest.Alpha, alpha)
	w.later(61 * time.Minute)
	b.status(home, "/", 303)
	b.status(alpha, "/", 303)
}
