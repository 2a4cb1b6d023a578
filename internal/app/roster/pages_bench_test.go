//go:build bench

package roster_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestBenchPages sends 220,000 rows through the pages and prints how long that takes
// and how much the heap grows meanwhile, over what the test itself holds.
func TestBenchPages(t *testing.T) {
	o := newOffice(t)
	first, second := made(t, 18200, 0, 0), made(t, 18200, 0.02, 1)
	runtime.GC()
	var base runtime.MemStats
	runtime.ReadMemStats(&base)
	var peak atomic.Uint64
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-stop:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	timed := func(what string, f func()) {
		runtime.GC()
		peak.Store(0)
		began := time.Now()
		f()
		fmt.Printf("%-28s %6.1f s  heap +%d MB\n", what, time.Since(began).Seconds(), (int64(peak.Load())-int64(base.HeapInuse))>>20)
	}
	var path string
	for i, content := range [][]byte{first, second} {
		timed(fmt.Sprintf("send and plan, night %d", i), func() { path, _ = o.planned(anna, content) })
		timed(fmt.Sprintf("apply, night %d", i), func() {
			if r := o.post(bert, path+"/tuo", "initial", "1", "approve", "1", "reason", "b"); r.Status != 303 {
				t.Fatalf("%d", r.Status)
			}
			o.settled(bert, path)
		})
	}
	timed("page of the plan", func() { o.settled(anna, path) })
	timed("plan the undo", func() { o.post(bert, path+"/peru") })
}
