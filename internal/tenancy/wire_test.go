package tenancy_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// wire stands between a program and PostgreSQL and kills the program's
// connections, all at once, before or after a chosen statement: what a kill -9 of
// the program looks like from the database.
type wire struct {
	cut   int // the statement to be killed at, counted from 1; 0 is never
	after bool

	mu        sync.Mutex
	listeners []net.Listener
	seen      []string // statements that may have an effect
	dead      bool
	conns     []net.Conn
}

func newWire(t testing.TB, dsn string, cut int, after bool) (*wire, string) {
	t.Helper()
	w := &wire{cut: cut, after: after}
	t.Cleanup(w.kill)
	return w, w.through(t, dsn)
}

// through leads to one more server through the wire: a kill ends all of it.
func (w *wire) through(t testing.TB, dsn string) string {
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

// resolve leads to the clusters of tests through the wire.
func (w *wire) resolve(t testing.TB) tenancy.Resolver {
	return func(ref string) (string, error) {
		dsn, err := dbtest.Address(ref)
		if err != nil {
			return "", err
		}
		return w.through(t, dsn), nil
	}
}

func (w *wire) accept(l net.Listener, to string) {
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
		dead := w.dead
		w.mu.Unlock()
		if dead {
			w.kill()
			return
		}
		h := &half{w: w, client: client, server: server, names: map[string]string{}, idle: make(chan struct{}, 1)}
		go h.requests()
		go h.replies()
	}
}

// kill ends every connection.
func (w *wire) kill() {
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

// note counts a statement and tells whether it is the one to be killed at.
func (w *wire) note(sql string) bool {
	if !hasEffect(sql) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, sql)
	if w.dead || len(w.seen) != w.cut {
		return false
	}
	w.dead = true // from here on nobody gets through
	return true
}

// hasEffect tells whether a kill at a statement is another case than one at its
// neighbours: reading changes nothing.
func hasEffect(sql string) bool {
	sql = strings.TrimSpace(sql)
	return sql != "" && !strings.HasPrefix(sql, "--") &&
		(!strings.HasPrefix(sql, "select") || strings.Contains(sql, "advisory"))
}

// half is one connection through the wire.
type half struct {
	w              *wire
	client, server net.Conn
	names          map[string]string // prepared statement -> its text
	mu             sync.Mutex
	killing        bool
	idle           chan struct{}
}

func message(r io.Reader) (kind byte, whole []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	whole = make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
	copy(whole, head)
	_, err = io.ReadFull(r, whole[5:])
	return head[0], whole, err
}

func cstring(b []byte) (string, []byte) {
	s, rest, _ := strings.Cut(string(b), "\x00")
	return s, []byte(rest)
}

// requests passes on what the program sends, a group of messages at a time.
func (h *half) requests() {
	defer func() { _ = h.server.Close() }()
	var size [4]byte
	if _, err := io.ReadFull(h.client, size[:]); err != nil {
		return
	}
	startup := make([]byte, binary.BigEndian.Uint32(size[:])-4)
	if _, err := io.ReadFull(h.client, startup); err != nil {
		return
	}
	group := append(size[:], startup...)
	var sql string
	for {
		if _, err := h.server.Write(group); err != nil {
			return
		}
		group = group[:0]
		for ended := false; !ended; {
			kind, whole, err := message(h.client)
			if err != nil {
				return
			}
			group = append(group, whole...)
			switch kind {
			case 'P': // parse: name, text
				name, rest := cstring(whole[5:])
				h.names[name], _ = cstring(rest)
			case 'B': // bind: portal, statement
				_, rest := cstring(whole[5:])
				name, _ := cstring(rest)
				sql += h.names[name]
			case 'Q':
				sql, _ = cstring(whole[5:])
				ended = true
			case 'S', 'p', 'X', 'H', 'd', 'c', 'f':
				ended = true
			}
		}
		if h.w.note(sql) {
			h.mu.Lock()
			h.killing = true
			h.mu.Unlock()
			if h.w.after {
				_, _ = h.server.Write(group)
				<-h.idle
			}
			h.w.kill()
			return
		}
		sql = ""
	}
}

// replies passes on what PostgreSQL answers, but not to a program that is dying.
func (h *half) replies() {
	defer func() { _ = h.client.Close() }()
	for {
		kind, whole, err := message(h.server)
		if err != nil {
			select {
			case h.idle <- struct{}{}:
			default:
			}
			return
		}
		h.mu.Lock()
		killing := h.killing
		h.mu.Unlock()
		switch {
		case killing && (kind == 'Z' || kind == 'G'): // it has answered, or waits for rows that will not come
			h.idle <- struct{}{}
			return
		case killing:
		default:
			if _, err := h.client.Write(whole); err != nil {
				return
			}
		}
	}
}
