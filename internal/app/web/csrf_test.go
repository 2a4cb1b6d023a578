package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"digione/internal/app/web"
)

func post(path, sent string, headers ...string) *http.Request {
	form := url.Values{}
	if sent != "" {
		form.Set("csrf", sent)
	}
	rq := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	rq.Host = "alpha.test"
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Cookie", "digione="+token)
	for i := 0; i+1 < len(headers); i += 2 {
		rq.Header.Set(headers[i], headers[i+1])
	}
	return rq
}

func TestCSRF(t *testing.T) {
	t.Parallel()
	good := web.Masked(csrf)
	for name, c := range map[string]struct {
		rq   *http.Request
		want int
	}{
		"token":                      {post("/muuta", good), 200},
		"token and own origin":       {post("/muuta", good, "Origin", "http://alpha.test", "Sec-Fetch-Site", "same-origin"), 200},
		"token in header":            {post("/muuta", "", "X-Csrf-Token", good), 200},
		"no token":                   {post("/muuta", ""), 403},
		"no token, own origin":       {post("/muuta", "", "Origin", "http://alpha.test", "Sec-Fetch-Site", "same-origin"), 403},
		"bare token":                 {post("/muuta", csrf), 403},
		"another token":              {post("/muuta", web.Masked("f123456789abcdef0123456789abcdef")), 403},
		"shorter token":              {post("/muuta", web.Masked("0123")), 403},
		"token in the address":       {post("/muuta?csrf="+good, ""), 403},
		"foreign origin":             {post("/muuta", good, "Origin", "http://evil.test"), 403},
		"other tenant's origin":      {post("/muuta", good, "Origin", "http://beta.test"), 403},
		"other scheme":               {post("/muuta", good, "Origin", "https://alpha.test"), 403},
		"other port":                 {post("/muuta", good, "Origin", "http://alpha.test:81"), 403},
		"null origin":                {post("/muuta", good, "Origin", "null"), 403},
		"cross-site":                 {post("/muuta", good, "Sec-Fetch-Site", "cross-site"), 403},
		"same-site":                  {post("/muuta", good, "Sec-Fetch-Site", "same-site"), 403},
		"typed":                      {post("/muuta", good, "Sec-Fetch-Site", "none"), 403},
		"public, signed out":         {post("/avoin", "", "Cookie", "", "Sec-Fetch-Site", "same-origin"), 200},
		"public, signed out, silent": {post("/avoin", "", "Cookie", ""), 403},
		"public, foreign":            {post("/avoin", "", "Cookie", "", "Origin", "http://evil.test"), 403},
		"public, signed in, bare":    {post("/avoin", "", "Sec-Fetch-Site", "same-origin"), 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t)
			if res := g.send(t, c.rq); res.StatusCode != c.want {
				t.Errorf("%d, want %d", res.StatusCode, c.want)
			}
			if (g.did == 1) != (c.want == 200) {
				t.Errorf("the handler ran %d times", g.did)
			}
		})
	}
	if first, second := web.Masked(csrf), web.Masked(csrf); first == second {
		t.Error("the token looks the same on every page")
	}
}

func TestCookies(t *testing.T) {
	t.Parallel()
	g := newRig(t, func(c *web.Config) { c.TLS = true })
	rq := request("GET", "/sivu/1", "Cookie", "digione="+token)
	if res := g.send(t, rq); res.StatusCode != 303 {
		t.Errorf("the plain cookie's name is taken over TLS: %d", res.StatusCode)
	}
	rq = request("GET", "/sivu/1", "Cookie", "__Host-digione="+token)
	if res := g.send(t, rq); res.StatusCode != 200 {
		t.Errorf("__Host- cookie: %d", res.StatusCode)
	}
}
