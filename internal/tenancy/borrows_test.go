package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// stands is where a borrow finds itself; the name is a row of the tenant's own.
type stands struct{ User, Schema, Path, ReadOnly, Name string }

const sqlStands = `select current_user::text, current_schema()::text, current_setting('search_path'), current_setting('transaction_read_only'), (select name from unit where sourced_id = 'mark')`

// borrower borrows connections and ends its transactions in every way that there is.
type borrower struct {
	db      *tenancy.DB
	owner   *pgxpool.Pool
	tenants []tenancy.Tenant
	fates   [8]atomic.Int64
	pardons func(error) bool // faults of what stands between, which end a borrow and mix up nothing
}

// TestBorrows borrows connections of several cells some thousand times (make
// borrows: 10,000), from many goroutines, while others of them panic, are
// cancelled, run out of time or lose their backend: the first statement of each
// finds itself in its own tenant.
func TestBorrows(t *testing.T) {
	t.Parallel()
	n := 2500
	if s := os.Getenv("DIGIONE_BORROWS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	e := dbtest.New(t)
	b := newBorrower(t, e, dbtest.Config(e.DSN))
	b.run(t, n)
	b.afterwards(t, e)
}

func newBorrower(t *testing.T, e *dbtest.Env, cfg tenancy.Config) *borrower {
	t.Helper()
	ctx := context.Background()
	for _, s := range []tenancy.Spec{private("gamma", "all"), private("delta", "all"), private("epsilon", "all")} {
		if s.Slug == "epsilon" {
			s.Cell = "own-e"
		}
		provision(t, e.Operator, s)
	}
	cfg.Assert, cfg.MaxConns = false, 12
	db, err := tenancy.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	b := &borrower{db: db, tenants: db.Tenants()}
	for _, tn := range b.tenants {
		err := db.Write(ctx, tn.ID, func(tx tenancy.Write) error {
			_, err := tx.Exec(ctx, insertUnit, "of "+tn.Slug, "mark")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if b.owner, err = pgxpool.New(ctx, e.DSN); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.owner.Close)
	return b
}

func (b *borrower) run(t *testing.T, n int) {
	t.Helper()
	const workers = 24
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for left.Add(-1) >= 0 && !t.Failed() {
				tn := b.tenants[r.IntN(len(b.tenants))]
				fate := r.IntN(200)
				if err := b.borrow(tn, fate, r.IntN(4)); err != nil && (b.pardons == nil || !b.pardons(err)) {
					t.Errorf("%s, fate %d: %v", tn.Slug, fate, err)
				}
			}
		})
	}
	wg.Wait()
	for i := range b.fates {
		if b.fates[i].Load() == 0 {
			t.Errorf("no borrow had the end %d", i)
		}
	}
}

// Fates below bad end a transaction in another way than features mean to, five
// fates each; whole is the way of a transaction that is one round trip in all.
const (
	bad   = 40
	whole = 3
)

var errOurs = errors.New("the feature's own error")

// borrow is one transaction: it looks where it stands, by one of four ways, and
// then ends as its fate says. It returns what is wrong.
func (b *borrower) borrow(tn tenancy.Tenant, fate, way int) (wrong error) {
	if way == whole && fate < bad {
		way = 0 // nothing comes after a transaction that is one round trip
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var at stands
	looked := false
	look := func(tx tenancy.Read) error {
		err := where(ctx, tx, way, &at)
		looked = err == nil
		return err
	}
	defer func() {
		_ = recover() // a feature's panic
		want := stands{tn.Role, tn.Schema, tn.Schema + ", ext", map[bool]string{true: "off", false: "on"}[fate%2 == 1], "of " + tn.Slug}
		if looked && at != want {
			wrong = fmt.Errorf("stands at %+v, want %+v", at, want)
		}
	}()
	end := b.end(ctx, cancel, fate)
	if way == whole {
		end = func(tenancy.Read) error { return nil }
	}
	var err error
	if fate%2 == 1 {
		err = b.db.Write(ctx, tn.ID, func(tx tenancy.Write) error { return both(look(tx.Read), func() error { return end(tx.Read) }) })
	} else {
		err = b.db.Read(ctx, tn.ID, func(tx tenancy.Read) error { return both(look(tx), func() error { return end(tx) }) })
	}
	if !looked {
		return fmt.Errorf("the first statement: %w", err)
	}
	if err != nil && fate >= bad {
		return err
	}
	return nil
}

func both(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

// end is how a transaction goes on after its first statement.
func (b *borrower) end(ctx context.Context, cancel func(), fate int) func(tenancy.Read) error {
	if fate < bad {
		b.fates[fate/5].Add(1)
	}
	return func(tx tenancy.Read) error {
		switch {
		case fate >= bad:
			return run("select id from unit")(tx)
		case fate < 5:
			panic("fault in a feature")
		case fate < 10:
			return run("select 1/0")(tx)
		case fate < 15:
			_ = run("select 1/0")(tx)
			return errOurs
		case fate < 20:
			time.AfterFunc(time.Duration(fate-14)*time.Millisecond, cancel)
			return run("select pg_sleep(0.02)")(tx)
		case fate < 25:
			cancel()
			return run("select id from unit")(tx)
		case fate < 30:
			_, err := tx.Query(ctx, "select generate_series(1, 20000)") // and forgets the rows
			return err
		case fate < 35:
			var pid int
			if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			if _, err := b.owner.Exec(context.Background(), "select pg_terminate_backend($1)", pid); err != nil {
				return err
			}
			return run("select id from unit")(tx)
		default:
			return tx.Finish(ctx, &pgx.Batch{})
		}
	}
}

// where runs the first statement of a transaction.
func where(ctx context.Context, tx tenancy.Read, way int, at *stands) error {
	scan := func(row pgx.Row) error { return row.Scan(&at.User, &at.Schema, &at.Path, &at.ReadOnly, &at.Name) }
	switch way {
	case 0:
		return scan(tx.QueryRow(ctx, sqlStands))
	case 1:
		rows, err := tx.Query(ctx, sqlStands)
		if err != nil {
			return err
		}
		*at, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[stands])
		return err
	}
	var b pgx.Batch
	b.Queue(sqlStands).QueryRow(scan)
	if way == whole {
		return tx.Finish(ctx, &b)
	}
	return tx.Batch(ctx, &b)
}

// afterwards looks at what all of it has left behind.
func (b *borrower) afterwards(t *testing.T, e *dbtest.Env) {
	t.Helper()
	ctx := context.Background()
	for range 3 {
		for _, tn := range b.tenants {
			for way := range 4 {
				var at stands
				if err := b.db.Read(ctx, tn.ID, func(tx tenancy.Read) error { return where(ctx, tx, way, &at) }); err != nil || at.Name != "of "+tn.Slug {
					t.Errorf("%s afterwards: %v, %+v", tn.Slug, err, at)
				}
			}
		}
	}
	between(t, b.db)
	soon(t, "nothing runs on", func() bool {
		return line(t, e.DSN, "select count(*)::text from pg_stat_activity where datname = current_database() and usename in (select login_role from control.cell) and state <> 'idle'") == "0"
	})
	soon(t, "no more connections than the cells have", func() bool { return cellBackends(t, e) <= 12 })
}

// between asks every connection that nobody has borrowed: none knows a tenant.
func between(t *testing.T, db *tenancy.DB) {
	t.Helper()
	const q = `select current_user = session_user, current_setting('search_path'), current_setting('default_transaction_read_only'),
       (select count(*) from pg_cursors) + (select count(*) from pg_listening_channels()) + (select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory')`
	n := db.Between(func(c *pgx.Conn) {
		var itself bool
		var path, ro string
		var left int
		err := c.QueryRow(context.Background(), q, pgx.QueryExecModeSimpleProtocol).Scan(&itself, &path, &ro, &left)
		if err != nil || !itself || (path != "" && path != `""`) || ro != "on" || left != 0 {
			t.Errorf("between transactions: its own role %v, path %q, read only %s, %d things left, %v", itself, path, ro, left, err)
		}
	})
	if n == 0 {
		t.Error("no connection was looked at")
	}
}
