package joining

import "time"

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
	// Measurable is false where there is nothing to judge by yet.
	Measurable bool `json:"measurable"`
	// Absent is true where the capability itself does not exist: only then somebody
	// may attest what cannot be measured.
	Absent bool   `json:"absent,omitempty"`
	Value  string `json:"value"`
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
	Entered     string       `json:"entered"` // the side that wrote down another side's word, "" where they did it themselves
	Version     string       `json:"version"` // of the text that was accepted
}

// person is who answers for an event, to tell two people apart.
func (e Event) person() string {
	if e.Name != "" {
		return e.Side + ":" + e.Name
	}
	return e.Actor
}

// Signer names who answers for an event, and who wrote it down where that is another.
func (e Event) Signer() string {
	if e.Name != "" && e.Entered != "" {
		return e.person() + " (entered by " + e.Actor + ")"
	}
	return e.person()
}

// said tells whether an event says what another has said: the same person, of the same,
// for the same reason. Whoever did not hear that a step was done does it again.
func (e Event) said(o Event) bool {
	return e.Kind == o.Kind && e.Actor == o.Actor && e.Requirement == o.Requirement && e.Stage == o.Stage && e.Wave == o.Wave && e.Reason == o.Reason
}
