// Package authz says who may see and do what. Roles, actions and scopes are
// data; a feature names an action and asks for the actor's Reach, and the same
// Reach answers for one object (Holds) and filters a list in SQL (its fields as
// arguments). It writes no table; it reads role_grant, unit, enrolment,
// teaching_group, guardianship, guardian_block, disclosure and person to learn who
// the actor is today.
//
// The rule inside a municipality: learners reach themselves; guardians their
// children, from the first to the last day of guardianship, never past 18 and not
// where they are blocked; teachers the groups they teach today and the learners in
// them, substitutes only to a day that is known, special-needs teachers also whole
// schools; principals and secretaries the whole of their schools; welfare staff of
// another organisation whom a school disclosed to them; the municipality's admins
// everything. The data-protection officer reaches no page of a person: only with a
// reason, which is kept, do they look at one. docs/permissions.md is written from
// the rules. What is removed (status tobedeleted) or outside its validity gives
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

	Substitute     Role = "substitute"     // a teacher to a day that is known
	SpecialTeacher Role = "specialteacher" // sees what a class teacher sees, in groups or whole schools
	Secretary      Role = "secretary"      // the school's people, without rights to give
	DataProtection Role = "dataprotection" // sees who has which rights; a person only for a reason
	Welfare        Role = "welfare"        // of another organisation; sees whom the school disclosed
)

// The roles at the operators' own host. Nobody inside a municipality has them, and
// whoever has one has no part in a municipality.
const (
	Operator Role = "operator" // keeps the fleet
	Viewer   Role = "viewer"   // looks on
)

// Household is whoever is signed in at the guardians' own host. They have no part in a
// municipality by it: what they see there, they see as the guardian that they are there.
const Household Role = "household"

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

	"ext:substituteTeacher": Substitute,
	"ext:specialTeacher":    SpecialTeacher,
	"ext:schoolSecretary":   Secretary,

	handDataProtection: DataProtection,
	handWelfare:        Welfare,
}

// Words that give nothing unless they were given by hand.
const (
	handDataProtection = "hand:dataProtection"
	handWelfare        = "hand:welfare"
)

// handWords are what is written into a grant that is given by hand.
var handWords = map[Role]string{
	Substitute: "ext:substituteTeacher", SpecialTeacher: "ext:specialTeacher", Teacher: "teacher", Secretary: "ext:schoolSecretary",
	Principal: "principal", Admin: "districtAdministrator", DataProtection: handDataProtection, Welfare: handWelfare,
}

// Word is what a grant of the role is called in the table.
func (r Role) Word() string { return handWords[r] }

// RoleOf returns the product role of a roster word granted at a unit. The two
// words for administrators of a whole provider mean a school's own administrator
// where the unit is not the provider itself.
func RoleOf(word, unitKind string) (Role, bool) {
	r, ok := words[word]
	if r == Admin && unitKind != "provider" {
		r = Principal
	}
	if r == DataProtection && unitKind != "provider" {
		return "", false
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
	// Narrow says that the grant is for a group of the unit, not for all of it.
	Narrow bool
}

// Disclosed is a learner whom a school has disclosed to somebody of another
// organisation.
type Disclosed struct {
	Learner  uuid.UUID
	Contacts bool // the guardians' contact details too
}

// Actor is who asks, as they are today. The zero Actor is nobody.
type Actor struct {
	Person   uuid.UUID
	Grants   []Grant
	Groups   []uuid.UUID // where they are enrolled as staff today
	Children []uuid.UUID // whose guardian they are today
	// Disclosed are the learners disclosed to them today; without the role of
	// welfare staff they are nothing.
	Disclosed []Disclosed
}

func (a Actor) disclosed() []uuid.UUID {
	out := make([]uuid.UUID, len(a.Disclosed))
	for i, d := range a.Disclosed {
		out[i] = d.Learner
	}
	return out
}

// Teaches reports whether the actor works with groups, by whatever role.
func (a Actor) Teaches() bool { return a.Has(Teacher) || a.Has(Substitute) || a.Has(SpecialTeacher) }

// Leads reports whether the actor works for whole schools.
func (a Actor) Leads() bool { return a.Has(Principal) || a.Has(Secretary) }

// SignedIn reports whether the actor is somebody.
func (a Actor) SignedIn() bool { return a.Person != uuid.Nil }

var order = []Role{Operator, Viewer, Household, Support, Admin, Principal, Secretary, DataProtection, SpecialTeacher, Teacher, Substitute, Welfare, Guardian, Learner}

// Roles returns the actor's roles, the widest first. Whoever has children today
// is a guardian.
func (a Actor) Roles() []Role {
	var out []Role
	for _, r := range order {
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
		out.Groups, out.Disclosed = a.Groups, a.Disclosed
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

// gives says which rights each role may give by hand: none is wider than its own.
// What is given at the provider reaches every school.
var gives = map[Role]struct{ atSchool, atProvider []Role }{
	Principal: {atSchool: []Role{Substitute, Teacher, SpecialTeacher, Secretary, Principal, Welfare}},
	Admin: {
		atSchool:   []Role{Substitute, Teacher, SpecialTeacher, Secretary, Principal, Welfare},
		atProvider: []Role{SpecialTeacher, Welfare, DataProtection, Admin},
	},
}

// MayGive lists the rights that the actor may give, and end, at a unit.
func (a Actor) MayGive(unit uuid.UUID, kind string) []Role {
	if !a.Reach(RightsGive).Holds(Object{Units: []uuid.UUID{unit}}) {
		return nil
	}
	var out []Role
	for _, r := range []Role{Principal, Admin} {
		if g := gives[r]; a.Has(r) {
			if out = g.atSchool; kind == "provider" {
				out = g.atProvider
			}
		}
	}
	return out
}

// NeedsGroup reports whether a right of the role by hand is always for one group.
func (r Role) NeedsGroup() bool { return r == Teacher || r == Substitute }

// TakesGroup reports whether it may be for one group.
func (r Role) TakesGroup() bool { return r.NeedsGroup() || r == SpecialTeacher }

// NeedsEnd reports whether a right of the role always has a last day.
func (r Role) NeedsEnd() bool { return r == Substitute }
