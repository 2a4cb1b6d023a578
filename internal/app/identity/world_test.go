package identity_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	stdlog "log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
)

const (
	alpha, beta = "alpha.test", "beta.test"
	wayBack     = "/kirjaudu/paluu"
	learnerID   = "urn:oid:1.3.6.1.4.1.16161.1.1.27"
)

var id = peopletest.ID

// world is both tenants, the product's edge and a provider behind a line that a
// test can cut and tamper with.
type world struct {
	t      *testing.T
	env    *dbtest.Env
	router *web.Router
	idp    *devidp.Provider
	server *httptest.Server
	issuer string
	dir    string
	log    *safeBuffer
	edge   web.Config
	own    identity.Config

	offset atomic.Int64 // of our clock
	still  atomic.Int64 // where our clock stands, in nanoseconds; 0 is that it goes
	down   atomic.Value // prefix of the paths that do not answer
	mu     sync.Mutex
	tamper func(claims map[string]any) // with the id token
	resign func(payload []byte) string // nil is the provider's own key
	info   func(claims map[string]any) // with the userinfo answer
	users  map[string][]devidp.User    // by client
}

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

type option func(*web.Config, *identity.Config)

func newWorld(t *testing.T, opts ...option) *world {
	t.Helper()
	w := &world{t: t, env: dbtest.New(t), dir: t.TempDir(), log: &safeBuffer{}, users: map[string][]devidp.User{}}
	w.down.Store("")
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(w.line))
	w.server.Config.ErrorLog = stdlog.New(io.Discard, "", 0)
	t.Cleanup(w.server.Close)
	edge, own := web.Config{}, identity.Config{}
	for _, o := range opts {
		o(&edge, &own)
	}
	if own.TLS {
		w.server.StartTLS()
	} else {
		w.server.Start()
	}
	w.issuer = w.server.URL
	w.users["c-alpha"] = []devidp.User{user("aino"), user("teacher"), user("AINO"), user("stranger"), user("twice"), user("barred"), user("gone"), user("roleless"), user("late")}
	w.users["c-beta"] = []devidp.User{user("aino")}
	var err error
	w.idp, err = devidp.New(devidp.Config{Issuer: w.issuer, Dir: w.dir, Client: client, User: w.user, List: func(c string) []devidp.User { return w.users[c] }})
	check(t, err)
	for tenant, mark := range map[tenancy.ID]string{dbtest.Alpha: " α", dbtest.Beta: " β"} {
		peopletest.In(t, w.env.DB, tenant, mark, town)
	}
	w.put(dbtest.Alpha, provider(w.issuer, "c-alpha"))
	w.put(dbtest.Beta, provider(w.issuer, "c-beta"))
	w.edge, w.own = edge, own
	w.router = w.program(w.env.DB, w.server.Client().Transport)
	return w
}

// program is one that starts: it reaches tenants by db and providers by transport.
func (w *world) program(db *tenancy.DB, transport http.RoundTripper) *web.Router {
	edge, own := w.edge, w.own
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	own.DB, own.Sessions, own.Keys = db, identity.NewSessions(db, identity.Limits{}), keyset
	own.Log, own.Transport = log, transport
	edge.Tenants, edge.Now, edge.Log, edge.Sessions = db, w.now, log, own.Sessions
	r := web.New(edge)
	identity.Routes(r, own)
	r.Get("/", authz.HomeRead, w.show)
	r.Get("/oma/:x", authz.SelfRead, w.show)
	return r
}

// show is a page that says who is in, and their token.
func (w *world) show(c *fiber.Ctx, rq *web.Request) error {
	return c.SendString(rq.Session.Name + "\n" + web.Masked(rq.Session.CSRF))
}

func (w *world) csrf(b *browser) string {
	_, token, _ := strings.Cut(b.get(alpha, "/").body, "\n")
	return token
}

// href is the address of a page's first button.
func (w *world) href(page answer) string {
	w.t.Helper()
	links := page.doc(w.t).Find("main a.ds-button")
	if len(links) == 0 {
		w.t.Fatal("no button")
	}
	return htmlcheck.Attr(links[0], "href")
}

// scan asks one row.
func scan(sql string, arg any, into ...any) func(tenancy.Read) error {
	return func(tx tenancy.Read) error { return tx.QueryRow(context.Background(), sql, arg).Scan(into...) }
}

func (w *world) now() time.Time {
	at := time.Now()
	if still := w.still.Load(); still != 0 {
		at = time.Unix(0, still)
	}
	return at.Add(time.Duration(w.offset.Load()))
}

// stop holds our clock: what depends on it does not depend on how busy the machine is.
func (w *world) stop() { w.still.Store(time.Now().UnixNano()) }

func (w *world) later(d time.Duration) { w.offset.Add(int64(d)) }

func keyset(t tenancy.Tenant) (*keys.Keyset, error) {
	return keys.Unwrap(dbtest.Master, string(t.ID), t.WrappedKeyset())
}

func user(name string) devidp.User {
	return devidp.User{Subject: "sub-" + name, Username: name, Name: "Nimi " + name, Claims: map[string]any{learnerID: "1.2.246.562.24." + name}}
}

func (w *world) user(client, username string) (devidp.User, bool) {
	for _, u := range w.users[client] {
		if u.Username == username {
			return u, true
		}
	}
	return devidp.User{}, false
}

func client(name string) (devidp.Client, bool) {
	host, ok := map[string]string{"c-alpha": alpha, "c-beta": beta, "c-other": alpha}[name]
	return devidp.Client{ID: name, Secret: "secret of " + name, Name: name, RedirectURIs: []string{
		"http://" + host + wayBack, "http://" + host + ":8080" + wayBack, "https://" + host + wayBack,
	}}, ok
}

func provider(issuer, client string) identity.Provider {
	return identity.Provider{
		Name: "Koulutunnus", Issuer: issuer, ClientID: client, Secret: "secret of " + client,
		LinkClaim: "preferred_username", LinkTo: identity.ToUsername,
	}
}

// put adds a provider, or changes the one that is there.
func (w *world) put(tenant tenancy.ID, p identity.Provider) {
	w.t.Helper()
	tn, ok := w.env.DB.ByID(tenant)
	if !ok {
		w.t.Fatal("no tenant")
	}
	ks, err := keyset(tn)
	check(w.t, err)
	check(w.t, w.env.DB.Write(context.Background(), tenant, func(tx tenancy.Write) error {
		return identity.PutProvider(context.Background(), tx, ks, p)
	}))
}

// town is what both tenants hold. Each name is a person with a user of the same
// name; twice are two persons with one username.
func town(s peopletest.Seed) {
	school := s.School("Kilteri")
	class := s.Group("7B", "homeroom", school)
	row := func(person, username, sourcedID, status string, enabled bool) {
		s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, status, date_last_modified, row_hash)
values ($1, $2, $3, $4, 'x', 'x', 'test', $5, $6, now(), '')`, id("row "+sourcedID), id(person), enabled, username, sourcedID, status)
		s.Exec(`update role_grant set source_user = $1 where person = $2`, id("row "+sourcedID), id(person))
	}
	for _, name := range []string{"aino", "late", "barred", "gone", "twice", "twin"} {
		s.Learner(s.Person(name, peopletest.Person{}), school, "7", class)
	}
	s.Grant(s.Person("teacher", peopletest.Person{Born: "1980-01-01"}), "teacher", school)
	s.Person("roleless", peopletest.Person{})
	row("aino", "aino", "s-aino", "active", true)
	row("teacher", "teacher", "s-teacher", "active", true)
	row("barred", "barred", "s-barred", "active", false)
	row("gone", "gone", "s-gone", "tobedeleted", true)
	row("twice", "twice", "s-twice", "active", true)
	row("twin", "twice", "s-twin", "active", true)
	row("roleless", "roleless", "s-roleless", "active", true)
}

// line stands between the product and the provider.
func (w *world) line(rw http.ResponseWriter, r *http.Request) {
	if down := w.down.Load().(string); down != "" && strings.HasPrefix(r.URL.Path, down) {
		panic(http.ErrAbortHandler) // the connection ends without an answer
	}
	rec := httptest.NewRecorder()
	w.idp.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	w.mu.Lock()
	if rec.Code == 200 && r.URL.Path == "/oauth/token" && (w.tamper != nil || w.resign != nil) {
		body = w.tampered(body)
	}
	if rec.Code == 200 && r.URL.Path == "/userinfo" && w.info != nil {
		claims := map[string]any{}
		_ = json.Unmarshal(body, &claims)
		w.info(claims)
		body, _ = json.Marshal(claims)
	}
	w.mu.Unlock()
	for k, v := range rec.Header() {
		if k != "Content-Length" {
			rw.Header()[k] = v
		}
	}
	rw.WriteHeader(rec.Code)
	_, _ = rw.Write(body)
}

func (w *world) tampered(body []byte) []byte {
	answer, claims := map[string]any{}, map[string]any{}
	_ = json.Unmarshal(body, &answer)
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(answer["id_token"].(string), ".")[1])
	_ = json.Unmarshal(payload, &claims)
	if w.tamper != nil {
		w.tamper(claims)
	}
	payload, _ = json.Marshal(claims)
	if w.resign != nil {
		answer["id_token"] = w.resign(payload)
	} else {
		answer["id_token"] = sign(w.key(), jose.ES256, w.key().KeyID, payload)
	}
	out, _ := json.Marshal(answer)
	return out
}

func (w *world) meddle(tamper func(map[string]any), resign func([]byte) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper, w.resign = tamper, resign
}

// key is the provider's own signing key.
func (w *world) key() jose.JSONWebKey {
	b, err := os.ReadFile(filepath.Join(w.dir, devidp.KeyFile))
	check(w.t, err)
	var set jose.JSONWebKeySet
	check(w.t, json.Unmarshal(b, &set))
	return set.Keys[0]
}

func sign(key any, alg jose.SignatureAlgorithm, kid string, payload []byte) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	if err != nil {
		panic(err)
	}
	jws, err := s.Sign(payload)
	if err != nil {
		panic(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return out
}

// count asks one number of a tenant.
func (w *world) count(tenant tenancy.ID, sql string, args ...any) (n int) {
	w.t.Helper()
	check(w.t, w.env.DB.Read(context.Background(), tenant, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), sql, args...).Scan(&n)
	}))
	return n
}

func (w *world) exec(tenant tenancy.ID, sql string, args ...any) {
	w.t.Helper()
	check(w.t, w.env.DB.Write(context.Background(), tenant, func(tx tenancy.Write) error {
		_, err := tx.Exec(context.Background(), sql, args...)
		return err
	}))
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
