package audit_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/audit/seal"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at() time.Time { return noon }

func look(t *testing.T, db *tenancy.DB, id tenancy.ID, targets ...uuid.UUID) {
	t.Helper()
	err := db.Write(context.Background(), id, func(tx tenancy.Write) error {
		return audit.Viewed(context.Background(), tx, audit.Entry{At: noon, Actor: uuid.New(), Role: "teacher", Action: "person.read", Kind: audit.Person, Targets: targets, Request: "r"})
	})
	if err != nil {
		t.Error(err)
	}
}

func file(t *testing.T, db *tenancy.DB, id tenancy.ID) (seal.Report, error) {
	t.Helper()
	tn, _ := db.ByID(id)
	var b bytes.Buffer
	if err := audit.Export(context.Background(), db, tn, &b, noon); err != nil {
		t.Fatal(err)
	}
	return seal.Verify(&b, seal.Trust{})
}

func keyset(t *testing.T) *keys.Keyset {
	t.Helper()
	k, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Views and sealers run beside each other: in the end each event stands under
// exactly one head, and the twin's chain knows none of them.
func TestSealed(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.Open(t)
	alpha, _ := db.ByID(dbtest.Alpha)
	k := keyset(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				look(t, db, dbtest.Alpha, uuid.New(), uuid.New(), uuid.New())
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 10 {
				_, _ = audit.Seal(ctx, db, alpha, k, at) // of two at once one may fail
			}
		})
	}
	wg.Wait()
	look(t, db, dbtest.Beta, uuid.New())
	if _, err := audit.Seal(ctx, db, alpha, k, at); err != nil {
		t.Fatal(err)
	}
	if n, err := audit.Seal(ctx, db, alpha, k, at); n != 0 || err != nil {
		t.Errorf("nothing waits, and %d were sealed: %v", n, err)
	}
	r, err := file(t, db, dbtest.Alpha)
	if err != nil || r.Events != 120 || r.Pending != 0 || r.Heads < 1 || len(r.Keys) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := file(t, db, dbtest.Beta); err != nil || r.Events != 0 || r.Pending != 1 {
		t.Errorf("the twin: %+v, %v", r, err)
	}
	if n := stray(t, db); n != 0 {
		t.Errorf("%d stray events", n)
	}
}

func stray(t *testing.T, db *tenancy.DB) (n int) {
	t.Helper()
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) (err error) {
		n, err = audit.Stray(context.Background(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Whatever the owner of the database does to events and heads, the file tells.
func TestSabotage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql  string
		want error // of the file; nil is a stray event
	}{
		"an event changed":    {"update %audit_event set action = 'x' where id = (select id from %audit_event order by at, id limit 1)", seal.ErrEvents},
		"an actor changed":    {"update %audit_event set actor = gen_random_uuid() where id = (select id from %audit_event order by at, id limit 1)", seal.ErrEvents},
		"an event removed":    {"delete from %audit_event where id = (select id from %audit_event order by at, id limit 1)", seal.ErrEvents},
		"a head removed":      {"delete from %audit_seal where seq = 1", seal.ErrChain},
		"a head changed":      {"update %audit_seal set sealed_at = sealed_at + interval '1 day' where seq = 1", seal.ErrHash},
		"heads swapped":       {"update %audit_seal set seq = case seq when 1 then 2 else 1 end - 100; update %audit_seal set seq = seq + 100", seal.ErrChain},
		"hidden from a head":  {"update %audit_seal set events = events[2:] where seq = 1", seal.ErrEvents},
		"an event slipped in": {`insert into %audit_event (id, at, actor_kind, action) values (gen_random_uuid(), '2026-11-23', 'system', 'x')`, nil},
		"a waiting row gone":  {`delete from %audit_pending`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := dbtest.New(t)
			alpha, _ := env.DB.ByID(dbtest.Alpha)
			k := keyset(t)
			for range 2 {
				look(t, env.DB, dbtest.Alpha, uuid.New(), uuid.New(), uuid.New())
				if _, err := audit.Seal(context.Background(), env.DB, alpha, k, at); err != nil {
					t.Fatal(err)
				}
			}
			look(t, env.DB, dbtest.Alpha, uuid.New())
			if _, err := file(t, env.DB, dbtest.Alpha); err != nil || stray(t, env.DB) != 0 {
				t.Fatalf("before: %v", err)
			}
			env.Exec(t, string(bytes.ReplaceAll([]byte(c.sql), []byte("%"), []byte(alpha.Schema+"."))))
			_, err := file(t, env.DB, dbtest.Alpha)
			if c.want != nil && !errors.Is(err, c.want) || c.want == nil && stray(t, env.DB) != 1 {
				t.Errorf("%v, want %v; %d stray", err, c.want, stray(t, env.DB))
			}
		})
	}
}
