package identity_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"digione/internal/app/web/htmlcheck"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/wiretest"
)

// TestCrashSignIn: somebody signs in for the first time, which links their account.
func TestCrashSignIn(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run { return newGate(t, false).run })
}

// TestCrashSignInAgain: somebody signs in as before, in a browser that has a session.
func TestCrashSignInAgain(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run { return newGate(t, true).run })
}

// gate is where a program dies while somebody comes in.
type gate struct {
	*world
	kept    *wiretest.Kept
	cookies map[string]string // of the browser before
	begun   int               // sessions before, each with its event
}

func newGate(t *testing.T, known bool) *gate {
	g := &gate{world: newWorld(t)}
	b := g.browser()
	if known {
		g.begun = 1
		b.signIn(alpha, "aino")
	}
	g.cookies = b.cookies[alpha]
	g.kept = wiretest.Keep(t, g.env.DSN, "t_alpha")
	return g
}

// patience is a request's time in a program that is not answered: then it gives up.
const patience = 600 * time.Millisecond

func (g *gate) run(w *wiretest.Wire) string {
	g.kept.Return(g.t)
	transport := g.server.Client().Transport
	g.edge.Timeout = 0
	if w.Mode == wiretest.Cancel {
		g.edge.Timeout = patience
	}
	w.Cancel = func() { time.Sleep(patience + patience/4) }
	db := w.Open(g.t, g.env.DSN)
	g.router = g.program(db, w.RoundTripper(transport))
	b := g.browser()
	b.cookies[alpha] = maps.Clone(g.cookies)
	w.Start()
	back := b.attempt("aino")
	w.Stop()
	w.Kill()
	db.Close()
	w.Gone(g.t, g.env.DSN)

	g.edge.Timeout = 0
	g.router = g.program(g.env.DB, transport)
	if b.get(alpha, "/").status != 200 && back != "" {
		b.get(alpha, back) // what first comes to mind is to load the page again
	}
	if b.get(alpha, "/").status != 200 {
		b.attempt("aino")
	}
	b.in(alpha, "aino Testinen α")
	g.sound(b)

	// When the sessions are over, somebody else's sign-in sweeps what is left of all this.
	g.kept.Exec(g.t, `update session set started_at = started_at - interval '13 hours', seen_at = seen_at - interval '13 hours', expires_at = expires_at - interval '13 hours';
		update sign_in set expires_at = expires_at - interval '13 hours'`)
	b.out(alpha)
	g.browser().signIn(alpha, "teacher")
	return g.state()
}

// attempt signs in as far as that goes, by the link that begins anew also for who is
// in, and returns the address of the way back once it is known.
func (b *browser) attempt(username string) (back string) {
	b.w.t.Helper()
	page := b.get(alpha, "/kirjaudu")
	to := "/kirjaudu/" + b.w.providerID() + "/alku"
	switch {
	case page.status == 200:
		to = htmlcheck.Attr(page.doc(b.w.t).Find("main a.ds-button")[0], "href")
	case page.status != 303:
		return ""
	}
	start := b.get(alpha, to)
	if start.status != 303 || !strings.HasPrefix(start.location, b.w.issuer) {
		return ""
	}
	back = b.atProvider(start.location, username)
	if b.get(alpha, back).status == 303 {
		b.get(alpha, "/")
	}
	return back
}

// sound checks what holds at once: one account, one session that somebody holds, at
// most one that nobody does, and an event for each that was begun.
func (g *gate) sound(b *browser) {
	g.t.Helper()
	if n := g.count(dbtest.Alpha, `select count(*) from account where subject = 'sub-aino' and person = $1`, id("aino")); n != 1 {
		g.t.Errorf("%d accounts", n)
	}
	sessions := g.count(dbtest.Alpha, `select count(*) from session`)
	if sessions < 1 || sessions > 2 {
		g.t.Errorf("%d sessions", sessions)
	}
	events := g.count(dbtest.Alpha, `select count(*) from audit_event where action = 'session.start' and actor = $1`, id("aino"))
	if begun := events - g.begun; begun < sessions && !(begun == 0 && sessions == 1 && b.cookies[alpha]["digione"] == g.cookies["digione"]) {
		g.t.Errorf("%d sessions of %d events", sessions, begun)
	}
	if n := g.count(dbtest.Alpha, `select count(*) from sign_in`); n > 1 {
		g.t.Errorf("%d sign-ins under way", n)
	}
}

// state is what there is when all sessions are over, but the audit, which tells of
// each attempt.
func (g *gate) state() string {
	lines := slices.DeleteFunc(strings.Split(g.kept.Counts(g.t), "\n"), func(l string) bool { return strings.HasPrefix(l, "audit_") })
	return strings.Join(lines, "\n") + "\n" +
		g.kept.Lines(g.t, `select concat_ws(' ', 'account', subject, person, linked_by) from account order by 1`) + "\n" +
		g.kept.Lines(g.t, `select concat_ws(' ', 'session', a.subject, s.person, s.strength) from session s join account a on a.id = s.account order by 1`)
}
