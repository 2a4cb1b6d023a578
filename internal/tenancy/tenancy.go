// Package tenancy is the only way from a tenant to its data. It knows where a
// tenant's schema lives, hands out transactions that can see that schema and no
// other, and provisions, migrates and verifies the fleet. It owns the schema
// control and writes code lists into tenants; it imports nothing from
// internal/app.
package tenancy

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
)

// State is where a tenant stands as to being served.
type State string

// The states. An active tenant is served, a leaving one as well, but only to be
// read. A suspended one keeps its data and can be imported into by an operator. A
// sealed one is entered by nobody, and of an erased one only its row is left.
const (
	Provisioning State = "provisioning"
	Active       State = "active"
	Suspended    State = "suspended"
	Leaving      State = "leaving"
	Sealed       State = "sealed"
	Erased       State = "erased"
)

// Gone tells whether nobody may enter a tenant any more: whatever walks over the
// fleet leaves it out.
func (s State) Gone() bool { return s == Sealed || s == Erased }

// Tenant is an education provider as the catalogue knows it.
type Tenant struct {
	ID               ID         `json:"id"`
	Slug             string     `json:"slug"`
	Kind             string     `json:"kind"`
	NameFi           string     `json:"name_fi"`
	NameSv           string     `json:"name_sv"`
	NameEn           string     `json:"name_en"`
	MunicipalityCode string     `json:"municipality_code"`
	BusinessID       string     `json:"business_id"`
	OrganisationOID  string     `json:"organisation_oid"`
	Hosts            []string   `json:"hosts"`
	Cell             string     `json:"cell"`
	Cluster          string     `json:"cluster"`
	Schema           string     `json:"schema"`
	Role             string     `json:"-"`
	Ring             string     `json:"ring"`
	State            State      `json:"state"`
	SchemaVersion    int64      `json:"schema_version"`
	Settings         Settings   `json:"settings"`
	RoutableAt       *time.Time `json:"routable_at"`
	CreatedAt        time.Time  `json:"created_at"`
	// Opening is nil for a tenant that is wholly open.
	Opening *Opening `json:"opening,omitempty"`
	// Supported says that an operator has, or has had, a support grant.
	Supported bool `json:"-"`

	keyset []byte
}

// Opening is which schools are open to their people while a tenant joins.
type Opening struct {
	Schools []string `json:"schools"` // sourcedIds
}

// Settings are a tenant's own choices, each with a sane zero.
type Settings struct {
	Roster RosterSettings `json:"roster" yaml:"roster"`
	// Declared is what the municipality says it has, to compare with what comes.
	Declared Declared `json:"declared" yaml:"declared"`
	// Joining is how the municipality means to come in.
	Joining JoiningSettings `json:"joining,omitzero" yaml:"joining"`
	Audit   AuditSettings   `json:"audit,omitzero" yaml:"audit"`
}

var windowDay = regexp.MustCompile(`^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`)

// check returns every fault of the settings.
func (s Settings) check() []error {
	var faults []error
	for name, v := range map[string]float64{"removals": s.Roster.Removals, "updates": s.Roster.Updates, "school_removals": s.Roster.SchoolRemovals, "inserts": s.Roster.Inserts} {
		if v < 0 || (v > 1 && name != "inserts") {
			faults = append(faults, fmt.Errorf("settings.roster.%s %g: use a share between 0 and 1, such as 0.1", name, v))
		}
	}
	if d := s.Roster.KeepDays; d != 0 && d < 30 {
		faults = append(faults, fmt.Errorf("settings.roster.keep_days %d: keep what a rollback needs for at least 30 days, or leave it out", d))
	}
	for _, w := range s.Roster.Blackout {
		days := windowDay.MatchString(w.From) && windowDay.MatchString(w.To) && len(w.From) == len(w.To)
		if !days && !(w.Hours() && clockTime.MatchString(w.To) && w.From != w.To) {
			faults = append(faults, fmt.Errorf("settings.roster.blackout %s to %s: use two days, as 2026-06-01 or, for every year, 06-01, or two times of day, as \"07:30\"", w.From, w.To))
		}
	}
	faults = append(faults, s.Roster.Schedule.check()...)
	for field, policy := range s.Roster.Edits {
		if policy != "keep" && policy != "overwrite" {
			faults = append(faults, fmt.Errorf("settings.roster.edits %s: %q is neither keep nor overwrite", field, policy))
		}
	}
	for i, c := range s.Joining.Contacts {
		// The address is a person's: a fault names its place alone.
		if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email {
			faults = append(faults, fmt.Errorf("settings.joining.contacts, number %d: email is no address; an example: maija.meri@inkoo.example", i+1))
		}
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return faults
}

// AuditSettings say from when on somebody who looks at many persons is told of.
type AuditSettings struct {
	// AlarmPersons is how many different persons within an hour; zero is 200.
	AlarmPersons int `json:"alarm_persons,omitempty" yaml:"alarm_persons"`
}

// JoiningSettings are whom to write to, and the waves in which schools open; the
// first wave is the pilot.
type JoiningSettings struct {
	Contacts []Contact    `json:"contacts,omitempty" yaml:"contacts"`
	Waves    []SchoolWave `json:"waves,omitempty" yaml:"waves"`
}

// Addresses are those of the contacts whose role has a word in it, of all contacts
// when none has.
func (j JoiningSettings) Addresses(word string) []mail.Address {
	var named, all []mail.Address
	for _, c := range j.Contacts {
		a := mail.Address{Name: c.Name, Address: c.Email}
		if all = append(all, a); strings.Contains(c.Role, word) {
			named = append(named, a)
		}
	}
	if len(named) > 0 {
		return named
	}
	return all
}

// Contact is a person of the municipality who answers for its joining.
type Contact struct {
	Name  string `json:"name" yaml:"name"`
	Email string `json:"email" yaml:"email"`
	Role  string `json:"role,omitempty" yaml:"role"` // such as data-protection-officer
}

// SchoolWave is a set of schools that open on one day.
type SchoolWave struct {
	Name    string   `json:"name" yaml:"name"`
	Opens   string   `json:"opens" yaml:"opens"`     // YYYY-MM-DD
	Schools []string `json:"schools" yaml:"schools"` // sourcedIds
}

// Declared are the counts that a municipality has declared; zero is unsaid.
type Declared struct {
	Schools  int `json:"schools,omitempty" yaml:"schools"`
	Learners int `json:"learners,omitempty" yaml:"learners"`
}

// RosterSettings bound what an import may do without a human's word.
type RosterSettings struct {
	// Removals and Updates are shares of a type, SchoolRemovals of a type in one
	// school, each 0-1; zero takes the product's default (0.10, 0.75, 0.25).
	Removals       float64 `json:"removals,omitempty" yaml:"removals"`
	Updates        float64 `json:"updates,omitempty" yaml:"updates"`
	SchoolRemovals float64 `json:"school_removals,omitempty" yaml:"school_removals"`
	// Floor is the number of rows from which shares are looked at; zero is 10.
	Floor int `json:"floor,omitempty" yaml:"floor"`
	// Inserts is the share of new rows of a type over what is there; zero never holds.
	Inserts float64 `json:"inserts,omitempty" yaml:"inserts"`
	// RemovalsCount is the most removals of a type in rows, LeastRows the fewest
	// rows that a bulk file of a type is expected to hold; zero and absent say nothing.
	RemovalsCount int            `json:"removals_count,omitempty" yaml:"removals_count"`
	LeastRows     map[string]int `json:"least_rows,omitempty" yaml:"least_rows"`
	// Blackout holds every import on these days, or at these hours of any day.
	Blackout []Window `json:"blackout,omitempty" yaml:"blackout"`
	// Schedule says when what lies in the inbox is brought in by itself.
	Schedule Schedule `json:"schedule,omitzero" yaml:"schedule"`
	// TwoPeople asks that a held plan be approved by another person than the planner.
	TwoPeople bool `json:"two_people,omitempty" yaml:"two_people"`
	// KeepDays is how long packages, images and plans are kept: an import can be
	// rolled back for so long; zero is 90.
	KeepDays int `json:"keep_days,omitempty" yaml:"keep_days"`
	// Edits says what an import does with fields edited in DigiOne: keep (the
	// default) or overwrite, by "type.field".
	Edits map[string]string `json:"edits,omitempty" yaml:"edits"`
}

// Window is a span of days, both included, as YYYY-MM-DD, or as MM-DD for every year;
// or of hours of every day, as HH:MM, without the last minute.
type Window struct {
	From string `json:"from" yaml:"from"`
	To   string `json:"to" yaml:"to"`
	Why  string `json:"why,omitempty" yaml:"why"`
}

// Hours tells whether the span is one of hours.
func (w Window) Hours() bool { return clockTime.MatchString(w.From) }

// Name returns the tenant's name in a language, the Finnish one when there is none.
func (t Tenant) Name(lang string) string {
	switch {
	case lang == "sv" && t.NameSv != "":
		return t.NameSv
	case lang == "en" && t.NameEn != "":
		return t.NameEn
	}
	return t.NameFi
}

// ErrNoTenant says that the catalogue knows no such tenant.
var ErrNoTenant = errors.New("no such tenant")

// ErrNotReady says that a tenant's provisioning has not finished.
var ErrNotReady = errors.New("tenant is not provisioned")

// ErrLeaving says that a tenant leaves and can be read only.
var ErrLeaving = errors.New("tenant is leaving: it can be read, not changed")

// ErrGone says that a tenant was sealed or erased.
var ErrGone = errors.New("tenant is sealed or erased")

// ErrNested says that a transaction was asked for inside another one: it could
// wait for the connection that it holds itself.
var ErrNested = errors.New("transaction inside a transaction")

// BusyError says that a tenant has more work under way than its share.
type BusyError struct{ RetryAfter time.Duration }

func (e *BusyError) Error() string {
	return fmt.Sprintf("tenant is busy, try again in %s", e.RetryAfter)
}
