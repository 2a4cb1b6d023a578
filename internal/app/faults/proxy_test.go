package faults_test

import (
	"net"
	"sync"
	"testing"
	"time"
)

// way is how a proxy treats connections to the server behind it. The zero one lets
// everything pass.
type way struct {
	name    string
	refuse  bool          // nobody listens
	mute    bool          // taken, and never read or answered
	lose    bool          // the server does it, and nobody hears
	wait    time.Duration // before each piece of an answer
	rate    int           // bytes a second in either direction
	cutUp   int           // bytes of a connection towards the server, then it breaks
	cutDown int           // bytes towards the client
}

// proxy stands before a server, and does to its connections what a test says.
type proxy struct {
	*testing.T
	addr, to string

	mu    sync.Mutex
	way   way
	l     net.Listener
	conns map[net.Conn]bool
	under sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	p := &proxy{T: t, addr: "127.0.0.1:0", to: to, conns: map[net.Conn]bool{}}
	p.listen()
	p.addr = p.l.Addr().String()
	t.Cleanup(func() {
		p.be(way{refuse: true})
		p.under.Wait()
	})
	return p
}

// be changes the way; connections that stand break, so that none is half old.
func (p *proxy) be(w way) {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.way = w
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
	if w.refuse && p.l != nil {
		_ = p.l.Close()
		p.l = nil
	}
	if !w.refuse && p.l == nil {
		p.listen()
	}
}

func (p *proxy) listen() {
	p.Helper()
	l, err := net.Listen("tcp", p.addr)
	for range 100 { // a port that was just left
		if err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
		l, err = net.Listen("tcp", p.addr)
	}
	if err != nil {
		p.Fatal(err)
	}
	p.l = l
	p.under.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.under.Go(func() { p.serve(c) })
		}
	})
}

// hold notes a connection, unless the way has changed meanwhile.
func (p *proxy) hold(c net.Conn) way {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return p.way
}

func (p *proxy) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	w := p.hold(c)
	if w.refuse || w.mute {
		if w.refuse {
			return
		}
		p.stay(c)
		return
	}
	s, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	p.hold(s)
	p.under.Go(func() {
		defer func() { _ = s.Close(); _ = c.Close() }()
		pump(s, c, w.cutUp, w.rate, 0, false)
	})
	pump(c, s, w.cutDown, w.rate, w.wait, w.lose)
}

// stay keeps a connection until somebody breaks it.
func (p *proxy) stay(c net.Conn) {
	for {
		p.mu.Lock()
		here := p.conns[c]
		p.mu.Unlock()
		if !here {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// pump moves bytes until either side ends.
func pump(to, from net.Conn, cut, rate int, wait time.Duration, lose bool) {
	b := make([]byte, 4096)
	if rate > 0 {
		b = b[:max(1, rate/20)]
	}
	for moved := 0; ; {
		n, err := from.Read(b)
		if lose && n > 0 {
			return
		}
		time.Sleep(wait)
		if rate > 0 {
			time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
		}
		if cut > 0 && moved+n > cut {
			_, _ = to.Write(b[:cut-moved])
			return
		}
		if n > 0 {
			if _, werr := to.Write(b[:n]); werr != nil {
				return
			}
		}
		if moved += n; err != nil {
			return
		}
	}
}
