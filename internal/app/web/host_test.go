package web_test

import (
	"bufio"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
)

// raw sends bytes as they are: Go's own client would put them right first.
func (g *rig) raw(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.App().Listener(ln) }()
	defer func() { _ = g.App().Shutdown() }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	n, _ := res.Body.Read(b)
	return res, string(b[:n])
}

func TestHosts(t *testing.T) {
	t.Parallel()
	const alpha, beta, none = "tenant tnt_a", "tenant tnt_b", ""
	for name, c := range map[string]struct{ head, want string }{
		"plain":                       {"Host: alpha.test", alpha},
		"other tenant":                {"Host: beta.test", beta},
		"upper case":                  {"Host: ALPHA.Test", alpha},
		"port":                        {"Host: alpha.test:8080", alpha},
		"trailing dot":                {"Host: alpha.test.", alpha},
		"trailing dot and port":       {"Host: alpha.test.:443", alpha},
		"two dots":                    {"Host: alpha.test..", none},
		"port that is no number":      {"Host: alpha.test:x", none},
		"empty port":                  {"Host: alpha.test:", none},
		"unknown":                     {"Host: gamma.test", none},
		"below a tenant":              {"Host: x.alpha.test", none},
		"above a tenant":              {"Host: test", none},
		"prefix":                      {"Host: alpha.testing", none},
		"empty":                       {"Host: ", none},
		"none":                        {"X-Nothing: 1", none},
		"user part":                   {"Host: alpha.test@beta.test", none},
		"path in it":                  {"Host: alpha.test/../beta.test", none},
		"two names":                   {"Host: alpha.test, beta.test", none},
		"two headers":                 {"Host: alpha.test\r\nHost: beta.test", none},
		"two equal headers":           {"Host: alpha.test\r\nhost: alpha.test", none},
		"underscore":                  {"Host: alpha_test", none},
		"not ASCII":                   {"Host: älpha.test", none},
		"forwarded by a stranger":     {"Host: alpha.test\r\nX-Forwarded-Host: beta.test", alpha},
		"forwarded, unknown host":     {"Host: gamma.test\r\nX-Forwarded-Host: alpha.test", none},
		"Forwarded is never looked":   {"Host: alpha.test\r\nForwarded: host=beta.test", alpha},
		"X-Host is never looked at":   {"Host: alpha.test\r\nX-Host: beta.test\r\nX-Original-Host: beta.test", alpha},
		"IPv6 literal":                {"Host: [::1]:80", none},
		"forwarded with empty header": {"Host: alpha.test\r\nX-Forwarded-Host: ", alpha},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, body := newRig(t).raw(t, "GET /julkinen HTTP/1.1\r\n"+c.head+"\r\nConnection: close\r\n\r\n")
			switch {
			case c.want != none && (res.StatusCode != 200 || !strings.HasPrefix(body, c.want)):
				t.Errorf("%d %.60s, want %s", res.StatusCode, body, c.want)
			case c.want == none && (res.StatusCode < 400 || res.StatusCode >= 500 || strings.Contains(body, "tnt_")):
				t.Errorf("%d %.60s, want nobody's", res.StatusCode, body)
			}
		})
	}
}

func TestAbsoluteForm(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]int{
		"http://alpha.test/julkinen": 200, "http://beta.test/julkinen": 404, "http://ALPHA.test/julkinen": 200, "http://alpha.test@beta.test/julkinen": 404,
	} {
		if res, body := newRig(t).raw(t, "GET "+target+" HTTP/1.1\r\nHost: alpha.test\r\nConnection: close\r\n\r\n"); res.StatusCode != want {
			t.Errorf("%s: %d %.60s, want %d", target, res.StatusCode, body, want)
		}
	}
}

func TestForwardedHostFromOurProxy(t *testing.T) {
	t.Parallel()
	trusted := func(c *web.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	for head, want := range map[string]int{
		"Host: inner\r\nX-Forwarded-Host: alpha.test":            200,
		"Host: alpha.test\r\nX-Forwarded-Host: gamma.test":       404,
		"Host: inner\r\nX-Forwarded-Host: alpha.test, beta.test": 404,
		"Host: alpha.test": 200,
	} {
		if res, _ := newRig(t, trusted).raw(t, "GET /julkinen HTTP/1.1\r\n"+head+"\r\nConnection: close\r\n\r\n"); res.StatusCode != want {
			t.Errorf("%q: %d, want %d", head, res.StatusCode, want)
		}
	}
}

// Whatever the verb and the path, a host without an active tenant gives nothing.
func TestEveryVerb(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	for host, want := range map[string]int{"gamma.test": 404, "closed.test": 503, "new.test": 503, "sealed.test": 410} {
		for _, verb := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			for _, path := range []string{"/", "/julkinen", "/sivu/1", "/muuta", "/ei-ole"} {
				res := g.send(t, signedIn(verb, path, "Host", host, "Sec-Fetch-Site", "same-origin"))
				if res.StatusCode != want {
					t.Errorf("%s %s%s: %d, want %d", verb, host, path, res.StatusCode, want)
				}
				for _, leak := range []string{"Suljettula", "Uusila", "Poissala", "Alfala", "tnt_", "Sanna"} {
					if strings.Contains(res.body, leak) {
						t.Errorf("%s %s%s says %s", verb, host, path, leak)
					}
				}
				if verb == "GET" {
					htmlcheck.Parse(t, res.body).Sound()
				}
			}
		}
	}
	for host, want := range map[string]string{"gamma.test": "ei ole palvelua", "closed.test": "suljettu", "sealed.test": "on päättynyt", "new.test": "otetaan käyttöön"} {
		htmlcheck.Parse(t, g.send(t, request("GET", "/", "Host", host)).body).Says("h1", want)
	}
	if g.did != 0 {
		t.Error("a handler ran")
	}
	if res := g.send(t, request("GET", "/julkinen", "Host", "going.test")); res.StatusCode != 200 {
		t.Errorf("reading at a tenant that leaves: %d", res.StatusCode)
	}
	for verb, want := range map[string]int{"PUT": 405, "DELETE": 405, "OPTIONS": 405, "HEAD": 200} {
		if res := g.send(t, request(verb, "/julkinen")); res.StatusCode != want {
			t.Errorf("%s at a tenant: %d, want %d", verb, res.StatusCode, want)
		}
	}
}
