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
	c := &crash{want: bench(t)(w), seen: w.Seen()}
	if len(c.seen) < 3 || t.Failed() {
		t.Fatalf("undisturbed, %d effects: %q", len(c.seen), c.seen)
	}
	c.left = chosen(c.seen, os.Getenv("DIGIONE_CRASH") == "full")
	total := len(c.left)
	t.Run("effects", func(t *testing.T) {
		for n := range 2 {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				run := bench(t)
				for p, ok := c.take(); ok; p, ok = c.take() {
					c.try(t, p, run)
				}
			})
		}
	})
	if c.struck < total*3/4 { // a slow machine may come another way
		t.Errorf("only %d of %d runs were disturbed", c.struck, total)
	}
	t.Logf("%d effects, %d runs, %d disturbed", len(c.seen), total, c.struck)
}

// crash is what the runs of a command share.
type crash struct {
	want string // how it ends
	seen []string

	mu     sync.Mutex
	left   []point
	struck int
}

type point struct {
	at   int
	mode Mode
}

func (c *crash) take() (p point, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok = len(c.left) > 0; ok {
		p, c.left = c.left[0], c.left[1:]
	}
	return p, ok
}

func (c *crash) try(t *testing.T, p point, run Run) {
	w := New(t, p.at, p.mode, All).Hold()
	got := run(w)
	if w.Struck() {
		c.mu.Lock()
		c.struck++
		c.mu.Unlock()
	}
	if got != c.want || t.Failed() {
		t.Fatalf("%s effect %d, %.200q; compared with an undisturbed run:\n%s", p.mode, p.at, c.seen[p.at-1], dbtest.Differ(c.want, got))
	}
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
