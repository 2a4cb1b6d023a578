package tenancy_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// TestReadBeginsAnew: a read whose backend was ended begins anew, in its own tenant,
// whatever way its first statement goes and wherever it has come to.
func TestReadBeginsAnew(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	ctx := context.Background()
	for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		tn, _ := e.DB.ByID(id)
		err := db.Write(ctx, id, func(tx tenancy.Write) error {
			_, err := tx.Exec(ctx, insertUnit, "of "+tn.Slug, "mark")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for way := range 4 {
			endCells(t, e)
			var at stands
			calls := 0
			read := func(tx tenancy.Read) error { calls++; return where(ctx, tx, way, &at) }
			if err := db.Read(ctx, id, read, tenancy.Once()); !wasLost(err) || calls != 1 {
				t.Errorf("%s, way %d, once: %v, called %d times", tn.Slug, way, err, calls)
			}
			if err := db.Read(ctx, id, read); err != nil {
				t.Fatal(err)
			}
			endCells(t, e)
			calls = 0
			err := db.Read(ctx, id, read)
			if err != nil || at.Name != "of "+tn.Slug || at.User != tn.Role || at.ReadOnly != "on" || calls != 2 {
				t.Errorf("%s, way %d: %v, stands at %+v, called %d times", tn.Slug, way, err, at, calls)
			}
		}
		calls := 0
		var at stands
		err = db.Read(ctx, id, func(tx tenancy.Read) error {
			if err := where(ctx, tx, 0, &at); err != nil {
				return err
			}
			if calls++; calls == 1 {
				endCells(t, e)
			}
			return where(ctx, tx, 0, &at)
		})
		if err != nil || calls != 2 || at.Name != "of "+tn.Slug {
			t.Errorf("lost after its first statement: %v, called %d times, stands at %+v", err, calls, at)
		}
		calls = 0
		err = db.Read(ctx, id, func(tx tenancy.Read) error {
			calls++
			endCells(t, e)
			return where(ctx, tx, 0, &at)
		})
		if calls > 3 || err != nil && !wasLost(err) {
			t.Errorf("lost again and again: %v, called %d times", err, calls)
		}
		err = db.Read(ctx, id, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select 1/0").Scan(new(int)) })
		if err == nil || wasLost(err) {
			t.Errorf("a fault of the statement: %v", err)
		}
	}
}

// TestRowsBeginAnew: a read that loses its backend among the rows of a statement is
// given them all anew.
func TestRowsBeginAnew(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	ctx := context.Background()
	stuck := `select case when n = @at::int and pg_backend_pid() = @pid::int then (select n from (select pg_sleep(60)) s) else n end from generate_series(1, 20000) n`
	for _, at := range []int{1, 15000} {
		var pid, seen, calls int
		err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid) })
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			asleep(t, e, pid)
			lines(t, e.DSN, "select pg_terminate_backend($1)::text", pid)
		}()
		err = db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			calls++
			seen = 0
			rows, err := tx.Query(ctx, stuck, pgx.StrictNamedArgs{"at": at, "pid": pid})
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var n int
				if seen++; rows.Scan(&n) != nil || n != seen {
					return fmt.Errorf("row %d is %d", seen, n)
				}
			}
			return rows.Err()
		})
		<-done
		if err != nil || seen != 20000 || calls != 2 {
			t.Errorf("lost at row %d: %v, %d rows, called %d times", at, err, seen, calls)
		}
	}
}

// TestWriteBeginsAnew: a write that was lost before its commit is there once when it
// has run again, and is not there when it may not.
func TestWriteBeginsAnew(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	ctx := context.Background()
	for at := range 3 {
		for _, once := range []bool{false, true} {
			name, calls := fmt.Sprintf("%d %t", at, once), 0
			if err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select 1").Scan(new(int)) }); err != nil {
				t.Fatal(err)
			}
			var opts []tenancy.Option
			if once {
				opts = append(opts, tenancy.Once())
			}
			end := func(i int) {
				if i == at && calls == 1 {
					endCells(t, e)
				}
			}
			err := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
				calls++
				end(0)
				if err := tx.QueryRow(ctx, "select 1").Scan(new(int)); err != nil {
					return err
				}
				end(1)
				_, err := tx.Exec(ctx, insertUnit, name, name)
				end(2)
				return err
			}, opts...)
			there := line(t, e.DSN, "select count(*)::text from t_alpha.unit where name = $1", name)
			switch {
			case once && (calls != 1 || !wasLost(err) || there != "0"):
				t.Errorf("lost at %d, once: %v, called %d times, there %s times", at, err, calls, there)
			case !once && (calls != 2 || err != nil || there != "1"):
				t.Errorf("lost at %d: %v, called %d times, there %s times", at, err, calls, there)
			}
		}
	}
}

// TestFateOfACommit: the backend ends while it commits. Before the commit is on disk
// the write runs again, afterwards it is known to be there; it is never there twice.
func TestFateOfACommit(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	ctx := context.Background()
	// A deferred trigger runs within the commit, before it takes place.
	e.Exec(t, `create table t_alpha.slow (pid int)`)
	e.Exec(t, `create function t_alpha.slow() returns trigger language plpgsql as $$ begin
		if new.pid = pg_backend_pid() then perform pg_sleep(60); end if; return null; end $$`)
	e.Exec(t, `create constraint trigger slow after insert on t_alpha.slow deferrable initially deferred for each row execute function t_alpha.slow()`)
	e.Exec(t, `grant insert, select on t_alpha.slow to public`)
	for _, once := range []bool{false, true} {
		var pid, calls int
		err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid) })
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			asleep(t, e, pid)
			lines(t, e.DSN, "select pg_terminate_backend($1)::text", pid)
		}()
		var opts []tenancy.Option
		if once {
			opts = append(opts, tenancy.Once())
		}
		err = db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
			calls++
			_, err := tx.Exec(ctx, "insert into slow values ($1)", pid)
			return err
		}, opts...)
		<-done
		there := line(t, e.DSN, "select count(*)::text from t_alpha.slow")
		if lost := (*tenancy.LostError)(nil); once && (!errors.As(err, &lost) || lost.Unsure || calls != 1 || there != "1") {
			t.Errorf("once: %v, called %d times, there %s times", err, calls, there)
		}
		if !once && (err != nil || calls != 2 || there != "1") {
			t.Errorf("%v, called %d times, there %s times", err, calls, there)
		}
	}
}

// TestLostAnswer: a commit took place, and its answer was lost: the write is done,
// and does not run again.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	cfg := dbtest.Config(deaf(t, e.DSN))
	cfg.Assert = false
	db := open(t, cfg)
	ctx := context.Background()
	for _, opts := range [][]tenancy.Option{{tenancy.Once()}, nil} {
		calls := 0
		err := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
			calls++
			_, err := tx.Exec(ctx, insertUnit, "x", fmt.Sprint(len(opts)))
			return err
		}, opts...)
		there := line(t, e.DSN, "select count(*)::text from t_alpha.unit where sourced_id = $1", fmt.Sprint(len(opts)))
		if err != nil || calls != 1 || there != "1" {
			t.Errorf("%v, called %d times, there %s times", err, calls, there)
		}
	}
}

// deaf leads to the server by a way on which the answer to each commit is lost with
// its connection.
func deaf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	to := u.Host
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	u.Host = l.Addr().String()
	go func() {
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
			var committed atomic.Bool
			way := func(from, to net.Conn, answers bool) {
				defer func() { _, _ = client.Close(), server.Close() }()
				b := make([]byte, 32<<10)
				for {
					n, err := from.Read(b)
					if err != nil || answers && committed.Load() {
						return
					}
					if !answers && bytes.Contains(b[:n], []byte("commit\x00")) {
						committed.Store(true)
					}
					if _, err := to.Write(b[:n]); err != nil {
						return
					}
				}
			}
			go way(client, server, false)
			go way(server, client, true)
		}
	}()
	return u.String()
}

func wasLost(err error) bool { return errors.As(err, new(*tenancy.LostError)) }

func asleep(t *testing.T, e *dbtest.Env, pid int) {
	t.Helper()
	soon(t, "it runs", func() bool {
		return line(t, e.DSN, "select count(*)::text from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'", pid) == "1"
	})
}

// endCells ends the backends of all cells, as an administrator may.
func endCells(t *testing.T, e *dbtest.Env) {
	t.Helper()
	const cells = "datname = current_database() and usename in (select login_role from control.cell)"
	lines(t, e.DSN, "select pg_terminate_backend(pid)::text from pg_stat_activity where "+cells)
	soon(t, "all have ended", func() bool {
		return line(t, e.DSN, "select count(*)::text from pg_stat_activity where "+cells) == "0"
	})
}
