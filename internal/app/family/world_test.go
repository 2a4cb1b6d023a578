package family_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
)

const (
	home, alpha, beta, desk = "koti.test", "alpha.test", "beta.test", "operator.test"
	cookie                  = "digione-koti"
	hetuClaim               = "urn:oid:1.2.246.21"
)

var id = peopletest.ID

// hetus of those who sign in; kalle is a guardian in Alpha alone, outi nowhere, and
// late has children at a school that is not open.
var hetus = map[string]string{"maija": "010180-999A", "kalle": "020280-998B", "outi": "030380-997C", "twice": "040480-996D"}

type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
func (b *safeBuffer) String() string { b.mu.Lock(); defer b.mu.Unlock(); return b.Buffer.String() }

// world is the whole application with the guardians' own provider.
type world struct {
	*testing.T
	env    *dbtest.Env
	app    *app.App
	issuer string
	log    *safeBuffer
	offset atomic.Int64 // of our clock
}

func keyset(t tenancy.Tenant) (*keys.Keyset, error) {
	return keys.Unwrap(dbtest.Master, string(t.ID), t.WrappedKeyset())
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, env: dbtest.New(t), log: &safeBuffer{}}
	srv := httptest.NewUnstartedServer(nil)
	w.issuer = "http://" + srv.Listener.Addr().String()
	idp, err := devidp.New(devidp.Config{Issuer: w.issuer, Dir: t.TempDir(),
		Client: func(id string) (devidp.Client, bool) {
			return devidp.Client{ID: "home", Secret: "s", Name: "home", RedirectURIs: []string{"http://" + home + "/kirjaudu/paluu"}}, id == "home"
		},
		User: func(_, name string) (devidp.User, bool) {
			code, ok := hetus[name]
			return devidp.User{Subject: "sub-" + name, Username: name, Name: name, Claims: map[string]any{hetuClaim: code}}, ok
		},
		List: func(string) []devidp.User { return nil }})
	w.check(err)
	srv.Config.Handler = idp
	srv.Start()
	t.Cleanup(srv.Close)
	for tenant, mark := range map[tenancy.ID]string{dbtest.Alpha: " α", dbtest.Beta: " β"} {
		w.town(tenant, mark)
	}
	w.app = app.New(app.Config{DB: w.env.DB, Log: slog.New(slog.NewJSONHandler(w.log, nil)), Keyset: keyset,
		Now:       func() time.Time { return time.Now().Add(time.Duration(w.offset.Load())) },
		Operators: app.Operators{Host: desk, Issuer: w.issuer, ClientID: "ops", Secret: "s"},
		Family:    app.Family{Host: home, Issuer: w.issuer, ClientID: "home", Secret: "s"}})
	return w
}

// town is what both tenants hold. In each, maija is a principal as well.
func (w *world) town(tenant tenancy.ID, mark string) {
	w.Helper()
	t, _ := w.env.DB.ByID(tenant)
	ks, err := keyset(t)
	w.check(err)
	peopletest.In(w.T, w.env.DB, tenant, mark, func(s peopletest.Seed) {
		school := s.School("Kilteri")
		class := s.Group("7B", "homeroom", school)
		for _, name := range []string{"aino", "veil", "eeli"} {
			s.Learner(s.Person(name, peopletest.Person{Protected: name == "veil"}), school, "7", class)
		}
		grown := func(name, hetu string) {
			code, err := ks.Hash([]byte(hetu))
			w.check(err)
			s.Person(name, peopletest.Person{Born: "1980-01-01"})
			s.Exec(`update person set hetu_hash = $1 where id = $2`, code, id(name))
			s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, status, date_last_modified, row_hash)
values ($1, $2, true, $3, 'x', 'x', 'test', $3, 'active', now(), '')`, id("row "+name), id(name), name)
		}
		grown("maija", hetus["maija"])
		s.Guardian(id("maija"), id("aino"))
		s.Guardian(id("maija"), id("veil"))
		s.Grant(id("maija"), "principal", school)
		if tenant == dbtest.Alpha {
			grown("kalle", hetus["kalle"])
			s.Guardian(id("kalle"), id("eeli"))
		} else {
			grown("kalle", hetus["kalle"]) // known there, and nobody's guardian
		}
	})
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) later(d time.Duration) { w.offset.Add(int64(d)) }

// exec changes a tenant.
func (w *world) exec(tenant tenancy.ID, sql string, args ...any) {
	w.Helper()
	w.check(w.env.DB.Write(context.Background(), tenant, func(tx tenancy.Write) error {
		_, err := tx.Exec(context.Background(), sql, args...)
		return err
	}))
}

// lines asks the owner for one text column, outside of every tenant.
func (w *world) lines(sql string, args ...any) []string {
	w.Helper()
	conn, err := pgx.Connect(context.Background(), w.env.DSN)
	w.check(err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(context.Background(), sql, args...)
	w.check(err)
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	w.check(err)
	return out
}

func (w *world) schema(tenant tenancy.ID) string {
	t, _ := w.env.DB.ByID(tenant)
	return t.Schema
}

// browser keeps the cookies of each host apart.
type browser struct {
	*world
	cookies map[string]map[string]string
}

func (w *world) browser() *browser { return &browser{w, map[string]map[string]string{}} }

type answer struct {
	status         int
	body, location string
	header         http.Header
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
	for k, v := range b.cookies[host] {
		rq.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	res, err := b.app.Router.App().Test(rq, 60_000)
	b.check(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	b.check(err)
	if b.cookies[host] == nil {
		b.cookies[host] = map[string]string{}
	}
	for _, c := range res.Cookies() {
		if !c.Expires.IsZero() && c.Expires.Year() < 2000 {
			delete(b.cookies[host], c.Name)
		} else {
			b.cookies[host][c.Name] = c.Value
		}
	}
	return answer{res.StatusCode, string(body), res.Header.Get("Location"), res.Header}
}

// get follows a link on a page of the same host.
func (b *browser) get(host, path string) answer {
	b.Helper()
	rq := httptest.NewRequest(http.MethodGet, path, nil)
	rq.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(rq, host)
}

func (b *browser) post(host, path string, form url.Values) answer {
	b.Helper()
	rq := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(rq, host)
}

// csrf reads the token of forms from a page.
func (b *browser) csrf(host string) string {
	b.Helper()
	found := b.get(host, "/").doc(b.T).Find("input[name=csrf]")
	if len(found) == 0 {
		b.Fatalf("no form at %s", host)
	}
	return htmlcheck.Attr(found[0], "value")
}

// through goes to the provider by an address of ours as somebody, and comes back.
func (b *browser) through(start, name string) answer {
	b.Helper()
	to := b.get(home, start)
	if to.status != 303 || !strings.HasPrefix(to.location, b.issuer+"/authorize?") {
		b.Fatalf("start: %d %s %.300s", to.status, to.location, to.body)
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
	login := follow(line.Get(to.location))
	on := follow(line.PostForm(b.issuer+"/login", url.Values{"id": {login.Query().Get("id")}, "username": {name}}))
	return b.get(home, follow(line.Get(on.String())).RequestURI())
}

func (b *browser) signIn(name string) *browser {
	b.Helper()
	page := b.browser().get(home, "/kirjaudu").doc(b.T)
	if got := b.through(htmlcheck.Attr(page.Find("main a.ds-button")[0], "href"), name); got.status != 303 || got.location != "/" {
		b.Fatalf("sign-in of %s: %d %s %.300s", name, got.status, got.location, got.body)
	}
	return b
}

// wish chooses a municipality, signs in once more as somebody and shows what came of it.
func (b *browser) wish(slug, name string) answer {
	b.Helper()
	if got := b.post(home, "/liita", url.Values{"csrf": {b.csrf(home)}, "kunta": {slug}}); got.status != 303 || got.location != "/liita" {
		b.Fatalf("wish: %d %.300s", got.status, got.body)
	}
	page := b.get(home, "/liita").doc(b.T)
	if got := b.through(htmlcheck.Attr(page.Find("main a.ds-button")[0], "href"), name); got.status != 303 || got.location != "/liita" {
		b.Fatalf("second sign-in: %d %s %.300s", got.status, got.location, got.body)
	}
	return b.get(home, "/liita")
}

func (b *browser) confirm(slug string) answer {
	b.Helper()
	return b.post(home, "/liita/vahvista", url.Values{"csrf": {b.csrf(home)}, "kunta": {slug}})
}

// tie links municipalities from the beginning to the end.
func (b *browser) tie(name string, slugs ...string) *browser {
	b.Helper()
	for _, slug := range slugs {
		b.wish(slug, name).doc(b.T).Says("main", "Sinut löydettiin huoltajana")
		if got := b.confirm(slug); got.status != 303 || got.location != "/" {
			b.Fatalf("link of %s: %d %.300s", slug, got.status, got.body)
		}
	}
	return b
}

// linkTo is the address of a municipality's link on the front page.
func (b *browser) linkTo(tenant tenancy.ID) string {
	b.Helper()
	found := b.lines(`select id::text from control.family_link where tenant = $1 order by created_at`, tenant)
	if len(found) != 1 {
		b.Fatalf("%d links to %s", len(found), tenant)
	}
	return "/mene/" + found[0]
}

// entry is a way into a tenant, not yet gone.
func (b *browser) entry(tenant tenancy.ID, more string) (path string) {
	b.Helper()
	got := b.get(home, b.linkTo(tenant)+more)
	if got.status != 303 || !strings.Contains(got.location, "/sisaan/") {
		b.Fatalf("entry: %d %s %.300s", got.status, got.location, got.body)
	}
	u, err := url.Parse(got.location)
	b.check(err)
	return u.Path
}

// visit goes into a tenant.
func (b *browser) visit(tenant tenancy.ID, host string) *browser {
	b.Helper()
	if got := b.get(host, b.entry(tenant, "")); got.status != 303 || got.location != "/" {
		b.Fatalf("visit: %d %s %.300s", got.status, got.location, got.body)
	}
	return b
}

func (b *browser) status(host, path string, want int) {
	b.Helper()
	if got := b.get(host, path); got.status != want {
		b.Errorf("%s%s: %d, want %d (%s)", host, path, got.status, want, got.location)
	}
}

func (w *world) count(table string) string {
	w.Helper()
	return w.lines(fmt.Sprintf(`select count(*)::text from %s`, table))[0]
}
