package people

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
)

// Kinds are what a guardian may be by hand; the roster's are agents.
var Kinds = []string{"custodian", "foster"}

// Guardianship is a guardian of a child as the school's office sees it.
type Guardianship struct {
	ID       uuid.UUID
	Guardian uuid.UUID
	Name     string
	Kind     string
	Source   string
	From     *time.Time // nil is since ever
	To       *time.Time // the first day on which it no longer holds
	Reason   string
	Live     bool // today, were there no block
	Blocked  bool

	BlockReason string
}

// Ended reports whether there is nothing left to end.
func (g Guardianship) Ended(today time.Time) bool { return g.To != nil && !g.To.After(today) }

// Start is the first day, the zero time when there is none.
func (g Guardianship) Start() time.Time {
	if g.From == nil {
		return time.Time{}
	}
	return *g.From
}

// LastDay is the last day on which it holds, the zero time when there is none.
func (g Guardianship) LastDay() time.Time { return dayBefore(g.To) }

func dayBefore(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AddDate(0, 0, -1)
}

// Decision is what somebody of the school's office decides by hand.
type Decision struct {
	By     uuid.UUID
	Reason string
	At     time.Time
	Today  time.Time
}

// NewGuardianship is a guardian who is added by hand. Last is the last day, nil for
// the day before the child is 18.
type NewGuardianship struct {
	Child, Guardian uuid.UUID
	Kind            string
	From            time.Time
	Last            *time.Time
}

func (n NewGuardianship) check() error {
	switch {
	case n.Child == n.Guardian:
		return fault.New(fault.Invalid, "people.guardians.wrong.self", "guardian of themself")
	case !slices.Contains(Kinds, n.Kind), n.Last != nil && n.Last.Before(n.From):
		return fault.New(fault.Invalid, "people.guardians.wrong.days", "kind or days of a guardianship")
	}
	return nil
}

// Disclosure is a learner disclosed to somebody of another organisation.
type Disclosure struct {
	ID       uuid.UUID
	Name     string // of the recipient
	Contacts bool
	Reason   string
	Start    time.Time
	To       time.Time
	Live     bool
}

// LastDay is the last day of the disclosure.
func (d Disclosure) LastDay() time.Time { return dayBefore(&d.To) }

// NewDisclosure is a disclosure to be made.
type NewDisclosure struct {
	Learner, Recipient uuid.UUID
	Contacts           bool
	Last               time.Time
}

// discloseDays is how long a disclosure may last; a school year and the summer.
const discloseDays = 400

func (n NewDisclosure) check(today time.Time) error {
	if n.Last.Before(today) || n.Last.After(today.AddDate(0, 0, discloseDays)) {
		return fault.New(fault.Invalid, "people.disclose.wrong.days", "last day of a disclosure")
	}
	return nil
}
