package tenancy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// Config says how a process reaches its tenants. Zero values take the defaults
// that Open names.
type Config struct {
	// DSN reaches the database; user and password in it are the operator's and
	// are not used here: cells log in as themselves. Resolve gives the addresses of
	// the other clusters, of which the same holds.
	DSN     string
	Resolve Resolver
	// Secret is what the passwords of all runtime roles are derived from.
	Secret []byte
	// MaxConns caps the connections of this process; default 64.
	MaxConns int
	// PerTenant caps the transactions of one tenant at a time (default: its
	// cell's pool less one, at least one); Queue more may wait (default 256), for
	// at most Patience (default 4 s): a large tenant sends so many while the fleet
	// is migrated.
	PerTenant int
	// AtOnce is how many transactions run at a time before those of a tenant that
	// has one running already give way to others'; default as many as there are
	// processors. More suits a database server larger than this machine.
	AtOnce   int
	Queue    int
	Patience time.Duration
	// Deadline ends every transaction that does not ask for more; default 15 s.
	Deadline time.Duration
	// Memory is what the backends of this process may hold together, default 2.25 GB.
	// Each has an equal share of it, as if there were 16 at least, and never less
	// than 48 MB; SessionBytes sets the share instead. Statements that were not used
	// for longest are forgotten to stay within it; Statements bounds their number
	// too. It is looked at after MeasureEvery new statements (default 100) and now
	// and then. MaxAge replaces a backend anyway (1 h; some from three quarters of it
	// on, so that those of a start do not end together).
	Memory       int64
	SessionBytes int64
	Statements   int
	MeasureEvery int
	MaxAge       time.Duration
	// Assert checks role, schema and access mode at every transaction's start,
	// catches nested ones, and runs each that may run again twice, the first time
	// without leaving anything: what adds up is noticed. Tests set it.
	Assert bool
}

func (c Config) withDefaults() Config {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&c.MaxConns, 64)
	def(&c.Queue, 256)
	def(&c.Statements, 2000)
	def(&c.MeasureEvery, 100)
	if c.Patience == 0 {
		c.Patience = 4 * time.Second
	}
	if c.Deadline == 0 {
		c.Deadline = 15 * time.Second
	}
	if c.Memory == 0 {
		c.Memory = 2304 << 20
	}
	if c.MaxAge == 0 {
		c.MaxAge = time.Hour
	}
	return c
}

// DB reaches every tenant. It is safe for concurrent use.
type DB struct {
	*Catalogue
	cfg      Config
	base     *pgx.ConnConfig
	cap      *counter
	mu       sync.Mutex
	addrs    map[string]*pgx.ConnConfig // of other clusters, by their DSN
	cells    map[string]*cell
	limits   map[ID]*limiter
	gate     *gate
	news     sync.Mutex // one at a time asks for them
	down     sync.Map   // cluster -> time.Time until which it is left alone
	desk     *Desk
	families *Families
	active   sync.Map // goroutine -> struct{}, under Assert
}

// Open reads the catalogue and keeps it fresh until Close. The roles must exist:
// an operator's Init has run on the database.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	cfg = cfg.withDefaults()
	base, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	db := &DB{cfg: cfg, base: base, cap: newCounter(cfg.MaxConns), addrs: map[string]*pgx.ConnConfig{},
		cells: map[string]*cell{}, limits: map[ID]*limiter{}, gate: newGate(cfg.AtOnce)}
	app := db.connConfig(base, appRole(cfg.Secret))
	app.BuildContextWatcherHandler = base.BuildContextWatcherHandler // it waits for news: a cancel request would only delay its end
	db.Catalogue, err = openCatalogue(ctx, app, db.address)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Close ends all connections; call it after the last transaction.
func (db *DB) Close() {
	db.Catalogue.close()
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.desk != nil {
		db.desk.pool.Close()
	}
	if db.families != nil {
		db.families.pool.Close()
	}
	for _, c := range db.cells {
		c.close()
	}
}

// address is where a cluster is; the same address is the same pointer.
func (db *DB) address(cluster, ref string) (*pgx.ConnConfig, error) {
	if cluster == Home {
		return db.base, nil
	}
	dsn, err := resolve(db.cfg.Resolve, ref)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w: %w", cluster, ErrNoCluster, err)
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if c := db.addrs[dsn]; c != nil {
		return c, nil
	}
	c, err := pgx.ParseConfig(dsn)
	if err != nil { // it may quote the url
		return nil, fmt.Errorf("cluster %s: %w: what %s holds does not parse as a database url", cluster, ErrNoCluster, ref)
	}
	if c.ConnectTimeout == 0 { // requests of others wait for the connections that it takes up
		c.ConnectTimeout = reachTime
	}
	db.addrs[dsn] = c
	return c, nil
}

const reachTime = 5 * time.Second

// connConfig is an address with a runtime role's own login.
func (db *DB) connConfig(addr *pgx.ConnConfig, role string) *pgx.ConnConfig {
	c := addr.Copy()
	c.User, c.Password = role, rolePassword(db.cfg.Secret, role)
	c.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec // statements are prepared by session.prepare alone, and described by it once
	c.StatementCacheCapacity, c.DescriptionCacheCapacity = 0, 0
	c.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: time.Second}
	}
	return c
}

func (db *DB) cellOf(t *entry) *cell {
	db.mu.Lock()
	defer db.mu.Unlock()
	c := db.cells[t.Cell]
	if c == nil || c.role != t.cellRole || len(c.slots) != t.cellSize || c.addr != t.addr {
		if c != nil {
			c.retired.Store(true)
			go c.close()
		}
		c = newCell(db, t)
		db.cells[t.Cell] = c
	}
	return c
}

// evict closes an idle connection of some cell.
func (db *DB) evict() bool {
	db.mu.Lock()
	cells := make([]*cell, 0, len(db.cells))
	for _, c := range db.cells {
		cells = append(cells, c)
	}
	db.mu.Unlock()
	for _, c := range cells {
		if c.dropIdle() {
			return true
		}
	}
	return false
}

// Option changes one transaction.
type Option func(*options)

type options struct {
	deadline time.Duration
	trace    bool
	once     bool
}

// Within gives a transaction a deadline of its own, for imports and exports, which
// stream: it implies Once.
func Within(d time.Duration) Option { return func(o *options) { o.deadline, o.once = d, true } }

// Trace marks a write that only notes who reads: sessions and the audit. It goes
// on while a tenant is leaving, when every other write is refused.
func Trace() Option { return func(o *options) { o.trace = true } }

// Once says that the transaction's function cannot run again: it takes from a stream,
// or hands out before it has ended.
func Once() Option { return func(o *options) { o.once = true } }

// Read runs f in a read-only transaction inside the tenant. A read whose first
// statements go by Finish is one round trip in all.
//
// When the connection is lost, f runs again from its start on another one: what it
// hands out it sets and never adds to, and it does nothing but read. See Once.
func (db *DB) Read(ctx context.Context, id ID, f func(Read) error, opts ...Option) error {
	return db.in(ctx, id, true, func(x *txn) error { return f(Read{x}) }, opts)
}

// Write runs f in a transaction inside the tenant and commits if f returns nil. When
// the connection is lost and nothing of the transaction is there, f runs again, as
// in Read; what becomes of the commit is looked up where its answer was lost.
func (db *DB) Write(ctx context.Context, id ID, f func(Write) error, opts ...Option) error {
	return db.in(ctx, id, false, func(x *txn) error { return f(Write{Read{x}}) }, opts)
}

func (db *DB) in(ctx context.Context, id ID, readOnly bool, f func(*txn) error, opts []Option) (err error) {
	o := options{deadline: db.cfg.Deadline}
	for _, opt := range opts {
		opt(&o)
	}
	t, err := db.standing(ctx, id, !readOnly && !o.trace)
	if err != nil {
		return err
	}
	if t.State == Provisioning {
		return fmt.Errorf("enter tenant %s: %w", t.Slug, ErrNotReady)
	}
	if t.State.Gone() {
		return fmt.Errorf("enter tenant %s: %w", t.Slug, ErrGone)
	}
	if t.State == Leaving && !readOnly && !o.trace {
		return fmt.Errorf("change tenant %s: %w; to keep it: tenantctl tenant resume %s", t.Slug, ErrLeaving, t.Slug)
	}
	if t.lost != nil {
		return fmt.Errorf("enter tenant %s: %w", t.Slug, t.lost)
	}
	if db.cfg.Assert {
		g := goroutine()
		if _, nested := db.active.LoadOrStore(g, struct{}{}); nested {
			return ErrNested
		}
		defer db.active.Delete(g)
	}
	ctx, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	leave, err := db.admit(ctx, t)
	if err != nil {
		return err
	}
	defer leave()
	if !o.once {
		if err := db.gate.pass(ctx, id, db.cfg.Patience); err != nil {
			return err
		}
		defer db.gate.leave(id)
	}
	defer func() { // before it leaves its place: those who wait see the news
		if err != nil {
			err = db.refused(ctx, t, err)
		}
	}()
	c := db.cellOf(t)
	s, err := c.acquire(ctx, t)
	if err != nil {
		return unreached(ctx, err)
	}
	x := &txn{s: s, t: t, readOnly: readOnly, deadline: o.deadline, db: db, cell: c, ctx: ctx}
	x.attend()
	defer func() { // also when f panics: release closes what is not idle
		s.spoilt = !x.attentive()
		if s.tenants != nil { // none when its connection was lost
			s.tenants[id] = struct{}{}
		}
		c.release(s)
	}()
	if db.cfg.Assert && !o.once {
		if err = f(x); err != nil {
			x.rollback()
			return x.lost(ctx, err)
		}
		x.rollback()
		x.reset()
	}
	for more, try := true, 1; more; try++ {
		err = x.run(ctx, f)
		if more, err = x.again(ctx, o.once || try == tries, err); err == nil {
			break
		}
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err) // the deadline of the whole, not of a statement
	}
	return err
}

// limiter holds a tenant to its share.
type limiter struct {
	slots  chan struct{}
	queued chan struct{}
}

func (db *DB) admit(ctx context.Context, t *entry) (leave func(), err error) {
	n := db.cfg.PerTenant
	if n == 0 {
		n = max(1, t.cellSize-1)
	}
	db.mu.Lock()
	l := db.limits[t.ID]
	if l == nil || cap(l.slots) != n {
		l = &limiter{make(chan struct{}, n), make(chan struct{}, db.cfg.Queue)}
		db.limits[t.ID] = l
	}
	db.mu.Unlock()
	leave = func() { <-l.slots }
	select {
	case l.slots <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case l.queued <- struct{}{}:
		defer func() { <-l.queued }()
	default:
		return nil, &BusyError{RetryAfter: db.cfg.Patience}
	}
	patience := time.NewTimer(db.cfg.Patience)
	defer patience.Stop()
	select {
	case l.slots <- struct{}{}:
		return leave, nil
	case <-patience.C:
		return nil, &BusyError{RetryAfter: db.cfg.Patience}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Warm opens the cells' connections and touches every active tenant once, so
// that the first request of the morning does not pay for cold catalogues. Where a
// cluster is not reached, the tenants of others are warmed all the same.
func (db *DB) Warm(ctx context.Context) error {
	lost := map[string]error{}
	for _, t := range db.Tenants() {
		if (t.State != Active && t.State != Leaving) || lost[t.Cluster] != nil {
			continue
		}
		err := db.Read(ctx, t.ID, func(tx Read) error {
			var n int
			return tx.QueryRow(ctx, sqlTouch).Scan(&n)
		})
		switch {
		case err == nil, errors.As(err, new(*BusyError)), errors.As(err, new(*MovingError)):
		case errors.Is(err, ErrNoCluster):
			lost[t.Cluster] = err
		default:
			return fmt.Errorf("warm tenant %s: %w", t.Slug, err)
		}
	}
	return errors.Join(slices.Collect(maps.Values(lost))...)
}

const sqlTouch = `select count(*)::int from (select 1 from unit limit 1) u`
