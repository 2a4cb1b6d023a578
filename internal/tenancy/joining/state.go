package joining

import (
	"fmt"
	"slices"
	"time"
)

// Kind says what an event tells.
type Kind string

// The kinds of events.
const (
	Started    Kind = "started"
	Moved      Kind = "moved"    // to another version of the template
	Measured   Kind = "measured" // a check ran
	Attested   Kind = "attested"
	Approved   Kind = "approved" // by a second person: an attestation or a waiver
	Waived     Kind = "waived"   // asked for; it holds when approved
	Reopened   Kind = "reopened"
	Planned    Kind = "planned" // the waves of schools
	Opened     Kind = "opened"  // a wave of schools, the pilot is the first
	RolledBack Kind = "rolled-back"
	Paused     Kind = "paused"
	Resumed    Kind = "resumed"
)

// Kinds lists them all.
var Kinds = []Kind{Started, Moved, Measured, Attested, Approved, Waived, Reopened, Planned, Opened, RolledBack, Paused, Resumed}

// Evidence is a file that somebody handed in: what it was, and where it is kept.
type Evidence struct {
	Name   string `json:"name"`
	Key    string `json:"key"` // in the tenant's object store
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	Type   string `json:"type"`
}

// Wave is a set of schools that open together.
type Wave struct {
	Name    string   `json:"name" yaml:"name"`
	Opens   string   `json:"opens" yaml:"opens"`     // the first day, YYYY-MM-DD
	Schools []string `json:"schools" yaml:"schools"` // sourcedIds of schools in the roster
}

// Measurement is what a check found.
type Measurement struct {
	OK bool `json:"ok"`
	// Measurable is false where the capability does not exist yet: then only an
	// attestation passes the gate.
	Measurable bool   `json:"measurable"`
	Value      string `json:"value"`
	// Key names the sentence of Value in the catalogue of texts, Args what stands
	// in it, in the order of its A, B, C.
	Key  string   `json:"key,omitempty"`
	Args []string `json:"args,omitempty"`
	Next string   `json:"next"` // what to do when it is not ok
}

// Event is one line of the log. Who acted, for which side, and why.
type Event struct {
	ID          int64        `json:"id"`
	Tenant      string       `json:"tenant"` // its id
	At          time.Time    `json:"at"`
	Actor       string       `json:"actor"` // the account that acted
	Name        string       `json:"name"`  // the person who answers for it, "" is the actor
	Side        string       `json:"side"`  // municipality, tiera or system
	Kind        Kind         `json:"kind"`
	Requirement string       `json:"requirement"`
	Stage       string       `json:"stage"` // of a reopening
	Reason      string       `json:"reason"`
	Template    string       `json:"template"` // of started and moved
	Cohort      string       `json:"cohort"`   // of started: the wave of municipalities, such as 2027-spring
	Wave        string       `json:"wave"`
	Waves       []Wave       `json:"waves"`
	Evidence    *Evidence    `json:"evidence"`
	Measurement *Measurement `json:"measurement"`
}

// person is who answers for an event, to tell two people apart.
func (e Event) person() string {
	if e.Name != "" {
		return e.Side + ":" + e.Name
	}
	return e.Actor
}

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
	Due    time.Time // a day
	At     time.Time // of what brought it there
	By     []string  // who answers for it
	Reason string
	Files  []Evidence
	Last   *Measurement

	attested, waived *Event
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
	PausedWhy  string
	Paused     bool
	LastEvent  int64
	Transition time.Time // when it last changed

	due []*Status
}

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
			s.fill(nil)
			s.touch(e)
			continue
		}
		if err := s.apply(ts, e); err != nil {
			return nil, err
		}
		s.touch(e)
	}
	if s != nil {
		s.settle()
	}
	return s, nil
}

func (s *State) touch(e Event) { s.LastEvent, s.Transition = e.ID, e.At }

// fill makes the statuses that the template asks for, keeping those of old.
func (s *State) fill(old []Status) {
	s.Status = nil
	for _, stage := range s.Template.Stages {
		for _, r := range stage.Requirements {
			y, m, d := s.StartedAt.AddDate(0, 0, r.Days).Date()
			st := Status{State: Open}
			if i := slices.IndexFunc(old, func(o Status) bool { return o.ID == r.ID && o.Kind == r.Kind }); i >= 0 {
				st = old[i]
			}
			st.Requirement, st.Stage, st.Due = r, stage.ID, time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
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
		s.fill(s.Status)
	case Reopened:
		from := s.Template.StageAt(e.Stage)
		for i := range s.Status {
			st := &s.Status[i]
			at := s.Template.StageAt(st.Stage)
			if st.ID == e.Requirement || (from >= 0 && at >= from) || (e.Requirement != "" && at > s.stageOf(e.Requirement)) {
				*st = Status{Requirement: st.Requirement, Stage: st.Stage, Due: st.Due, State: Open, Reason: e.Reason, At: e.At}
			}
		}
	case Planned:
		s.Waves = e.Waves
	case Opened:
		if !slices.Contains(s.OpenWaves, e.Wave) {
			s.OpenWaves = append(s.OpenWaves, e.Wave)
		}
	case RolledBack:
		s.OpenWaves = slices.DeleteFunc(s.OpenWaves, func(w string) bool { return w == e.Wave })
	case Paused:
		s.Paused, s.PausedWhy = true, e.Reason
	case Resumed:
		s.Paused, s.PausedWhy = false, ""
	default:
		if st := s.status(e.Requirement); st != nil {
			st.apply(e)
		}
	}
	return nil
}

func (st *Status) apply(e Event) {
	st.At = e.At
	switch e.Kind {
	case Measured:
		if !e.Measurement.Measurable && st.Passed() {
			return // what once passed is not undone by silence
		}
		switch st.Last = e.Measurement; {
		case st.State == Skipped || st.State == Second:
		case e.Measurement.OK:
			st.State, st.attested = Done, nil
		case e.Measurement.Measurable:
			st.State, st.attested = Red, nil
		default:
			st.State = Open
		}
	case Attested:
		st.attested, st.waived = &e, nil
		st.By, st.Reason = []string{e.person()}, e.Reason
		if e.Evidence != nil {
			st.Files = append(st.Files, *e.Evidence)
		}
		if st.State = Done; st.Second != "" {
			st.State = Second
		}
	case Waived:
		st.waived, st.attested = &e, nil
		st.By, st.Reason, st.State = []string{e.person()}, e.Reason, Second
	case Approved:
		if st.State != Second {
			return
		}
		st.By = append(st.By, e.person())
		if st.State = Done; st.waived != nil {
			st.State = Skipped
		}
	}
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

// settle computes what follows from the statuses: waves, the stage, the whole.
func (s *State) settle() {
	for i := range s.Status {
		if st := &s.Status[i]; st.Kind == Waves && st.State != Skipped {
			st.State = Open
			if len(s.Waves) > 0 && !slices.ContainsFunc(s.Waves, func(w Wave) bool { return !slices.Contains(s.OpenWaves, w.Name) }) {
				st.State = Done
			}
		}
	}
	s.due = nil
	for i := range s.Status {
		if !s.Status[i].Passed() {
			s.due = append(s.due, &s.Status[i])
		}
	}
	slices.SortStableFunc(s.due, func(a, b *Status) int { return a.Due.Compare(b.Due) })
	s.Stage, s.State = s.Template.Stages[len(s.Template.Stages)-1].ID, Live
	for _, stage := range s.Template.Stages {
		if !s.StageDone(stage.ID) {
			s.Stage, s.State = stage.ID, UnderWay
			break
		}
	}
	if s.State == UnderWay && (s.Paused || s.red()) {
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

// red tells whether a gate up to the present stage was measured and found wanting.
func (s *State) red() bool {
	now := s.Template.StageAt(s.Stage)
	return slices.ContainsFunc(s.Status, func(st Status) bool { return st.State == Red && s.Template.StageAt(st.Stage) <= now })
}

// Opening is which schools are open to their people.
type Opening struct {
	All     bool     `json:"all"`
	Schools []string `json:"schools"`
}

// Opening follows from the waves that are open, and from being live.
func (s *State) Opening() Opening {
	if s.State == Live {
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
		if s.waived != nil {
			return Tiera
		}
		return s.Second
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
