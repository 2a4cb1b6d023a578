package identity_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// browser keeps cookies by host.
type browser struct {
	w       *world
	cookies map[string]map[string]string
	headers map[string]string
}

func (w *world) browser() *browser {
	return &browser{w, map[string]map[string]string{alpha: {}, beta: {}}, map[string]string{}}
}

type answer struct {
	status         int
	body, location string
	set            []*http.Cookie
	header         http.Header
}

func (a answer) doc(t *testing.T) htmlcheck.Doc {
	t.Helper()
	d := htmlcheck.Parse(t, a.body)
	d.Sound()
	return d
}

func (b *browser) send(rq *http.Request, host string) answer {
	b.w.t.Helper()
	rq.Host = host
	for k, v := range b.headers {
		rq.Header.Set(k, v)
	}
	jar := b.cookies[strings.Split(host, ":")[0]]
	for k, v := range jar {
		rq.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	res, err := b.w.router.App().Test(rq, 60_000)
	check(b.w.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(b.w.t, err)
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 || !c.Expires.IsZero() && c.Expires.Before(b.w.now()) {
			delete(jar, c.Name)
		} else {
			jar[c.Name] = c.Value
		}
	}
	return answer{res.StatusCode, string(body), res.Header.Get("Location"), res.Cookies(), res.Header}
}

func (b *browser) get(host, path string) answer {
	b.w.t.Helper()
	return b.send(httptest.NewRequest(http.MethodGet, path, nil), host)
}

func (b *browser) post(host, path string, form url.Values) answer {
	b.w.t.Helper()
	rq := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	rq.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rq.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.send(rq, host)
}

// button is the address behind the sign-in page's first button.
func (b *browser) button(host, back string) string {
	b.w.t.Helper()
	page := b.get(host, "/kirjaudu?paluu="+url.QueryEscape(back))
	links := page.doc(b.w.t).Find("main a.ds-button")
	if page.status != 200 || len(links) == 0 {
		b.w.t.Fatalf("sign-in page: %d, %d buttons", page.status, len(links))
	}
	return htmlcheck.Attr(links[0], "href")
}

// begin goes to the provider, picks somebody there and returns the address of
// the way back, not yet gone.
func (b *browser) begin(host, username, back string) string {
	b.w.t.Helper()
	start := b.get(host, b.button(host, back))
	if start.status != 303 || !strings.HasPrefix(start.location, b.w.issuer+"/authorize?") {
		b.w.t.Fatalf("start: %d %s", start.status, start.location)
	}
	return b.atProvider(start.location, username)
}

func (b *browser) atProvider(address, username string) string {
	b.w.t.Helper()
	line := *b.w.server.Client()
	line.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	follow := func(res *http.Response, err error) string {
		b.w.t.Helper()
		check(b.w.t, err)
		defer res.Body.Close()
		to, err := res.Location()
		if err != nil {
			body, _ := io.ReadAll(res.Body)
			b.w.t.Fatalf("provider: %d %s", res.StatusCode, body)
		}
		return to.String()
	}
	login, err := url.Parse(follow(line.Get(address)))
	check(b.w.t, err)
	res, err := line.Get(login.String())
	check(b.w.t, err)
	page, err := io.ReadAll(res.Body)
	check(b.w.t, err)
	_ = res.Body.Close()
	form := htmlcheck.Parse(b.w.t, string(page)).Find("input[name=id]")
	if len(form) == 0 {
		b.w.t.Fatalf("no form at the provider: %s", page)
	}
	back := follow(line.PostForm(b.w.issuer+"/login", url.Values{"id": {htmlcheck.Attr(form[0], "value")}, "username": {username}}))
	to, err := url.Parse(follow(line.Get(back)))
	check(b.w.t, err)
	return to.RequestURI()
}

// signIn does all of it.
func (b *browser) signIn(host, username string) answer {
	b.w.t.Helper()
	return b.get(host, b.begin(host, username, "/"))
}

// in asserts who is signed in.
func (b *browser) in(host, name string) {
	b.w.t.Helper()
	if got := b.get(host, "/"); got.status != 200 || !strings.HasPrefix(got.body, name+"\n") {
		b.w.t.Fatalf("want %s signed in: %d %.80s %s", name, got.status, got.body, got.location)
	}
}

func (b *browser) out(host string) {
	b.w.t.Helper()
	if got := b.get(host, "/"); got.status != 303 || got.location != "/kirjaudu" {
		b.w.t.Errorf("want nobody signed in: %d %.80s", got.status, got.body)
	}
}
