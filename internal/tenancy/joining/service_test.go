package joining_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
)

var (
	paula = joining.Actor{Account: "paula", Side: joining.Tiera}
	olli  = joining.Actor{Account: "olli", Side: joining.Tiera}
	maija = joining.Actor{Account: "olli", Side: joining.Municipality, Name: "Maija Meri"}
	paper = &joining.Evidence{Name: "sopimus.pdf", Key: "joining/00", SHA256: "00", Size: 1, Type: "application/pdf"}
)

// world is a real database with the twins, and a process whose checks say what
// the test wants.
type world struct {
	*dbtest.Env
	*joining.Service
	found map[string]joining.Measurement
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ts, err := joining.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Env: dbtest.New(t), found: map[string]joining.Measurement{}, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	w.Service = &joining.Service{Log: joining.Postgres(w.Operator.Control()), Templates: ts, Checks: map[string]joining.Measure{}, Now: func() time.Time { return w.now }}
	for _, stage := range ts[joining.DefaultTemplate].Stages {
		for _, r := range stage.Requirements {
			w.Checks[r.Check] = func(_ context.Context, _ tenancy.Tenant, r joining.Status, _ *joining.State) (joining.Measurement, error) {
				if m, ok := w.found[r.ID]; ok {
					return m, nil
				}
				return joining.Measurement{OK: true, Measurable: true, Value: "well"}, nil
			}
		}
	}
	return w
}

func (w *world) tenant(t *testing.T, slug string) tenancy.Tenant {
	t.Helper()
	tn, err := w.Operator.Find(context.Background(), slug)
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestJoiningOnARealDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	a := w.tenant(t, "alpha")
	_, err := w.State(ctx, a)
	is(t, err, joining.ErrNotStarted)
	if _, err := w.Start(ctx, a, paula, "", "2027-spring"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Start(ctx, a, paula, "", "2027-spring"); err != nil { // twice changes nothing
		t.Fatal(err)
	}
	if got := w.tenant(t, "alpha").Opening; got == nil || len(got.Schools) != 0 {
		t.Errorf("once joining has begun %v is open, want nothing", got)
	}
	if got := w.tenant(t, "beta").Opening; got != nil {
		t.Errorf("the twin is %v, want wholly open", got)
	}
	refusals := map[string]func() error{
		"Tiera speaks for the municipality": func() error { _, err := w.Attest(ctx, a, paula, []string{"agreement"}, paper, ""); return err },
		"no evidence":                       func() error { _, err := w.Attest(ctx, a, maija, []string{"agreement"}, nil, ""); return err },
		"what is measured is attested":      func() error { _, err := w.Attest(ctx, a, maija, []string{"doctor"}, paper, "x"); return err },
		"waiver without a reason":           func() error { _, err := w.Waive(ctx, a, paula, "attendance", ""); return err },
		"the municipality waives":           func() error { _, err := w.Waive(ctx, a, maija, "attendance", "x"); return err },
		"reopening without a reason":        func() error { _, err := w.Reopen(ctx, a, paula, "agreed", ""); return err },
	}
	for name, try := range refusals {
		if err := try(); !errors.Is(err, joining.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = w.Attest(ctx, a, maija, []string{"unheard-of"}, nil, "")
	is(t, err, joining.ErrInvalid)
	if _, err := w.Attest(ctx, a, maija, []string{"agreement", "data-processing", "rulebook", "impact-assessment", "contacts"}, paper, ""); err != nil {
		t.Fatal(err)
	}
	before, _ := w.Events(ctx, a)
	if _, err := w.Attest(ctx, a, maija, []string{"agreement"}, paper, ""); err != nil {
		t.Fatal(err)
	}
	if after, _ := w.Events(ctx, a); len(after) != len(before) {
		t.Error("the same word given twice was noted twice")
	}
	_, err = w.Approve(ctx, a, olli, nil, "") // who handed the paper in
	is(t, err, joining.ErrRefused)
	s, err := w.Approve(ctx, a, paula, nil, "")
	if err != nil || s.Stage != "provisioned" {
		t.Fatalf("%v, stage %s", err, s.Stage)
	}
	if _, err := w.Plan(ctx, a, paula, []joining.Wave{{Name: "pilot", Opens: "2026-11-30", Schools: []string{"s1"}}, {Name: "rest", Opens: "2027-01-11", Schools: []string{"s2", "s3"}}}); err != nil {
		t.Fatal(err)
	}
	w.found["learner-sign-in"] = joining.Measurement{Value: "nobody tried"}
	w.found["staff-success"] = joining.Measurement{Value: "no pilot"}
	if s, err = w.Advance(ctx, a); err != nil || s.Stage != "identified" || len(s.OpenWaves) != 0 {
		t.Fatalf("%v: %s, open %v: the pilot's day has not come", err, s.Stage, s.OpenWaves)
	}
	w.now = time.Date(2026, 11, 30, 5, 0, 0, 0, time.UTC)
	if s, err = w.Advance(ctx, a); err != nil || len(s.OpenWaves) != 1 {
		t.Fatalf("%v: open %v, want the pilot", err, s.OpenWaves)
	}
	if got := w.tenant(t, "alpha").Opening; got == nil || len(got.Schools) != 1 || got.Schools[0] != "s1" {
		t.Errorf("%v is open, want s1", got)
	}
	delete(w.found, "learner-sign-in")
	delete(w.found, "staff-success")
	w.found["guardian-reach"] = joining.Measurement{Measurable: true, Value: "70 %"}
	w.now = time.Date(2027, 1, 11, 5, 0, 0, 0, time.UTC)
	if s, err = w.Advance(ctx, a); err != nil || s.State != joining.Halted || len(s.OpenWaves) != 1 {
		t.Fatalf("%v: %s, open %v: a red gate must halt the next wave", err, s.State, s.OpenWaves)
	}
	if _, err := w.Waive(ctx, a, olli, "guardian-reach", "small pilot"); err != nil {
		t.Fatal(err)
	}
	_, err = w.Approve(ctx, a, olli, []string{"guardian-reach"}, "")
	is(t, err, joining.ErrRefused)
	if _, err = w.Approve(ctx, a, paula, []string{"guardian-reach"}, ""); err != nil {
		t.Fatal(err)
	}
	if s, err = w.Advance(ctx, a); err != nil || s.State != joining.Live {
		t.Fatalf("%v: %s in %s", err, s.State, s.Stage)
	}
	if got := w.tenant(t, "alpha").Opening; got != nil {
		t.Errorf("a live tenant is open to %v alone", got)
	}
	w.found["isolation"] = joining.Measurement{Measurable: true, Value: "1 violation"}
	if s, err = w.Check(ctx, a, ""); err != nil || s.State != joining.Live || s.Red() != 1 || w.tenant(t, "alpha").Opening != nil {
		t.Fatalf("%v: %s with a red gate, open to %v", err, s.State, w.tenant(t, "alpha").Opening)
	}
	w.now = w.now.AddDate(0, 0, 1)
	if _, err := w.Check(ctx, a, ""); err != nil {
		t.Fatal(err)
	}
	if at, err := w.Measured(ctx, a); err != nil || !at["isolation"].Equal(w.now) || at["staff-success"].Equal(w.now) {
		t.Errorf("%v: measured last %v", err, at)
	}
	if s, err = w.RollBack(ctx, a, paula, "rest", "groups are wrong"); err != nil || s.State != joining.Halted || len(s.OpenWaves) != 1 {
		t.Fatalf("%v: %s, open %v", err, s.State, s.OpenWaves)
	}
	if s, err = w.Advance(ctx, a); err != nil || len(s.OpenWaves) != 1 {
		t.Errorf("%v: what was rolled back opened by itself", err)
	}
	if _, err := w.State(ctx, w.tenant(t, "beta")); !errors.Is(err, joining.ErrNotStarted) {
		t.Errorf("the twin has started too: %v", err)
	}
	if _, err := w.Operator.Control().Exec(ctx, "update control.join_event set reason = 'other'"); err == nil {
		t.Error("the log can be rewritten")
	}
}

// TestTwoAtOnce: of two who approve side by side each decides on what is there.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := context.Background()
	a := w.tenant(t, "alpha")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := w.Start(ctx, a, paula, "", ""); err != nil {
				t.Error(err)
			}
			if _, err := w.Attest(ctx, a, maija, []string{"rulebook"}, nil, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := w.Events(ctx, a)
	if err != nil || len(list) != 2 {
		t.Errorf("%v: %d events, want one start and one attestation", err, len(list))
	}
}
