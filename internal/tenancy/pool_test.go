package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func openDB(t testing.TB, e *dbtest.Env, change func(*tenancy.Config)) *tenancy.DB {
	t.Helper()
	cfg := dbtest.Config(e.DSN)
	cfg.Assert = false
	change(&cfg)
	db, err := tenancy.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// cellBackends counts the database's connections of cells.
func cellBackends(t testing.TB, e *dbtest.Env) int {
	t.Helper()
	n, err := strconv.Atoi(line(t, e.DSN, "select count(*)::text from pg_stat_activity where datname = current_database() and usename in (select login_role from control.cell)"))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func backendPID(ctx context.Context, db *tenancy.DB, id tenancy.ID) (pid int, err error) {
	err = db.Read(ctx, id, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid) })
	return pid, err
}

// Three cells want connections of two: idle ones are closed for others, and under
// load each cell gets its turn.
func TestConnectionCap(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ids := []tenancy.ID{dbtest.Alpha}
	for _, slug := range []string{"gamma", "delta"} {
		s := private(slug, "all")
		s.Cell = "own-" + slug
		ids = append(ids, provision(t, e.Operator, s).ID)
	}
	db := openDB(t, e, func(c *tenancy.Config) { c.MaxConns, c.Deadline = 2, 5*time.Second })
	ctx := context.Background()
	for range 3 {
		for _, id := range ids {
			if err := db.Read(ctx, id, run("select id from unit")); err != nil {
				t.Errorf("one after the other: %v", err)
			}
		}
	}
	var served [3]atomic.Int64
	var most atomic.Int64
	stop := time.Now().Add(1500 * time.Millisecond)
	var wg sync.WaitGroup
	for w := range 12 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				if err := db.Read(ctx, ids[w%3], run("select id from unit")); err != nil {
					t.Errorf("under load: %v", err)
					return
				}
				served[w%3].Add(1)
			}
		})
	}
	wg.Go(func() {
		for time.Now().Before(stop) {
			most.Store(max(most.Load(), int64(cellBackends(t, e))))
			time.Sleep(20 * time.Millisecond)
		}
	})
	wg.Wait()
	if most.Load() > 3 { // a goodbye is still on its way when its place is taken
		t.Errorf("%d connections, want 2", most.Load())
	}
	for i := range served {
		if served[i].Load() < 20 {
			t.Errorf("cell %d was served %d times beside %d, %d, %d", i, served[i].Load(), served[0].Load(), served[1].Load(), served[2].Load())
		}
	}
}

func TestKilledBackendFailsOneCall(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	kill := func(pid int) { e.Exec(t, fmt.Sprintf("select pg_terminate_backend(%d)", pid)) }
	for round := range 3 {
		err := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
			if _, err := tx.Exec(ctx, insertUnit, "Koulu", fmt.Sprint("lost", round)); err != nil {
				return err
			}
			var pid int
			if err := tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			kill(pid)
			return run("select id from unit")(tx.Read)
		})
		if err == nil {
			t.Error("a killed transaction went well")
		}
		var n int
		err = db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select count(*) from unit").Scan(&n) })
		if err != nil || n != 0 {
			t.Errorf("the next one: %v, %d rows", err, n)
		}
	}
	// Killed while idle: at most one call notices.
	pid, err := backendPID(ctx, db, dbtest.Alpha)
	if err != nil {
		t.Fatal(err)
	}
	kill(pid)
	failed := 0
	for range 5 {
		if _, err := backendPID(ctx, db, dbtest.Alpha); err != nil {
			failed++
		}
	}
	if failed > 1 {
		t.Errorf("%d calls failed after one idle connection was killed", failed)
	}
}

func TestSessionsAreReplaced(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	for name, change := range map[string]func(*tenancy.Config){
		"by age":    func(c *tenancy.Config) { c.MaxAge = time.Nanosecond },
		"by memory": func(c *tenancy.Config) { c.SessionBytes, c.MeasureEvery = 1, 1 },
		"kept":      func(*tenancy.Config) {},
	} {
		db := openDB(t, e, change)
		pids := map[int]bool{}
		for range 5 {
			pid, err := backendPID(ctx, db, dbtest.Alpha)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			pids[pid] = true
		}
		if want := map[bool]int{true: 1, false: 5}[name == "kept"]; len(pids) != want {
			t.Errorf("%s: %d backends for five transactions, want %d", name, len(pids), want)
		}
	}
}

func TestSessionsOfAStartDoNotEndTogether(t *testing.T) {
	t.Parallel()
	db := openDB(t, dbtest.New(t), func(c *tenancy.Config) { c.MaxAge = time.Hour })
	lives := map[time.Duration]bool{}
	for range 100 {
		life := db.Life()
		if life < 45*time.Minute || life > time.Hour {
			t.Errorf("a session may live %s, of an hour", life)
		}
		lives[life.Truncate(time.Minute)] = true
	}
	if len(lives) < 5 {
		t.Errorf("a hundred sessions end in %d different minutes", len(lives))
	}
}

func TestFairness(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := openDB(t, e, func(c *tenancy.Config) { c.Queue = 100 })
	stop := time.Now().Add(1200 * time.Millisecond)
	var served [50]int
	var worst atomic.Int64
	var wg sync.WaitGroup
	for w := range served {
		wg.Go(func() {
			for time.Now().Before(stop) {
				at := time.Now()
				if err := db.Read(ctx, []tenancy.ID{dbtest.Alpha, dbtest.Beta}[w%2], run("select pg_sleep(0.001)")); err != nil {
					t.Error(err)
					return
				}
				worst.Store(max(worst.Load(), int64(time.Since(at))))
				served[w]++
			}
		})
	}
	wg.Wait()
	least, most := served[0], served[0]
	for _, n := range served {
		least, most = min(least, n), max(most, n)
	}
	if least == 0 || most > 10*least+10 {
		t.Errorf("between %d and %d served, the slowest waited %s", least, most, time.Duration(worst.Load()))
	}
}

func TestCancelledCallsLeakNothing(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	var wg sync.WaitGroup
	for w := range 10 {
		wg.Go(func() {
			for i := range 8 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*3)*time.Millisecond)
				_ = db.Read(ctx, []tenancy.ID{dbtest.Alpha, dbtest.Beta}[w%2], func(tx tenancy.Read) error {
					if i%2 == 0 {
						return run("select pg_sleep(0.01)")(tx)
					}
					b := &pgx.Batch{}
					b.Queue("select pg_sleep(0.01)")
					return tx.Finish(ctx, b)
				})
				cancel()
			}
		})
	}
	wg.Wait()
	for range 20 {
		for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
			if err := db.Read(context.Background(), id, run("select id from unit")); err != nil {
				t.Errorf("after the storm: %v", err)
			}
		}
	}
	soon(t, "no more connections than the cell has", func() bool { return cellBackends(t, e) <= 4 })
	soon(t, "nothing runs on", func() bool {
		return line(t, e.DSN, "select count(*)::text from pg_stat_activity where datname = current_database() and usename in (select login_role from control.cell) and state <> 'idle'") == "0"
	})
}

// The deadline is the whole transaction's, also of one that is a single pipeline
// and of one whose statements are each short.
func TestDeadlineOfThePipeline(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	for name, f := range map[string]func(tx tenancy.Read) error{
		"pipeline": func(tx tenancy.Read) error {
			b := &pgx.Batch{}
			b.Queue("select pg_sleep(20)")
			return tx.Finish(ctx, b)
		},
		"many": func(tx tenancy.Read) error {
			for range 200 {
				if err := run("select pg_sleep(0.1)")(tx); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		for range 2 { // prepared the second time
			began := time.Now()
			err := db.Read(ctx, dbtest.Alpha, f, tenancy.Within(300*time.Millisecond))
			if d := time.Since(began); err == nil || d > 3*time.Second {
				t.Errorf("%s: %v after %s", name, err, d)
			}
			if !errors.Is(err, context.DeadlineExceeded) && code(err) != "57014" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if err := db.Read(ctx, dbtest.Alpha, run("select id from unit")); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestStatementsAreBounded(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := openDB(t, e, func(c *tenancy.Config) { c.Statements = 3 })
	for i := range 30 {
		if err := db.Read(ctx, dbtest.Alpha, run(fmt.Sprintf("select %d from unit", i%7))); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(ctx, "select count(*) from pg_prepared_statements").Scan(&n)
	})
	if err != nil || n > 4 {
		t.Errorf("%v: %d statements are prepared, want 3", err, n)
	}
	for range 3 { // a batch larger than the bound
		b := &pgx.Batch{}
		sum := 0
		for i := range 8 {
			b.Queue(fmt.Sprintf("select %d::int", i)).QueryRow(func(row pgx.Row) error {
				var v int
				err := row.Scan(&v)
				sum += v
				return err
			})
		}
		if err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.Finish(ctx, b) }); err != nil || sum != 28 {
			t.Errorf("a large batch: %v, %d", err, sum)
		}
	}
}

// The same statement of two tenants is two on a shared connection: neither makes the
// other plan anew, and neither gets the other's rows.
func TestStatementsOfEachTenant(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	e.Exec(t, "update control.cell set pool_size = 1 where name = 'shared-1'")
	ctx := context.Background()
	db := plainDB(t, e)
	const own = "select current_schema()::text"
	for range 3 {
		for _, tn := range db.Tenants() {
			var schema string
			if err := db.Read(ctx, tn.ID, func(tx tenancy.Read) error { return tx.QueryRow(ctx, own).Scan(&schema) }); err != nil || schema != tn.Schema {
				t.Errorf("%s: %s, %v", tn.Slug, schema, err)
			}
		}
	}
	var n int
	const q = "select count(*) from pg_prepared_statements where statement like '%select current_schema()::text' and statement like '/*%'"
	if err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, q).Scan(&n) }); err != nil || n != 2 {
		t.Errorf("%d statements of two tenants, %v", n, err)
	}
}

// Rows that a feature forgot to close cost a connection, not the next caller.
func TestForgottenRows(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	for range 3 {
		_ = db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			_, err := tx.Query(ctx, "select generate_series(1, 100000)")
			return err
		})
		if err := db.Read(ctx, dbtest.Alpha, run("select id from unit")); err != nil {
			t.Errorf("the next caller: %v", err)
		}
	}
}

// A cell that is given another size lets go of its old connections.
func TestResizedCell(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := openDB(t, e, func(c *tenancy.Config) { c.MaxConns = 3 })
	for size := 1; size <= 6; size++ {
		e.Exec(t, fmt.Sprintf("update control.cell set pool_size = %d where name = 'shared-1'", size))
		refresh(t, db)
		for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
			if err := db.Read(ctx, id, run("select id from unit"), tenancy.Within(3*time.Second)); err != nil {
				t.Errorf("of size %d: %v", size, err)
			}
		}
	}
	soon(t, "old connections are gone", func() bool { return cellBackends(t, e) <= 2 })
}
