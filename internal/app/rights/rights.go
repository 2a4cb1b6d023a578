// Package rights shows who may do what at a school, lets principals and admins give
// rights by hand and end them, and lets the data-protection officer look at a person
// and at who has seen them, for a reason that is kept. It owns no table: rights are
// given through identity; it reads role_grant, unit, teaching_group and audit_event.
//
// Nobody gives themself a right and nobody a wider one than their own: authz says
// which. What a roster gave is shown, and ended by the roster alone.
package rights

import (
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
)

// Unit is a place where rights are.
type Unit struct {
	ID     uuid.UUID
	Kind   string
	Name   string
	NameSv string
	Given  int // rights given by hand that count today
}

// In is the unit's name in a language.
func (u Unit) In(l i18n.Lang) string {
	if l == i18n.Sv && u.NameSv != "" {
		return u.NameSv
	}
	return u.Name
}

// Right is what somebody may do at a unit, may again, or did within the last year.
type Right struct {
	ID        uuid.UUID
	Person    uuid.UUID
	Name      string
	Word      string
	Group     string // the one group that it is for
	From      *time.Time
	To        *time.Time // the first day on which it no longer counts
	ByHand    bool
	Ended     bool // early, by hand
	Live      bool
	Reason    string
	EndReason string
	Giver     string
}

// role is the product's role; ok is false for a word that gives nothing.
func (r Right) role(kind string) (authz.Role, bool) { return authz.RoleOf(r.Word, kind) }

// LastDay is the last day on which it counts, the zero time when there is none.
func (r Right) LastDay() time.Time {
	if r.To == nil {
		return time.Time{}
	}
	return r.To.AddDate(0, 0, -1)
}

// Start is its first day, the zero time when it is not known.
func (r Right) Start() time.Time {
	if r.From == nil {
		return time.Time{}
	}
	return *r.From
}

// Group is a group that a right can be for.
type Group struct {
	ID    uuid.UUID
	Title string
}

// View is one look at a person, or a change of theirs.
type View struct {
	At     time.Time
	Kind   string // person, operator or system
	Actor  string // a name, empty where there is none
	Action string
	Reason string
	Former bool // it was noted of a record that was merged into this one
}
