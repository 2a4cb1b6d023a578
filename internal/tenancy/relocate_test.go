package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/wiretest"
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
	var sums []string
	for _, table := range lines(t, dsn, "select relname::text from pg_class where relkind in ('r', 'p') and relnamespace = $1::regnamespace and relname <> 'goose_db_version' order by 1", tn.Schema) {
		sums = append(sums, "select '"+table+" ' || count(*) || ' ' || coalesce(md5(string_agg(x::text, ',' order by x::text)), '') from "+tn.Schema+"."+table+" x")
	}
	sums = append(sums, "select max(version_id)::text from "+tn.Schema+".goose_db_version")
	return line(t, dsn, strings.Join(sums, " union all ")) + "\n" + grants(t, dsn, tn) + "\n" + shapeOf(t, dsn, tn.Schema)
}

const insertAudit = `insert into audit_event (id, at, actor_kind, action) values (gen_random_uuid(), now(), 'system', 'test')`

func look(ctx context.Context, db *tenancy.DB, id tenancy.ID) error {
	return db.Write(ctx, id, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, insertAudit)
		return err
	}, tenancy.Trace())
}

// TestRelocateCrashMatrix kills a move to another cluster before or after each
// statement that has an effect (both in make crashes), on either server, and runs it again or takes it
// back: it ends as an uninterrupted one does, with nothing in the other place.
func TestRelocateCrashMatrix(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	others := everything(t, e.DSN)
	east, _ := e.Cluster(t, "east")
	first := newTraveller(t, e, east, "mover")
	whole := first.travel(0, false)
	if len(whole) < 60 {
		t.Fatalf("only %d statements were seen: %q", len(whole), whole)
	}
	type point struct {
		cut   int
		after bool
	}
	points := make(chan point)
	var wg sync.WaitGroup
	for i := range 2 {
		v := first
		if i > 0 {
			v = newTraveller(t, e, east, fmt.Sprintf("mover%d", i))
		}
		wg.Go(func() {
			for p := range points {
				v.travel(p.cut, p.after)
			}
		})
	}
	full := os.Getenv("DIGIONE_CRASH") == "full"
	for i, sql := range whole {
		// Tables are carried one like the other: a kill at each twelfth will do.
		if !full && i > 0 && i%12 != 0 && strings.HasPrefix(sql, "copy") && strings.HasPrefix(whole[i-1], "copy") {
			continue
		}
		points <- point{i + 1, i%4 > 0} // before it is mostly after the one before
		if full {
			points <- point{i + 1, i%4 == 0}
		}
	}
	close(points)
	wg.Wait()
	if got := everything(t, e.DSN); got != others {
		t.Errorf("other tenants changed:\n%s", dbtest.Differ(others, got))
	}
	certified(t, e.Operator)
	sound(t, e.Operator)
}

// traveller is a tenant that goes from one place to the other and back.
type traveller struct {
	t      *testing.T
	e      *dbtest.Env
	slug   string
	at     int
	places [2]struct{ dsn, cell, cluster string }
	want   string
}

func newTraveller(t *testing.T, e *dbtest.Env, east, slug string) *traveller {
	ctx := context.Background()
	v := &traveller{t: t, e: e, slug: slug}
	v.places[0].dsn, v.places[0].cell, v.places[0].cluster = e.DSN, "here-"+slug, "main"
	v.places[1].dsn, v.places[1].cell, v.places[1].cluster = east, "there-"+slug, "east"
	tn := provision(t, e.Operator, private(slug, "all"))
	if err := e.DB.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		addUnit(t, e.DB, tn.ID, fmt.Sprint("unit ", i))
	}
	if err := look(ctx, e.DB, tn.ID); err != nil {
		t.Fatal(err)
	}
	v.want = settled(t, e.DSN, tn)
	return v
}

// travel moves the tenant through a wire that is cut at a statement, and then to
// the end. It returns the statements that the wire has seen.
func (v *traveller) travel(cut int, after bool) []string {
	t, e, ctx := v.t, v.e, context.Background()
	from, to := v.places[v.at], v.places[1-v.at]
	tn, err := e.Operator.Find(ctx, v.slug)
	if err != nil {
		t.Error(err)
		return nil
	}
	w := wiretest.New(t, cut, wiretest.Killed(after), wiretest.Changes)
	cfg := dbtest.OperatorConfig(w.Through(t, e.DSN))
	cfg.Resolve = w.Resolve(t)
	victim, err := tenancy.OpenOperator(ctx, cfg)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer victim.Close()
	_, err = moverOf(victim).Move(ctx, tn, to.cell, to.cluster, nil)
	seen, dead := w.Seen(), w.Struck()
	w.Kill()
	if !dead && err != nil {
		t.Errorf("not killed: %v", err)
	}
	state := fmt.Sprintf("killed at %.60q (after it: %v)", seen[max(0, min(cut, len(seen))-1)], after)
	move, err := e.Operator.FindMove(ctx, tn)
	if err != nil {
		t.Error(err)
	}
	list, err := e.Operator.Doctor(ctx, tn.Slug)
	if err != nil || slices.ContainsFunc(list, func(d tenancy.Diagnosis) bool { return d.Check == "move" && d.Next != "" }) != move.UnderWay() {
		t.Errorf("%s, in %q: doctor: %+v, %v", state, move.Phase, list, err)
	}
	if cut%5 == 0 && move.UnderWay() && move.Phase != "switched" { // abandoned first
		if _, err := e.Operator.Back(ctx, tn, nil); err != nil {
			t.Errorf("%s: taken back: %v", state, err)
		}
		v.lies(state+", taken back", tn, from.dsn, to.dsn)
	}
	if _, err := moverOf(e.Operator).Move(ctx, tn, to.cell, to.cluster, nil); err != nil {
		t.Errorf("%s, run again: %v", state, err)
		return seen
	}
	if tn, err = e.Operator.Find(ctx, v.slug); err != nil || tn.Cell != to.cell || tn.Cluster != to.cluster {
		t.Errorf("%s, run again: in cell %s on %s, %v", state, tn.Cell, tn.Cluster, err)
	}
	v.lies(state+", run again", tn, to.dsn, from.dsn)
	v.at = 1 - v.at
	return seen
}

// lies compares what is in a place with what the tenant began with.
func (v *traveller) lies(state string, tn tenancy.Tenant, there, elsewhere string) {
	if got := settled(v.t, there, tn); got != v.want {
		v.t.Errorf("%s:\n%s", state, dbtest.Differ(v.want, got))
	}
	if got := remains(v.t, elsewhere, tn); got != "" {
		v.t.Errorf("%s: in the other place lies %s", state, got)
	}
}

// ledger is what a client knows to be committed.
type ledger struct {
	mu         sync.Mutex
	written    []string
	refused    int
	lastGood   time.Time
	longest    time.Duration // without a write
	unexpected []string
	readers    [2]struct {
		reads, refused int
		longest        time.Duration
	}
}

// read notes a reading of the process that hears, or of the deaf one.
func (l *ledger) read(process int, took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.readers[process]
	r.reads++
	r.longest = max(r.longest, took)
	switch {
	case errors.As(err, new(*tenancy.MovingError)):
		r.refused++
	case err != nil:
		l.unexpected = append(l.unexpected, err.Error())
	}
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
	id := tn.ID
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
					if err := put(context.Background(), db, id, name); l.note(name, err) {
						time.Sleep(2 * time.Millisecond)
					}
				}
			})
		}
		wg.Go(func() { // readers note that they read
			for ctx.Err() == nil {
				began := time.Now()
				err := look(context.Background(), db, id)
				if err == nil {
					err = db.Read(context.Background(), id, func(tx tenancy.Read) error {
						return tx.QueryRow(context.Background(), "select count(*)::int from unit").Scan(new(int))
					})
				}
				l.read(n, time.Since(began), err)
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
	t.Logf("%d writes, %d refused for a move, longest without a write %s", len(l.written), l.refused, l.longest)
	for n, who := range []string{"hears", "is deaf"} {
		t.Logf("who %s: %+v", who, l.readers[n])
	}
	if r := l.readers[0]; r.refused > 0 || r.longest > 5*time.Second {
		t.Errorf("a reader of the process that hears was refused %d times, and waited for up to %s", r.refused, r.longest)
	}
	if got := remains(t, e.DSN, tn); got != "" {
		t.Errorf("in the old place lies %s", got)
	}
	certified(t, e.Operator)
	sound(t, e.Operator)
}
