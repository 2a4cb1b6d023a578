package tenancy

import (
	"container/list"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// session is one backend connection of a cell, with the statements prepared on
// it. PostgreSQL never gives catalogue memory back, so a session remembers which
// tenants it has served and is replaced when it has grown over its budget.
type session struct {
	slot    int // its place in the cell
	conn    *pgx.Conn
	busy    bool
	spoilt  bool // a cancel request is under way to it
	touched bool // a statement ran that may leave something behind
	born    time.Time
	life    time.Duration // how old it may get
	used    time.Time
	uses    int
	names   int // statements prepared so far
	known   int // of them when its memory was last measured
	room    int // how many statements its memory has room for, 0 when not measured yet
	tenants map[ID]struct{}
	stmts   map[string]*list.Element // tagged text -> *stmt
	recent  *list.List

	settings [7]string // the reported ones, as they were when it was opened
	mark     string    // in the names of its statements: no other session's backend knows them
}

type stmt struct{ text, name string }

// cell is the pool of one cell: few sessions, each tenant at home on one or two
// so that its plans stay warm there, and those of others are not driven out.
type cell struct {
	db      *DB
	name    string
	addr    *pgx.ConnConfig // of its cluster
	cluster string
	role    string
	mu      sync.Mutex
	slots   []*session  // nil conn: not connected
	waiting list.List   // of *waiter, first come first served
	retired atomic.Bool // replaced by a cell of another size: keeps no connection
	way     atomic.Int32
}

func newCell(db *DB, t *entry) *cell {
	c := &cell{db: db, name: t.Cell, addr: t.addr, cluster: t.Cluster, role: t.cellRole, slots: make([]*session, t.cellSize)}
	for i := range c.slots {
		c.slots[i] = &session{slot: i}
	}
	return c
}

// lean is how long a tenant waits for one of its homes before it takes any slot:
// to prepare and plan on a strange session costs more than a short wait.
const lean = 100 * time.Millisecond

// fair is how long others may overtake a waiter; look is told to one that should
// try again.
const (
	fair = 5 * time.Millisecond
	look = -1
)

// homesOf is on how many slots a tenant is at home: two, or one where so many
// share the cell that with two their sessions would outgrow the budget.
func (c *cell) homesOf(t *entry) int {
	each := int64(2*t.cellTenants/len(c.slots)) * tenantBytes
	if each > c.db.share()*3/4 {
		return 1
	}
	return 2
}

// waiter is a transaction in the queue for a slot.
type waiter struct {
	turn  chan int // a slot that is given to it, or look
	since time.Time
	told  bool // look is in turn
	home  int  // the first of its tenant's homes
	homes int  // how many they are
	any   bool // it has waited long enough
}

func (c *cell) home(id ID) int {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return int(h % uint32(len(c.slots)))
}

// suits tells whether a waiter takes a slot.
func (c *cell) suits(w *waiter, slot int) bool {
	n := len(c.slots)
	return w.any || (slot-w.home+n)%n < w.homes
}

// pick returns an idle slot that suits, or -1: homes before others, connected
// sessions before new ones.
func (c *cell) pick(w *waiter) int {
	best := -1
	for k := range c.slots {
		i := (w.home + k) % len(c.slots)
		s := c.slots[i]
		switch {
		case s.busy || !c.suits(w, i):
		case k < w.homes || s.conn != nil:
			return i
		case best < 0:
			best = i
		}
	}
	return best
}

// acquire waits for a slot and returns its session, connected.
func (c *cell) acquire(ctx context.Context, t *entry) (*session, error) {
	w := &waiter{home: c.home(t.ID), homes: c.homesOf(t)}
	c.mu.Lock()
	i := c.pick(w)
	if i >= 0 {
		c.slots[i].busy = true
		c.mu.Unlock()
	} else {
		w.turn, w.since = make(chan int, 2), time.Now()
		e := c.waiting.PushBack(w)
		c.mu.Unlock()
		var err error
		if i, err = c.wait(ctx, e); err != nil {
			return nil, fmt.Errorf("wait for a connection of cell %s: %w", c.name, err)
		}
	}
	s := c.slots[i]
	if err := c.connect(ctx, s); err != nil {
		c.release(s)
		return nil, err
	}
	return s, nil
}

// wait waits in the queue: for a home first, then for any slot.
func (c *cell) wait(ctx context.Context, e *list.Element) (int, error) {
	w := e.Value.(*waiter)
	patience := time.NewTimer(lean)
	defer patience.Stop()
	for {
		select {
		case i := <-w.turn:
			if i == look {
				i = c.settle(e, false)
			}
			if i >= 0 {
				return i, nil
			}
		case <-patience.C:
			if i := c.settle(e, true); i >= 0 {
				return i, nil
			}
		case <-ctx.Done():
			c.giveUp(e)
			return -1, ctx.Err()
		}
	}
}

// settle takes an idle slot for a waiter, if there is one; with whichever, it may
// be any slot from now on.
func (c *cell) settle(e *list.Element, whichever bool) int {
	w := e.Value.(*waiter)
	c.mu.Lock()
	defer c.mu.Unlock()
	w.any = w.any || whichever
	if i := w.given(); i >= 0 { // its turn came at the same moment
		return i
	}
	i := c.pick(w)
	if i >= 0 {
		c.slots[i].busy = true
		c.waiting.Remove(e)
	}
	return i
}

// given empties the waiter's turn and returns the slot that was in it, or -1.
func (w *waiter) given() int {
	w.told = false
	for {
		select {
		case i := <-w.turn:
			if i != look {
				return i
			}
		default:
			return -1
		}
	}
}

// giveUp leaves the queue; a turn that came at the same moment is passed on.
func (c *cell) giveUp(e *list.Element) {
	c.mu.Lock()
	c.waiting.Remove(e)
	told := e.Value.(*waiter).told
	i := e.Value.(*waiter).given()
	if i < 0 && told {
		for _, s := range c.slots {
			if !s.busy {
				c.offer(s)
			}
		}
	}
	c.mu.Unlock()
	if i >= 0 {
		c.release(c.slots[i])
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
	if until, ok := c.db.down.Load(c.cluster); ok && time.Now().Before(until.(time.Time)) {
		return fmt.Errorf("connect cell %s: cluster %s: %w: it did not answer a moment ago", c.name, c.cluster, ErrNoCluster)
	}
	if err := c.db.cap.take(ctx, c.db.evict); err != nil {
		return fmt.Errorf("connect cell %s: %w", c.name, err)
	}
	cfg := c.db.connConfig(c.addr, c.role)
	cfg.RuntimeParams["default_transaction_read_only"] = "on" // writing is asked for
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		c.db.cap.give()
		if c.cluster != Home && ctx.Err() == nil {
			c.db.down.Store(c.cluster, time.Now().Add(breath))
			err = fmt.Errorf("cluster %s: %w: %w", c.cluster, ErrNoCluster, err)
		}
		return fmt.Errorf("connect cell %s: %w", c.name, startup(err))
	}
	if err = c.isThere(ctx, conn); err == nil {
		err = c.clean(ctx, cfg, conn)
	}
	if err != nil {
		_ = conn.Close(ctx)
		c.db.cap.give()
		return fmt.Errorf("connect cell %s: %w", c.name, err)
	}
	now := time.Now()
	// busy is left alone: it is the cell's, under its lock.
	s.conn, s.born, s.life, s.uses, s.spoilt, s.touched, s.settings = conn, now, c.db.life(), 0, false, false, settingsOf(conn)
	s.mark = strings.ToLower(rand.Text()[:8])
	s.tenants, s.stmts, s.recent, s.room = map[ID]struct{}{}, map[string]*list.Element{}, list.New(), 0
	return nil
}

// life is how old a session that is opened now may get: not all of those that a
// start opened at once are to be replaced at once.
func (db *DB) life() time.Duration {
	return db.cfg.MaxAge - mathrand.N(db.cfg.MaxAge/4+1) //nolint:gosec // no secret
}

// share is the memory that one backend may hold.
func (db *DB) share() int64 {
	if db.cfg.SessionBytes > 0 {
		return db.cfg.SessionBytes
	}
	return max(leastShare, db.cfg.Memory/int64(max(16, len(db.cap.tokens))))
}

const leastShare = 48 << 20

// breath is how long a cluster that did not answer is left alone: those who wait
// for it would take up connections that the tenants of others need.
const breath = time.Second

// isThere tells whether an address leads to the database that the cell was made
// in: its login may be let into others of that server.
func (c *cell) isThere(ctx context.Context, conn *pgx.Conn) error {
	if c.cluster == Home {
		return nil
	}
	const q = `select current_user like '%\_' || oid from pg_catalog.pg_database where datname = current_database()`
	var there bool
	err := conn.QueryRow(ctx, q, pgx.QueryExecModeSimpleProtocol).Scan(&there)
	if err == nil && !there {
		err = fmt.Errorf("cluster %s: %w: its address leads to another database", c.cluster, ErrNoCluster)
	}
	return err
}

// abort ends whatever runs on the connection: by a cancel request, and if that
// does not help, by silence. The connection is of no use afterwards.
func abort(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.PgConn().Conn().SetDeadline(time.Now().Add(2 * time.Second))
	_ = conn.PgConn().CancelRequest(ctx)
}

// release gives the slot to the next in the queue, or to nobody. A session that
// is not cleanly between transactions, on which something may have been left, or
// that has grown too large, is closed.
func (c *cell) release(s *session) {
	if s.conn != nil && (s.spoilt || s.conn.IsClosed() || s.conn.PgConn().IsBusy() || s.conn.PgConn().TxStatus() != 'I' || s.strange() || c.spent(s)) {
		c.drop(s)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s.used = time.Now()
	s.busy = false
	c.offer(s)
}

// offer finds the next for a free slot. Who has waited long is given it. Another
// is only told to look: until it runs, whoever comes by may take the slot, so that
// a session in demand is not idle while its next transaction waits for a processor.
func (c *cell) offer(s *session) {
	for e := c.waiting.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiter)
		switch {
		case !c.suits(w, s.slot):
		case s.used.Sub(w.since) > fair:
			c.waiting.Remove(e)
			s.busy = true
			w.turn <- s.slot
			return
		case !w.told:
			w.told = true
			w.turn <- look
			return
		}
	}
}

// spent tells whether a session is due for replacement: by age, or by the memory
// that its backend holds, asked for now and then.
func (c *cell) spent(s *session) bool {
	s.uses++
	age := time.Since(s.born)
	if age > s.life || c.retired.Load() || (age > turn && c.db.cap.hungry.Load() > 0) {
		return true
	}
	// A backend grows by the tenants and statements that are new to it. One that has
	// many takes long to look at, and grows little by a few more.
	if s.names-s.known < max(c.db.cfg.MeasureEvery, len(s.stmts)) && s.uses%(100*c.db.cfg.MeasureEvery) != 0 {
		return false
	}
	s.known = s.names
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var bytes int64
	if err := s.conn.QueryRow(ctx, sqlBackendMemory, pgx.QueryExecModeSimpleProtocol).Scan(&bytes); err != nil {
		// The function is for superusers until granted: fall back to what a
		// tenant was measured to cost.
		bytes = int64(len(s.tenants)) * tenantBytes
	}
	share := c.db.share()
	if n := int64(len(s.stmts)); n > 0 {
		s.room = int(share * 7 / 8 / max(1, bytes/n))
	}
	return bytes > share
}

// statements is how many a session may have prepared.
func (s *session) statements(c Config) int {
	if s.room > 0 {
		return min(c.Statements, s.room)
	}
	return c.Statements
}

const (
	sqlBackendMemory = `select sum(total_bytes)::bigint from pg_catalog.pg_backend_memory_contexts`
	tenantBytes      = 2 << 20 // per backend and tenant, with the statements of its pages: docs/benchmarks.md
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
	for n := 0; n < 2 && s.recent.Len() >= limit; n++ { // more than one when the limit has come down
		last := s.recent.Back()
		st := last.Value.(*stmt)
		if err := s.conn.Deallocate(ctx, st.name); err != nil {
			return "", err
		}
		s.recent.Remove(last)
		delete(s.stmts, st.text)
	}
	s.names++
	name := fmt.Sprintf("d%d_%s", s.names, s.mark)
	if _, err := s.conn.Prepare(ctx, name, text); err != nil {
		return "", err
	}
	s.stmts[text] = s.recent.PushFront(&stmt{text, name})
	return name, nil
}
