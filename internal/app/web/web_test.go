package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
)

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

type hosts map[string]tenancy.Tenant

func (h hosts) ByHost(host string) (tenancy.Tenant, bool) { t, ok := h[host]; return t, ok }

var tenants = hosts{
	"alpha.test":  {ID: "tnt_a", NameFi: "Alfala", NameSv: "Alfby", State: tenancy.Active},
	"beta.test":   {ID: "tnt_b", NameFi: "Beetala", State: tenancy.Active},
	"closed.test": {ID: "tnt_c", NameFi: "Suljettula", State: tenancy.Suspended},
	"sealed.test": {ID: "tnt_e", NameFi: "Poissala", State: tenancy.Sealed},
	"going.test":  {ID: "tnt_f", NameFi: "Lähtölä", State: tenancy.Leaving},
	"new.test":    {ID: "tnt_d", NameFi: "Uusila", State: tenancy.Provisioning},
}

const token, csrf = "a-token-of-alpha", "0123456789abcdef0123456789abcdef"

var person = uuid.MustParse("0199a000-0000-7000-8000-000000000001")

type sessions struct{ err error }

func (s sessions) Find(_ context.Context, id tenancy.ID, tok string, _ time.Time) (web.Session, bool, error) {
	if id != "tnt_a" || tok != token {
		return web.Session{}, false, s.err
	}
	return web.Session{Actor: authz.Actor{Person: person}, Name: "Sanna Mäkinen", CSRF: csrf, Lang: i18n.Sv}, true, s.err
}

type rig struct {
	*web.Router
	log *bytes.Buffer
	did int
	saw []web.Observation
}

func newRig(t *testing.T, change ...func(*web.Config)) *rig {
	t.Helper()
	g := &rig{log: &bytes.Buffer{}}
	cfg := web.Config{
		Tenants: tenants, Sessions: sessions{}, Now: func() time.Time { return now },
		Log: slog.New(slog.NewTextHandler(g.log, nil)), Observe: func(o web.Observation) { g.saw = append(g.saw, o) },
	}
	for _, f := range change {
		f(&cfg)
	}
	g.Router = web.New(cfg)
	page := func(c *fiber.Ctx, rq *web.Request) error {
		g.did++
		return c.SendString("tenant " + string(rq.Tenant.ID) + " " + string(rq.Lang))
	}
	g.Get("/sivu/:id", authz.HomeRead, page)
	g.Get("/ihmiset", authz.PersonSearch, page)
	g.Get("/julkinen", authz.Public, page)
	g.Post("/muuta", authz.HomeRead, page)
	g.Post("/avoin", authz.Public, page)
	g.Post("/flash", authz.HomeRead, func(c *fiber.Ctx, rq *web.Request) error {
		rq.Flash(rq.Form("key"))
		return c.Redirect("/sivu/1", fiber.StatusSeeOther)
	})
	g.Get("/virhe/:kind", authz.HomeRead, func(c *fiber.Ctx, rq *web.Request) error {
		switch c.Params("kind") {
		case "panic":
			panic("secret of 010101-123N")
		case "busy":
			return fmt.Errorf("x: %w", &tenancy.BusyError{RetryAfter: 1500 * time.Millisecond})
		case "leaving":
			return fmt.Errorf("change tenant secret: %w", tenancy.ErrLeaving)
		case "moving":
			return fmt.Errorf("change tenant secret: %w", &tenancy.MovingError{RetryAfter: 10 * time.Second})
		case "unreached":
			return fmt.Errorf("enter tenant secret: %w", tenancy.ErrNoCluster)
		case "lost":
			return fmt.Errorf("read secret: %w", &tenancy.LostError{RetryAfter: 5 * time.Second})
		case "unsure":
			return fmt.Errorf("read secret: %w", &tenancy.LostError{RetryAfter: 5 * time.Second, Unsure: true})
		case "gone":
			return fmt.Errorf("enter tenant secret: %w", tenancy.ErrGone)
		case "slow":
			<-rq.Ctx.Done()
			return fmt.Errorf("read secret: %w", rq.Ctx.Err())
		case "plain":
			return errors.New("secret of 010101-123N")
		case "big":
			return c.SendString(strings.Repeat("aa ", 5000))
		}
		kind := map[string]fault.Kind{"invalid": fault.Invalid, "forbidden": fault.Forbidden, "conflict": fault.Conflict, "notfound": fault.NotFound}
		return fault.New(kind[c.Params("kind")], "some.unknown.key", "secret of 010101-123N")
	})
	return g
}

type answer struct {
	*http.Response
	body string
}

func (g *rig) send(t *testing.T, rq *http.Request) answer {
	t.Helper()
	res, err := g.App().Test(rq, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(b)}
}

func request(method, path string, headers ...string) *http.Request {
	rq := httptest.NewRequest(method, path, nil)
	rq.Host = "alpha.test"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			rq.Host = headers[i+1]
		}
		rq.Header.Add(headers[i], headers[i+1])
	}
	return rq
}

func signedIn(method, path string, headers ...string) *http.Request {
	return request(method, path, append([]string{"Cookie", "digione=" + token}, headers...)...)
}

func TestSignedOutIsSentToSignIn(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for path, want := range map[string]string{
		"/sivu/1":              "/kirjaudu?paluu=%2Fsivu%2F1",
		"/ihmiset":             "/kirjaudu?paluu=%2Fihmiset",
		"/sivu/%5Cevil.test":   "/kirjaudu",
		"/sivu/1?name=someone": "/kirjaudu?paluu=%2Fsivu%2F1",
	} {
		res := g.send(t, request("GET", path))
		if got := res.Header.Get("Location"); res.StatusCode != 303 || got != want && path != "/sivu/%5Cevil.test" {
			t.Errorf("%s: %d to %s, want 303 to %s", path, res.StatusCode, got, want)
		}
	}
	if res := g.send(t, request("POST", "/muuta")); res.Header.Get("Location") != "/kirjaudu" {
		t.Errorf("signed-out form: %d %s", res.StatusCode, res.Header.Get("Location"))
	}
	if g.did != 0 {
		t.Error("a handler ran for nobody")
	}
	if res := g.send(t, request("GET", "/julkinen")); res.StatusCode != 200 {
		t.Errorf("public page: %d", res.StatusCode)
	}
}

func TestWhatOneMayNotDoIsNotFound(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	absent := g.send(t, signedIn("GET", "/ei-ole"))
	refused := g.send(t, signedIn("GET", "/ihmiset"))
	if absent.StatusCode != 404 || refused.StatusCode != 404 {
		t.Errorf("absent %d, refused %d", absent.StatusCode, refused.StatusCode)
	}
	if g.did != 0 {
		t.Error("the handler ran")
	}
}

func TestRouteNeedsAction(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a route without an action was accepted")
		}
	}()
	newRig(t).Get("/x", "", nil)
}

func TestSessionOfAnotherTenant(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	if res := g.send(t, signedIn("GET", "/sivu/1", "Host", "beta.test")); res.StatusCode != 303 {
		t.Errorf("alpha's token at beta: %d", res.StatusCode)
	}
	if res := g.send(t, signedIn("GET", "/sivu/1")); res.StatusCode != 200 || res.body != "tenant tnt_a sv" {
		t.Errorf("alpha's token at alpha: %d %s", res.StatusCode, res.body)
	}
}

func TestErrorPagesTellNothing(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(c *web.Config) { c.Timeout = 30 * time.Millisecond })
	for kind, want := range map[string]int{
		"panic": 500, "plain": 500, "busy": 429, "slow": 503, "leaving": 403, "moving": 503, "unreached": 503, "lost": 503, "unsure": 503, "gone": 410, "invalid": 422, "forbidden": 403, "conflict": 409, "notfound": 404,
	} {
		res := g.send(t, signedIn("GET", "/virhe/"+kind))
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", kind, res.StatusCode, want)
		}
		doc := htmlcheck.Parse(t, res.body)
		doc.Sound()
		doc.Lacks("secret", "010101", "some.unknown.key", "error.", ".go:", "goroutine")
		doc.Says("code", res.Header.Get("X-Request-Id"))
	}
	if res := g.send(t, signedIn("GET", "/virhe/busy")); res.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After %q", res.Header.Get("Retry-After"))
	}
	for kind, after := range map[string]string{"moving": "10", "unreached": "60", "lost": "5", "unsure": "5"} {
		if res := g.send(t, signedIn("GET", "/virhe/"+kind)); res.Header.Get("Retry-After") != after {
			t.Errorf("%s: Retry-After %q", kind, res.Header.Get("Retry-After"))
		}
	}
	if strings.Contains(g.log.String(), "panic: secret") {
		t.Error("the log repeats the value of a panic")
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.send(t, signedIn("GET", "/sivu/1?name=Aino", "User-Agent", "Aino"))
	line := g.log.String()
	for _, want := range []string{"route=/sivu/:id", "action=home.read", "tenant=tnt_a", "actor=" + person.String(), "status=200", "request="} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	for _, not := range []string{"Aino", "Sanna", token, csrf, "/sivu/1"} {
		if strings.Contains(line, not) {
			t.Errorf("%s in %s", not, line)
		}
	}
	g.send(t, request("GET", "/Aino/010101-123N"))
	if strings.Contains(g.log.String(), "Aino") || g.saw[1].Route != "unmatched" || g.saw[0].Route != "/sivu/:id" {
		t.Errorf("unknown paths leave their words: %+v", g.saw)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	plain, tls := newRig(t), newRig(t, func(c *web.Config) { c.TLS = true })
	for _, path := range []string{"/julkinen", "/sivu/1", "/ei-ole", "/livez"} {
		res := tls.send(t, request("GET", path))
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Strict-Transport-Security": "max-age=", "Cache-Control": "no-store", "Permissions-Policy": "camera=()", "X-Request-Id": "",
		} {
			if got := res.Header.Get(name); got == "" || !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if res.Header.Get("Server") != "" {
			t.Errorf("%s names the server", path)
		}
	}
	if res := plain.send(t, request("GET", "/julkinen")); res.Header.Get("Strict-Transport-Security") != "" {
		t.Error("HSTS without TLS")
	}
	if a, b := plain.send(t, request("GET", "/livez", "X-Request-Id", "mine")), plain.send(t, request("GET", "/livez")); a.Header.Get("X-Request-Id") == "mine" || a.Header.Get("X-Request-Id") == b.Header.Get("X-Request-Id") {
		t.Error("request ids are not our own")
	}
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for _, c := range []struct {
		name string
		rq   *http.Request
		want string
	}{
		{"none", request("GET", "/julkinen"), "fi"},
		{"browser", request("GET", "/julkinen", "Accept-Language", "en"), "en"},
		{"person over browser", signedIn("GET", "/sivu/1", "Accept-Language", "en"), "sv"},
		{"cookie over person", request("GET", "/sivu/1", "Cookie", "digione="+token+"; lang=en"), "en"},
		{"broken cookie", request("GET", "/julkinen", "Cookie", "lang=../x"), "fi"},
	} {
		if res := g.send(t, c.rq); !strings.HasSuffix(res.body, " "+c.want) {
			t.Errorf("%s: %s, want %s", c.name, res.body, c.want)
		}
	}
	res := g.send(t, request("GET", "/julkinen?a=1&kieli=sv"))
	if res.StatusCode != 303 || res.Header.Get("Location") != "/julkinen?a=1" || !strings.Contains(res.Header.Get("Set-Cookie"), "lang=sv") {
		t.Errorf("switch: %d %s %s", res.StatusCode, res.Header.Get("Location"), res.Header.Get("Set-Cookie"))
	}
}

func TestFlash(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	form := url.Values{"csrf": {web.Masked(csrf)}, "key": {"flash.x"}}.Encode()
	rq := httptest.NewRequest("POST", "/flash", strings.NewReader(form))
	rq.Host = "alpha.test"
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Cookie", "digione="+token)
	res := g.send(t, rq)
	if res.StatusCode != 303 || !strings.Contains(res.Header.Get("Set-Cookie"), "flash=flash.x") {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Set-Cookie"))
	}
	page := g.send(t, request("GET", "/virhe/notfound", "Cookie", "digione="+token+"; flash=<script>"))
	htmlcheck.Parse(t, page.body).Count(".flash", 0)
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/koulut": "/koulut", "/a/b?c=d": "/a/b?c=d", "": "/", "koulut": "/", "//evil.test": "/", "/\\evil.test": "/",
		"https://evil.test": "/", "/a b": "/", "/a\r\nSet-Cookie: x": "/", "/\x00": "/", "javascript:alert(1)": "/",
		"/" + strings.Repeat("a", 600): "/", "/%2F%2Fevil.test": "/%2F%2Fevil.test", "/ä": "/",
	} {
		if got := web.LocalPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	ready := errors.New("no database at secret-host")
	g := newRig(t, func(c *web.Config) { c.Ready = func(context.Context) error { return ready } })
	if res := g.send(t, request("GET", "/livez", "Host", "10.0.0.1")); res.StatusCode != 200 {
		t.Errorf("livez %d", res.StatusCode)
	}
	if res := g.send(t, request("GET", "/readyz", "Host", "")); res.StatusCode != 503 || strings.Contains(res.body, "secret") {
		t.Errorf("readyz %d %s", res.StatusCode, res.body)
	}
	ready = nil
	if res := g.send(t, request("GET", "/readyz", "Host", "anything")); res.StatusCode != 200 {
		t.Errorf("readyz %d", res.StatusCode)
	}
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	page := g.send(t, signedIn("GET", "/ei-ole"))
	doc := htmlcheck.Parse(t, page.body)
	href := htmlcheck.Attr(doc.Find("link[rel=stylesheet]")[0], "href")
	total := len(page.body)
	for _, enc := range []string{"", "gzip", "br, gzip"} {
		res := g.send(t, request("GET", href, "Accept-Encoding", enc))
		if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || res.Header.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%s: %d %v", href, res.StatusCode, res.Header)
		}
		if enc == "br, gzip" {
			total += len(res.body)
		}
	}
	font := htmlcheck.Attr(doc.Find("link[rel=preload]")[0], "href")
	total += len(g.send(t, request("GET", font)).body)
	if total > 100_000 {
		t.Errorf("a first visit takes %d bytes", total)
	}
	if res := g.send(t, request("GET", "/static/../web.go")); res.StatusCode != 404 {
		t.Errorf("path outside: %d", res.StatusCode)
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	if res := g.send(t, signedIn("GET", "/virhe/big", "Accept-Encoding", "gzip")); res.Header.Get("Content-Encoding") != "gzip" || len(res.body) > 1000 {
		t.Errorf("%s, %d bytes", res.Header.Get("Content-Encoding"), len(res.body))
	}
}
