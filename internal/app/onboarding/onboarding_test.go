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

func pdf(mark string) []byte { return []byte("%PDF-1.4\n%" + mark + "\n%%EOF\n") }

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
		"too large":         {"/liittyminen/agreement", append(pdf("x"), make([]byte, onboarding.MaxEvidence)...), http.StatusUnprocessableEntity},
	} {
		if status, body := a.post(c.path, map[string]string{}, c.file); status != c.want {
			t.Errorf("%s: %d, want %d: %.200s", name, status, c.want, body)
		}
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

// TestRatesOfThePilot: only guardians of learners in open schools are counted, and
// neither who is turned away because their school is closed, nor who gives up.
func TestRatesOfThePilot(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := t.Context()
	now := time.Now()
	peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		for _, school := range []string{"open", "closed"} {
			unit := s.School(school)
			s.Exec(`update unit set sourced_id = $2 where id = $1`, unit, "org-"+school)
			for i := range 3 {
				child, guardian := fmt.Sprintf("child-%s-%d", school, i), fmt.Sprintf("guardian-%s-%d", school, i)
				s.Grant(s.Person(child, peopletest.Person{Born: "2016-01-01"}), "student", unit)
				s.Guardian(s.Person(guardian, peopletest.Person{}), peopletest.ID(child))
			}
		}
		provider := peopletest.ID("idp")
		s.Exec(`insert into identity_provider (id, name, issuer, client_id, secret_cipher, link_claim, link_to) values ($1, 'x', 'https://x.example', 'x', '', 'x', 'username')`, provider)
		for _, who := range []string{"guardian-open-0", "guardian-open-1", "guardian-closed-0"} {
			s.Exec(`insert into account (id, provider, subject, person, linked_by, linked_at, last_login_at) values ($1, $2, $3, $1, 'x', now(), now())`, peopletest.ID(who), provider, who)
		}
		for i, reason := range []string{"notopen", "notopen", "cancelled", "nobody"} {
			s.Exec(`insert into audit_event (id, at, actor_kind, action, reason) values ($1, now(), 'person', 'session.refused', $2)`, peopletest.ID(fmt.Sprint("event", i)), reason)
		}
	})
	e.Exec(t, `insert into control.tenant_opening (tenant, opening) values ('`+string(dbtest.Alpha)+`', '{"schools": ["org-open"]}')`)
	if err := e.DB.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	var f identity.Facts
	err := e.DB.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) (err error) {
		f, err = identity.ReadFacts(ctx, tx, now, now.AddDate(0, 0, -1))
		return err
	})
	if err != nil || f.Guardians != 2 || f.AllGuardians != 3 || f.AllLearners != 6 || f.TurnedOut != 1 {
		t.Errorf("%v: %+v", err, f)
	}
}
