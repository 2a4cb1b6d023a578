// Package authz says who may see and do what. Roles, actions and scopes are
// data; a feature names an action and asks for the actor's Reach, and the same
// Reach answers for one object (Holds) and filters a list in SQL (its fields as
// arguments). It writes no table; it reads role_grant, unit, enrolment,
// teaching_group, guardianship and person to learn who the actor is today.
//
// The rule inside a municipality: learners reach themselves; guardians their
// children, from the first to the last day of guardianship and never past 18;
// teachers the groups they teach today and the learners in them; principals and
// the school office the whole of their schools; the municipality's admins
// everything. What is removed (status tobedeleted) or outside its validity gives
// nothing to anyone. What an actor may not see does not exist for them: every
// refusal is fault.NotFound.
package authz

import (
	"slices"

	"github.com/google/uuid"

	"digione/internal/app/fault"
)

// Role is what a person is to the product, whatever word the roster uses.
type Role string

// The roles.
const (
	Learner   Role = "learner"
	Guardian  Role = "guardian"
	Teacher   Role = "teacher"   // sees the groups they are enrolled in as staff
	Principal Role = "principal" // leads or runs the office of a school
	Admin     Role = "admin"     // the municipality's education office
)

// The roles at the operators' own host. Nobody inside a municipality has them, and
// whoever has one has no part in a municipality.
const (
	Operator Role = "operator" // keeps the fleet
	Viewer   Role = "viewer"   // looks on
)

// words maps the roster's role words. A word that is not here gives nothing:
// a relative is not a guardian, and a word of a provider's own has no meaning yet.
// Aides, proctors and counsellors see the groups they are enrolled in and no
// more: what a school wants them to see beyond is granted by hand.
var words = map[string]Role{
	"student":               Learner,
	"guardian":              Guardian,
	"parent":                Guardian,
	"teacher":               Teacher,
	"aide":                  Teacher,
	"proctor":               Teacher,
	"counselor":             Teacher,
	"principal":             Principal,
	"siteAdministrator":     Principal,
	"districtAdministrator": Admin,
	"systemAdministrator":   Admin,
}

// RoleOf returns the product role of a roster word granted at a unit. The two
// words for administrators of a whole provider mean a school's own administrator
// where the unit is not the provider itself.
func RoleOf(word, unitKind string) (Role, bool) {
	r, ok := words[word]
	if r == Admin && unitKind != "provider" {
		r = Principal
	}
	return r, ok
}

// Support is an operator on a support visit in a municipality, by a grant that the
// municipality sees: it looks at what its admins look at, and changes nothing.
const Support Role = "support"

// Grant is a role at a unit and all units below it.
type Grant struct {
	Role  Role
	Unit  uuid.UUID
	Units []uuid.UUID // Unit and what lies below it
}

// Actor is who asks, as they are today. The zero Actor is nobody.
type Actor struct {
	Person   uuid.UUID
	Grants   []Grant
	Groups   []uuid.UUID // where they are enrolled as staff today
	Children []uuid.UUID // whose guardian they are today
}

// SignedIn reports whether the actor is somebody.
func (a Actor) SignedIn() bool { return a.Person != uuid.Nil }

// Roles returns the actor's roles, the widest first. Whoever has children today
// is a guardian.
func (a Actor) Roles() []Role {
	var out []Role
	for _, r := range []Role{Operator, Viewer, Support, Admin, Principal, Teacher, Guardian, Learner} {
		if a.Has(r) {
			out = append(out, r)
		}
	}
	return out
}

// Acting returns the role in which the actor looks at others: the widest, "" for
// nobody.
func (a Actor) Acting() string {
	if all := a.Roles(); len(all) > 0 {
		return string(all[0])
	}
	return ""
}

// Has reports whether the actor has a role. A guardian is one by their children,
// not by the word: guardianship is a fact about two people.
func (a Actor) Has(r Role) bool {
	if r == Guardian {
		return len(a.Children) > 0
	}
	return slices.ContainsFunc(a.Grants, func(g Grant) bool { return g.Role == r })
}

// Kind is as whom somebody comes in: by another provider a teacher is a guardian.
type Kind string

// The kinds of people.
const (
	Learners  Kind = "learner"
	Guardians Kind = "guardian"
	Staff     Kind = "staff"
)

// Kinds are all of them.
var Kinds = []Kind{Learners, Guardians, Staff}

// kindOf is whom a role makes of somebody; a grant as a guardian alone opens nothing.
func kindOf(r Role) Kind {
	switch r {
	case Learner:
		return Learners
	case Guardian:
		return Guardians
	}
	return Staff
}

// Is reports whether the actor has a role of a kind.
func (a Actor) Is(k Kind) bool {
	return slices.ContainsFunc(a.Roles(), func(r Role) bool { return kindOf(r) == k })
}

// Only returns the actor with the roles of some kinds alone.
func (a Actor) Only(kinds []Kind) Actor {
	out := Actor{Person: a.Person}
	for _, g := range a.Grants {
		if slices.Contains(kinds, kindOf(g.Role)) {
			out.Grants = append(out.Grants, g)
		}
	}
	if slices.Contains(kinds, Staff) {
		out.Groups = a.Groups
	}
	if slices.Contains(kinds, Guardians) {
		out.Children = a.Children
	}
	return out
}

// Refused is the answer to an actor who may not do an action: to a viewer, who sees
// what there is to change, that they may not; to all others as if it were not there.
func (a Actor) Refused(act Action) error {
	if a.Has(Viewer) {
		return fault.New(fault.Forbidden, "error.viewer", "%s: a viewer only looks", act)
	}
	return Missing(string(act))
}

// Missing is the answer to whoever may not: the same as for what does not exist.
func Missing(what string) error {
	return fault.New(fault.NotFound, "error.notfound", "%s: not visible", what)
}
