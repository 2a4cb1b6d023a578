package joining

import (
	"fmt"
	"slices"
	"time"
)

// The states of a requirement.
const (
	Open    = "open"
	Second  = "second" // waits for a second person
	Red     = "red"    // measured, and not good enough
	Done    = "done"
	Skipped = "waived"
)

// Status is where one requirement stands.
type Status struct {
	Requirement
	Stage  string
	State  string
	Since  time.Time // when it was asked: at the start, by a reopening, or by a move of the template
	Due    time.Time // a day
	At     time.Time // of what brought it there
	RedAt  time.Time // when it turned red
	By     []string  // who answers for it
	Signed []Event   // what they said
	Reason string
	Files  []Evidence
	Last   *Measurement

	attested, waived *Event
}

// ask begins to ask for a requirement: its days count from now.
func ask(r Requirement, stage string, at time.Time) Status {
	st := Status{State: Open, Since: at}
	return st.as(r, stage)
}

// as is the same status under another version's words.
func (s Status) as(r Requirement, stage string) Status {
	y, m, d := s.Since.AddDate(0, 0, r.Days).Date()
	s.Requirement, s.Stage, s.Due = r, stage, time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return s
}

// Passed tells whether the gate is open.
func (s Status) Passed() bool { return s.State == Done || s.State == Skipped }

// The states of a tenant's joining as a whole.
const (
	UnderWay = "under-way"
	Halted   = "halted" // a gate is red or somebody paused it
	Live     = "live"
)

// State is where a tenant stands, folded from its events.
type State struct {
	Tenant     string
	Template   Template
	Cohort     string
	StartedAt  time.Time
	Stage      string // the first that is not done; the last one's when all are
	State      string // under-way, halted or live
	Status     []Status
	Waves      []Wave
	OpenWaves  []string
	OpenedAt   map[string]time.Time // when each open wave opened
	LiveAt     time.Time            // when all was passed for the first time, zero before and after a rollback
	PausedWhy  string
	Paused     bool
	LastEvent  int64
	Transition time.Time // when it last changed

	due    []*Status
	rolled bool // a wave was rolled back, and nobody has resumed
	last   Event
	before Event // the one before the last
}

// Lives tells whether the tenant is live: its schools are open, whatever is measured.
func (s *State) Lives() bool { return !s.LiveAt.IsZero() }

// Fold tells where a tenant stands. Events are in the order of their ids. The
// same events always give the same state.
func Fold(ts Templates, events []Event) (*State, error) {
	var s *State
	for _, e := range events {
		if s == nil {
			if e.Kind != Started {
				return nil, fmt.Errorf("the log of %s begins with %q", e.Tenant, e.Kind)
			}
			t, err := ts.Get(e.Template)
			if err != nil {
				return nil, err
			}
			s = &State{Tenant: e.Tenant, Template: t, Cohort: e.Cohort, StartedAt: e.At}
			s.fill(nil, e.At)
			s.touch(e)
			continue
		}
		if err := s.apply(ts, e); err != nil {
			return nil, err
		}
		s.touch(e)
		s.settleWaves()
		if !s.Lives() && !s.rolled && s.allPassed() {
			s.LiveAt = e.At
		}
	}
	if s != nil {
		s.settle()
	}
	return s, nil
}

func (s *State) touch(e Event) {
	s.LastEvent, s.Transition = e.ID, e.At
	s.before, s.last = s.last, e
}

// fill makes the statuses that the template asks for, keeping those of old. What
// the template did not ask before is asked from now on.
func (s *State) fill(old []Status, at time.Time) {
	s.Status = nil
	for _, stage := range s.Template.Stages {
		for _, r := range stage.Requirements {
			st := ask(r, stage.ID, at)
			if i := slices.IndexFunc(old, func(o Status) bool { return o.sameAs(r) }); i >= 0 {
				st = old[i].as(r, stage.ID)
			}
			s.Status = append(s.Status, st)
		}
	}
}

func (s *State) apply(ts Templates, e Event) error {
	switch e.Kind {
	case Moved:
		t, err := ts.Get(e.Template)
		if err != nil {
			return err
		}
		s.Template = t
		s.fill(s.Status, e.At)
	case Reopened:
		from := s.Template.StageAt(e.Stage)
		for i := range s.Status {
			st := &s.Status[i]
			at := s.Template.StageAt(st.Stage)
			if st.ID == e.Requirement || (from >= 0 && at >= from) || (e.Requirement != "" && at > s.stageOf(e.Requirement)) {
				*st = ask(st.Requirement, st.Stage, e.At)
				st.Reason, st.At = e.Reason, e.At
			}
		}
	case Planned:
		s.Waves = e.Waves
		if st := s.waves(); st != nil && st.Last != nil {
			st.Last = &Measurement{} // these waves were not compared with the schools yet
		}
	case Opened:
		if !slices.Contains(s.OpenWaves, e.Wave) {
			s.OpenWaves = append(s.OpenWaves, e.Wave)
			s.opened()[e.Wave] = e.At
		}
	case RolledBack:
		s.OpenWaves = slices.DeleteFunc(s.OpenWaves, func(w string) bool { return w == e.Wave })
		delete(s.opened(), e.Wave)
		s.rolled, s.LiveAt = true, time.Time{}
	case Paused:
		s.Paused, s.PausedWhy = true, e.Reason
	case Resumed:
		s.Paused, s.PausedWhy, s.rolled = false, "", false
	default:
		if st := s.status(e.Requirement); st != nil {
			st.apply(e)
		}
	}
	return nil
}

func (s *State) opened() map[string]time.Time {
	if s.OpenedAt == nil {
		s.OpenedAt = map[string]time.Time{}
	}
	return s.OpenedAt
}

// keeps tells whether a measurement would change nothing: what once passed is not
// undone by silence. The waves are compared with the schools that there are today.
func (st *Status) keeps(m Measurement) bool {
	return !m.Measurable && st.Passed() && st.Kind != Waves
}

func (st *Status) apply(e Event) {
	if e.Kind == Measured && st.keeps(*e.Measurement) {
		return
	}
	st.At = e.At
	was := st.State
	switch e.Kind {
	case Measured:
		st.measured(e.Measurement)
	case Attested:
		st.attested, st.waived = &e, nil
		st.By, st.Signed, st.Reason = []string{e.person()}, []Event{e}, e.Reason
		if e.Evidence != nil {
			st.Files = append(st.Files, *e.Evidence)
		}
		if st.State = Done; st.second() != "" {
			st.State = Second
		}
	case Waived:
		st.waived, st.attested = &e, nil
		st.By, st.Signed, st.Reason, st.State = []string{e.person()}, []Event{e}, e.Reason, Second
	case Approved:
		if st.State != Second {
			return
		}
		st.By, st.Signed = append(st.By, e.person()), append(st.Signed, e)
		if st.State = Done; st.waived != nil {
			st.State = Skipped
		}
	}
	if st.State == Red && was != Red {
		st.RedAt = e.At
	}
}

func (st *Status) measured(m *Measurement) {
	switch st.Last = m; {
	case st.State == Skipped || st.State == Second || st.Kind == Waves:
	case m.OK:
		st.State, st.attested = Done, nil
	case m.Measurable:
		st.State, st.attested = Red, nil
	default:
		st.State = Open
	}
}

// second is the side whose other person must approve what was said, "" for nobody.
func (s Status) second() string {
	switch {
	case s.waived != nil:
		return Tiera
	case s.Second != "" || s.attested == nil:
		return s.Second
	}
	return s.attested.Entered
}

func (s *State) status(requirement string) *Status {
	for i := range s.Status {
		if s.Status[i].ID == requirement {
			return &s.Status[i]
		}
	}
	return nil
}

func (s *State) stageOf(requirement string) int {
	_, i, ok := s.Template.Find(requirement)
	if !ok {
		return len(s.Template.Stages)
	}
	return i
}

// waves is the requirement that all waves are open, nil where none is asked.
func (s *State) waves() *Status {
	for i := range s.Status { // no copies: this runs for every event
		if s.Status[i].Kind == Waves {
			return &s.Status[i]
		}
	}
	return nil
}

func (s *State) allPassed() bool {
	for i := range s.Status {
		if st := s.Status[i].State; st != Done && st != Skipped {
			return false
		}
	}
	return true
}

// settleWaves computes where the waves stand: done once all are open and, since they
// were planned, were found to name every school and no other. Logs from before that
// was measured are believed.
func (s *State) settleWaves() {
	st := s.waves()
	if st == nil || st.State == Skipped || st.State == Second {
		return
	}
	all := len(s.Waves) > 0 && !slices.ContainsFunc(s.Waves, func(w Wave) bool { return !slices.Contains(s.OpenWaves, w.Name) })
	believed := st.Last == nil && st.Check == "" && !st.Since.After(s.StartedAt)
	switch {
	case st.Last != nil && st.Last.Measurable && !st.Last.OK:
		if st.State != Red {
			st.RedAt = st.At
		}
		st.State = Red
	case all && (believed || st.Last != nil && st.Last.OK):
		st.State = Done
	default:
		st.State = Open
	}
}

// settle computes what follows from the statuses: the stage, the whole.
func (s *State) settle() {
	if st := s.waves(); st != nil && st.State == Second { // a waiver of old that nobody may approve any more
		st.State = Open
		s.settleWaves()
	}
	s.due = nil
	for i := range s.Status {
		if !s.Status[i].Passed() {
			s.due = append(s.due, &s.Status[i])
		}
	}
	slices.SortStableFunc(s.due, func(a, b *Status) int { return a.Due.Compare(b.Due) })
	s.Stage, s.State = s.Template.Stages[len(s.Template.Stages)-1].ID, Live
	if s.Lives() {
		return
	}
	for _, stage := range s.Template.Stages {
		if !s.StageDone(stage.ID) {
			s.Stage, s.State = stage.ID, UnderWay
			break
		}
	}
	if s.Paused || s.Red() > 0 {
		s.State = Halted
	}
}

// Passed tells whether a requirement's gate is open; one that is not asked is not.
func (s *State) Passed(requirement string) bool {
	st := s.status(requirement)
	return st != nil && st.Passed()
}

// StageDone tells whether nothing of a stage is open.
func (s *State) StageDone(stage string) bool {
	return !slices.ContainsFunc(s.Status, func(st Status) bool { return st.Stage == stage && !st.Passed() })
}

// Red is how many gates were measured and found wanting, of whatever stage.
func (s *State) Red() (n int) {
	for i := range s.Status {
		if s.Status[i].State == Red {
			n++
		}
	}
	return n
}

// Opening is which schools are open to their people.
type Opening struct {
	All     bool     `json:"all"`
	Schools []string `json:"schools"`
}

// Opening follows from the waves that are open, and from being live: who is live
// stays open, whatever is measured or reopened, until a wave is rolled back.
func (s *State) Opening() Opening {
	if s.Lives() {
		return Opening{All: true}
	}
	o := Opening{Schools: []string{}}
	for _, w := range s.Waves {
		if slices.Contains(s.OpenWaves, w.Name) {
			o.Schools = append(o.Schools, w.Schools...)
		}
	}
	slices.Sort(o.Schools)
	o.Schools = slices.Compact(o.Schools)
	return o
}

// Due are the requirements that wait for someone, the soonest first. They belong
// to the state and must not be changed.
func (s *State) Due() []*Status { return s.due }

// Waived tells whether what waits or holds is a waiver.
func (s Status) Waived() bool { return s.waived != nil }

// Waits is whose turn it is with a requirement.
func (s Status) Waits() string {
	if s.State == Second {
		return s.second()
	}
	return s.Owner
}

// NextWave returns the first wave that is not open, and whether there is one.
func (s *State) NextWave() (w Wave, at int, ok bool) {
	for i, w := range s.Waves {
		if !slices.Contains(s.OpenWaves, w.Name) {
			return w, i, true
		}
	}
	return Wave{}, 0, false
}
