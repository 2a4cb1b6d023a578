package app_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"digione/internal/app"
	"digione/internal/app/identity"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/objects"
	"digione/internal/app/onboarding"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
	"digione/internal/tenancy/keys"
)

// town is the whole application as people meet it: a generated roster imported by
// the importer, a sign-in provider, a listener, and a browser before it.
type town struct {
	env   *dbtest.Env
	app   *app.App
	alpha tenancy.Tenant
	addr  string
	port  int
	cast  generate.Cast
	hetu  string // of a guardian of the roster, by which the guardians' host finds them
}

func keyset(t tenancy.Tenant) (*keys.Keyset, error) {
	return keys.Unwrap(dbtest.Master, string(t.ID), t.WrappedKeyset())
}

func newTown(t *testing.T) *town {
	t.Helper()
	ctx := context.Background()
	e := dbtest.New(t)
	alpha, _ := e.DB.ByID(dbtest.Alpha)
	spec := generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", NameSv: "Alfby", Learners: 300, Seed: 5, SchoolYear: schoolYear(time.Now())}
	var zip bytes.Buffer
	_, err := generate.Write(ctx, &zip, spec)
	ok(t, err)
	store, err := objects.Folder(t.TempDir())
	ok(t, err)
	svc := &roster.Service{DB: e.DB, Objects: store, Keyset: keyset, Now: time.Now}
	_, err = svc.Import(ctx, alpha, roster.Package{Name: "a.zip", Content: bytes.NewReader(zip.Bytes()), Size: int64(zip.Len())}, roster.Options{},
		roster.Approval{Who: "test", Initial: true}, nil)
	ok(t, err)
	w := &town{env: e, alpha: alpha}
	w.cast, err = generate.FindCast(spec)
	ok(t, err)
	shared, _, err := generate.FindShared(generate.Spec{Tenant: "beta", MunicipalityCode: "902", NameFi: "Beetala", Learners: 200, Seed: 6, SchoolYear: spec.SchoolYear,
		Elsewhere: &generate.Elsewhere{Spec: spec}})
	ok(t, err)
	w.hetu = shared.Hetu
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	w.addr, w.port = l.Addr().String(), l.Addr().(*net.TCPAddr).Port
	issuer := signIn(t, e, alpha, w, svc)
	ks, err := keyset(alpha)
	ok(t, err)
	ok(t, e.DB.Write(ctx, alpha.ID, func(tx tenancy.Write) error {
		return identity.PutProvider(ctx, tx, ks, identity.Provider{Name: "Alfalan tunnus", Issuer: issuer, ClientID: "c", Secret: "s",
			LinkClaim: "preferred_username", LinkTo: identity.ToUsername, Strong: true})
	}))
	fleet(t, e, issuer)
	a := app.New(app.Config{DB: e.DB, Keyset: keyset, Objects: store, Log: slog.New(slog.DiscardHandler),
		Operators: app.Operators{Host: "operator.test", Issuer: issuer, ClientID: "ops", Secret: "s"},
		Family:    app.Family{Host: "koti.test", Issuer: issuer, ClientID: "home", Secret: "s"}})
	go func() { _ = a.Router.Serve(l) }()
	t.Cleanup(func() { _ = a.Router.Shutdown(ctx) })
	w.app = a
	return w
}

// fleet lists the operators and gives their log something to show.
func fleet(t *testing.T, e *dbtest.Env, issuer string) {
	t.Helper()
	ctx := context.Background()
	for name, role := range map[string]tenancy.OperatorRole{"Paula Operaattori": tenancy.RoleOperator, "Olli Operaattori": tenancy.RoleViewer} {
		_, err := e.Operator.PutAccount(ctx, tenancy.OperatorAccount{Issuer: issuer, Subject: name, Name: name, Email: "operaattori@example.fi", Role: role, AddedBy: "test"})
		ok(t, err)
	}
	for _, l := range []struct {
		actor, command string
		outcome        tenancy.Outcome
		detail         string
	}{{"maija", "tenant create", tenancy.Done, ""}, {"ville", "roster import", tenancy.Failed, "open /srv/rosters/alfala/yö-2026-11-23.zip: no such file or directory"},
		{"ville", "roster import", tenancy.Held, "remove 412 of 1,020 learners at Kilterin koulu (40.4 %, limit 25 % per school)"}} {
		ended, err := e.Operator.Began(ctx, l.actor, l.command, "alpha")
		ok(t, err)
		ok(t, ended(l.outcome, l.detail))
	}
}

func schoolYear(now time.Time) int {
	if now.Month() >= time.August {
		return now.Year() + 1
	}
	return now.Year()
}

// signIn runs a provider that knows every user of the roster.
func signIn(t *testing.T, e *dbtest.Env, alpha tenancy.Tenant, w *town, svc *roster.Service) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	idp, err := devidp.New(devidp.Config{Issuer: issuer, Dir: t.TempDir(),
		Client: func(id string) (devidp.Client, bool) {
			host, known := map[string]string{"ops": "operator", "home": "koti", "c": "alpha"}[id]
			return devidp.Client{ID: id, Secret: "s", Name: "DigiOne", RedirectURIs: []string{fmt.Sprintf("http://%s.test:%d/kirjaudu/paluu", host, w.port)}}, known
		},
		User: func(client, name string) (devidp.User, bool) {
			switch client {
			case "ops":
				return devidp.User{Subject: name, Username: name, Name: name}, true
			case "home": // whoever is Tuntematon is in no roster
				code := map[bool]string{true: "010180-999A", false: w.hetu}[name == "Tuntematon"]
				return devidp.User{Subject: "home " + name, Username: name, Name: name, Claims: map[string]any{"urn:oid:1.2.246.21": code}}, true
			}
			u, ok, err := svc.FindUser(context.Background(), alpha.ID, name)
			return devidp.User{Subject: u.SourcedID, Username: u.Username, Name: u.Name}, ok && err == nil
		},
		List: func(string) []devidp.User { return nil }})
	ok(t, err)
	srv.Config.Handler = idp
	srv.Start()
	t.Cleanup(srv.Close)
	_ = e
	return issuer
}

// browser opens a Chromium of the test's own.
func browser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	return browserFor(t, 90*time.Second, more...)
}

func browserFor(t *testing.T, long time.Duration, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("accept-lang", "fi"), chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"), chromedp.UserDataDir(t.TempDir()))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), append(opts, more...)...)
	t.Cleanup(cancel)
	tab, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	tab, cancel = context.WithTimeout(tab, long)
	t.Cleanup(cancel)
	// The first action opens the browser, which then lives as long as that one's context.
	_, err := chromedp.Run(tab, chromedp.Evaluate[bool](`true`))
	ok(t, err)
	return tab
}

func do[T any](t *testing.T, ctx context.Context, what string, a chromedp.Action[T]) T {
	t.Helper()
	short, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(short, a)
	if err != nil {
		t.Fatalf("%s: %v; is Chromium installed? make tools", what, err)
	}
	return v
}

const pickUser = `(() => { const i = document.querySelector('input[name=username]'); i.value = %q; i.form.requestSubmit(); return true })()`

// TestBrowser signs people of each role in with a real browser and walks through
// what they see, at the widths of a desktop and of a phone. With DIGIONE_SHOTS
// set, pictures of all pages are written there.
func TestBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	for _, c := range []struct {
		role, user string
		sees       []string // words on the front page
		walk       []string // links to follow, by selector
	}{
		{"admin", w.cast.Admin.Username, []string{"Kaikki koulut"}, []string{`main a[href^="/koulut/"]`, `main a[href^="/ryhmat/"]`}},
		{"principal", w.cast.Principal.Username, []string{w.cast.Principal.Org}, []string{`main a[href^="/koulut/"]`, `main a[href^="/ryhmat/"]`, `main a[href^="/henkilot/"]`}},
		{"teacher", w.cast.Teacher.Username, []string{w.cast.Teacher.Class}, []string{`main a[href^="/ryhmat/"]`}},
		{"guardian", w.cast.Guardian.Username, []string{w.cast.Learner.GivenName}, []string{`main a[href^="/henkilot/"]`}},
		{"learner", w.cast.Learner.Username, []string{w.cast.Learner.Class}, []string{`a[href="/omat-tiedot"]`}},
	} {
		t.Run(c.role, func(t *testing.T) {
			ctx := browser(t)
			do(t, ctx, "open", chromedp.Navigate(fmt.Sprintf("http://alpha.test:%d/", w.port)))
			do(t, ctx, "way in", chromedp.Click(`main a[href*="/alku"]`))
			do(t, ctx, "login page", chromedp.WaitVisible(`input[name=username]`))
			do(t, ctx, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, c.user)))
			do(t, ctx, "front page", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
			text := do(t, ctx, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`))
			for _, want := range c.sees {
				if !strings.Contains(text, want) {
					t.Errorf("front page of the %s lacks %q:\n%s", c.role, want, text)
				}
			}
			look(t, ctx, c.role+"-0")
			for i, link := range c.walk {
				do(t, ctx, "follow "+link, chromedp.Click(link))
				do(t, ctx, "page", chromedp.WaitVisible("main h1"))
				look(t, ctx, fmt.Sprintf("%s-%d", c.role, i+1))
			}
			do(t, ctx, "sign out", chromedp.Evaluate[bool](`(() => { document.querySelector('form[action="/kirjaudu-ulos"]').requestSubmit(); return true })()`))
			do(t, ctx, "signed out", chromedp.WaitVisible(`main a[href*="/alku"]`))
		})
	}
}

// TestOperatorsBrowser walks the operators' pages as an operator does, in each
// language once, and meets the refusal of somebody who is none.
func TestOperatorsBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	at := func(path string) string { return fmt.Sprintf("http://operator.test:%d%s", w.port, path) }
	ctx := browser(t)
	enter := func(who string) {
		do(t, ctx, "way in", chromedp.Click(`main a[href*="/alku"]`))
		do(t, ctx, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, ctx, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, who)))
	}
	do(t, ctx, "open", chromedp.Navigate(at("/")))
	look(t, ctx, "ops-signin")
	enter("Outi Ulkopuolinen")
	do(t, ctx, "refusal", chromedp.WaitVisible(".sorry"))
	shoot(t, ctx, "ops-refused")
	do(t, ctx, "open", chromedp.Navigate(at("/")))
	enter("Paula Operaattori")
	do(t, ctx, "front page", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
	look(t, ctx, "ops-tenants")
	do(t, ctx, "tenant", chromedp.Click(`main a[href="/t/alpha"]`))
	do(t, ctx, "page", chromedp.WaitVisible("main dl"))
	look(t, ctx, "ops-tenant")
	for _, p := range []struct{ name, path, sees string }{
		{"log", "/loki", "Katsottiin"}, {"log-filtered", "/loki?kunta=alpha&muutokset=1", "Odottaa"}, {"operators", "/operaattorit", "Olli Operaattori"},
		{"sv", "/t/alpha?kieli=sv", "Senaste ändringar"}, {"en", "/loki?kieli=en", "Viewed"},
	} {
		do(t, ctx, p.name, chromedp.Navigate(at(p.path)))
		if text := do(t, ctx, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`)); !strings.Contains(text, p.sees) {
			t.Errorf("%s lacks %q:\n%s", p.path, p.sees, text)
		}
		look(t, ctx, "ops-"+p.name)
	}
	do(t, ctx, "not found", chromedp.Navigate(at("/t/nosuch?kieli=fi")))
	shoot(t, ctx, "ops-notfound")
	supportVisit(t, ctx, w, at)
}

// supportVisit takes an operator into a municipality by a support grant, and then
// its admin to the page that tells of it.
func supportVisit(t *testing.T, ctx context.Context, w *town, at func(string) string) {
	t.Helper()
	do(t, ctx, "tenant", chromedp.Navigate(at("/t/alpha")))
	do(t, ctx, "form", chromedp.WaitVisible(`#syy`))
	do(t, ctx, "reason", chromedp.Evaluate[bool](`(() => { document.querySelector('#syy').value = 'Rehtori ei pääse kirjautumaan, palvelupyyntö 4711'; document.querySelector('#tunnit').value = '2'; return true })()`))
	do(t, ctx, "ask", chromedp.Click(`form[action="/t/alpha/tuki"] button`))
	do(t, ctx, "granted", chromedp.WaitVisible(`form[action$="/avaa"]`))
	look(t, ctx, "support-tenant")
	do(t, ctx, "open", chromedp.Click(`form[action$="/avaa"] button`))
	do(t, ctx, "way in", chromedp.WaitVisible(`main a[href*="alpha.test"]`))
	look(t, ctx, "support-entry")
	do(t, ctx, "enter", chromedp.Click(`main a[href*="alpha.test"]`))
	do(t, ctx, "inside", chromedp.WaitVisible(`.visit`))
	look(t, ctx, "support-home")
	for i, link := range []string{`main a[href^="/koulut/"]`, `main a[href^="/ryhmat/"]`, `main a[href^="/henkilot/"]`} {
		do(t, ctx, "follow "+link, chromedp.Click(link))
		do(t, ctx, "page", chromedp.WaitVisible(".visit"))
		look(t, ctx, fmt.Sprintf("support-inside-%d", i))
	}
	do(t, ctx, "leave", chromedp.Evaluate[bool](`(() => { document.querySelector('form[action="/kirjaudu-ulos"]').requestSubmit(); return true })()`))
	do(t, ctx, "way in", chromedp.Click(`main a[href*="/alku"]`))
	do(t, ctx, "login page", chromedp.WaitVisible(`input[name=username]`))
	do(t, ctx, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, w.cast.Admin.Username)))
	do(t, ctx, "navigation", chromedp.Click(`nav a[href="/tuki"]`))
	do(t, ctx, "list", chromedp.WaitVisible(`main table`))
	text := do(t, ctx, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`))
	for _, want := range []string{"Paula Operaattori", "palvelupyyntö 4711", "katselua"} {
		if !strings.Contains(text, want) {
			t.Errorf("the municipality's page lacks %q:\n%s", want, text)
		}
	}
	look(t, ctx, "support-own")
	for _, lang := range []string{"sv", "en"} {
		do(t, ctx, lang, chromedp.Navigate(fmt.Sprintf("http://alpha.test:%d/tuki?kieli=%s", w.port, lang)))
		look(t, ctx, "support-own-"+lang)
	}
}

// TestJoiningBrowser takes a municipality's admin and an operator through joining:
// a file is handed in and approved, and the board shows where all stand.
func TestJoiningBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	ctx := context.Background()
	s, err := onboarding.Service(w.env.DB, w.env.Operator, "test")
	ok(t, err)
	olli := joining.Actor{Account: "olli", Side: joining.Tiera}
	_, err = s.Start(ctx, w.alpha, olli, "", "2027-kevät")
	ok(t, err)
	_, err = s.Plan(ctx, w.alpha, olli, []joining.Wave{{Name: "pilotti", Opens: "2027-01-11", Schools: []string{"alpha-o-001"}}})
	ok(t, err)
	_, err = s.Check(ctx, w.alpha, "")
	ok(t, err)
	beta, err := w.env.Operator.Find(ctx, "beta")
	ok(t, err)
	s.Now = func() time.Time { return time.Now().AddDate(0, -2, 0) } // its days are over
	_, err = s.Start(ctx, beta, olli, "", "2026-syksy")
	ok(t, err)

	paper := filepath.Join(t.TempDir(), "liittymissopimus.pdf")
	ok(t, os.WriteFile(paper, webtest.PDF(""), 0o600))
	at := func(host, path string) string { return fmt.Sprintf("http://%s.test:%d%s", host, w.port, path) }
	b := browser(t)
	enter := func(host, who, path string) {
		do(t, b, "open", chromedp.Navigate(at(host, path)))
		do(t, b, "way in", chromedp.Click(`main a[href*="/alku"]`))
		do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, b, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, who)))
		do(t, b, "page", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
	}
	says := func(where string, words ...string) {
		t.Helper()
		text := do(t, b, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`))
		for _, want := range words {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", where, want, text)
			}
		}
	}
	enter("alpha", w.cast.Admin.Username, "/liittyminen")
	do(t, b, "form", chromedp.WaitVisible(`#f-agreement`))
	says("the municipality's page", "Meiltä odotetaan", "Liittymissopimus", "pilotti")
	look(t, b, "join-own")
	do(t, b, "file", chromedp.SetUploadFiles(`#f-agreement`, []string{paper}))
	do(t, b, "hand in", chromedp.Click(`form[action="/liittyminen/agreement"] button`))
	do(t, b, "thanks", chromedp.WaitVisible(`.flash`))
	says("after the upload", "odottaa toista henkilöä", "liittymissopimus.pdf")
	look(t, b, "join-own-sent")
	for _, lang := range []string{"sv", "en"} {
		do(t, b, lang, chromedp.Navigate(at("alpha", "/liittyminen?kieli="+lang)))
		look(t, b, "join-own-"+lang)
		keyboard(t, b, "the municipality's page")
	}
	enter("operator", "Paula Operaattori", "/liittyjat")
	do(t, b, "board", chromedp.WaitVisible(`#taulu`))
	says("the board", "Alfa", "Beeta", "myöhässä")
	first := do(t, b, "first row", chromedp.Evaluate[string](`document.querySelector('#taulu tbody th').innerText`))
	if !strings.HasPrefix(first, "Beeta") {
		t.Errorf("%q comes first on the board, want the overdue one", first)
	}
	look(t, b, "join-board")
	do(t, b, "filtered", chromedp.Navigate(at("operator", "/liittyjat?aalto=2027-kev%C3%A4t&kenelta=tiera")))
	says("the filtered board", "Alfa")
	do(t, b, "municipality", chromedp.Click(`main a[href="/t/alpha/liittyminen"]`))
	do(t, b, "approval", chromedp.WaitVisible(`form[action="/t/alpha/liittyminen/approve"]`))
	look(t, b, "join-tenant")
	do(t, b, "approve", chromedp.Click(`form[action="/t/alpha/liittyminen/approve"] button`))
	do(t, b, "approved", chromedp.WaitVisible(`.flash`))
	st, err := s.State(ctx, w.alpha)
	ok(t, err)
	if st.Status[0].ID != "agreement" || st.Status[0].State != joining.Done || len(st.Status[0].By) != 2 {
		t.Errorf("the agreement is %s by %v", st.Status[0].State, st.Status[0].By)
	}
	for _, lang := range []string{"sv", "en", "fi"} {
		for _, p := range [][2]string{{"board", "/liittyjat"}, {"tenant", "/t/alpha/liittyminen"}} {
			do(t, b, lang, chromedp.Navigate(at("operator", p[1]+"?kieli="+lang)))
			look(t, b, "join-"+p[0]+"-"+lang)
			keyboard(t, b, p[0])
		}
	}
	do(t, b, "why", chromedp.SendKeys("#o-why", "sopimus muuttui"))
	do(t, b, "reopen", chromedp.Click(`form[action="/t/alpha/liittyminen/reopen"] button`))
	do(t, b, "reopened", chromedp.WaitVisible(`.flash`))
	if st, err = s.State(ctx, w.alpha); err != nil || st.Status[0].State != joining.Open {
		t.Errorf("after reopening its stage the agreement is %s: %v", st.Status[0].State, err)
	}
	// Live: the board shows what happens meanwhile, without a reload.
	do(t, b, "board", chromedp.Navigate(at("operator", "/liittyjat")))
	_, err = s.Pause(ctx, w.alpha, olli, "kirjautuminen takkuaa")
	ok(t, err)
	do(t, b, "news", chromedp.Poll[bool](`[...document.querySelectorAll('#taulu tbody tr')].some(r => r.innerText.includes('Pysähtynyt'))`, chromedp.WithPollingTimeout(20*time.Second)))
}

// keyboard goes through a page by the tab key alone: everything that can be used is
// come by, in the order of the page.
func keyboard(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	const stops = `[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')].filter(e => e.checkVisibility())`
	want := do(t, ctx, "stops", chromedp.Evaluate[int](`(() => { document.activeElement.blur(); window.scrollTo(0, 0); window.met = []; return `+stops+`.length })()`))
	// A date field is several stops, one for each of its parts.
	want += 4 * do(t, ctx, "dates", chromedp.Evaluate[int](stops+`.filter(e => e.type === 'date').length`))
	for range want {
		do(t, ctx, "tab", chromedp.KeyEvent(kb.Tab))
		do(t, ctx, "focus", chromedp.Evaluate[bool](`(() => { const e = document.activeElement; if (e !== document.body && !window.met.includes(e)) window.met.push(e); return true })()`))
	}
	missed := do(t, ctx, "missed", chromedp.Evaluate[string](stops+`.filter((e, i) => window.met[i] !== e).map(e => e.outerHTML.slice(0, 80)).join('\n')`))
	if missed != "" {
		t.Errorf("%s by keyboard, not met in their order:\n%s", name, missed)
	}
}

// look asserts that a page fits both widths and that its title is not an error's,
// and takes its picture where asked.
func look(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	shoot(t, ctx, name)
	if status := do(t, ctx, "status", chromedp.Evaluate[int](`performance.getEntriesByType('navigation')[0].responseStatus`)); status != 200 {
		t.Errorf("%s answered %d", name, status)
	}
}

// shoot is look for a page of any status.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, width := range []int64{1280, 390} {
		do(t, ctx, "resize", chromedp.EmulateViewport(width, 900))
		if over := do(t, ctx, "measure", chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`)); over > 0 {
			t.Errorf("%s at %d px is %d px too wide", name, width, over)
		}
		if dir := os.Getenv("DIGIONE_SHOTS"); dir != "" {
			shot := do(t, ctx, "picture", chromedp.FullScreenshot(100))
			ok(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d.png", name, width)), shot, 0o644))
		}
	}
	do(t, ctx, "resize", chromedp.EmulateViewport(1280, 900))
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
