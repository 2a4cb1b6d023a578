package app_test

import (
	"context"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestCatalogueCache swaps the hosts of the twins while people of both ask at both:
// whatever a process still believes of the hosts, nobody meets the other twin's data,
// and it hears of the swap.
func TestCatalogueCache(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	var stop atomic.Bool
	var wg sync.WaitGroup
	var asked [2][2]atomic.Int64 // of side i: refused, answered
	for i, x := range []*side{s.alpha, s.beta} {
		for _, host := range []string{s.alpha.host, s.beta.host} {
			wg.Go(func() {
				for !stop.Load() {
					for _, path := range []string{"/", "/koulut", "/henkilot/" + id("aino").String()} {
						a := s.send(host, x.as("principal here"), "GET", path, nil)
						if strings.Contains(a.body+a.header, x.twin.canary) {
							t.Errorf("%s at %s: data of %s", x.Slug, host, x.twin.Slug)
						}
						asked[i][map[bool]int{true: 1}[a.status == 200]].Add(1)
					}
				}
			})
		}
	}
	until := func(what string, is func() bool) {
		for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("not within a minute: %s", what)
				return
			}
		}
	}
	at := func(x *side, host string) func() bool {
		return func() bool { return s.send(host, x.as("principal here"), "GET", "/", nil).status == 200 }
	}
	for range 2 {
		s.env.Exec(t, `begin; create temp table now_at on commit drop as select host, tenant from control.tenant_host where host in ('alpha.test', 'beta.test'); delete from control.tenant_host where host in ('alpha.test', 'beta.test');
insert into control.tenant_host (host, tenant) select case host when 'alpha.test' then 'beta.test' else 'alpha.test' end, tenant from now_at; commit`)
		until("alpha moves", at(s.alpha, s.beta.host))
		until("beta moves", at(s.beta, s.alpha.host))
		s.alpha.host, s.beta.host = s.beta.host, s.alpha.host
	}
	stop.Store(true)
	wg.Wait()
	for i := range asked {
		if asked[i][0].Load() == 0 || asked[i][1].Load() == 0 {
			t.Errorf("side %d was refused %d times and answered %d times", i, asked[i][0].Load(), asked[i][1].Load())
		}
	}
}

// TestIssuerCache: the twins share a provider's discovery document, which is kept by
// its address; client, way back and state are each one's own.
func TestIssuerCache(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	states := map[string]bool{}
	for range 5 {
		for _, x := range []*side{s.alpha, s.beta, s.beta, s.alpha} {
			a := s.send(x.host, actor{}, "GET", "/kirjaudu/"+id("the provider").String()+"/alku", nil)
			u, err := url.Parse(a.location)
			ok(t, err)
			q := u.Query()
			if a.status != 303 || q.Get("client_id") != "client-"+x.Slug || q.Get("redirect_uri") != "http://"+x.host+"/kirjaudu/paluu" || states[q.Get("state")] {
				t.Errorf("%s: %d %s", x.Slug, a.status, a.location)
			}
			states[q.Get("state")] = true
			// A state of one twin is worth nothing at the other.
			if b := s.send(x.twin.host, actor{}, "GET", "/kirjaudu/paluu?code=x&state="+url.QueryEscape(q.Get("state")), nil); b.status == 303 && b.location == "/" || strings.Contains(b.header, "digione=") && !strings.Contains(b.header, "1970") {
				t.Errorf("%s: the state of %s is taken: %d %s", x.twin.Slug, x.Slug, b.status, b.location)
			}
		}
	}
}

// TestJoiningCache: the board keeps the events of all municipalities; a municipality's
// own page, before and after, is of its own alone.
func TestJoiningCache(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	operator := actor{"operator", "digione-operator=" + tokenOf("operator"), id("operator")}
	for range 3 {
		if a := s.send(deskHost, operator, "GET", "/liittyjat", nil); a.status != 200 || !strings.Contains(a.body, "/t/alpha/") || !strings.Contains(a.body, "/t/beta/") {
			t.Fatalf("the board: %d\n%s", a.status, a.body)
		}
		for _, x := range []*side{s.alpha, s.beta} {
			for host, who := range map[string]actor{x.host: x.as("admin"), deskHost: operator} {
				path := map[string]string{x.host: "/liittyminen", deskHost: "/t/" + x.Slug + "/liittyminen"}[host]
				if a := s.send(host, who, "GET", path, nil); a.status != 200 || !strings.Contains(a.body, x.canary) || strings.Contains(a.body, x.twin.canary) {
					t.Errorf("%s%s: %d, own %v, twin's %v", host, path, a.status, strings.Contains(a.body, x.canary), strings.Contains(a.body, x.twin.canary))
				}
			}
		}
	}
}

// TestLiveUpdates: what a page asks for every second tells of nobody else's work, and a
// signal of the database carries no more than that something has changed.
func TestLiveUpdates(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.env.DSN)
	ok(t, err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "listen digione_catalogue; listen digione_joining")
	ok(t, err)
	ask := func(x *side) string {
		a := s.send(x.host, x.as("admin"), "GET", "/oppilastiedot/tila", nil)
		if a.status != 200 {
			t.Fatalf("%s: %d", x.Slug, a.status)
		}
		return a.body
	}
	before, own := ask(s.alpha), ask(s.beta)
	s.owner(s.beta, `insert into roster_work (id, kind, upload, state, stage, started_by, started_at, beat_at) values ($1, 'check', $2, 'running', 'read', $3, now(), now())`, id("work"), id("upload"), s.beta.canary)
	if now := ask(s.beta); now == own {
		t.Error("beta's own page does not hear of its work: nothing is tried here")
	}
	if now := ask(s.alpha); now != before || strings.Contains(now, s.beta.canary) {
		t.Errorf("alpha hears %q of beta's work, was %q", now, before)
	}
	s.send(s.beta.host, s.beta.as("admin"), "POST", "/liittyminen/rulebook", fields(s.beta, s.beta))
	s.env.Exec(t, `update control.tenant set ring = ring; select pg_notify('digione_joining', 'end')`)
	heard := 0
	for {
		wait, cancel := context.WithTimeout(ctx, 5*time.Second)
		n, err := conn.WaitForNotification(wait)
		cancel()
		if err != nil || n.Payload == "end" {
			break
		}
		if heard++; n.Payload != "" && n.Payload != string(s.alpha.ID) && n.Payload != string(s.beta.ID) {
			t.Errorf("%s says %q", n.Channel, n.Payload)
		}
	}
	if heard == 0 {
		t.Error("no signal was heard")
	}
}

// otherWays are ways in which data could leave that no proof here speaks of, because
// the product has none. Who builds one writes its test of leaks first.
var otherWays = regexp.MustCompile(`(?i)text/event-stream|websocket|SetBodyStream|presign|signedurl|signed url|EventSource`)

// TestNoOtherWays keeps it so: no stream, no signed address.
func TestNoOtherWays(t *testing.T) {
	t.Parallel()
	n := 0
	ok(t, filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/vendor/") || !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".js") && !strings.HasSuffix(path, ".html") {
			return err
		}
		b, err := os.ReadFile(path)
		if n++; otherWays.Match(b) {
			t.Errorf("%s: %q", path, otherWays.Find(b))
		}
		return err
	}))
	if n < 200 {
		t.Errorf("%d files", n)
	}
}

// TestStaticCache: the only answers that anybody may keep are the same at every host.
func TestStaticCache(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	page := s.send(s.alpha.host, actor{}, "GET", "/kirjaudu", nil)
	found := regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(found) < 2 {
		t.Fatalf("%d files", len(found))
	}
	for _, m := range found {
		bodies := map[string]bool{}
		for _, host := range []string{s.alpha.host, s.beta.host, deskHost, familyHost} {
			for _, who := range []actor{{}, s.alpha.as("admin")} {
				a := s.send(host, who, "GET", m[1], nil)
				if a.status != http.StatusOK || strings.Contains(a.header, "Set-Cookie") {
					t.Errorf("%s%s: %d %s", host, m[1], a.status, a.header)
				}
				bodies[a.body] = true
			}
		}
		if len(bodies) != 1 {
			t.Errorf("%s is not the same at every host", m[1])
		}
	}
}
