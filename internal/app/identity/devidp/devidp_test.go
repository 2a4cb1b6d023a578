package devidp

import (
	"crypto/ecdsa"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jba/templatecheck"
	"golang.org/x/oauth2"

	"digione/internal/app/web/htmlcheck"
)

const redirect = "http://a.test/back"

func start(t *testing.T) (*Provider, *httptest.Server, string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	dir := t.TempDir()
	p, err := New(Config{
		Issuer: issuer, Dir: dir,
		Client: func(id string) (Client, bool) {
			return Client{ID: id, Secret: "s-" + id, Name: "Kunta " + id, RedirectURIs: []string{redirect}}, id == "a" || id == "b"
		},
		User: func(client, username string) (User, bool) {
			return User{Subject: client + username, Username: username, Name: "Aino"}, username == "u"+client
		},
		List: func(client string) []User {
			return []User{{Subject: client + "u", Username: "u" + client, Name: "Aino <b> " + client, Note: "Opettaja"}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = p
	srv.Start()
	t.Cleanup(srv.Close)
	return p, srv, dir
}

var still = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func ask(t *testing.T, rq *http.Request) (int, string, *url.URL) {
	t.Helper()
	res, err := still.Do(rq)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	to, err := res.Location()
	if err != nil {
		to = &url.URL{}
	}
	return res.StatusCode, string(b), to
}

func get(t *testing.T, address string) (int, string, *url.URL) {
	t.Helper()
	rq, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, rq)
}

func post(t *testing.T, address string, form url.Values, basic ...string) (int, string, *url.URL) {
	t.Helper()
	rq, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		rq.SetBasicAuth(basic[0], basic[1])
	}
	return ask(t, rq)
}

func authorize(srv *httptest.Server, client, verifier string, more ...string) string {
	q := url.Values{
		"client_id": {client}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"s"}, "nonce": {"n"},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
		if more[i+1] == "" {
			q.Del(more[i])
		}
	}
	return srv.URL + "/authorize?" + q.Encode()
}

// code picks a client's user and returns the code.
func code(t *testing.T, srv *httptest.Server, client, verifier string) string {
	t.Helper()
	_, _, login := get(t, authorize(srv, client, verifier))
	_, _, on := post(t, srv.URL+"/login", url.Values{"id": {login.Query().Get("id")}, "username": {"u" + client}})
	_, _, back := get(t, on.String())
	if !strings.HasPrefix(back.String(), redirect+"?") || back.Query().Get("state") != "s" {
		t.Fatalf("back to %s", back)
	}
	return back.Query().Get("code")
}

func TestLoginPage(t *testing.T) {
	t.Parallel()
	_, srv, _ := start(t)
	_, _, login := get(t, authorize(srv, "a", oauth2.GenerateVerifier()))
	_, body, _ := get(t, login.String())
	doc := htmlcheck.Parse(t, body)
	doc.Says("main", "Kunta a pyysi")
	doc.Says("main", "ei kysy salasanaa")
	doc.Says("li button", "Aino <b> a")
	doc.Lacks("ub", "<b>")
	form := url.Values{"id": {login.Query().Get("id")}, "username": {"ub"}}
	status, body, _ := post(t, srv.URL+"/login", form)
	if status != 422 {
		t.Errorf("another client's user: %d", status)
	}
	htmlcheck.Parse(t, body).Says(".wrong", "Tällä tunnuksella ei ole ketään")
	if status, _, _ := post(t, srv.URL+"/login", url.Values{"id": {"x"}, "username": {"ua"}}); status != 400 {
		t.Errorf("no such sign-in: %d", status)
	}
	// Nobody was picked yet.
	if _, body, to := get(t, srv.URL+"/authorize/callback?id="+login.Query().Get("id")); to.Query().Get("code") != "" {
		t.Errorf("a code for nobody: %s %s", to, body)
	}
	if err := templatecheck.CheckHTML(loginTemplate, LoginPage{}); err != nil {
		t.Error(err)
	}
}

func TestCodeAndPKCEOnly(t *testing.T) {
	t.Parallel()
	_, srv, _ := start(t)
	v := oauth2.GenerateVerifier()
	for name, more := range map[string][]string{
		"without PKCE":     {"code_challenge", "", "code_challenge_method", ""},
		"PKCE in the open": {"code_challenge", v, "code_challenge_method", "plain"},
		"implicit":         {"response_type", "id_token token"},
		"other redirect":   {"redirect_uri", "http://evil.test/back"},
		"longer redirect":  {"redirect_uri", redirect + "/x"},
		"unknown client":   {"client_id", "x"},
		"without a dialog": {"prompt", "none"},
	} {
		if status, _, to := get(t, authorize(srv, "a", v, more...)); to.Path == "/login" || to.Query().Get("code") != "" || to.Host == "evil.test" {
			t.Errorf("%s: %d %s", name, status, to)
		}
	}
	redeem := func(code, verifier, client, secret string) int {
		t.Helper()
		status, body, _ := post(t, srv.URL+"/oauth/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
		}, client, secret)
		if status == 200 && !strings.Contains(body, "id_token") {
			t.Errorf("no token in %s", body)
		}
		return status
	}
	c := code(t, srv, "a", v)
	if got := redeem(c, v, "a", "s-a"); got != 200 {
		t.Errorf("good code: %d", got)
	}
	if got := redeem(c, v, "a", "s-a"); got == 200 {
		t.Error("a code works twice")
	}
	if redeem(code(t, srv, "a", v), oauth2.GenerateVerifier(), "a", "s-a") == 200 || redeem(code(t, srv, "a", v), "", "a", "s-a") == 200 {
		t.Error("a code works without its verifier")
	}
	if redeem(code(t, srv, "a", v), v, "a", "wrong") == 200 || redeem(code(t, srv, "a", v), v, "b", "s-b") == 200 {
		t.Error("a code works for another client")
	}
	for _, path := range []string{"/oauth/introspect", "/revoke", "/end_session", "/device_authorization", "/"} {
		if status, _, _ := get(t, srv.URL+path); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestThisMachineAlone(t *testing.T) {
	t.Parallel()
	p, srv, _ := start(t)
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "login.example:80", "x"} {
		if l, err := Listen(addr); err == nil {
			l.Close()
			t.Errorf("listens on %s", addr)
		}
	}
	for _, issuer := range []string{"http://login.example", "ftp://localhost", "http://0.0.0.0:9080", ""} {
		if _, err := New(Config{Issuer: issuer, Dir: t.TempDir()}); err == nil {
			t.Errorf("is issuer %q", issuer)
		}
	}
	for from, host := range map[string]string{"192.0.2.1:5": strings.TrimPrefix(srv.URL, "http://"), "127.0.0.1:5": "evil.test"} {
		rq := httptest.NewRequest(http.MethodGet, "/.well-known/openid-configuration", nil)
		rq.RemoteAddr, rq.Host = from, host
		w := httptest.NewRecorder()
		if p.ServeHTTP(w, rq); w.Code != 403 {
			t.Errorf("answers %s for %s: %d", from, host, w.Code)
		}
	}
}

func TestKeysOutliveTheProcess(t *testing.T) {
	t.Parallel()
	p, _, dir := start(t)
	info, err := os.Stat(filepath.Join(dir, KeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	first := p.keys.current().ID()
	again, err := openKeys(dir)
	if err != nil || again.current().ID() != first {
		t.Fatalf("another key after a restart: %v", err)
	}
	if err := p.RotateKeys(); err != nil {
		t.Fatal(err)
	}
	all := p.keys.public()
	if len(all) != 2 || all[0].ID() == first || all[1].ID() != first {
		t.Errorf("%d keys after a rotation", len(all))
	}
	if _, ok := all[0].Key().(*ecdsa.PublicKey); !ok {
		t.Errorf("a %T is published", all[0].Key())
	}
	if err := os.WriteFile(filepath.Join(dir, KeyFile), []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openKeys(dir); err == nil {
		t.Error("a file without keys is taken")
	}
}
