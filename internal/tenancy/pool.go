package tenancy

import (
	"container/list"
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// session is one backend connection of a cell, with the statements prepared on
// it. PostgreSQL never gives catalogue memory back, so a session remembers which
// tenants it has served and is replaced when it has grown over its budget.
type session struct {
	conn    *pgx.Conn
	busy    bool
	born    time.Time
	used    time.Time
	uses    int
	names   int
	tenants map[ID]struct{}
	stmts   map[string]*list.Element // tagged text -> *stmt
	recent  *list.List
}

type stmt struct{ text, name string }

// cell is the pool of one cell: few sessions, each tenant leaning on one of them
// so that its plans stay warm there.
type cell struct {
	db      *DB
	name    string
	role    string
	mu      sync.Mutex
	slots   []*session // nil conn: not connected
	waiting list.List  // of chan int, first come first served
}

func newCell(db *DB, name, role string, size int) *cell {
	c := &cell{db: db, name: name, role: role, slots: make([]*session, size)}
	for i := range c.slots {
		c.slots[i] = &session{}
	}
	return c
}

// pick returns the slot to use now, or -1. A tenant prefers one slot, then a
// second, then any: idle sessions before new ones, its own before others.
func (c *cell) pick(id ID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	n := len(c.slots)
	first := int(h.Sum32() % uint32(n))
	best := -1
	for k := range n {
		i := (first + k) % n
		s := c.slots[i]
		switch {
		case s.busy:
		case k < 2 || s.conn != nil:
			return i
		case best < 0:
			best = i
		}
	}
	return best
}

// acquire waits for a slot and returns its session, connected.
func (c *cell) acquire(ctx context.Context, id ID) (*session, error) {
	c.mu.Lock()
	i := c.pick(id)
	if i >= 0 {
		c.slots[i].busy = true
		c.mu.Unlock()
	} else {
		turn := make(chan int, 1)
		e := c.waiting.PushBack(turn)
		c.mu.Unlock()
		select {
		case i = <-turn:
		case <-ctx.Done():
			c.giveUp(e, turn)
			return nil, fmt.Errorf("wait for a connection of cell %s: %w", c.name, ctx.Err())
		}
	}
	s := c.slots[i]
	if err := c.connect(ctx, s); err != nil {
		c.release(s)
		return nil, err
	}
	return s, nil
}

// giveUp leaves the queue; a turn that came at the same moment is passed on.
func (c *cell) giveUp(e *list.Element, turn chan int) {
	c.mu.Lock()
	c.waiting.Remove(e)
	c.mu.Unlock()
	select {
	case i := <-turn:
		c.release(c.slots[i])
	default:
	}
}

// connect opens the slot's connection if it has none or has lost it.
func (c *cell) connect(ctx context.Context, s *session) error {
	if s.conn != nil {
		if !s.conn.IsClosed() {
			return nil
		}
		c.drop(s)
	}
	if err := c.db.cap.take(ctx, c.db.evict); err != nil {
		return fmt.Errorf("connect cell %s: %w", c.name, err)
	}
	conn, err := pgx.ConnectConfig(ctx, c.db.connConfig(c.role))
	if err != nil {
		c.db.cap.give()
		return fmt.Errorf("connect cell %s: %w", c.name, err)
	}
	now := time.Now()
	// busy is left alone: it is the cell's, under its lock.
	s.conn, s.born, s.uses = conn, now, 0
	s.tenants, s.stmts, s.recent = map[ID]struct{}{}, map[string]*list.Element{}, list.New()
	return nil
}

// release gives the slot to the next in the queue, or to nobody. A session that
// is not cleanly between transactions, or that has grown too large, is closed.
func (c *cell) release(s *session) {
	if s.conn != nil && (s.conn.IsClosed() || s.conn.PgConn().TxStatus() != 'I' || c.spent(s)) {
		c.drop(s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.used = time.Now()
	if e := c.waiting.Front(); e != nil {
		c.waiting.Remove(e)
		for i := range c.slots {
			if c.slots[i] == s {
				e.Value.(chan int) <- i
				return
			}
		}
	}
	s.busy = false
}

// spent tells whether a session is due for replacement: by age, or by the memory
// that its backend holds, asked for now and then.
func (c *cell) spent(s *session) bool {
	s.uses++
	if time.Since(s.born) > c.db.cfg.MaxAge {
		return true
	}
	if s.uses%c.db.cfg.MeasureEvery != 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var bytes int64
	if err := s.conn.QueryRow(ctx, sqlBackendMemory, pgx.QueryExecModeSimpleProtocol).Scan(&bytes); err != nil {
		// The function is for superusers until granted: fall back to what a
		// tenant was measured to cost.
		bytes = int64(len(s.tenants)) * tenantBytes
	}
	return bytes > c.db.cfg.SessionBytes
}

const (
	sqlBackendMemory = `select sum(total_bytes)::bigint from pg_catalog.pg_backend_memory_contexts`
	tenantBytes      = 120 << 10 // per backend and tenant, with statements: docs/benchmarks.md
)

// drop closes a session's connection and leaves its slot empty.
func (c *cell) drop(s *session) {
	conn := s.conn
	s.conn, s.stmts, s.tenants, s.recent, s.uses = nil, nil, nil, nil, 0
	go func() { // a graceful goodbye may take a round trip; nobody waits for it
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
		c.db.cap.give()
	}()
}

// dropIdle closes one idle connection and tells whether there was one.
func (c *cell) dropIdle() bool {
	c.mu.Lock()
	var oldest *session
	for _, s := range c.slots {
		if !s.busy && s.conn != nil && (oldest == nil || s.used.Before(oldest.used)) {
			oldest = s
		}
	}
	if oldest != nil {
		oldest.busy = true
	}
	c.mu.Unlock()
	if oldest == nil {
		return false
	}
	c.drop(oldest)
	c.release(oldest)
	return true
}

func (c *cell) close() {
	for c.dropIdle() {
	}
}

// lookup returns the name under which a statement is prepared on the session.
func (s *session) lookup(text string) (string, bool) {
	e, ok := s.stmts[text]
	if !ok {
		return "", false
	}
	s.recent.MoveToFront(e)
	return e.Value.(*stmt).name, true
}

// prepare prepares a statement; the transaction must stand inside its tenant.
func (s *session) prepare(ctx context.Context, text string, limit int) (string, error) {
	if s.recent.Len() >= limit {
		last := s.recent.Back()
		st := last.Value.(*stmt)
		if err := s.conn.Deallocate(ctx, st.name); err != nil {
			return "", err
		}
		s.recent.Remove(last)
		delete(s.stmts, st.text)
	}
	s.names++
	name := fmt.Sprintf("d%d", s.names)
	if _, err := s.conn.Prepare(ctx, name, text); err != nil {
		return "", err
	}
	s.stmts[text] = s.recent.PushFront(&stmt{text, name})
	return name, nil
}

// counter caps the connections of the whole process.
type counter struct {
	tokens chan struct{}
}

func newCounter(n int) *counter {
	return &counter{tokens: make(chan struct{}, n)}
}

// take reserves a connection. While there is none it asks evict to close an idle
// one elsewhere and waits for the first that comes free.
func (k *counter) take(ctx context.Context, evict func() bool) error {
	for {
		select {
		case k.tokens <- struct{}{}:
			return nil
		default:
		}
		evict()
		select {
		case k.tokens <- struct{}{}:
			return nil
		case <-time.After(20 * time.Millisecond): // someone may have become idle
		case <-ctx.Done():
			return fmt.Errorf("all %d connections are in use: %w", cap(k.tokens), ctx.Err())
		}
	}
}

func (k *counter) give() { <-k.tokens }
