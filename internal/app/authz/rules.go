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
	SelfChange   Action = "self.change" // what is one's own: where one is signed in
	SessionEnd   Action = "session.end"
	Joining      Action = "joining"

	LeavingVerify Action = "leaving.verify" // that one's municipality has its export
	SupportRead   Action = "support.read"   // who was here to support, and why
	RosterRead    Action = "roster.read"    // plans, imports and what they change
	RosterChange  Action = "roster.change"
	ViewsRead     Action = "views.read" // which organisation looked at whom
	AuditRead     Action = "audit.read" // alarms of mass reads, and the end of the sealed chain

	PersonManage   Action = "person.manage"   // identity, guardians and their validity
	PersonDisclose Action = "person.disclose" // to somebody of another organisation
	PersonMerge    Action = "person.merge"    // two records that are one human being
	RightsRead     Action = "rights.read"
	RightsGive     Action = "rights.give"
	PrivacyInspect Action = "privacy.inspect" // a person and who saw them, for a reason

	FleetRead   Action = "fleet.read"   // at the operators' host
	FleetChange Action = "fleet.change" // at the operators' host
	KeyProve    Action = "key.prove"    // at the operators' host: show the passkey that one has

	FamilyRead   Action = "family.read"   // at the guardians' host: one's children, wherever they go to school
	FamilyChange Action = "family.change" // at the guardians' host: which municipalities one has tied
)

// scope is how far a role carries an action.
type scope uint8

const (
	toSelf      scope = 1 << iota // the actor's own person
	toChildren                    // their children
	toGroups                      // the groups where they are staff today, and the learners in them
	toUnits                       // the unit of the grant and what lies below it
	toLearners                    // the learners of the unit, nobody else in it
	toSchools                     // the same, also where the grant is for a group alone
	toDisclosed                   // the learners who were disclosed to them
	toAll                         // the tenant
)

// anyone stands for whoever is signed in, in whatever role; an operator on a support
// visit has no part in it.
const anyone Role = "anyone"

// rules is the whole law: an action that is not here is nobody's, and a role
// that is not named under an action has no part in it.
var rules = map[Action]map[Role]scope{
	HomeRead:   {anyone: toSelf, Support: toAll},
	SelfRead:   {anyone: toSelf},
	SessionEnd: {anyone: toSelf, Support: toSelf},
	PersonRead: {anyone: toSelf, Guardian: toChildren, Teacher: toGroups, Substitute: toGroups, SpecialTeacher: toGroups | toLearners,
		Welfare: toDisclosed, Secretary: toUnits, Principal: toUnits, Admin: toAll, Support: toAll},
	PersonSearch: {Teacher: toGroups, Substitute: toGroups, SpecialTeacher: toGroups | toLearners, Secretary: toUnits, Principal: toUnits,
		Admin: toAll, Support: toAll},
	SchoolRead: {Teacher: toSchools, Substitute: toSchools, SpecialTeacher: toSchools, Secretary: toUnits, Principal: toUnits,
		Admin: toAll, Support: toAll},
	GroupRead: {Teacher: toGroups, Substitute: toGroups, SpecialTeacher: toGroups | toUnits, Secretary: toUnits, Principal: toUnits,
		Admin: toAll, Support: toAll},
	PersonManage:   {Secretary: toUnits, Principal: toUnits, Admin: toAll},
	PersonDisclose: {Principal: toUnits, Admin: toAll},
	PersonMerge:    {Admin: toAll},
	RightsRead:     {Principal: toUnits, Admin: toAll, DataProtection: toAll},
	RightsGive:     {Principal: toUnits, Admin: toAll},
	PrivacyInspect: {DataProtection: toAll},
	Joining:        {Admin: toAll},
	LeavingVerify:  {Admin: toAll},
	SupportRead:    {Admin: toAll},
	SelfChange:     {anyone: toSelf},
	ViewsRead:      {anyone: toSelf, Guardian: toChildren},
	AuditRead:      {Admin: toAll, DataProtection: toAll},
	RosterRead:     {Admin: toAll, Support: toAll},
	RosterChange:   {Admin: toAll},
	FleetRead:      {Operator: toAll, Viewer: toAll},
	FleetChange:    {Operator: toAll},
	KeyProve:       {Operator: toSelf, Viewer: toSelf},
	FamilyRead:     {Household: toSelf},
	FamilyChange:   {Household: toSelf},
}

// strong are the actions that ask for a strong sign-in: what opens the data of many,
// or changes who may see them. Where a municipality has no strong provider nobody
// does them.
var strong = map[Action]bool{AuditRead: true, RosterChange: true, RightsGive: true, PersonMerge: true, PersonDisclose: true, PrivacyInspect: true, FleetRead: true, FleetChange: true}

// Strong reports whether an action asks for a strong sign-in.
func (act Action) Strong() bool { return strong[act] }

// Reach is what an actor reaches with one action. In SQL its fields are arguments,
// or choose the statement: see Scoped. The lists are never nil, so that an empty one
// reaches a statement as an empty array.
type Reach struct {
	All      bool
	Units    []uuid.UUID
	Learning []uuid.UUID // units whose learners are reached, and nobody else there
	Groups   []uuid.UUID
	Persons  []uuid.UUID
}

// Object is what is asked about, with the facts that scopes look at: the units
// and groups that it is, or belongs to today, and the person that it is.
type Object struct {
	Units    []uuid.UUID
	Learning []uuid.UUID // the units where the person is a learner
	Groups   []uuid.UUID
	Person   uuid.UUID
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

func nowhere() Reach {
	return Reach{Units: []uuid.UUID{}, Learning: []uuid.UUID{}, Groups: []uuid.UUID{}, Persons: []uuid.UUID{}}
}

// Reach returns the union of what the actor's roles reach with an action.
func (a Actor) Reach(act Action) Reach {
	r := nowhere()
	if !a.SignedIn() {
		return r
	}
	for role, s := range rules[act] {
		if !a.is(role) {
			continue
		}
		r.All = r.All || s&toAll != 0
		if s&(toUnits|toSchools) != 0 {
			r.Units = append(r.Units, a.unitsAs(role, s&toSchools != 0)...)
		}
		if s&toLearners != 0 {
			r.Learning = append(r.Learning, a.unitsAs(role, false)...)
		}
		if s&toGroups != 0 {
			r.Groups = append(r.Groups, a.Groups...)
		}
		if s&toChildren != 0 {
			r.Persons = append(r.Persons, a.Children...)
		}
		if s&toDisclosed != 0 {
			r.Persons = append(r.Persons, a.disclosed()...)
		}
		if s&toSelf != 0 {
			r.Persons = append(r.Persons, a.Person)
		}
	}
	return r
}

func (a Actor) unitsAs(role Role, narrow bool) []uuid.UUID {
	var out []uuid.UUID
	for _, g := range a.Grants {
		if g.Role == role && (narrow || !g.Narrow) {
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
	return r.All || meets(r.Units, o.Units) || meets(r.Learning, o.Learning) || meets(r.Groups, o.Groups) ||
		o.Person != uuid.Nil && slices.Contains(r.Persons, o.Person)
}

// OnlyUnits is a reach over some units and nothing else.
func OnlyUnits(ids ...uuid.UUID) Reach {
	r := nowhere()
	r.Units = append(r.Units, ids...)
	return r
}

// OnlyGroups is a reach over some groups and nothing else: for a page that shows
// a part of what the actor reaches.
func OnlyGroups(ids []uuid.UUID) Reach {
	r := nowhere()
	r.Groups = append(r.Groups, ids...)
	return r
}
