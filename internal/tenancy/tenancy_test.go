package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func code(err error) string {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		return pe.Code
	}
	return fmt.Sprint(err)
}

func run(sql string) func(tenancy.Read) error {
	return func(tx tenancy.Read) error {
		rows, err := tx.Query(context.Background(), sql)
		if err != nil {
			return err
		}
		rows.Close()
		return rows.Err()
	}
}

// plainDB has no assertions between the statements: as in production.
func plainDB(t testing.TB, e *dbtest.Env) *tenancy.DB {
	t.Helper()
	cfg := dbtest.Config(e.DSN)
	cfg.Assert = false
	return open(t, cfg)
}

func open(t testing.TB, cfg tenancy.Config) *tenancy.DB {
	t.Helper()
	db, err := tenancy.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

const insertUnit = `insert into unit (id, kind, name, source, sourced_id, date_last_modified) values (gen_random_uuid(), 'school', $1, 'test', $2, now())`

func TestTenantReachesItsOwnDataAlone(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	other, _ := e.DB.ByID(dbtest.Beta)
	for name, db := range map[string]*tenancy.DB{"asserting": e.DB, "plain": plainDB(t, e)} {
		for _, c := range []struct{ name, sql, want string }{
			{"own table", "select id from unit", "<nil>"},
			{"another's table", "select id from " + other.Schema + ".unit", "42501"},
			{"write in a read", "delete from unit", "25006"},
			{"become another tenant's role", `set local role "` + other.Role + `"`, "<nil>"},
			{"catalogue", "select slug from control.tenant", "42501"},
			{"temporary table", "create temp table x (a int)", "25006"},
			{"other's path", "select set_config('search_path', '" + other.Schema + "', true)", "<nil>"},
		} {
			if got := code(db.Read(ctx, dbtest.Alpha, run(c.sql))); got != c.want {
				t.Errorf("%s, %s: %s, want %s", name, c.name, got, c.want)
			}
		}
		// Whatever was set inside a transaction has gone with it.
		if err := db.Read(ctx, dbtest.Alpha, run("select id from unit")); err != nil {
			t.Errorf("%s: after attacks: %v", name, err)
		}
	}
}

func TestOtherCellsRoleIsRefused(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	gamma, err := e.Operator.Provision(ctx, tenancy.Spec{Slug: "gamma", NameFi: "Gamma", MunicipalityCode: "903"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if gamma.Cell == "shared-1" {
		t.Fatal("gamma shares the twins' cell")
	}
	for _, sql := range []string{`set local role "` + gamma.Role + `"`, "reset role", "set session authorization default"} {
		err := e.DB.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			if err := run(sql)(tx); err != nil {
				return err
			}
			return run("select id from " + gamma.Schema + ".unit")(tx)
		})
		if got := code(err); got != "42501" {
			t.Errorf("%s: %s, want 42501", sql, got)
		}
	}
}

func TestWriteCommitsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	count := func() (n int) {
		t.Helper()
		err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			return tx.QueryRow(ctx, "select count(*) from unit").Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	put := func(ids ...string) func(tenancy.Write) error {
		return func(tx tenancy.Write) error {
			for _, id := range ids {
				if _, err := tx.Exec(ctx, insertUnit, "Koulu", id); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if err := db.Write(ctx, dbtest.Alpha, put("a", "b")); err != nil || count() != 2 {
		t.Fatalf("two rows: %v, %d", err, count())
	}
	if got := code(db.Write(ctx, dbtest.Alpha, put("c", "a"))); got != "23505" || count() != 2 {
		t.Errorf("duplicate: %s, %d rows", got, count())
	}
	swallowed := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
		_ = put("d", "a")(tx)
		return nil
	})
	if swallowed == nil || count() != 2 {
		t.Errorf("a swallowed error was committed: %v, %d rows", swallowed, count())
	}
	func() {
		defer func() { _ = recover() }()
		_ = db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error { _ = put("e")(tx); panic("fault in a feature") })
	}()
	if n := count(); n != 2 {
		t.Errorf("after a panic: %d rows, want 2", n)
	}
}

func TestFinish(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	for round := range 3 { // the first prepares, the others are one round trip
		b := &pgx.Batch{}
		b.Queue(insertUnit, "Koulu", fmt.Sprint(round))
		if err := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error { return tx.Finish(ctx, b) }); err != nil {
			t.Fatal(err)
		}
		var n int
		r := &pgx.Batch{}
		r.Queue("select count(*) from unit").QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		if err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.Finish(ctx, r) }); err != nil {
			t.Fatal(err)
		}
		if n != round+1 {
			t.Errorf("round %d: %d rows", round, n)
		}
		w := &pgx.Batch{}
		w.Queue("delete from unit")
		if got := code(db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.Finish(ctx, w) })); got != "25006" {
			t.Errorf("write in a read's pipeline: %s, want 25006", got)
		}
	}
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		if err := tx.Finish(ctx, &pgx.Batch{}); err != nil {
			return err
		}
		return run("select 1")(tx)
	})
	if err == nil {
		t.Error("a statement after Finish was accepted")
	}
}

func TestNestedTransactionIsCaught(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	ctx := context.Background()
	err := db.Read(ctx, dbtest.Alpha, func(tenancy.Read) error {
		return db.Read(ctx, dbtest.Alpha, func(tenancy.Read) error { return nil })
	})
	if !errors.Is(err, tenancy.ErrNested) {
		t.Errorf("nested: %v", err)
	}
}

func TestBusyTenantIsTurnedAwayAndOthersServed(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	cfg := dbtest.Config(e.DSN)
	cfg.Assert, cfg.PerTenant, cfg.Queue, cfg.Patience = false, 1, 1, 50*time.Millisecond
	db, err := tenancy.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	hold, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			close(held)
			<-hold
			return nil
		})
	})
	<-held
	if err := db.Read(ctx, dbtest.Alpha, run("select 1")); !errors.As(err, new(*tenancy.BusyError)) {
		t.Errorf("over its share: %v, want BusyError", err)
	}
	if err := db.Read(ctx, dbtest.Beta, run("select 1")); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	close(hold)
	wg.Wait()
	if err := db.Read(ctx, dbtest.Alpha, run("select 1")); err != nil {
		t.Errorf("after the rush: %v", err)
	}
}

func TestDeadlineEndsATransaction(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		return run("select pg_sleep(30)")(tx)
	}, tenancy.Within(100*time.Millisecond))
	if got := code(err); got != "57014" && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("slow statement: %v", err)
	}
	if err := db.Read(ctx, dbtest.Alpha, run("select id from unit")); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func TestBorrowedConnectionsKnowNoTenant(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	db := e.DB // asserts role and schema at the start of every transaction
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 60 {
				id := []tenancy.ID{dbtest.Alpha, dbtest.Beta}[(w+i)%2]
				ctx, cancel := context.WithCancel(context.Background())
				switch i % 5 {
				case 1:
					_ = db.Read(ctx, id, run("select 1/0"))
				case 2:
					cancel()
					_ = db.Read(ctx, id, run("select 1"))
				case 3:
					func() {
						defer func() { _ = recover() }()
						_ = db.Write(ctx, id, func(tx tenancy.Write) error { _ = run("select 1")(tx.Read); panic("x") })
					}()
				default:
					if err := db.Read(ctx, id, run("select id from unit")); err != nil {
						t.Errorf("borrow: %v", err)
					}
				}
				cancel()
			}
		})
	}
	wg.Wait()
}

func TestUnknownAndUnfinishedTenants(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	if err := e.DB.Read(ctx, "tnt_00000000000000000000000000", run("select 1")); !errors.Is(err, tenancy.ErrNoTenant) {
		t.Errorf("unknown: %v", err)
	}
	if err := e.DB.Read(ctx, "", run("select 1")); !errors.Is(err, tenancy.ErrNoTenant) {
		t.Errorf("zero: %v", err)
	}
	e.Exec(t, "update control.tenant set state = 'provisioning', routable_at = null where slug = 'alpha'")
	if err := e.DB.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.DB.Read(ctx, dbtest.Alpha, run("select 1")); !errors.Is(err, tenancy.ErrNotReady) {
		t.Errorf("unfinished: %v", err)
	}
}

func TestCatalogueFollowsChanges(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	alpha, _ := e.DB.BySlug("alpha")
	if err := e.Operator.SetState(ctx, alpha, tenancy.Suspended); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if got, _ := e.DB.ByHost("alpha.test"); got.State == tenancy.Suspended {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the catalogue did not hear of the change within 2 s")
}

func TestStrictNames(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	ctx := context.Background()
	for _, c := range []struct {
		args pgx.StrictNamedArgs
		want string
	}{
		{pgx.StrictNamedArgs{"a": "x"}, ""},
		{pgx.StrictNamedArgs{}, "wants argument @a"},
		{pgx.StrictNamedArgs{"a": "x", "b": 1}, "has no argument @b"},
	} {
		err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			var s string
			return tx.QueryRow(ctx, "select @a::text || '@b'", c.args).Scan(&s)
		})
		if (c.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
}
