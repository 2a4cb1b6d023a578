// Package wiretest stands between a program and everything that it has an effect on:
// PostgreSQL by its protocol, files, other services. It numbers what happens, and at
// one of these effects the program dies, is given up or is told wrong. It is imported
// by tests only.
package wiretest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// Mode is what happens at the chosen effect.
type Mode int

// The modes. A kill is that of the whole program: nothing of it gets through any more.
const (
	Before  Mode = iota // killed before the effect
	After               // killed after it: the answer is lost
	Cancel              // whoever asked gives up at that moment
	Unheard             // it is done, this one answer is lost, and the program goes on
)

func (m Mode) String() string {
	return [...]string{"killed before", "killed after", "cancelled at", "not heard of"}[m]
}

// Modes are all of them.
var Modes = []Mode{Before, After, Cancel, Unheard}

// Killed is the mode of a kill.
func Killed(after bool) Mode {
	if after {
		return After
	}
	return Before
}

// Wire numbers the effects of one program.
type Wire struct {
	At     int // the effect, counted from 1; 0 is none
	Mode   Mode
	Counts func(what string) bool // which effects count
	Cancel func()                 // gives up; for the mode of that name

	mu        sync.Mutex
	still     bool // nothing counts until Start
	listeners []net.Listener
	seen      []string
	struck    bool
	dead      bool
	conns     []net.Conn
	ports     []int32
}

// Changes leaves out what only reads: a kill at it is no other case than one at its
// neighbours.
func Changes(what string) bool {
	what = strings.TrimSpace(what)
	return !strings.HasPrefix(what, "--") && !strings.HasPrefix(what, prepared) && what != copied &&
		(!strings.HasPrefix(what, "select") || strings.Contains(what, "advisory"))
}

// All counts every round trip, but those that prepare a statement and run none: they
// leave nothing behind, and the next one runs it.
func All(what string) bool { return !strings.HasPrefix(what, prepared) }

// New returns a wire that counts from the first connection on, and ends with the test.
func New(t testing.TB, at int, mode Mode, counts func(string) bool) *Wire {
	w := &Wire{At: at, Mode: mode, Counts: counts, Cancel: func() {}}
	t.Cleanup(w.Kill)
	return w
}

// Hold lets everything pass uncounted until Start: a program that starts.
func (w *Wire) Hold() *Wire { w.still = true; return w }

// Start begins to count.
func (w *Wire) Start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.still = false
}

// Stop ends to count, and returns what was seen.
func (w *Wire) Stop() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.still = true
	return slices.Clone(w.seen)
}

// Seen are the effects so far; nothing is added to them after a kill.
func (w *Wire) Seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// Struck tells whether the chosen effect has come.
func (w *Wire) Struck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.struck
}

// Through leads to a server through the wire: a kill ends all that go through it.
func (w *Wire) Through(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.listeners = append(w.listeners, l)
	w.mu.Unlock()
	go w.accept(l, u.Host)
	u.Host = l.Addr().String()
	return u.String()
}

// Resolve leads to the clusters of tests through the wire.
func (w *Wire) Resolve(t testing.TB) tenancy.Resolver {
	return func(ref string) (string, error) {
		dsn, err := dbtest.Address(ref)
		if err != nil {
			return "", err
		}
		return w.Through(t, dsn), nil
	}
}

// Open is a program's way to the tenants through the wire, as in production: without
// the assertions of tests, which ask more than the program does.
func (w *Wire) Open(t testing.TB, dsn string) *tenancy.DB {
	t.Helper()
	cfg := dbtest.Config(w.Through(t, dsn))
	cfg.Assert, cfg.Resolve = false, w.Resolve(t)
	db, err := tenancy.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (w *Wire) accept(l net.Listener, to string) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			_ = client.Close()
			return
		}
		w.mu.Lock()
		w.conns = append(w.conns, client, server)
		w.ports = append(w.ports, int32(server.LocalAddr().(*net.TCPAddr).Port))
		dead := w.dead
		w.mu.Unlock()
		if dead {
			w.Kill()
			return
		}
		h := &half{w: w, client: client, server: server, names: map[string]string{}, idle: make(chan struct{}, 1)}
		go h.requests()
		go h.replies()
	}
}

// Kill ends the program: every connection, and every effect to come.
func (w *Wire) Kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = true
	for _, l := range w.listeners {
		_ = l.Close()
	}
	for _, c := range w.conns {
		_ = c.Close()
	}
}

// reached are the ports by which the program has come to PostgreSQL. One that it was just
// asking for when it died is added, and shut, after the kill.
func (w *Wire) reached() []int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ports)
}

// Gone waits until PostgreSQL has noticed that the program is dead, and undone what
// it had not committed.
func (w *Wire) Gone(t testing.TB, dsn string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		var n int
		err := conn.QueryRow(ctx, "select count(*)::int from pg_stat_activity where client_port = any ($1) and datname = current_database()", w.reached()).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
	t.Fatal("connections of a dead program live on")
}

// note counts an effect, and tells whether it is the chosen one and whether the
// program was dead before it.
func (w *Wire) note(what string) (struck, dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead || w.still || what == "" || !w.Counts(what) {
		return false, w.dead
	}
	w.seen = append(w.seen, what)
	if len(w.seen) != w.At {
		return false, false
	}
	w.struck = true
	w.dead = w.Mode == Before || w.Mode == After // from here on nobody gets through
	return true, false
}

// What a program is told of an effect elsewhere.
var (
	errDead    = errors.New("the program is dead")
	errUnheard = errors.New("the answer was lost")
)

// Step is an effect elsewhere than in PostgreSQL: f has it.
func (w *Wire) Step(what string, f func() error) error {
	struck, dead := w.note(what)
	switch {
	case dead:
		return errDead
	case !struck:
		return f()
	}
	switch w.Mode {
	case Before:
		w.Kill()
		return errDead
	case After:
		_ = f()
		w.Kill()
		return errDead
	case Unheard:
		_ = f()
		return errUnheard
	}
	w.Cancel()
	return f()
}

// RoundTripper asks other services through the wire.
func (w *Wire) RoundTripper(next http.RoundTripper) http.RoundTripper { return line{w, next} }

type line struct {
	w    *Wire
	next http.RoundTripper
}

func (l line) RoundTrip(rq *http.Request) (res *http.Response, err error) {
	serr := l.w.Step(rq.Method+" "+rq.URL.Path, func() error {
		res, err = l.next.RoundTrip(rq)
		return err
	})
	if serr != nil && res != nil {
		_ = res.Body.Close()
		res = nil
	}
	return res, serr
}
