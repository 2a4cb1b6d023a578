package faults_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"digione/internal/app/objects"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy/dbtest"
)

// TestEvidenceLedger: files are handed in while the store comes and goes. What was
// acknowledged is there, once, with its hash.
func TestEvidenceLedger(t *testing.T) {
	t.Parallel()
	s := newStock(t, hasty, 0)
	var mu sync.Mutex
	told := map[string]bool{} // by mark: whether it was acknowledged
	keep := func(mark string) error {
		file, err := s.evidence.Keep(background, s.tenant, mark+".pdf", bytes.NewReader(paper(mark)))
		if err == nil {
			if sum := sha256.Sum256(paper(mark)); file.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s: acknowledged under another hash", mark)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		told[mark] = told[mark] || err == nil
		return err
	}
	ctx, stop := context.WithCancel(background)
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// Some files come twice, from two people.
				if err := keep(fmt.Sprintf("%d-%d", w/2*(i%2)+w*((i+1)%2), i)); err != nil && away(err) != errAway {
					t.Errorf("not said clearly: %v", err)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	ways := []way{{}, {refuse: true}, {}, {mute: true}, {}, {lose: true}, {}, {cutUp: 50_000}, {}, {cutDown: 200}, {}, {rate: 8 << 10}}
	seed := rand.New(rand.NewPCG(1, 2))
	for i, end := 0, time.Now().Add(short(40*time.Second, 4*time.Second)); time.Now().Before(end); i++ {
		s.proxy.be(ways[i%len(ways)])
		time.Sleep(time.Duration(200+seed.IntN(400)) * time.Millisecond)
	}
	s.proxy.be(way{})
	stop()
	wg.Wait()
	s.awaken()

	n := 0
	for mark, yes := range told {
		if yes {
			n++
			s.there(mark)
		}
	}
	if got := s.count("select count(*)::int from t_alpha.object where key like 'joining/%'"); got != n {
		t.Errorf("%d rows of %d acknowledged files", got, n)
	}
	missing, stray := s.compared("t_alpha", dbtest.Alpha)
	if len(missing) > 0 || n < 20 || n == len(told) {
		t.Errorf("rows without an object %q; %d of %d acknowledged", missing, n, len(told))
	}
	t.Logf("%d files, %d acknowledged; %d objects without a row", len(told), n, len(stray))
	// Who was refused hands the same in again: what lies there becomes theirs.
	for mark, yes := range told {
		if !yes {
			s.check(keep(mark))
			s.there(mark)
		}
	}
	if missing, stray := s.compared("t_alpha", dbtest.Alpha); len(missing)+len(stray) > 0 {
		t.Errorf("in the end: rows without an object %q, objects without a row %q", missing, stray)
	}
}

// there reads a file of evidence and compares it.
func (s *stock) there(mark string) {
	s.Helper()
	sum := sha256.Sum256(paper(mark))
	ks, err := keyset(s.tenant)
	s.check(err)
	f, err := objects.For(s.store, s.tenant.ID, ks).Get(background, "joining/"+hex.EncodeToString(sum[:]), sum)
	if err != nil {
		s.Errorf("%s was acknowledged: %v", mark, err)
		return
	}
	defer func() { _ = f.Close() }()
	if b, err := io.ReadAll(f); err != nil || !bytes.Equal(b, paper(mark)) {
		s.Errorf("%s has another content: %v", mark, err)
	}
}

// awaken waits until the store counts as there.
func (s *stock) awaken() {
	s.Helper()
	began := time.Now()
	for objects.Reach(background, s.store) != nil {
		if time.Since(began) > longest {
			s.Fatal("the store is back, and nobody has noticed")
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.Logf("reached again after %s", time.Since(began).Round(time.Millisecond))
}

// TestRequestDeadline: a page waits for a store that takes connections and never
// answers no longer than requests may take, with the product's own patience; soon
// it does not wait at all; and no transaction waits with it.
func TestRequestDeadline(t *testing.T) {
	const deadline = 2 * time.Second // where other tests fill the machine, one second may pass before the store is asked
	patience := objects.Usual
	patience.Dial, patience.Pause = 500*time.Millisecond, 4*time.Second // after which a call counts as missed
	s := newStock(t, patience, deadline)
	school := s.school(0)
	u := s.begin("a.zip", school)
	s.proxy.be(way{mute: true})
	before := runtime.NumGoroutine()
	send := func() error {
		return s.clear(s.site.Send(s, webtest.Alpha, admin, "/oppilastiedot/lahetys/"+u+"/0", "application/octet-stream", bytes.NewReader(school[:s.svc.Part])))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var slowest time.Duration
	for range 30 {
		wg.Go(func() {
			began := time.Now()
			err := send()
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(began))
			if !errors.Is(err, errAway) {
				t.Errorf("not said clearly: %v", err)
			}
		})
	}
	time.Sleep(deadline / 2)
	most := runtime.NumGoroutine()
	idle := s.count("select count(*)::int from pg_stat_activity where datname = current_database() and state like 'idle in transaction%' and clock_timestamp() - state_change > interval '200 ms'")
	wg.Wait()
	if slowest > 2*deadline+time.Second || most > before+300 || idle > 0 {
		t.Errorf("the slowest took %s; %d goroutines, %d before; %d transactions waited", slowest, most, before, idle)
	}
	began, quickest := time.Now(), time.Hour
	for range 3 { // one of them may be the call that goes to look, no two in a row
		asked := time.Now()
		if err := send(); !errors.Is(err, errAway) {
			t.Errorf("when all know: %v", err)
		}
		quickest = min(quickest, time.Since(asked))
	}
	if quickest > deadline/2 {
		t.Errorf("when all know: the quickest after %s", quickest)
	}
	s.proxy.be(way{})
	s.awaken()
	s.check(send())
	t.Logf("30 at once: the slowest %s; %d goroutines, %d before; then %s", slowest.Round(time.Millisecond), most, before, time.Since(began).Round(time.Millisecond))
}
