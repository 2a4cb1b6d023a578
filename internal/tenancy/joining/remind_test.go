package joining_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"digione/internal/tenancy/joining"
)

func TestReminders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	a := w.tenant(t, "alpha")
	if _, err := w.Start(ctx, a, paula, "", ""); err != nil {
		t.Fatal(err)
	}
	s, err := w.State(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) time.Time { return time.Date(2026, 11, 23+n, 0, 0, 0, 0, time.UTC) }
	said := func(list []joining.Reminder) string {
		var out []string
		for _, r := range list {
			out = append(out, r.ID+" "+r.Kind)
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	const soon = "agreement soon, contacts soon, data-processing soon, rulebook soon"
	overdue := strings.ReplaceAll(soon, "soon", "overdue")
	for n, want := range map[int]string{0: "", 6: "", 7: soon, 14: soon, 15: overdue} {
		if got := said(s.Reminders(a, joining.Municipality, day(n))); got != want {
			t.Errorf("day %d: %s", n, got)
		}
	}
	if got := said(s.Reminders(a, joining.Tiera, day(14))); got != "" {
		t.Errorf("of Tiera: %s", got)
	}
	live := *s
	live.State, live.LiveAt = joining.Live, w.now
	for _, st := range live.Due() {
		if st.ID == "isolation" || st.ID == "doctor" {
			st.State, st.RedAt = joining.Red, w.now
		}
	}
	if got := said(live.Reminders(a, joining.Municipality, day(1))); got != "" {
		t.Errorf("of one that is live: %s", got)
	}
	if got := said(live.Reminders(a, joining.Tiera, day(1))); got != "doctor red, isolation red" {
		t.Errorf("alarms of one that is live: %s", got)
	}

	var mu sync.Mutex
	mails := 0
	send := func(context.Context, []joining.Reminder) error {
		mu.Lock()
		defer mu.Unlock()
		mails++
		return nil
	}
	remind := func(n int, send func(context.Context, []joining.Reminder) error) (string, error) {
		t.Helper()
		list, err := joining.Remind(ctx, w.Operator.Control(), s.Reminders(a, joining.Municipality, day(n)), w.now, send)
		return said(list), err
	}
	broken := errors.New("the server is down")
	if _, err := remind(8, func(context.Context, []joining.Reminder) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a mail that is not taken: %v", err)
	}
	if got, err := remind(8, nil); got != soon || err != nil {
		t.Errorf("dry: %s, %v", got, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := remind(8, send); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, step := range []struct {
		day   int
		want  string
		mails int
	}{{8, "", 1}, {14, "", 1}, {15, overdue, 2}, {16, "", 2}} {
		if got, err := remind(step.day, send); got != step.want || err != nil || mails != step.mails {
			t.Errorf("day %d: %q, %d mails, %v; want %s", step.day, got, mails, err, fmt.Sprint(step))
		}
	}
}
