package tenancy

import (
	"container/list"
	"context"
	"runtime"
	"sync"
	"time"
)

// gate keeps a tenant that asks much from crowding the others out: a tenant's first
// transaction always passes, its further ones only while few run in all. Imports and
// exports, which take minutes, neither wait here nor count.
type gate struct {
	most int // transactions at a time from which on further ones give way

	mu      sync.Mutex
	running int
	of      map[ID]int
	waiting list.List // of *passer, first come first served
}

type passer struct {
	id   ID
	turn chan struct{}
}

func newGate(most int) *gate {
	if most == 0 {
		most = runtime.GOMAXPROCS(0)
	}
	return &gate{most: most, of: map[ID]int{}}
}

// pass waits for its turn, at most for patience; leave gives it back.
func (g *gate) pass(ctx context.Context, id ID, patience time.Duration) error {
	g.mu.Lock()
	if g.open(id) {
		g.begin(id)
		g.mu.Unlock()
		return nil
	}
	p := &passer{id, make(chan struct{})}
	e := g.waiting.PushBack(p)
	g.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var err error
	select {
	case <-p.turn:
		return nil
	case <-timer.C:
		err = &BusyError{RetryAfter: patience}
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-p.turn: // it came at the same moment
		return nil
	default:
		g.waiting.Remove(e)
		return err
	}
}

func (g *gate) open(id ID) bool { return g.of[id] == 0 || g.running < g.most }

func (g *gate) begin(id ID) {
	g.running++
	g.of[id]++
}

// leave ends a transaction, and lets those pass whose turn has come.
func (g *gate) leave(id ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	if g.of[id]--; g.of[id] == 0 {
		delete(g.of, id)
	}
	for e := g.waiting.Front(); e != nil; {
		p, next := e.Value.(*passer), e.Next()
		if g.open(p.id) {
			g.waiting.Remove(e)
			g.begin(p.id)
			close(p.turn)
		}
		e = next
	}
}
