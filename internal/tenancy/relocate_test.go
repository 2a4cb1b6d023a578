package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/schemas"
)

// TestTracesStandAlone: what readers write is carried last, so that nothing else
// may refer to it.
func TestTracesStandAlone(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	got := lines(t, e.DSN, `select conrelid::regclass::text || ' refers to ' || confrelid::regclass from pg_constraint
	  where contype = 'f' and connamespace = 't_alpha'::regnamespace
	    and (select relname from pg_class where oid = confrelid) = any ($1) and (select relname from pg_class where oid = conrelid) <> all ($1)`, schemas.Traces)
	if len(got) > 0 {
		t.Errorf("not carried together: %v", got)
	}
}

// settled is everything about a tenant where it lies, in words that are the same in
// either place.
func settled(t *testing.T, dsn string, tn tenancy.Tenant) string {
	var b strings.Builder
	for _, table := range lines(t, dsn, "select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = $1::regnamespace and relname <> 'goose_db_version' order by 1", tn.Schema) {
		b.WriteString(table + " " + line(t, dsn, "select count(*) || ' ' || coalesce(md5(string_agg(x::text, ',' order by x::text)), '') from "+tn.Schema+"."+table+" x") + "\n")
	}
	return b.String() + line(t, dsn, "select max(version_id)::text from "+tn.Schema+".goose_db_version") + "\n" + grants(t, dsn, tn) + "\n" + shapeOf(t, dsn, tn.Schema)
}

const insertAudit = `insert into audit_event (id, at, actor_kind, action) values (gen_random_uuid(), now(), 'system', 'test')`

func look(ctx context.Context, db *tenancy.DB, id tenancy.ID) error {
	return db.Write(ctx, id, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, insertAudit)
		return err
	}, tenancy.Trace())
}

// TestRelocateCrashMatrix kills a move to another cluster before and after each
// statement that has an effect, on either server, and runs it again: it ends as an
// uninterrupted one does, and at no moment is the tenant in two places.
func TestRelocateCrashMatrix(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	e := dbtest.New(t)
	others := everything(t, e.DSN)
	east, _ := e.Cluster(t, "east")
	tn := provision(t, e.Operator, private("mover", "all"))
	if err := e.DB.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		addUnit(t, e.DB, tn.ID, fmt.Sprint("unit ", i))
	}
	if err := look(ctx, e.DB, tn.ID); err != nil {
		t.Fatal(err)
	}
	want := settled(t, e.DSN, tn)
	places := []struct{ dsn, cell, cluster string }{{e.DSN, "here", "main"}, {east, "there", "east"}}
	at, kills := 0, 0
	var whole []string // the statements of an uninterrupted move
	for cut, done := 0, false; !done; cut++ {
		// Tables are carried one like the other: a kill at each eighth will do.
		if cut > 1 && cut < len(whole) && cut%8 != 0 && strings.HasPrefix(whole[cut-1], "copy") && strings.HasPrefix(whole[cut-2], "copy") {
			continue
		}
		for _, after := range []bool{false, true} {
			from, to := places[at], places[1-at]
			w, dsn := newWire(t, e.DSN, cut, after)
			victim := operator(t, dsn, func(c *tenancy.OperatorConfig) { c.Resolve = w.resolve(t) })
			_, err := moverOf(victim).Move(ctx, tn, to.cell, to.cluster, nil)
			w.mu.Lock()
			if done = !w.dead && cut > 0; cut == 0 {
				whole = slices.Clone(w.seen)
			}
			last := w.seen[max(0, min(cut, len(w.seen))-1)]
			w.mu.Unlock()
			w.kill()
			victim.Close()
			if (done || cut == 0) && err != nil {
				t.Fatalf("not killed: %v", err)
			}
			at = 1 - at
			kills++
			state := fmt.Sprintf("killed at %.60q (after it: %v)", last, after)
			move, err := e.Operator.FindMove(ctx, tn)
			if err != nil {
				t.Fatal(err)
			}
			list, err := e.Operator.Doctor(ctx, tn.Slug)
			if err != nil || slices.ContainsFunc(list, func(d tenancy.Diagnosis) bool { return d.Check == "move" && d.Next != "" }) != move.UnderWay() {
				t.Errorf("%s, in %q: doctor: %+v, %v", state, move.Phase, list, err)
			}
			if cut%5 == 0 && move.UnderWay() && move.Phase != "switched" { // abandoned instead
				if _, err := e.Operator.Back(ctx, tn, nil); err != nil {
					t.Fatalf("%s: taken back: %v", state, err)
				}
				if got := settled(t, from.dsn, tn); got != want {
					t.Errorf("%s, taken back:\n%s", state, differ(want, got))
				}
				if got := remains(t, to.dsn, tn); got != "" {
					t.Errorf("%s, taken back: in the other place lies %s", state, got)
				}
			}
			if _, err := moverOf(e.Operator).Move(ctx, tn, to.cell, to.cluster, nil); err != nil {
				t.Fatalf("%s, run again: %v", state, err)
			}
			if tn, err = e.Operator.Find(ctx, tn.Slug); err != nil || tn.Cell != to.cell || tn.Cluster != to.cluster {
				t.Fatalf("%s, run again: in cell %s on %s, %v", state, tn.Cell, tn.Cluster, err)
			}
			if got := settled(t, to.dsn, tn); got != want {
				t.Errorf("%s, run again:\n%s", state, differ(want, got))
			}
			if got := remains(t, from.dsn, tn); got != "" {
				t.Errorf("%s, run again: in the old place lies %s", state, got)
			}
		}
	}
	if kills < 60 {
		t.Errorf("only %d kills", kills)
	}
	if err := e.DB.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	addUnit(t, e.DB, tn.ID, "last")
	if got := everything(t, e.DSN); got != others {
		t.Errorf("other tenants changed:\n%s", differ(others, got))
	}
	certified(t, e.Operator)
	sound(t, e.Operator)
}

// ledger is what a client knows to be committed.
type ledger struct {
	mu                            sync.Mutex
	written                       []string
	refused                       int
	lastGood                      time.Time
	longest                       time.Duration // without a write
	reads, readsRefused, longRead atomic.Int64
	unexpected                    []string
}

// note tells whether a write was refused.
func (l *ledger) note(name string, err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil:
		if now := time.Now(); !l.lastGood.IsZero() {
			l.longest = max(l.longest, now.Sub(l.lastGood))
		}
		l.lastGood = time.Now()
		l.written = append(l.written, name)
	case errors.As(err, new(*tenancy.MovingError)):
		l.refused++
	default:
		l.unexpected = append(l.unexpected, err.Error())
	}
	return err != nil
}

// TestRelocateUnderLoad moves a tenant there and back while two processes, of which
// one hears no news, write and read: each write that was told to be done is there
// once, no other is, and no reader is refused.
func TestRelocateUnderLoad(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	e := dbtest.New(t)
	east, _ := e.Cluster(t, "east")
	tn := provision(t, e.Operator, private("mover", "all"))
	neighbour := provision(t, e.Operator, private("naapuri", "all"))
	deaf := plainDB(t, e)
	hearing := plainDB(t, e)
	deaf.Deafen()
	var l ledger
	var calm atomic.Int64 // the neighbour's refused
	var wg sync.WaitGroup
	for n, db := range []*tenancy.DB{hearing, deaf} {
		for w := range 2 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					name := fmt.Sprintf("%d-%d-%d", n, w, i)
					if err := put(context.Background(), db, tn.ID, name); l.note(name, err) {
						time.Sleep(2 * time.Millisecond)
					}
				}
			})
		}
		wg.Go(func() { // readers note that they read
			for ctx.Err() == nil {
				began := time.Now()
				err := look(context.Background(), db, tn.ID)
				if err == nil {
					err = db.Read(context.Background(), tn.ID, func(tx tenancy.Read) error {
						return tx.QueryRow(context.Background(), "select count(*)::int from unit").Scan(new(int))
					})
				}
				l.longRead.Store(max(l.longRead.Load(), int64(time.Since(began))))
				l.reads.Add(1)
				if err != nil {
					l.readsRefused.Add(1)
					if !errors.As(err, new(*tenancy.MovingError)) {
						l.note("", err)
					}
				}
			}
		})
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := put(context.Background(), db, neighbour.ID, fmt.Sprintf("%d-%d", n, i)); err != nil {
					calm.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	s := moverOf(e.Operator)
	for i, to := range []struct{ cell, cluster string }{{"there", "east"}, {"here", "main"}, {"there", "east"}} {
		time.Sleep(300 * time.Millisecond)
		v, err := s.Move(context.Background(), tn, to.cell, to.cluster, nil)
		if err != nil {
			t.Fatalf("move %d: %v", i, err)
		}
		if v.ReadOnlySeconds <= 0 || v.ClosedSeconds <= 0 || v.ReadOnlySeconds > 10 {
			t.Errorf("move %d: %+v", i, v)
		}
		t.Logf("move %d: %d rows, read only %.3f s, closed %.3f s", i, v.Rows, v.ReadOnlySeconds, v.ClosedSeconds)
		if tn, err = e.Operator.Find(ctx, tn.Slug); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(300 * time.Millisecond)
	stop()
	wg.Wait()
	if len(l.unexpected) > 0 {
		t.Errorf("%d errors that are not of a move, the first: %s", len(l.unexpected), l.unexpected[0])
	}
	if calm.Load() > 0 {
		t.Errorf("the neighbour was refused %d times", calm.Load())
	}
	there := lines(t, east, "select name from "+tn.Schema+".unit order by name collate \"C\"")
	slices.Sort(l.written)
	if !slices.Equal(there, l.written) {
		t.Errorf("%d writes were told to be done, %d are there", len(l.written), len(there))
	}
	if len(l.written) < 50 || l.refused == 0 {
		t.Errorf("%d written, %d refused: no load", len(l.written), l.refused)
	}
	t.Logf("%d writes, %d refused for a move, longest without a write %s; %d reads, %d refused, the longest %s", len(l.written), l.refused,
		l.longest, l.reads.Load(), l.readsRefused.Load(), time.Duration(l.longRead.Load()))
	if got := remains(t, e.DSN, tn); got != "" {
		t.Errorf("in the old place lies %s", got)
	}
	certified(t, e.Operator)
	sound(t, e.Operator)
}
