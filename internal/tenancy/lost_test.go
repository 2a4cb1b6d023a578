package tenancy_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// TestReadBeginsAnew: a read whose backend was ended while it stood idle begins
// anew, in its own tenant, whatever way its first statement goes; one that has been
// given something does not, and a write never does.
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
			err := db.Read(ctx, id, func(tx tenancy.Read) error { calls++; return where(ctx, tx, way, &at) })
			if err != nil || at.Name != "of "+tn.Slug || at.User != tn.Role || at.ReadOnly != "on" || calls != 1 {
				t.Errorf("%s, way %d: %v, stands at %+v, called %d times", tn.Slug, way, err, at, calls)
			}
		}
		var at stands
		err = db.Read(ctx, id, func(tx tenancy.Read) error {
			if err := where(ctx, tx, 0, &at); err != nil {
				return err
			}
			endCells(t, e)
			return where(ctx, tx, 0, &at)
		})
		if lost := (*tenancy.LostError)(nil); !errors.As(err, &lost) || lost.Unsure {
			t.Errorf("lost after its first statement: %v", err)
		}
		if err := db.Read(ctx, id, func(tx tenancy.Read) error { return where(ctx, tx, 0, &at) }); err != nil {
			t.Errorf("the next: %v", err)
		}
		endCells(t, e)
		err = db.Write(ctx, id, func(tx tenancy.Write) error { return where(ctx, tx.Read, 0, &at) })
		if lost := (*tenancy.LostError)(nil); !errors.As(err, &lost) || lost.Unsure {
			t.Errorf("a write: %v", err)
		}
		err = db.Read(ctx, id, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select 1/0").Scan(new(int)) })
		if err == nil || errors.As(err, new(*tenancy.LostError)) {
			t.Errorf("a fault of the statement: %v", err)
		}
	}
}

// TestRowsBeginAnew: a read that loses its backend while the statement runs begins
// anew before a row was given, and never after one.
func TestRowsBeginAnew(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := plainDB(t, e)
	ctx := context.Background()
	end := `select case when n = @at::int and pg_backend_pid() = @pid::int then (select n from (select pg_sleep(60)) s) else n end from generate_series(1, 20000) n`
	for _, at := range []int{1, 15000} {
		var pid int
		err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.QueryRow(ctx, "select pg_backend_pid()").Scan(&pid) })
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			soon(t, "it runs", func() bool {
				return line(t, e.DSN, "select count(*)::text from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'", pid) == "1"
			})
			lines(t, e.DSN, "select pg_terminate_backend($1)::text", pid)
		}()
		seen := 0
		err = db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			rows, err := tx.Query(ctx, end, pgx.StrictNamedArgs{"at": at, "pid": pid})
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var n int
				if seen++; rows.Scan(&n) != nil || n != seen {
					t.Fatalf("row %d is %d", seen, n)
				}
			}
			return rows.Err()
		})
		<-done
		if lost := errors.As(err, new(*tenancy.LostError)); lost != (at > 1) || !lost && (err != nil || seen != 20000) {
			t.Errorf("lost at row %d: %v, %d rows were given", at, err, seen)
		}
	}
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
