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
	last map[string]time.Time
}

func (m *memory) measured(_ context.Context, _ tenancy.ID, requirements []string, at time.Time) error {
	if m.last == nil {
		m.last = map[string]time.Time{}
	}
	for _, id := range requirements {
		m.last[id] = at
	}
	return nil
}

func (m *memory) measuredAt(context.Context, tenancy.ID) (map[string]time.Time, error) {
	return m.last, nil
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
	// A further version: one thing more is asked, one no longer, one otherwise.
	next := ts[DefaultTemplate]
	next.ID = "joining/99"
	next.Stages = slices.Clone(next.Stages)
	for i, stage := range next.Stages {
		next.Stages[i].Requirements = slices.Clone(stage.Requirements)
	}
	first := next.Stages[0].Requirements
	first[0].Days = 31
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
	for _, want := range []string{UnderWay, Halted, Live, Open, Second, Red, Done, Skipped, "pilot open", "rolled back", "live again", "live with a red gate"} {
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

var people = []Actor{{"paula", Tiera, "", false}, {"olli", Tiera, "", false}, {"olli", Municipality, "Maija Meri", false}, {"maija", Municipality, "", true}, {"sami", Municipality, "", true}}

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
			s.Checks[r.Check] = func(context.Context, tenancy.Tenant, Status, *State) (Measurement, error) {
				return Measurement{OK: rng.Float64() < luck, Measurable: rng.Float64() < 0.9, Value: fmt.Sprint(rng.IntN(3))}, nil
			}
		}
	}
	for k, m := range s.Checks { // what is not measured is not well
		s.Checks[k] = func(ctx context.Context, tn tenancy.Tenant, r Status, st *State) (Measurement, error) {
			x, err := m(ctx, tn, r, st)
			x.OK = x.OK && x.Measurable
			x.Absent = !x.Measurable && rng.IntN(2) == 0
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
	lived, fell := false, false
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
				_, st, err = s.MoveTemplate(ctx, tn, by, "joining/99", false)
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
		last := log.list[len(log.list)-1]
		switch {
		case lived && !st.Lives() && last.Kind == Paused && last.ID > 1 && log.list[last.ID-2].Kind == RolledBack:
			fell = true
		case lived && !st.Lives():
			t.Errorf("who was live is %s after %s", st.State, last.Kind)
		case st.Lives() && fell:
			reached["live again"]++
		}
		lived = st.Lives()
		if lived && st.Red() > 0 {
			reached["live with a red gate"]++
		}
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
			if s.Stage != r.Stage && !s.Lives() {
				t.Errorf("stage %s while %s of %s is %s", s.Stage, r.ID, r.Stage, r.State)
			}
		}
		switch {
		case r.Kind == Check && r.State == Done && !(r.Last != nil && r.Last.OK) && r.attested == nil:
			t.Errorf("%s is done by nothing", r.ID)
		case r.Kind == Attestation && r.State == Done && (len(r.By) == 0 || ((r.Second != "" || r.Signed[0].Entered != "") && len(r.By) < 2)):
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
	if passed && !s.Lives() && !s.rolled {
		t.Errorf("%s while all passed", s.State)
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

// told is a log in the words of a test, each a day after the one before.
type told struct{ list []Event }

func (l *told) add(e Event) *told {
	e.ID = int64(len(l.list) + 1)
	e.At = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).AddDate(0, 0, len(l.list))
	l.list = append(l.list, e)
	return l
}

func (l *told) found(id string, m Measurement) *told {
	return l.add(Event{Kind: Measured, Requirement: id, Measurement: &m, Side: System})
}

var well, bad = Measurement{OK: true, Measurable: true, Value: "well"}, Measurement{Measurable: true, Value: "bad"}

// alive is a log of a municipality that has become live on a template.
func alive(t *testing.T, ts Templates, template string) *told {
	t.Helper()
	l := (&told{}).add(Event{Kind: Started, Template: template})
	l.add(Event{Kind: Planned, Waves: []Wave{{"pilot", "2026-12-01", []string{"a"}}, {"rest", "2026-12-02", []string{"b", "c"}}}})
	tpl, err := ts.Get(template)
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range tpl.Stages {
		for _, r := range stage.Requirements {
			switch {
			case r.Kind == Attestation:
				l.add(Event{Kind: Attested, Requirement: r.ID, Actor: "maija", Side: Municipality, Evidence: &Evidence{SHA256: "00"}})
				if r.Second != "" {
					l.add(Event{Kind: Approved, Requirement: r.ID, Actor: "paula", Side: Tiera})
				}
			case r.Check != "":
				l.found(r.ID, well)
			}
		}
	}
	return l.add(Event{Kind: Opened, Wave: "pilot"}).add(Event{Kind: Opened, Wave: "rest"})
}

func (l *told) fold(t *testing.T, ts Templates) *State {
	t.Helper()
	s, err := Fold(ts, l.list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLiveStaysOpen: what turns red or is reopened later is an alarm; only a
// rollback closes schools. Logs of the first version, where the waves were never
// compared with the schools, are believed.
func TestLiveStaysOpen(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	for _, template := range []string{"joining/1", "joining/2"} {
		l := alive(t, ts, template)
		if s := l.fold(t, ts); s.State != Live || !s.Opening().All || s.LiveAt.IsZero() {
			t.Fatalf("%s: %s, open %v", template, s.State, s.Opening())
		}
		l.found("isolation", bad).add(Event{Kind: Reopened, Stage: "rostered", Reason: "merged schools"})
		l.found("doctor", bad)
		s := l.fold(t, ts)
		if s.State != Live || !s.Opening().All || s.Red() != 1 || len(s.Due()) < 5 {
			t.Errorf("%s: %s with %d red and %d due, open %v", template, s.State, s.Red(), len(s.Due()), s.Opening())
		}
		l.add(Event{Kind: RolledBack, Wave: "rest", Reason: "wrong groups"}).add(Event{Kind: Paused, Reason: "wrong groups"})
		if s := l.fold(t, ts); s.State != Halted || !slices.Equal(s.Opening().Schools, []string{"a"}) || s.Opening().All {
			t.Errorf("%s: rolled back %s, open %v", template, s.State, s.Opening())
		}
	}
}

// TestRedAnywhereHalts: a gate of a later stage that is red is seen, and no wave opens.
func TestRedAnywhereHalts(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	l := (&told{}).add(Event{Kind: Started, Template: DefaultTemplate}).found("isolation", bad)
	s := l.fold(t, ts)
	if s.Stage != "agreed" || s.State != Halted || s.Red() != 1 || s.status("isolation").RedAt != l.list[1].At {
		t.Errorf("%s in %s, %d red", s.State, s.Stage, s.Red())
	}
	l.add(Event{Kind: Planned, Waves: []Wave{{"pilot", "2026-12-01", []string{"a"}}}}).found("waves", well)
	if why := l.fold(t, ts).MayOpen(0, "2027-01-01"); why != "a gate is red" {
		t.Errorf("the pilot waits because %q", why)
	}
}

// TestWavesNameEverySchool: waves are done when all are open and were found to name
// the schools since they were planned; one that names none is red.
func TestWavesNameEverySchool(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	l := (&told{}).add(Event{Kind: Started, Template: DefaultTemplate})
	pilot := []Wave{{"pilot", "2026-12-01", []string{"a"}}}
	l.add(Event{Kind: Planned, Waves: pilot})
	is := func(what, want string) {
		t.Helper()
		if got := l.fold(t, ts).status("waves").State; got != want {
			t.Errorf("%s: the waves are %s, want %s", what, got, want)
		}
	}
	if why := l.fold(t, ts).MayOpen(0, "2027-01-01"); !strings.Contains(why, "not compared") {
		t.Errorf("before they are compared: %q", why)
	}
	l.found("waves", Measurement{Measurable: true, Value: "unknown: a"})
	is("a school that there is not", Red)
	l.found("waves", Measurement{Value: "in no wave: b"}).add(Event{Kind: Opened, Wave: "pilot"})
	is("a school in no wave", Open)
	l.found("waves", well)
	is("all named", Done)
	l.add(Event{Kind: Planned, Waves: append(pilot, Wave{"rest", "2026-12-02", []string{"b"}})})
	is("planned anew", Open)
	l.add(Event{Kind: Opened, Wave: "rest"})
	is("opened and not compared", Open)
	l.found("waves", well)
	is("compared", Done)
	l.add(Event{Kind: Reopened, Stage: "rolling-out", Reason: "a school was founded"})
	is("reopened", Open)
	l.found("waves", well)
	is("compared after the reopening", Done)
}

// TestReopenedCountsAnew: what is reopened is due counted from the reopening, and is
// measured from then on.
func TestReopenedCountsAnew(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	for _, template := range []string{"joining/1", "joining/2"} {
		l := alive(t, ts, template)
		l.list[len(l.list)-1].At = l.list[0].At.AddDate(1, 0, 0)
		l.add(Event{Kind: Reopened, Stage: "identified", Reason: "another provider"})
		at := l.list[0].At.AddDate(1, 1, 0)
		l.list[len(l.list)-1].At = at
		s := l.fold(t, ts)
		for _, id := range []string{"provider", "staff-success", "waves"} {
			st := s.status(id)
			if y, m, d := at.AddDate(0, 0, st.Days).Date(); st.State != Open || st.Since != at || st.Due != time.Date(y, m, d, 0, 0, 0, 0, time.UTC) {
				t.Errorf("%s: %s is %s, asked since %s, due %s", template, id, st.State, st.Since, st.Due)
			}
		}
		if st := s.status("doctor"); st.State != Done || !st.Since.Equal(l.list[0].At) {
			t.Errorf("%s: the doctor is %s since %s", template, st.State, st.Since)
		}
	}
}

// TestMovedAsksFromNow: what another version asks besides is due counted from the move.
func TestMovedAsksFromNow(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	l := alive(t, ts, "joining/1").add(Event{Kind: Moved, Template: "joining/2"})
	s := l.fold(t, ts)
	at := l.list[len(l.list)-1].At
	if st := s.status("groups"); !st.Since.Equal(at) || st.State != Open {
		t.Errorf("groups are asked since %s and %s", st.Since, st.State)
	}
	if st := s.status("rulebook"); !st.Since.Equal(at) || st.State != Open {
		t.Errorf("the rulebook of no version is %s", st.State)
	}
	if st := s.status("agreement"); st.State != Done || s.State != Live || !s.Opening().All {
		t.Errorf("moved while live: %s, open %v", s.State, s.Opening())
	}
}

// TestOnlyChangesAreNoted: a night that finds what is known leaves no event, and yet
// it is known when it was measured; who is live is not measured as a pilot again.
func TestOnlyChangesAreNoted(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	ctx := context.Background()
	log := &memory{list: alive(t, ts, DefaultTemplate).list}
	log.now, _ = Fold(ts, log.list)
	now := time.Date(2027, 6, 1, 2, 0, 0, 0, time.UTC)
	measured := map[string]int{}
	s := &Service{Log: log, Templates: ts, Now: func() time.Time { return now }, Checks: map[string]Measure{}}
	for _, st := range log.now.Status {
		s.Checks[st.Check] = func(_ context.Context, _ tenancy.Tenant, r Status, _ *State) (Measurement, error) {
			measured[r.ID]++
			if r.ID == "staff-sign-in" {
				return Measurement{Value: "nobody of late"}, nil // undoes nothing
			}
			return well, nil
		}
	}
	n := len(log.list)
	for range 3 {
		now = now.AddDate(0, 0, 1)
		if _, err := s.Check(ctx, tenancy.Tenant{}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if len(log.list) != n {
		t.Errorf("three nights without news left %d events", len(log.list)-n)
	}
	if at := log.last["doctor"]; !at.Equal(now) || measured["doctor"] != 3 {
		t.Errorf("doctor was measured %d times, last %s", measured["doctor"], at)
	}
	for _, id := range []string{"counts", "staff-success", "guardian-reach", "attendance", "waves"} {
		if measured[id] != 0 {
			t.Errorf("%s of a live tenant was measured %d times", id, measured[id])
		}
	}
}

// TestWhoMayAttest: nobody speaks for another side, and only what the program cannot
// measure at all is attested.
func TestWhoMayAttest(t *testing.T) {
	t.Parallel()
	ts := templates(t)
	absent := Measurement{Absent: true, Value: "no such thing"}
	file := &Evidence{SHA256: "00"}
	own, tiera := people[3], people[0]
	entered := people[2] // by an operator, for the municipality
	for _, c := range []struct {
		id    string
		found *Measurement
		by    Actor
		ok    bool
	}{
		{"attendance", nil, own, false},
		{"attendance", &Measurement{Value: "not yet"}, own, false},
		{"attendance", &bad, own, false},
		{"attendance", &absent, own, true},
		{"attendance", &absent, entered, true},
		{"attendance", &absent, tiera, false},
		{"staff-sign-in", &Measurement{Value: "nobody tried"}, own, false},
		{"restore-drill", &Measurement{Value: "no drill"}, own, false},
		{"restore-drill", &absent, own, false},
		{"agreement", nil, own, true},
		{"agreement", nil, tiera, false},
		{"waves", nil, own, false},
	} {
		for _, template := range []string{"joining/1", "joining/2"} {
			l := (&told{}).add(Event{Kind: Started, Template: template})
			if c.found != nil {
				l.found(c.id, *c.found)
			}
			e, err := attest(l.fold(t, ts), c.by, c.id, file, "because", time.Now())
			if (err == nil) != c.ok || (err != nil && !errors.Is(err, ErrRefused)) {
				t.Errorf("%s: %s of %s on %+v: %v", template, c.id, c.by.Side, c.found, err)
			}
			if err == nil && l.add(*e).fold(t, ts).Passed(c.id) != (c.by.Self && c.id != "agreement") {
				t.Errorf("%s: %s by %+v needs nobody else", template, c.id, c.by)
			}
		}
	}
	// Whoever acts for the municipality leads nothing.
	s := &Service{Log: &memory{now: alive(t, ts, DefaultTemplate).fold(t, ts)}, Templates: ts, Now: time.Now}
	ctx, tn := context.Background(), tenancy.Tenant{}
	for name, err := range map[string]error{
		"reopen": second(s.Reopen(ctx, tn, own, "agreed", "x")), "pause": second(s.Pause(ctx, tn, own, "x")), "resume": second(s.Resume(ctx, tn, own, "x")),
		"roll back": second(s.RollBack(ctx, tn, own, "rest", "x")), "waive": second(s.Waive(ctx, tn, own, "counts", "x")),
		"waive its waves": second(s.Waive(ctx, tn, tiera, "waves", "x")), "plan": second(s.Plan(ctx, tn, own, []Wave{{"a", "2027-01-01", []string{"a"}}})), "start": second(s.Start(ctx, tn, own, "", "")),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("a municipality may %s: %v", name, err)
		}
	}
	if _, _, err := s.MoveTemplate(ctx, tn, own, "joining/99", false); !errors.Is(err, ErrRefused) {
		t.Errorf("a municipality moves to another version: %v", err)
	}
}

func second(_ *State, err error) error { return err }

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
