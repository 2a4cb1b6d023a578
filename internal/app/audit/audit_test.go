package audit_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

const sqlCount = `
select count(*)::int, count(target)::int, count(distinct id)::int
  from audit_event
 where actor = $1`

func TestViewed(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.Open(t)
	actor, a, b := uuid.New(), uuid.New(), uuid.New()
	e := audit.Entry{At: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), Actor: actor, Action: "person.read", Kind: audit.Person, Request: "r1"}
	err := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
		none, two, search := e, e, e
		two.Targets = []uuid.UUID{a, b, a}
		search.Kind = audit.Search
		return audit.Viewed(ctx, tx, none, two, search)
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[tenancy.ID][3]int{dbtest.Alpha: {3, 2, 3}, dbtest.Beta: {}} {
		var got [3]int
		err := db.Read(ctx, id, func(tx tenancy.Read) error {
			return tx.QueryRow(ctx, sqlCount, actor).Scan(&got[0], &got[1], &got[2])
		})
		if err != nil || got != want {
			t.Errorf("%s: %v, want %v (%v)", id, got, want, err)
		}
	}
}

// The running product can add events and never change them.
func TestAppendOnly(t *testing.T) {
	t.Parallel()
	ctx, db := context.Background(), dbtest.Open(t)
	for _, q := range []string{`update audit_event set reason = 'x'`, `delete from audit_event`, `truncate audit_event`} {
		err := db.Write(ctx, dbtest.Alpha, func(tx tenancy.Write) error {
			_, err := tx.Exec(ctx, q)
			return err
		})
		if err == nil {
			t.Errorf("%s is possible", q)
		}
	}
}
