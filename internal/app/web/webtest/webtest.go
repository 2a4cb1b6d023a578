// Package webtest asks pages as a person would, over the real edge and the test
// database, without a sign-in: a session's token is the person's id. It is
// imported by tests only.
package webtest

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy"
)

// Now is the moment at which the tests stand: a school morning in November.
var Now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// CSRF is the token of every session, as the database would hold it.
const CSRF = "0123456789abcdef0123456789abcdef"

// Hosts of the twin tenants.
const (
	Alpha = "alpha.test"
	Beta  = "beta.test"
)

// PDF is a small document with a page; what differs in mark differs in content.
func PDF(mark string) []byte {
	return []byte("%PDF-1.4\n% " + mark + "\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n" +
		"3 0 obj<</Type/Page/Parent 2 0 R>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n")
}

// Site is the application with some features.
type Site struct {
	Router *web.Router
}

// New returns a site with the features that mount adds.
func New(db *tenancy.DB, mount func(*web.Router)) *Site { return Within(db, 0, mount) }

// Within is New with a deadline of requests, 0 being the usual one.
func Within(db *tenancy.DB, timeout time.Duration, mount func(*web.Router)) *Site {
	r := web.New(web.Config{
		Tenants: db, Sessions: sessions{db}, Now: func() time.Time { return Now },
		Log: slog.New(slog.DiscardHandler), Timeout: timeout,
	})
	mount(r)
	return &Site{r}
}

type sessions struct{ db *tenancy.DB }

// Find loads the actor anew for every request, as identity does.
func (s sessions) Find(ctx context.Context, id tenancy.ID, token string, now time.Time) (web.Session, bool, error) {
	person, err := uuid.Parse(token)
	if err != nil {
		return web.Session{}, false, nil
	}
	found := web.Session{ID: person, Name: "Testi Kirjautunut", CSRF: CSRF, Strong: true}
	err = s.db.Read(ctx, id, func(tx tenancy.Read) (err error) {
		found.Actor, err = authz.Load(ctx, tx, person, i18n.Day(now))
		return err
	})
	return found, err == nil, err
}

// Answer is a whole answer.
type Answer struct {
	Status   int
	Body     string
	Location string
	Wait     string // Retry-After
}

// Doc parses the page and asserts that it is sound.
func (a Answer) Doc(t testing.TB) htmlcheck.Doc {
	t.Helper()
	d := htmlcheck.Parse(t, a.Body)
	d.Sound()
	return d
}

// Get asks a page as a person.
func (s *Site) Get(t testing.TB, host string, as uuid.UUID, path string, headers ...string) Answer {
	t.Helper()
	rq := httptest.NewRequest(http.MethodGet, path, nil)
	return s.send(t, rq, host, as, headers...)
}

// Post sends a form as a person, from the page that it stands on.
func (s *Site) Post(t testing.TB, host string, as uuid.UUID, path string, form url.Values) Answer {
	t.Helper()
	if !form.Has("csrf") {
		form.Set("csrf", web.Masked(CSRF))
	}
	rq := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	return s.send(t, rq, host, as, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin")
}

// Send posts a body as a page's script does, with the session's token in a header.
func (s *Site) Send(t testing.TB, host string, as uuid.UUID, path, kind string, body io.Reader, headers ...string) Answer {
	t.Helper()
	rq := httptest.NewRequest(http.MethodPost, path, body)
	return s.send(t, rq, host, as, append([]string{"Content-Type", kind, "Sec-Fetch-Site", "same-origin", "X-Csrf-Token", web.Masked(CSRF)}, headers...)...)
}

func (s *Site) send(t testing.TB, rq *http.Request, host string, as uuid.UUID, headers ...string) Answer {
	t.Helper()
	rq.Host = host
	if as != uuid.Nil {
		rq.Header.Set("Cookie", "digione="+as.String())
	}
	for i := 0; i+1 < len(headers); i += 2 {
		rq.Header.Add(headers[i], headers[i+1])
	}
	res, err := s.Router.App().Test(rq, 60_000)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res.StatusCode, string(b), res.Header.Get("Location"), res.Header.Get("Retry-After")}
}
