package authz

import (
	"slices"

	"github.com/google/uuid"
)

// Action is one thing that an actor may be allowed to do. Every route names
// exactly one, and every audit event carries its name.
type Action string

// The actions.
const (
	Public       Action = "public" // written out, never the default
	HomeRead     Action = "home.read"
	SelfRead     Action = "self.read"
	PersonRead   Action = "person.read"
	PersonSearch Action = "person.search"
	SchoolRead   Action = "school.read"
	GroupRead    Action = "group.read"
	SessionEnd   Action = "session.end"
	Joining      Action = "joining"
	SupportRead  Action = "support.read" // who was here to support, and why
	RosterRead   Action = "roster.read"  // plans, imports and what they change
	RosterChange Action = "roster.change"

	FleetRead   Action = "fleet.read"   // at the operators' host
	FleetChange Action = "fleet.change" // at the operators' host
)

// scope is how far a role carries an action.
type scope uint8

const (
	toSelf     scope = iota + 1 // the actor's own person
	toChildren                  // their children
	toGroups                    // the groups where they are staff today, and the learners in them
	toUnits                     // the unit of the grant and what lies below it
	toAll                       // the tenant
)

// anyone stands for whoever is signed in, in whatever role; an operator on a support
// visit has no part in it.
const anyone Role = "anyone"

// rules is the whole law: an action that is not here is nobody's, and a role
// that is not named under an action has no part in it.
var rules = map[Action]map[Role]scope{
	HomeRead:     {anyone: toSelf, Support: toAll},
	SelfRead:     {anyone: toSelf},
	SessionEnd:   {anyone: toSelf, Support: toSelf},
	PersonRead:   {anyone: toSelf, Guardian: toChildren, Teacher: toGroups, Principal: toUnits, Admin: toAll, Support: toAll},
	PersonSearch: {Admin: toAll, Support: toAll},
	SchoolRead:   {Teacher: toUnits, Principal: toUnits, Admin: toAll, Support: toAll},
	GroupRead:    {Teacher: toGroups, Principal: toUnits, Admin: toAll, Support: toAll},
	Joining:      {Admin: toAll},
	SupportRead:  {Admin: toAll},
	RosterRead:   {Admin: toAll, Support: toAll},
	RosterChange: {Admin: toAll},
	FleetRead:    {Operator: toAll, Viewer: toAll},
	FleetChange:  {Operator: toAll},
}

// Reach is what an actor reaches with one action. In SQL its fields are
// arguments: (@all or u.id = any(@units)). The lists are never nil, so that an
// empty one reaches a statement as an empty array.
type Reach struct {
	All     bool
	Units   []uuid.UUID
	Groups  []uuid.UUID
	Persons []uuid.UUID
}

// Object is what is asked about, with the facts that scopes look at: the units
// and groups that it is, or belongs to today, and the person that it is.
type Object struct {
	Units  []uuid.UUID
	Groups []uuid.UUID
	Person uuid.UUID
}

// May reports whether the actor may do a at all. Whether to a given object, its
// Reach says.
func (a Actor) May(act Action) bool {
	if act == Public {
		return true
	}
	if !a.SignedIn() {
		return false
	}
	for role := range rules[act] {
		if a.is(role) {
			return true
		}
	}
	return false
}

// is reports whether a rule for a role is about the actor.
func (a Actor) is(r Role) bool { return r == anyone && !a.Has(Support) || a.Has(r) }

// Asks reports whether a form under the action only asks, or ends the session: all
// that somebody who may change nothing can send.
func (act Action) Asks() bool { return act == PersonSearch || act == SessionEnd }

// Reach returns the union of what the actor's roles reach with an action.
func (a Actor) Reach(act Action) Reach {
	r := Reach{Units: []uuid.UUID{}, Groups: []uuid.UUID{}, Persons: []uuid.UUID{}}
	if !a.SignedIn() {
		return r
	}
	for role, s := range rules[act] {
		if !a.is(role) {
			continue
		}
		switch s {
		case toAll:
			r.All = true
		case toUnits:
			r.Units = append(r.Units, a.unitsAs(role)...)
		case toGroups:
			r.Groups = append(r.Groups, a.Groups...)
		case toChildren:
			r.Persons = append(r.Persons, a.Children...)
		case toSelf:
			r.Persons = append(r.Persons, a.Person)
		}
	}
	return r
}

func (a Actor) unitsAs(role Role) []uuid.UUID {
	var out []uuid.UUID
	for _, g := range a.Grants {
		if g.Role == role {
			out = append(out, g.Units...)
		}
	}
	return out
}

// Holds reports whether the reach covers an object. It says the same as the
// statements that take the reach as arguments; a test compares them.
func (r Reach) Holds(o Object) bool {
	meets := func(a, b []uuid.UUID) bool {
		return slices.ContainsFunc(a, func(id uuid.UUID) bool { return slices.Contains(b, id) })
	}
	return r.All || meets(r.Units, o.Units) || meets(r.Groups, o.Groups) ||
		o.Person != uuid.Nil && slices.Contains(r.Persons, o.Person)
}

// OnlyGroups is a reach over some groups and nothing else: for a page that shows
// a part of what the actor reaches.
func OnlyGroups(ids []uuid.UUID) Reach {
	return Reach{Units: []uuid.UUID{}, Groups: slices.Clip(append([]uuid.UUID{}, ids...)), Persons: []uuid.UUID{}}
}
