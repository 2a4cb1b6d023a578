package wiretest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"digione/internal/tenancy/dbtest"
)

// Run does a command through a wire from a state that is always the same: it calls
// Start when the program is ready and Kill when the command is over, goes on as
// people and programs would, and returns what there is then. What must hold whatever
// happened, it checks by itself.
type Run func(w *Wire) (state string)

// Crash runs a command undisturbed, and then once for each of its effects and modes
// (a few of them unless DIGIONE_CRASH is full, as in make crashes), and compares the
// ends. Each call of bench makes a place for one run at a time.
func Crash(t *testing.T, bench func(t *testing.T) Run) {
	t.Helper()
	w := New(t, 0, Before, All).Hold()
	want := bench(t)(w)
	seen := w.Seen()
	if len(seen) < 3 || t.Failed() {
		t.Fatalf("undisturbed, %d effects: %q", len(seen), seen)
	}
	list := chosen(seen, os.Getenv("DIGIONE_CRASH") == "full")
	var next sync.Mutex
	struck := 0
	take := func() (p point, ok bool) {
		next.Lock()
		defer next.Unlock()
		if ok = len(list) > 0; ok {
			p, list = list[0], list[1:]
		}
		return p, ok
	}
	total := len(list)
	t.Run("effects", func(t *testing.T) {
		for n := range 2 {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				run := bench(t)
				for p, ok := take(); ok; p, ok = take() {
					w := New(t, p.at, p.mode, All).Hold()
					got := run(w)
					if w.Struck() {
						next.Lock()
						struck++
						next.Unlock()
					}
					if got != want || t.Failed() {
						t.Fatalf("%s effect %d, %.200q; compared with an undisturbed run:\n%s", p.mode, p.at, seen[p.at-1], dbtest.Differ(want, got))
					}
				}
			})
		}
	})
	if struck < total*9/10 {
		t.Errorf("only %d of %d runs were disturbed", struck, total)
	}
	t.Logf("%d effects, %d runs, %d disturbed", len(seen), total, struck)
}

type point struct {
	at   int
	mode Mode
}

// chosen are the effects and modes to try: all, or a kill after every commit and one
// more mode at it, and some of the others, spread evenly, by one mode each.
func chosen(seen []string, full bool) (list []point) {
	step := max(1, len(seen)/sample)
	for i, what := range seen {
		at := i + 1
		switch {
		case full:
			for _, m := range Modes {
				list = append(list, point{at, m})
			}
		case strings.HasSuffix(what, "commit"):
			list = append(list, point{at, After}, point{at, []Mode{Unheard, Before, Cancel}[at%3]})
		case at%step == 0:
			list = append(list, point{at, Modes[at/step%len(Modes)]})
		}
	}
	return slices.Clip(list)
}

// sample is how many effects that are no commits make test tries of each command.
const sample = 8
