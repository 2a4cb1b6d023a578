package onboarding_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"digione/internal/app"
	"digione/internal/app/identity"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/objects"
	"digione/internal/app/onboarding"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
	"digione/internal/tenancy/keys"
)

var paula = joining.Actor{Account: "paula", Side: joining.Tiera}

// world is the whole application with both twins joining, an admin and a teacher
// in each, and a provider that knows them.
type world struct {
	*testing.T
	env     *dbtest.Env
	app     *app.App
	process *joining.Service
	issuer  string
}

func keyset(t tenancy.Tenant) (*keys.Keyset, error) {
	return keys.Unwrap(dbtest.Master, string(t.ID), t.WrappedKeyset())
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, env: dbtest.New(t)}
	ctx := context.Background()
	store, err := objects.Folder(t.TempDir())
	w.check(err)
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	w.issuer = issuer
	idp, err := devidp.New(devidp.Config{Issuer: issuer, Dir: t.TempDir(),
		Client: func(id string) (devidp.Client, bool) {
			return devidp.Client{ID: id, Secret: "s", Name: id, RedirectURIs: []string{"http://" + id + ".test/kirjaudu/paluu"}}, true
		},
		User: func(_, name string) (devidp.User, bool) {
			return devidp.User{Subject: name, Username: name, Name: name}, true
		},
		List: func(string) []devidp.User { return nil }})
	w.check(err)
	srv.Config.Handler = idp
	srv.Start()
	t.Cleanup(srv.Close)
	w.process, err = onboarding.Service(w.env.DB, w.env.Operator, "test")
	w.check(err)
	for _, slug := range []string{"alpha", "beta"} {
		tn, err := w.env.Operator.Find(ctx, slug)
		w.check(err)
		peopletest.In(t, w.env.DB, tn.ID, " "+slug, func(s peopletest.Seed) {
			school := s.School("Kilteri")
			for name, role := range map[string]string{"admin": "districtAdministrator", "teacher": "teacher"} {
				at := school
				if name == "admin" {
					at = peopletest.ID("provider")
				}
				p := s.Person(name, peopletest.Person{Given: name, Family: slug})
				s.Grant(p, role, at)
				s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, date_last_modified, row_hash)
				        values ($1, $1, true, $2, $2, $2, 'test', $2, now(), '')`, p, name)
			}
		})
		ks, err := keyset(tn)
		w.check(err)
		w.check(w.env.DB.Write(ctx, tn.ID, func(tx tenancy.Write) error {
			return identity.PutProvider(ctx, tx, ks, identity.Provider{Name: slug, Issuer: issuer, ClientID: slug, Secret: "s", LinkClaim: "preferred_username", LinkTo: identity.ToUsername})
		}))
		_, err = w.process.Start(ctx, tn, paula, "", "2027-"+slug)
		w.check(err)
		_, err = w.process.Plan(ctx, tn, paula, []joining.Wave{{Name: "canary-" + slug, Opens: "2027-01-11", Schools: []string{"s"}}})
		w.check(err)
	}
	w.check(w.env.DB.Refresh(ctx))
	w.app = app.New(app.Config{DB: w.env.DB, Keyset: keyset, Objects: store, Log: slog.New(slog.DiscardHandler), Operators: app.Operators{Host: "operator.test", Issuer: issuer, ClientID: "operator", Secret: "s"}})
	return w
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// browser keeps the cookies of one host.
type browser struct {
	*world
	host    string
	cookies map[string]string
}

func (b *browser) send(rq *http.Request) (status int, body string, header http.Header) {
	b.Helper()
	rq.Host = b.host
	for k, v := range b.cookies {
		rq.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	res, err := b.app.Router.App().Test(rq, 60_000)
	b.check(err)
	defer func() { _ = res.Body.Close() }()
	for _, c := range res.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	raw, err := io.ReadAll(res.Body)
	b.check(err)
	return res.StatusCode, string(raw), res.Header
}

func (b *browser) get(path string) (int, string, http.Header) {
	return b.send(httptest.NewRequest(http.MethodGet, path, nil))
}

// signIn goes the whole way through the provider.
func (w *world) signIn(host, who string) *browser {
	w.Helper()
	b := &browser{w, host + ".test", map[string]string{}}
	_, page, _ := b.get("/kirjaudu")
	_, path, ok := strings.Cut(page, `href="/kirjaudu/`)
	if !ok {
		w.Fatalf("no way in: %s", page)
	}
	path, _, _ = strings.Cut(path, `"`)
	_, _, h := b.get("/kirjaudu/" + path)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	follow := func(res *http.Response, err error) *url.URL {
		w.Helper()
		w.check(err)
		_ = res.Body.Close()
		to, err := res.Location()
		w.check(err)
		return to
	}
	login := follow(client.Get(h.Get("Location")))
	on := follow(client.PostForm(login.Scheme+"://"+login.Host+"/login", url.Values{"id": {login.Query().Get("id")}, "username": {who}}))
	back := follow(client.Get(on.String())).String()
	_, rest, ok := strings.Cut(back, ".test")
	if !ok {
		w.Fatalf("the provider sent on to %q", back)
	}
	if status, body, _ := b.get(rest); status != http.StatusSeeOther && status != http.StatusFound {
		w.Fatalf("sign-in of %s: %d %s", who, status, body)
	}
	return b
}

func (b *browser) post(path string, fields map[string]string, file []byte) (int, string) {
	b.Helper()
	_, page, _ := b.get("/liittyminen")
	_, csrf, ok := strings.Cut(page, `name="csrf" value="`)
	csrf, _, _ = strings.Cut(csrf, `"`)
	if !ok {
		_, home, _ := b.get("/")
		_, csrf, _ = strings.Cut(home, `name="csrf" value="`)
		csrf, _, _ = strings.Cut(csrf, `"`)
	}
	var buf bytes.Buffer
	m := multipart.NewWriter(&buf)
	fields["csrf"] = csrf
	for k, v := range fields {
		b.check(m.WriteField(k, v))
	}
	if file != nil {
		f, err := m.CreateFormFile("file", "../../"+b.host+".pdf")
		b.check(err)
		_, err = f.Write(file)
		b.check(err)
	}
	b.check(m.Close())
	rq := httptest.NewRequest(http.MethodPost, path, &buf)
	rq.Header.Set("Content-Type", m.FormDataContentType())
	rq.Header.Set("Origin", "http://"+b.host)
	status, body, _ := b.send(rq)
	return status, body
}

func pdf(mark string) []byte { return webtest.PDF(mark) }

func TestMunicipalityHandsIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.signIn("alpha", "admin"), w.signIn("beta", "admin")
	for name, c := range map[string]struct {
		path string
		file []byte
		want int
	}{
		"a text":            {"/liittyminen/agreement", []byte("just words"), http.StatusUnprocessableEntity},
		"nothing":           {"/liittyminen/agreement", nil, http.StatusConflict},
		"a script":          {"/liittyminen/agreement", []byte("<html><script>alert(1)</script>"), http.StatusUnprocessableEntity},
		"what is measured":  {"/liittyminen/doctor", pdf("x"), http.StatusConflict},
		"what there is not": {"/liittyminen/nonesuch", pdf("x"), http.StatusNotFound},
		"what is Tiera's":   {"/liittyminen/waves", pdf("x"), http.StatusConflict},
		"the system's":      {"/liittyminen/restore-drill", pdf("x"), http.StatusConflict},
		"no page":           {"/liittyminen/agreement", []byte("%PDF-1.4\n%%EOF"), http.StatusUnprocessableEntity},
		"too large":         {"/liittyminen/agreement", append(pdf("x"), make([]byte, onboarding.MaxEvidence)...), http.StatusUnprocessableEntity},
	} {
		if status, body := a.post(c.path, map[string]string{}, c.file); status != c.want {
			t.Errorf("%s: %d, want %d: %.200s", name, status, c.want, body)
		}
	}
	if _, body := a.post("/liittyminen/agreement", map[string]string{}, []byte("just words")); !strings.Contains(body, `id="f-agreement-virhe"`) || !strings.Contains(body, "Tiedoston on oltava") {
		t.Errorf("a file of another type is not said with its form: %.300s", body)
	}
	strange := httptest.NewRequest(http.MethodPost, "/liittyminen/agreement", bytes.NewReader(make([]byte, 2<<20)))
	strange.Host = a.host
	if res, err := w.app.Router.App().Test(strange, 60_000); err == nil {
		t.Errorf("2 MB of a stranger were read: %d", res.StatusCode)
		_ = res.Body.Close()
	}
	if status, body := a.post("/liittyminen/agreement", map[string]string{}, pdf("canary-a")); status != http.StatusSeeOther {
		t.Fatalf("handing in: %d %s", status, body)
	}
	_, page, _ := a.get("/liittyminen")
	_, hash, ok := strings.Cut(page, "/liittyminen/tiedosto/")
	hash, _, _ = strings.Cut(hash, `"`)
	if !ok || !strings.Contains(page, "alpha.test.pdf") || strings.Contains(page, "../") {
		t.Fatalf("the page does not show the file: %s", page)
	}
	status, body, h := a.get("/liittyminen/tiedosto/" + hash)
	if status != http.StatusOK || body != string(pdf("canary-a")) || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("the file: %d %q %v", status, body, h)
	}
	// The twin: neither its page nor the file's address tells of alpha.
	if status, body, _ := b.get("/liittyminen/tiedosto/" + hash); status != http.StatusNotFound || strings.Contains(body, "canary") {
		t.Errorf("the twin reads alpha's file: %d", status)
	}
	if _, page, _ := b.get("/liittyminen"); strings.Contains(page, "alpha") || !strings.Contains(page, "canary-beta") || strings.Contains(page, hash) {
		t.Error("the twin's page tells of alpha")
	}
	// The operator who is to approve it reads it; at the twin's address it is not.
	_, err := w.env.Operator.PutAccount(t.Context(), tenancy.OperatorAccount{Issuer: w.issuer, Subject: "paula", Name: "Paula", Email: "p@example.fi", Role: tenancy.RoleViewer, AddedBy: "test"})
	w.check(err)
	desk := w.signIn("operator", "paula")
	if status, body, _ := desk.get("/t/alpha/liittyminen/tiedosto/" + hash); status != http.StatusOK || body != string(pdf("canary-a")) {
		t.Errorf("the operator gets %d", status)
	}
	if status, body, _ := desk.get("/t/beta/liittyminen/tiedosto/" + hash); status != http.StatusNotFound || strings.Contains(body, "canary") {
		t.Errorf("at the twin's address the operator gets %d", status)
	}
	if status, _ := desk.post("/t/alpha/liittyminen/approve", map[string]string{"requirement": "agreement"}, nil); status == http.StatusSeeOther {
		t.Error("a viewer approved")
	}
	// Others of the municipality, and nobody, get nothing.
	alpha, err := w.env.Operator.Find(t.Context(), "alpha")
	w.check(err)
	w.check(w.env.DB.Read(t.Context(), alpha.ID, func(tx tenancy.Read) error {
		if tx.Opening() == nil {
			t.Error("alpha is wholly open while it joins")
		}
		return nil
	}))
	w.env.Exec(t, "delete from control.tenant_opening")
	w.check(w.env.DB.Refresh(t.Context()))
	teacher := w.signIn("alpha", "teacher")
	for _, path := range []string{"/liittyminen", "/liittyminen/tiedosto/" + hash} {
		if status, _, _ := teacher.get(path); status != http.StatusNotFound {
			t.Errorf("a teacher gets %d at %s", status, path)
		}
	}
	if status, _ := teacher.post("/liittyminen/rulebook", map[string]string{}, nil); status != http.StatusNotFound {
		t.Errorf("a teacher's word: %d", status)
	}
	events, err := w.process.Events(t.Context(), alpha)
	w.check(err)
	last := events[len(events)-1]
	if last.Kind != joining.Attested || last.Side != joining.Municipality || last.Name == "" || !strings.HasPrefix(last.Actor, "person ") {
		t.Errorf("noted: %+v", last)
	}
}

// TestBoardOfMany: a board of many municipalities asks the database for news
// alone, and folds those again that have some.
func TestBoardOfMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	served := onboarding.Served(w.env.DB, time.Now)
	first, last, err := served.All(t.Context())
	w.check(err)
	if len(first) != 2 {
		t.Fatalf("%d municipalities", len(first))
	}
	alpha, err := w.env.Operator.Find(t.Context(), "alpha")
	w.check(err)
	_, err = w.process.Pause(t.Context(), alpha, paula, "because")
	w.check(err)
	again, news, err := served.All(t.Context())
	w.check(err)
	beta, _ := w.env.Operator.Find(t.Context(), "beta")
	if news <= last || again[string(alpha.ID)].State != joining.Halted || again[string(beta.ID)] != first[string(beta.ID)] {
		t.Errorf("after %d comes %d; alpha is %s; beta was folded again: %v", last, news, again[string(alpha.ID)].State, fmt.Sprint(again[string(beta.ID)] != first[string(beta.ID)]))
	}
}

// TestPilot: the pilot's rates are of its own schools' staff and guardians, on its
// school days alone, and there must be ten of them.
func TestPilot(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := t.Context()
	opened := time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC) // a Thursday
	school := func(day int) time.Time { return time.Date(2026, 11, 26+day, 7, 0, 0, 0, time.UTC) }
	peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		provider := peopletest.ID("idp")
		s.Exec(`insert into identity_provider (id, name, issuer, client_id, secret_cipher, link_claim, link_to) values ($1, 'x', 'https://x.example', 'x', '', 'x', 'username')`, provider)
		for _, name := range []string{"open", "closed"} {
			unit := s.School(name)
			s.Exec(`update unit set sourced_id = $2 where id = $1`, unit, "org-"+name)
			s.Grant(s.Person("teacher-"+name, peopletest.Person{}), "teacher", unit)
			for i := range 3 {
				child, guardian := fmt.Sprintf("child-%s-%d", name, i), fmt.Sprintf("guardian-%s-%d", name, i)
				s.Grant(s.Person(child, peopletest.Person{Born: "2016-01-01"}), "student", unit)
				s.Guardian(s.Person(guardian, peopletest.Person{}), peopletest.ID(child))
			}
		}
		for who, day := range map[string]int{"guardian-open-0": 1, "guardian-open-1": -1, "guardian-closed-0": 1} {
			s.Exec(`insert into account (id, provider, subject, person, linked_by, linked_at, last_login_at) values ($1, $2, $3, $1, 'x', $4, $4)`, peopletest.ID(who), provider, who, school(day))
		}
		n := 0
		said := func(day int, who, action, reason string) {
			var actor any
			if n++; who != "" {
				actor = peopletest.ID(who)
			}
			s.Exec(`insert into audit_event (id, at, actor, actor_kind, action, reason) values ($1, $2, $3, 'person', $4, $5)`, peopletest.ID(fmt.Sprint("event", n)), school(day), actor, action, reason)
		}
		for _, day := range []int{-1, 0, 1, 2, 4, 5} { // before the pilot; on Thursday, Friday, Saturday, Monday, Tuesday
			said(day, "teacher-open", identity.SignedIn, "")
			said(day, "teacher-closed", identity.SignedIn, "")
			said(day, "child-open-0", identity.SignedIn, "")
		}
		for _, reason := range []string{"notopen", "cancelled", "nobody"} {
			said(1, "", "session.refused", reason)
		}
	})
	ts, err := joining.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	tpl, _ := ts.Get(joining.DefaultTemplate)
	now := opened
	f := &onboarding.Facts{DB: e.DB, Now: func() time.Time { return now }}
	tn, err := e.Operator.Find(ctx, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	state := &joining.State{Waves: []joining.Wave{{Name: "pilot", Schools: []string{"org-open"}}}}
	measure := func(id string, at, since time.Time) joining.Measurement {
		t.Helper()
		now = at
		r, _, _ := tpl.Find(id)
		m, err := f.Checks()[r.Check](ctx, tn, joining.Status{Requirement: r, Since: since}, state)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	says := func(what string, m joining.Measurement, measurable, ok bool, words string) {
		t.Helper()
		if m.Measurable != measurable || m.OK != ok || m.Absent || !strings.Contains(m.Value, words) {
			t.Errorf("%s: %+v, want %q", what, m, words)
		}
	}
	var start time.Time
	says("closed", measure("staff-success", school(20), start), false, false, "No sign-ins")
	state.OpenedAt = map[string]time.Time{"pilot": opened}
	says("the first day", measure("staff-success", school(0), start), false, false, "0 of 10 school days")
	says("the sixth day", measure("staff-success", school(6), start), false, false, "4 of 10 school days of the pilot. Staff signed in 4 times. 1 sign-ins were refused")
	says("after ten", measure("staff-success", school(14), start), true, false, "80 % of staff sign-ins succeeded (limit 95 %) in 10 school days: 4 succeeded, 1 were refused, whose is not known")
	says("the last ten", measure("staff-success", school(18), start), true, true, "100 % of staff sign-ins")
	says("guardians at first", measure("guardian-reach", school(6), start), false, false, "4 of 10 school days of the pilot. 1 of 3 guardians")
	says("guardians after ten", measure("guardian-reach", school(14), start), true, false, "33 % of 3 guardians")
	says("reopened", measure("staff-success", school(14), school(8)), false, false, "4 of 10 school days of the pilot. Staff signed in 0 times")
	// The terms of the roster tell what a school day is.
	peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		for i, v := range []string{"[2026-08-10,2027-06-05)", "[2026-08-10,2026-12-01)"} {
			kind := []string{"schoolYear", "term"}[i]
			s.Exec(`insert into term (id, kind, title, validity, school_year, source, date_last_modified) values ($1, $2, $2, $3::daterange, 2027, 'test', now())`, peopletest.ID(kind), kind, v)
		}
	})
	says("in the holidays", measure("staff-success", school(14), start), false, false, "3 of 10 school days")
}

// TestWavesAgainstTheRoster: the schools of waves are compared with those there are.
func TestWavesAgainstTheRoster(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	tn, err := e.Operator.Find(t.Context(), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	f := &onboarding.Facts{DB: e.DB, Now: time.Now}
	var open []string
	measure := func(schools ...string) joining.Measurement {
		t.Helper()
		m, err := f.Checks()["waves"](t.Context(), tn, joining.Status{}, &joining.State{OpenWaves: open, Waves: []joining.Wave{{Name: "pilot", Schools: schools}}})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := measure("a"); m.Measurable || m.Key != "noschools" {
		t.Errorf("before the roster: %+v", m)
	}
	peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		for _, name := range []string{"a", "b"} {
			s.Exec(`update unit set sourced_id = $2 where id = $1`, s.School(name), name)
		}
	})
	if m := measure("a", "ei-ole-koulua"); !m.Measurable || m.OK || !strings.Contains(m.Value, "1 schools that there are not: ei-ole-koulua") {
		t.Errorf("a school that there is not: %+v", m)
	}
	if m := measure("a"); m.Measurable || m.OK || !strings.Contains(m.Value, "1 of 2 schools are in no wave: ") {
		t.Errorf("a school in no wave: %+v", m)
	}
	if m := measure("a", "b"); !m.OK {
		t.Errorf("all schools: %+v", m)
	}
	open = []string{"pilot"}
	if m := measure("a", "b", "suljettu"); !m.OK {
		t.Errorf("a school that closed after its wave had opened: %+v", m)
	}
}

// desk signs an operator in who may change.
func (w *world) desk(name string) *browser {
	w.Helper()
	_, err := w.env.Operator.PutAccount(w.Context(), tenancy.OperatorAccount{Issuer: w.issuer, Subject: name, Name: name, Email: name + "@example.fi", Role: tenancy.RoleOperator, AddedBy: "test"})
	w.check(err)
	return w.signIn("operator", name)
}

// TestDeskSteps does at the operators' desk what the command line does, each step in
// the operator log; what is wrong comes back with its form.
func TestDeskSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	olli, anna := w.desk("olli"), w.desk("anna")
	alpha, err := w.env.Operator.Find(ctx, "alpha")
	w.check(err)
	const page = "/t/alpha/liittyminen"
	wrong := func(what, step string, fields map[string]string, status int, words ...string) {
		t.Helper()
		got, body := olli.post(page+"/"+step, fields, nil)
		if got != status {
			t.Errorf("%s: %d, want %d: %.300s", what, got, status, body)
		}
		for _, want := range words {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the page lacks %q", what, want)
			}
		}
	}
	done := func(b *browser, step string, fields map[string]string, file []byte) {
		t.Helper()
		if status, body := b.post(page+"/"+step, fields, file); status != http.StatusSeeOther {
			t.Fatalf("%s: %d %.2000s", step, status, body)
		}
	}
	wrong("pause without a reason", "pause", map[string]string{"lomake": "p"}, http.StatusConflict, `id="p-why-virhe"`, "Kirjoita perustelu.")
	wrong("attest for the municipality without a name", "attest", map[string]string{"lomake": "a", "requirement": "rulebook", "reason": "pidetään"}, http.StatusConflict, `id="a-name-virhe"`, `value="pidetään"`)
	wrong("attest without a file", "attest", map[string]string{"lomake": "a", "requirement": "agreement", "nimi": "Maija Meri"}, http.StatusConflict, `id="a-file-virhe"`, `value="Maija Meri"`)
	wrong("what is measured", "attest", map[string]string{"lomake": "a", "requirement": "doctor"}, http.StatusConflict, `id="a-what-virhe"`)
	wrong("an unheard-of wave", "rollback", map[string]string{"lomake": "b", "requirement": "x", "reason": "y"}, http.StatusConflict)

	done(olli, "attest", map[string]string{"requirement": "rulebook", "nimi": "Maija Meri"}, nil)
	s, err := w.process.State(ctx, alpha)
	w.check(err)
	if s.Passed("rulebook") {
		t.Error("what an operator wrote down needs nobody else")
	}
	wrong("approving one's own", "approve", map[string]string{"requirement": "rulebook"}, http.StatusConflict, "Toisen henkilön")
	done(anna, "approve", map[string]string{"requirement": "rulebook"}, nil)
	done(olli, "attest", map[string]string{"requirement": "agreement", "nimi": "Maija Meri"}, pdf("vanha"))
	done(olli, "check", map[string]string{}, nil)
	done(olli, "advance", map[string]string{}, nil)
	done(olli, "pause", map[string]string{"reason": "kirjautuminen takkuaa"}, nil)
	done(olli, "resume", map[string]string{}, nil)
	done(olli, "reopen", map[string]string{"requirement": "agreed", "reason": "sopimus muuttui"}, nil)
	done(olli, "move", map[string]string{"requirement": "joining/1"}, nil)
	s, err = w.process.State(ctx, alpha)
	w.check(err)
	if s.Template.ID != "joining/1" || s.Passed("rulebook") || s.Status[0].Passed() {
		t.Errorf("after all of it: %s, %s", s.Template.ID, s.Status[0].State)
	}
	at, err := w.process.Measured(ctx, alpha)
	w.check(err)
	if at["provider"].IsZero() || !at["doctor"].IsZero() {
		t.Errorf("a served program measures what it can: %v", at)
	}
	for _, step := range []string{"attest", "approve", "check", "advance", "move"} {
		var n int
		w.check(w.env.Operator.Control().QueryRow(ctx, "select count(*) from control.operator_log where tenant = 'alpha' and command = $1 and phase = 'end' and outcome = 'done'", "join "+step).Scan(&n))
		if n == 0 {
			t.Errorf("the operator log does not tell of join %s", step)
		}
	}
	// Who wrote it down stands on both hosts and in the report, and the file is still there.
	admin := w.signIn("alpha", "admin")
	events, err := w.process.Events(ctx, alpha)
	w.check(err)
	report, err := onboarding.Report(alpha, w.process.Templates, s, events, "fi", time.Now())
	w.check(err)
	_, own, _ := admin.get("/liittyminen")
	_, theirs, _ := olli.get(page)
	for where, body := range map[string]string{"the municipality's page": own, "the operators' page": theirs, "the report": string(report)} {
		for _, want := range []string{"Maija Meri, kirjannut olli", "Avattu uudelleen: Sovittu", "anna", "Vahvistettu: Sääntökirja hyväksytty: 1.0"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", where, want)
			}
		}
		for _, never := range []string{"municipality:", ": agreed"} {
			if strings.Contains(body, never) {
				t.Errorf("%s says %q", where, never)
			}
		}
	}
	_, hash, ok := strings.Cut(own, "/liittyminen/tiedosto/")
	hash, _, _ = strings.Cut(hash, `"`)
	if !ok {
		t.Fatal("the file is not on the page after the reopening")
	}
	for b, path := range map[*browser]string{admin: "/liittyminen/tiedosto/", olli: page + "/tiedosto/"} {
		if status, body, _ := b.get(path + hash); status != http.StatusOK || body != string(pdf("vanha")) {
			t.Errorf("%s after reopening: %d", path, status)
		}
	}
}

// TestHistoryIsPaged: no event drops off a page.
func TestHistoryIsPaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alpha, err := w.env.Operator.Find(t.Context(), "alpha")
	w.check(err)
	for i := range 60 {
		_, err := w.process.Pause(t.Context(), alpha, paula, fmt.Sprintf("syy %d.", i))
		w.check(err)
		_, err = w.process.Resume(t.Context(), alpha, paula, "")
		w.check(err)
	}
	for b, path := range map[*browser]string{w.signIn("alpha", "admin"): "/liittyminen", w.desk("olli"): "/t/alpha/liittyminen"} {
		seen, pages := "", 0
		for next := path; next != "" && pages < 10; pages++ {
			_, body, _ := b.get(next)
			seen += body
			_, older, ok := strings.Cut(body, path+"?ennen=")
			if next = ""; ok {
				older, _, _ = strings.Cut(older, "#")
				next = path + "?ennen=" + older
			}
		}
		for _, want := range []string{"syy 0.", "syy 31.", "syy 59.", "Liittyminen alkoi"} {
			if n := strings.Count(seen, want); n == 0 {
				t.Errorf("%s: %q is on no page", path, want)
			}
		}
		if pages != 3 {
			t.Errorf("%s: %d pages", path, pages)
		}
	}
}

// TestRosterGates: references, required values and thresholds have gates of their own.
func TestRosterGates(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	tn, err := e.Operator.Find(t.Context(), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	f := &onboarding.Facts{DB: e.DB, Now: time.Now}
	measure := func(check string, limit float64, measurable, ok bool, words string) {
		t.Helper()
		m, err := f.Checks()[check](t.Context(), tn, joining.Status{Requirement: joining.Requirement{Limit: limit}}, &joining.State{})
		if err != nil || m.Measurable != measurable || m.OK != ok || m.Absent || !strings.Contains(m.Value, words) {
			t.Errorf("%s: %v, %+v; want %q", check, err, m, words)
		}
	}
	n := 0
	plan := func(state, holds, totals, approvedBy string) {
		t.Helper()
		peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
			n++
			s.Exec(`insert into roster_import (id, seq, state, kind, source_name, source_hash, object_key, version, options, base_seq, state_hash, change_hash, counts, holds, conflicts, findings, totals,
			                                   planned_by, planned_at, approved_by, applied_at)
			        values ($1, case when $2 = 'applied' then $3::int end, $2, 'package', 'x', '', 'x', '1.2', '{}', 0, '', '', '{"users": {"insert": 3000, "update": 500, "remove": 7, "reactivate": 0, "unchanged": 500}}', $4, '[]', '[]', $5,
			                'olli', now() + $3::int * interval '1 minute', $6, case when $2 = 'applied' then now() end)`, fmt.Sprint("imp_", n), state, n, holds, totals, approvedBy)
		})
	}
	for _, check := range []string{"references", "required-fields", "thresholds"} {
		measure(check, 0.001, false, false, "No roster yet")
	}
	measure("groups", 0, false, false, "No schools yet")
	plan("applied", `[{"rule": "initial"}]`, `[]`, "")
	measure("references", 0, true, true, "0")
	measure("required-fields", 0.001, true, true, "0 required values missing in 4000 rows (at most 4)")
	measure("thresholds", 0, true, true, "under the thresholds")
	plan("planned", `[]`, `[{"code": "E402", "severity": "error", "count": 2}, {"code": "W403", "severity": "warning", "count": 1}, {"code": "E301", "severity": "error", "count": 4}]`, "")
	measure("references", 0, true, false, "3")
	measure("required-fields", 0.001, true, true, "4 required values missing in 4000 rows (at most 4)")
	measure("required-fields", 0.0009, true, false, "(at most 3)")
	plan("applied", `[{"rule": "removals"}, {"rule": "blackout"}]`, `[]`, "olli")
	measure("thresholds", 0, true, false, "Thresholds passed: 1")
	plan("applied", `[{"rule": "removals"}, {"rule": "updates"}]`, `[]`, "paula")
	measure("thresholds", 0, true, true, "Thresholds passed: 2")
	measure("references", 0, true, true, "0")
	peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		s.Group("7B", "homeroom", s.School("Kilteri"))
		s.School("Jokela")
	})
	measure("groups", 0, true, false, "1 of 2 schools have groups: Jokela")
}

// TestBoardOrder: overdue comes first, then what is red, then by date; red is shown in
// whatever stage it is, and on a live municipality.
func TestBoardOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	beta, err := w.env.Operator.Find(ctx, "beta")
	w.check(err)
	w.process.Checks["isolation"] = func(context.Context, tenancy.Tenant, joining.Status, *joining.State) (joining.Measurement, error) {
		return joining.Measurement{Measurable: true, Value: "1 violation"}, nil
	}
	_, err = w.process.Check(ctx, beta, "live")
	w.check(err)
	desk := w.desk("olli")
	_, board, _ := desk.get("/liittyjat")
	first, second := strings.Index(board, `href="/t/beta/liittyminen"`), strings.Index(board, `href="/t/alpha/liittyminen"`)
	if first < 0 || second < first || !strings.Contains(board, "Ei täyty: 1") || !strings.Contains(board, "Pysähtynyt") {
		t.Errorf("the red one stands at %d, the other at %d: %s", first, second, board)
	}
	if _, own, _ := w.signIn("beta", "admin").get("/liittyminen"); !strings.Contains(own, "Ei täyty: 1") || !strings.Contains(own, "Pysähtynyt") {
		t.Error("the municipality's page does not show what is red")
	}
}
