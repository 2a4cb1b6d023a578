package joining

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"digione/internal/tenancy"
)

// memory is a log for the state machine alone; the real one has tests of its own.
type memory struct {
	list []Event
	now  *State // folded from the list
}

func (m *memory) events(context.Context, tenancy.ID, int64) ([]Event, error) { return m.list, nil }

func (m *memory) decide(_ context.Context, ts Templates, _ tenancy.ID, f func(*State) ([]Event, error)) (*State, error) {
	more, err := f(m.now)
	if err != nil || len(more) == 0 {
		return m.now, err
	}
	for _, e := range more {
		e.ID = int64(len(m.list) + 1)
		m.list = append(m.list, e)
	}
	m.now, err = Fold(ts, m.list)
	return m.now, err
}

func templates(t testing.TB) Templates {
	t.Helper()
	ts, err := BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	// A second version: one thing more is asked, one no longer, one otherwise.
	next := ts[DefaultTemplate]
	next.ID = "joining/2"
	next.Stages = slices.Clone(next.Stages)
	for i, stage := range next.Stages {
		next.Stages[i].Requirements = slices.Clone(stage.Requirements)
	}
	first := next.Stages[0].Requirements
	first[0].Days = 30
	more := first[2]
	more.ID = "price-list"
	next.Stages[0].Requirements = append(slices.Delete(first, 4, 5), more)
	if err := next.check(); err != nil {
		t.Fatal(err)
	}
	ts[next.ID] = next
	return ts
}

// TestRandomHistories lets people and checks do whatever comes to their minds,
// ten thousand times, and looks at every state on the way.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	reached := map[string]int{}
	const sequences = 10_000
	for seed := range uint64(sequences) {
		history(t, ts, rand.New(rand.NewPCG(seed, 7)), reached)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, want := range []string{UnderWay, Halted, Live, Open, Second, Red, Done, Skipped, "pilot open", "rolled back", "live again"} {
		if reached[want] == 0 {
			t.Errorf("no history reached %q", want)
		}
	}
	for _, stage := range ts[DefaultTemplate].Stages {
		if reached["stage "+stage.ID] == 0 {
			t.Errorf("no history reached the stage %s", stage.ID)
		}
	}
}

var people = []Actor{{"paula", Tiera, ""}, {"olli", Tiera, ""}, {"olli", Municipality, "Maija Meri"}, {"maija", Municipality, ""}, {"sami", Municipality, ""}}

func history(t *testing.T, ts Templates, rng *rand.Rand, reached map[string]int) {
	t.Helper()
	ctx := context.Background()
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	luck, steps := rng.Float64(), 5+rng.IntN(20) // of the checks in this history, and how long it is
	if rng.IntN(20) == 0 {
		luck, steps = 0.99, 80
	}
	log := &memory{}
	s := &Service{Log: log, Templates: ts, Now: func() time.Time { return now }, Checks: map[string]Measure{}}
	for _, stage := range ts[DefaultTemplate].Stages {
		for _, r := range stage.Requirements {
			s.Checks[r.Check] = func(context.Context, tenancy.Tenant, Requirement, *State) (Measurement, error) {
				return Measurement{OK: rng.Float64() < luck, Measurable: rng.Float64() < 0.9, Value: fmt.Sprint(rng.IntN(3))}, nil
			}
		}
	}
	for k, m := range s.Checks { // what is not measured is not well
		s.Checks[k] = func(ctx context.Context, tn tenancy.Tenant, r Requirement, st *State) (Measurement, error) {
			x, err := m(ctx, tn, r, st)
			x.OK = x.OK && x.Measurable
			return x, err
		}
	}
	tn := tenancy.Tenant{Slug: "inkoo", ID: "tnt_x"}
	any := func() string {
		tpl := ts[DefaultTemplate]
		stage := tpl.Stages[rng.IntN(len(tpl.Stages))]
		return stage.Requirements[rng.IntN(len(stage.Requirements))].ID
	}
	if _, err := s.Start(ctx, tn, people[0], "", "2027-spring"); err != nil {
		t.Fatal(err)
	}
	waves := []Wave{{"pilot", "2026-12-01", []string{"a"}}, {"second", "2027-01-11", []string{"b", "c", "d"}}}
	live := false
	for range steps {
		now = now.Add(time.Duration(rng.IntN(40)) * time.Hour)
		by := people[rng.IntN(len(people))]
		var err error
		var st *State
		switch rng.IntN(14) {
		case 0, 1, 2:
			st, err = s.Advance(ctx, tn)
		case 3, 4, 5, 6:
			st, err = s.Attest(ctx, tn, by, []string{any()}, &Evidence{SHA256: fmt.Sprint(rng.IntN(3))}, "because")
		case 7, 8:
			st, err = s.Approve(ctx, tn, by, nil, "")
		case 9:
			st, err = s.Plan(ctx, tn, by, waves)
		case 10:
			if st, err = s.Waive(ctx, tn, by, any(), "because"); rng.IntN(2) == 0 {
				for _, r := range due(st, by) { // and the same for whatever is in the way
					st, err = s.Waive(ctx, tn, by, r, "because")
				}
			}
		case 11:
			if rng.IntN(3) == 0 {
				st, err = s.Reopen(ctx, tn, by, any(), "because")
			}
		case 12:
			if rng.IntN(4) > 0 {
				st, err = s.Resume(ctx, tn, by, "")
			} else if rng.IntN(2) == 0 {
				st, err = s.Pause(ctx, tn, by, "because")
			} else if st, err = s.RollBack(ctx, tn, by, "pilot", "because"); err == nil {
				reached["rolled back"]++
			}
		case 13:
			if rng.IntN(10) == 0 {
				_, st, err = s.MoveTemplate(ctx, tn, by, "joining/2", false)
			}
		}
		if err != nil && !errors.Is(err, ErrRefused) && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
		if st == nil || err != nil {
			continue
		}
		sound(t, st, log.list)
		reached[st.State]++
		reached["stage "+st.Stage]++
		for _, r := range st.Status {
			reached[r.State]++
		}
		if len(st.OpenWaves) > 0 {
			reached["pilot open"]++
		}
		if live && st.State == Live {
			reached["live again"]++
		}
		live = live || st.State == Live
	}
	first, err := Fold(ts, log.list)
	again, errAgain := Fold(ts, slices.Clone(log.list))
	if err != nil || errAgain != nil || !reflect.DeepEqual(first, again) {
		t.Errorf("the same events gave another state")
	}
}

func due(st *State, by Actor) (out []string) {
	if st == nil || by.Side != Tiera {
		return nil
	}
	for _, d := range st.Due() {
		out = append(out, d.ID)
	}
	return out
}

// sound says what is true of every state.
func sound(t *testing.T, s *State, events []Event) {
	t.Helper()
	passed := true
	for _, r := range s.Status {
		if !r.Passed() && passed {
			passed = false
			if s.Stage != r.Stage {
				t.Errorf("stage %s while %s of %s is %s", s.Stage, r.ID, r.Stage, r.State)
			}
		}
		switch {
		case r.Kind == Check && r.State == Done && !(r.Last != nil && r.Last.OK) && r.attested == nil:
			t.Errorf("%s is done by nothing", r.ID)
		case r.Kind == Attestation && r.State == Done && (len(r.By) == 0 || (r.Second != "" && len(r.By) < 2)):
			t.Errorf("%s is done by %v", r.ID, r.By)
		case r.Kind == Attestation && r.Evidence && r.State == Done && len(r.Files) == 0:
			t.Errorf("%s is done without evidence", r.ID)
		case r.State == Skipped && (len(r.By) != 2 || r.By[0] == r.By[1] || r.Reason == ""):
			t.Errorf("%s is waived by %v, because %q", r.ID, r.By, r.Reason)
		case r.State == Second && len(r.By) != 1:
			t.Errorf("%s waits for a second person after %v", r.ID, r.By)
		case r.State == Done && len(r.By) == 2 && r.By[0] == r.By[1]:
			t.Errorf("%s was approved by who attested it", r.ID)
		}
	}
	if (s.State == Live) != passed {
		t.Errorf("%s while all passed is %v", s.State, passed)
	}
	if s.Opening().All != (s.State == Live) {
		t.Errorf("all schools open while %s", s.State)
	}
	for i, w := range s.Waves {
		if i > 0 && slices.Contains(s.OpenWaves, w.Name) && !slices.Contains(s.OpenWaves, s.Waves[i-1].Name) &&
			!slices.ContainsFunc(events, func(e Event) bool { return e.Kind == RolledBack && e.Wave == s.Waves[i-1].Name }) {
			t.Errorf("wave %s opened before the one before it", w.Name)
		}
	}
}

func TestReopeningReopensWhatRests(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	list := []Event{{ID: 1, Kind: Started, Template: DefaultTemplate, At: at}}
	ok := &Measurement{OK: true, Measurable: true}
	for _, id := range []string{"doctor", "roster", "isolation"} {
		list = append(list, Event{Kind: Measured, Requirement: id, Measurement: ok, At: at})
	}
	list = append(list, Event{Kind: Reopened, Stage: "rostered", Reason: "merged schools", At: at})
	s, err := Fold(ts, list)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"doctor": Done, "roster": Open, "isolation": Open} {
		if got := s.status(id).State; got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}

func TestTemplatesAreChecked(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown key":   {"id: joining/9\ncolour: red\n", "field colour not found"},
		"id":            {"id: joining\n", "want an id like joining/1"},
		"no stages":     {"id: joining/9\n", "has no stages"},
		"owner":         {stageWith("owner: nobody, kind: attestation, days: 1"), `owner "nobody"`},
		"kind":          {stageWith("owner: tiera, kind: wish, days: 1"), `kind "wish"`},
		"check":         {stageWith("owner: tiera, kind: check, days: 1"), "a check names its measurement"},
		"days":          {stageWith("owner: tiera, kind: attestation"), "days 0"},
		"second person": {stageWith("owner: tiera, kind: attestation, days: 1, second: cousin"), `second "cousin"`},
	} {
		if _, err := ReadTemplate([]byte(c.yaml)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func stageWith(requirement string) string {
	const names = "names: {fi: a, sv: b, en: c}"
	return "id: joining/9\n" + names + "\nstages:\n- id: one\n  " + names + "\n  requirements:\n  - {id: a, " + names + ", " + requirement + "}\n"
}

func TestCheckWaves(t *testing.T) {
	t.Parallel()
	if err := CheckWaves([]Wave{{"pilot", "2027-01-11", []string{"a"}}, {"two", "2027-02-01", []string{"b", "c", "d"}}}); err != nil {
		t.Error(err)
	}
	err := CheckWaves([]Wave{{"pilot", "11.1.2027", []string{"a"}}, {"pilot", "2027-02-01", []string{"a", "c", "d", "e"}}, {"empty", "2027-02-01", nil}})
	for _, want := range []string{"11.1.2027", "a name of its own", "more than three times", "school a is in", "has no schools"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said in: %v", want, err)
		}
	}
}
