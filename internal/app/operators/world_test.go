package operators_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"

	"digione/internal/app"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/mail"
	"digione/internal/app/mail/catch"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
)

const (
	desk, alpha = "operator.test", "alpha.test"
	cookie      = "digione-operator"
)

// world is the whole application with the operators' own provider.
type world struct {
	*testing.T
	env    *dbtest.Env
	app    *app.App
	issuer string
	offset atomic.Int64 // of our clock
	paused atomic.Int32 // how often the test's change has run
	mails  string       // folder of what was sent
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, env: dbtest.New(t)}
	srv := httptest.NewUnstartedServer(nil)
	w.issuer = "http://" + srv.Listener.Addr().String()
	users := map[string]devidp.User{}
	for _, name := range []string{"paula", "olli", "outi", "ended"} {
		users[name] = devidp.User{Subject: "op-" + name, Username: name, Name: "Nimi " + name, Claims: map[string]any{"email": "paula@example.fi"}}
	}
	idp, err := devidp.New(devidp.Config{Issuer: w.issuer, Dir: t.TempDir(),
		Client: func(id string) (devidp.Client, bool) {
			return devidp.Client{ID: "ops", Secret: "s", Name: "ops", RedirectURIs: []string{"http://" + desk + "/kirjaudu/paluu"}}, id == "ops"
		},
		User: func(_, name string) (devidp.User, bool) { u, ok := users[name]; return u, ok },
		List: func(string) []devidp.User { return nil }})
	w.check(err)
	srv.Config.Handler = idp
	srv.Start()
	t.Cleanup(srv.Close)
	w.list("paula", tenancy.RoleOperator)
	w.list("olli", tenancy.RoleViewer)
	gone := w.list("ended", tenancy.RoleOperator)
	w.check(w.env.Operator.EndAccount(t.Context(), gone.ID))
	w.mails = t.TempDir()
	catcher, err := catch.New(w.mails)
	w.check(err)
	post, err := catch.Listen("localhost:0")
	w.check(err)
	go func() { _ = catcher.Serve(post) }()
	t.Cleanup(func() { _ = catcher.Close() })
	w.app = app.New(app.Config{DB: w.env.DB, Mail: mail.Server{Addr: post.Addr().String(), From: netmail.Address{Address: "ei-vastausta@digione.example"}}, Log: slog.New(slog.DiscardHandler),
		Keyset: func(t tenancy.Tenant) (*keys.Keyset, error) {
			return keys.Unwrap(dbtest.Master, string(t.ID), t.WrappedKeyset())
		},
		Now:       func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) },
		Operators: app.Operators{Host: desk, Issuer: w.issuer, ClientID: "ops", Secret: "s"}})
	w.app.Operators.Change("/t/:slug/koe", "test change", func(*fiber.Ctx, *web.Request) (string, error) {
		w.paused.Add(1)
		return "/t/alpha", nil
	})
	return w
}

func (w *world) list(name string, role tenancy.OperatorRole) tenancy.OperatorAccount {
	w.Helper()
	a, err := w.env.Operator.PutAccount(w.Context(), tenancy.OperatorAccount{Issuer: w.issuer, Subject: "op-" + name, Name: "Nimi " + name,
		Email: "paula@example.fi", Role: role, AddedBy: "test"})
	w.check(err)
	return a
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) later(d time.Duration) { w.offset.Add(int64(d)) }

// one asks the owner one number.
func (w *world) one(sql string, args ...any) (n int) {
	w.Helper()
	conn, err := pgx.Connect(context.Background(), w.env.DSN)
	w.check(err)
	defer func() { _ = conn.Close(context.Background()) }()
	w.check(conn.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// browser keeps the cookies of one host.
type browser struct {
	*world
	cookies map[string]string
}

func (w *world) browser() *browser { return &browser{w, map[string]string{}} }

type answer struct {
	status         int
	body, location string
}

func (a answer) doc(t *testing.T) htmlcheck.Doc {
	t.Helper()
	d := htmlcheck.Parse(t, a.body)
	d.Sound()
	return d
}

func (b *browser) send(rq *http.Request, host string) answer {
	b.Helper()
	rq.Host = host
	for k, v := range b.cookies {
		rq.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	res, err := b.app.Router.App().Test(rq, 60_000)
	b.check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	b.check(err)
	for _, c := range res.Cookies() {
		if !c.Expires.IsZero() && c.Expires.Year() < 2000 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return answer{res.StatusCode, string(body), res.Header.Get("Location")}
}

func (b *browser) get(host, path string) answer {
	b.Helper()
	return b.send(httptest.NewRequest(http.MethodGet, path, nil), host)
}

func (b *browser) post(host, path string, form url.Values) answer {
	b.Helper()
	rq := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(rq, host)
}

// begin goes to the provider as somebody and returns the way back, not yet gone.
func (b *browser) begin(name string) string {
	b.Helper()
	page := b.browser().get(desk, "/kirjaudu").doc(b.T) // as one who is signed out sees it
	start := b.get(desk, htmlcheck.Attr(page.Find("main a.ds-button")[0], "href"))
	if start.status != 303 || !strings.HasPrefix(start.location, b.issuer+"/authorize?") {
		b.Fatalf("start: %d %s", start.status, start.location)
	}
	line := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	follow := func(res *http.Response, err error) *url.URL {
		b.Helper()
		b.check(err)
		_ = res.Body.Close()
		to, err := res.Location()
		b.check(err)
		return to
	}
	login := follow(line.Get(start.location))
	on := follow(line.PostForm(b.issuer+"/login", url.Values{"id": {login.Query().Get("id")}, "username": {name}}))
	return follow(line.Get(on.String())).RequestURI()
}

func (b *browser) signIn(name string) *browser {
	b.Helper()
	if got := b.get(desk, b.begin(name)); got.status != 303 || got.location != "/" {
		b.Fatalf("sign-in of %s: %d %s %.300s", name, got.status, got.location, got.body)
	}
	return b
}

// csrf reads the token of forms from a page.
func (b *browser) csrf() string {
	b.Helper()
	return htmlcheck.Attr(b.get(desk, "/").doc(b.T).Find("input[name=csrf]")[0], "value")
}

// tenantSession begins a session of a person in alpha.
func (w *world) tenantSession(hash []byte) {
	w.Helper()
	peopletest.In(w.T, w.env.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		school := s.School("Kilteri")
		s.Grant(s.Person("teacher", peopletest.Person{Born: "1980-01-01"}), "teacher", school)
		p, a := peopletest.ID("provider row"), peopletest.ID("account row")
		s.Exec(`insert into identity_provider (id, name, issuer, client_id, secret_cipher, scopes, link_claim, link_to, enabled)
values ($1, 'x', 'https://x.example', 'x', '', '{openid}', 'sub', 'username', true)`, p)
		s.Exec(`insert into account (id, provider, subject, person, linked_by, linked_at, last_login_at) values ($1, $2, 'x', $3, 'x', now(), now())`, a, p, peopletest.ID("teacher"))
		s.Exec(`insert into session (token_hash, account, person, csrf, started_at, seen_at, expires_at) values ($1, $2, $3, 'x', now(), now(), now() + interval '1 hour')`,
			hash, a, peopletest.ID("teacher"))
	})
}
