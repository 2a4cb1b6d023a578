package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// A long reader holds what the ALTER needs: readers who come later wait a moment
// at most, and the migration gets through when the reader has gone.
func TestMigrationYieldsToReaders(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	release, held := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
			if err := run("select id from unit")(tx); err != nil {
				return err
			}
			close(held)
			<-release
			return nil
		})
		if err != nil {
			t.Errorf("the long reader: %v", err)
		}
	})
	<-held
	o := upgrader(t, e, nextMigration)
	migrated := make(chan error, 1)
	began := time.Now()
	go func() {
		_, err := o.Migrate(ctx, tenancy.MigrateOptions{Tenant: "alpha"})
		migrated <- err
	}()
	var worst time.Duration
	for n := 0; time.Since(began) < 1200*time.Millisecond; n++ {
		at := time.Now()
		if err := db.Read(ctx, dbtest.Alpha, run("select id from unit")); err != nil {
			t.Errorf("a reader behind the ALTER: %v", err)
		}
		worst = max(worst, time.Since(at))
	}
	select {
	case err := <-migrated:
		t.Errorf("the migration ended under the reader: %v", err)
	default:
	}
	close(release)
	if err := <-migrated; err != nil {
		t.Errorf("after the release: %v", err)
	}
	wg.Wait()
	if worst > time.Second {
		t.Errorf("a reader waited %s behind the ALTER", worst)
	}
	if v := versions(t, o); v["alpha"] != nextVersion {
		t.Errorf("alpha is on %d", v["alpha"])
	}
}

func TestMigrateKilledAndResumed(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	slow := "-- +goose Up\ncreate table pet (id uuid not null constraint pet_pk primary key);\nselect pg_sleep(0.3);\nalter table unit add column nickname text;\n"
	ctx, cancel := context.WithCancel(context.Background())
	first := upgrader(t, e, slow)
	n := 0
	_, err := first.Migrate(ctx, tenancy.MigrateOptions{Parallel: 1, Done: func(tenancy.Migrated) {
		if n++; n == 2 {
			time.AfterFunc(150*time.Millisecond, cancel) // in the middle of the third
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("killed: %v", err)
	}
	first.Close()
	served(t, e.DB)
	o := upgrader(t, e, slow)
	v := versions(t, o)
	if v["alpha"] != nextVersion || v["beta"] != nextVersion || v["zeta"] == nextVersion {
		t.Errorf("killed half way: %v", v)
	}
	if _, err := o.Migrate(context.Background(), tenancy.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	for slug, at := range versions(t, o) {
		if at != nextVersion {
			t.Errorf("%s is on %d", slug, at)
		}
	}
	if got := line(t, e.DSN, "select count(*)::text from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"); got != "0" {
		t.Errorf("%s advisory locks are left", got)
	}
	for _, tn := range e.DB.Tenants() {
		diagnosed(t, o, tn.Slug, "version", "90001 of 90001", "")
	}
	isolated(t, o)
}

// The migrator's connection is lost again and again: nothing may land outside of
// the tenant, and the last run finishes.
func TestMigratorLosesItsConnection(t *testing.T) {
	t.Parallel()
	e := fleet(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			e.Exec(t, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = current_user and pid <> pg_backend_pid() and query like any (array['%search_path = \"t_%', '%try_advisory%', '%goose_db%', '%nickname%'])")
			time.Sleep(3 * time.Millisecond)
		}
	})
	for range 5 {
		done, err := upgrader(t, e, nextMigration).Migrate(ctx, tenancy.MigrateOptions{Parallel: 2})
		if err == nil && len(done) == 0 {
			break
		}
	}
	cancel()
	wg.Wait()
	o := upgrader(t, e, nextMigration)
	if done, err := o.Migrate(context.Background(), tenancy.MigrateOptions{}); err != nil {
		t.Fatalf("%v: %+v", err, done)
	}
	if got := line(t, e.DSN, "select coalesce(string_agg(relname, ' '), '') from pg_class where relkind = 'r' and relnamespace in ('ext'::regnamespace, 'public'::regnamespace)"); got != "" {
		t.Errorf("tables outside of the tenants: %s", got)
	}
	want := shapeOf(t, e.DSN, "t_alpha")
	for _, tn := range e.DB.Tenants() {
		if got := shapeOf(t, e.DSN, tn.Schema); got != want {
			t.Errorf("%s differs from alpha:\n%s", tn.Slug, dbtest.Differ(want, got))
		}
	}
	served(t, e.DB)
	isolated(t, o)
}

// TestNeighbouringVersionsUnderLoad serves two tenants while one of them moves
// to the next version: nobody notices.
func TestNeighbouringVersionsUnderLoad(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	db := plainDB(t, e)
	stop := make(chan struct{})
	var served [2]atomic.Int64
	var wg sync.WaitGroup
	for k, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		for w := range 3 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := oneRequest(ctx, db, id, fmt.Sprintf("%d-%d", w, i)); err != nil {
						t.Errorf("%s: %v", id, err)
						return
					}
					served[k].Add(1)
				}
			})
		}
	}
	time.Sleep(300 * time.Millisecond)
	o := upgrader(t, e, nextMigration)
	if done, err := o.Migrate(ctx, tenancy.MigrateOptions{Tenant: "alpha"}); err != nil {
		t.Errorf("%v: %+v", err, done)
	}
	at := served[0].Load()
	time.Sleep(500 * time.Millisecond)
	close(stop)
	wg.Wait()
	if v := versions(t, o); v["alpha"] != nextVersion || v["beta"] == nextVersion {
		t.Errorf("versions %v: want neighbours", v)
	}
	if served[0].Load() == at || served[1].Load() == 0 {
		t.Errorf("served %d (%d before the migration) and %d", served[0].Load(), at, served[1].Load())
	}
}

// oneRequest writes a row and reads it again, in the ways that features use.
func oneRequest(ctx context.Context, db *tenancy.DB, id tenancy.ID, name string) error {
	err := db.Write(ctx, id, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, insertUnit, name, name)
		return err
	})
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	var got string
	err = db.Read(ctx, id, func(tx tenancy.Read) error {
		return tx.QueryRow(ctx, "select name from unit where sourced_id = $1", name).Scan(&got)
	})
	if err != nil || got != name {
		return fmt.Errorf("read %q: %w", got, err)
	}
	err = db.Write(ctx, id, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, "update unit set name = $2 where sourced_id = $1", name, name+"!")
		return err
	})
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	b := &pgx.Batch{} // one round trip, with what was prepared before the migration
	b.Queue("select name from unit where sourced_id = $1", name).QueryRow(func(row pgx.Row) error { return row.Scan(&got) })
	b.Queue("select count(*) from unit u left join unit p on p.id = u.parent where u.kind = 'school'")
	if err := db.Read(ctx, id, func(tx tenancy.Read) error { return tx.Finish(ctx, b) }); err != nil || got != name+"!" {
		return fmt.Errorf("read %q in one round trip: %w", got, err)
	}
	return nil
}
