package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"digione/internal/app"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// neighbours are two municipalities that share a guardian, with the guardians' host.
func neighbours(t *testing.T) (port int, shared generate.Shared) {
	t.Helper()
	ctx, e := context.Background(), dbtest.New(t)
	first := generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", NameSv: "Alfby", Learners: 300, Seed: 5, SchoolYear: schoolYear(time.Now())}
	second := generate.Spec{Tenant: "beta", MunicipalityCode: "902", NameFi: "Beetala", Learners: 200, Seed: 6, SchoolYear: schoolYear(time.Now()), Elsewhere: &generate.Elsewhere{Spec: first}}
	store, err := objects.Folder(t.TempDir())
	ok(t, err)
	svc := &roster.Service{DB: e.DB, Objects: store, Keyset: keyset, Now: time.Now}
	for tenant, spec := range map[tenancy.ID]generate.Spec{dbtest.Alpha: first, dbtest.Beta: second} {
		var zip bytes.Buffer
		_, err := generate.Write(ctx, &zip, spec)
		ok(t, err)
		tn, _ := e.DB.ByID(tenant)
		_, err = svc.Import(ctx, tn, roster.Package{Name: "a.zip", Content: bytes.NewReader(zip.Bytes()), Size: int64(zip.Len())}, roster.Options{},
			roster.Approval{Who: "test", Initial: true}, nil)
		ok(t, err)
	}
	shared, there, err := generate.FindShared(second)
	ok(t, err)
	if !there {
		t.Fatal("the rosters share nobody")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	port = l.Addr().(*net.TCPAddr).Port
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	idp, err := devidp.New(devidp.Config{Issuer: issuer, Dir: t.TempDir(),
		Client: func(id string) (devidp.Client, bool) {
			return devidp.Client{ID: id, Secret: "s", Name: "DigiOne, koti", RedirectURIs: []string{fmt.Sprintf("http://koti.test:%d/kirjaudu/paluu", port)}}, id == "home"
		},
		User: func(_, name string) (devidp.User, bool) {
			code := map[string]string{"vanhempi": shared.Hetu, "outi": "010180-999A"}[name]
			return devidp.User{Subject: "sub-" + name, Username: name, Name: name, Claims: map[string]any{"urn:oid:1.2.246.21": code}}, code != ""
		},
		List: func(string) []devidp.User { return nil }})
	ok(t, err)
	srv.Config.Handler = idp
	srv.Start()
	t.Cleanup(srv.Close)
	a := app.New(app.Config{DB: e.DB, Keyset: keyset, Objects: store, Log: slog.New(slog.DiscardHandler),
		Family: app.Family{Host: "koti.test", Issuer: issuer, ClientID: "home", Secret: "s"}})
	go func() { _ = a.Router.Serve(l) }()
	t.Cleanup(func() { _ = a.Router.Shutdown(ctx) })
	return port, shared
}

// TestFamilyBrowser takes a guardian from an empty front page to the children of two
// municipalities, into one of them, and untied again.
func TestFamilyBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	port, shared := neighbours(t)
	ctx := browser(t)
	at := func(path string) string { return fmt.Sprintf("http://koti.test:%d%s", port, path) }
	says := func(words ...string) {
		t.Helper()
		text := do(t, ctx, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`))
		for _, want := range words {
			if !strings.Contains(text, want) {
				t.Errorf("the page lacks %q:\n%s", want, text)
			}
		}
	}
	login := func(who string) {
		do(t, ctx, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, ctx, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, who)))
		do(t, ctx, "back", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
	}
	choose := func(slug string) {
		do(t, ctx, "municipality", chromedp.Evaluate[bool](fmt.Sprintf(`(() => { document.querySelector('#kunta').value = %q; return true })()`, slug)))
		do(t, ctx, "go on", chromedp.Click(`form[action="/liita"] button`))
		do(t, ctx, "next step", chromedp.WaitVisible(`main a[href*="/alku"]`))
	}
	do(t, ctx, "open", chromedp.Navigate(at("/")))
	look(t, ctx, "family-signin")
	do(t, ctx, "way in", chromedp.Click(`main a[href*="/alku"]`))
	login("vanhempi")
	look(t, ctx, "family-empty")
	for i, slug := range []string{"alpha", "beta"} {
		if i > 0 {
			do(t, ctx, "municipalities", chromedp.Click(`nav a[href="/kunnat"]`))
			do(t, ctx, "page", chromedp.WaitVisible(`#kunta`))
		}
		choose(slug)
		if i == 0 {
			look(t, ctx, "family-asked")
		}
		do(t, ctx, "sign in anew", chromedp.Click(`main a[href*="/alku"]`))
		login("vanhempi")
		do(t, ctx, "found", chromedp.WaitVisible(`form[action="/liita/vahvista"] button`))
		if i == 0 {
			look(t, ctx, "family-found")
		}
		do(t, ctx, "yes", chromedp.Click(`form[action="/liita/vahvista"] button`))
		do(t, ctx, "children", chromedp.WaitVisible(`ul.children`))
	}
	says("Alfa", "Beeta", shared.Here.FamilyName)
	look(t, ctx, "family-front")
	do(t, ctx, "municipalities", chromedp.Click(`nav a[href="/kunnat"]`))
	do(t, ctx, "page", chromedp.WaitVisible(`form[action$="/irrota"]`))
	look(t, ctx, "family-towns")
	for _, lang := range []string{"sv", "en"} {
		do(t, ctx, lang, chromedp.Navigate(at("/?kieli="+lang)))
		look(t, ctx, "family-front-"+lang)
		do(t, ctx, lang, chromedp.Navigate(at("/kunnat")))
		look(t, ctx, "family-towns-"+lang)
	}
	do(t, ctx, "fi", chromedp.Navigate(at("/?kieli=fi")))
	do(t, ctx, "into a municipality", chromedp.Click(`ul.children a`))
	do(t, ctx, "inside", chromedp.WaitVisible(`nav a[href="/kirjautumiset"]`))
	if host := do(t, ctx, "host", chromedp.Evaluate[string](`location.host + ' ' + document.referrer`)); !strings.HasPrefix(host, "alpha.test:") || strings.TrimSpace(host) != fmt.Sprintf("alpha.test:%d", port) {
		t.Errorf("inside: %s", host)
	}
	look(t, ctx, "family-inside")
	do(t, ctx, "home", chromedp.Navigate(at("/kunnat")))
	do(t, ctx, "untie", chromedp.Click(`form[action$="/irrota"] button`))
	do(t, ctx, "untied", chromedp.WaitVisible(`.flash`))
	look(t, ctx, "family-untied")
	do(t, ctx, "sign out", chromedp.Evaluate[bool](`(() => { document.querySelector('form[action="/kirjaudu-ulos"]').requestSubmit(); return true })()`))
	do(t, ctx, "way in", chromedp.Click(`main a[href*="/alku"]`))
	login("outi")
	choose("alpha")
	do(t, ctx, "sign in anew", chromedp.Click(`main a[href*="/alku"]`))
	login("outi")
	says("Sinua ei löytynyt huoltajana")
	look(t, ctx, "family-notfound")
}
