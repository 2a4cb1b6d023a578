// Package people shows persons to those who may see them: one's own data, one's
// children, a learner to the school, and the municipality's search. It owns the
// tables person, person_identifier and guardianship; its pages write nothing but
// audit events. It must not know how anyone signs in or where the data comes from.
//
// Turvakielto (protected) hides where a person is, and this is the rule, for
// every list, search and page: (1) contact details and home municipality of a
// protected person leave the database for nobody; (2) the family, the learner
// included, sees neither school, class, groups nor teachers, because a school
// tells where a child lives and a session may be read by the one hidden from;
// (3) staff who work with the person see the school, as they must to do it;
// (4) the search, which only the municipality's admins have, names the person
// without the school, and an operator on a support visit, who does not work with
// the person, sees it nowhere, class lists included; (5) that somebody is protected is itself sensitive: only
// principals and admins see a mark, and never on a class list. Names of protected
// teachers are left out of what families see.
package people

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
)

// Viewer is in what capacity a person is looked at.
type Viewer uint8

// The viewers, each seeing more than the one before or something else.
const (
	Family  Viewer = iota // the person themself or a guardian
	Teacher               // has the person in a group today
	Office                // leads the school or the municipality
	Support               // an operator on a support visit
)

// Sight is what a viewer sees of a person.
type Sight struct {
	Identity  bool // birth date and oppijanumero
	Home      bool // home municipality and language
	Contact   bool
	Place     bool // school, class, groups, teachers
	Guardians bool
	Mark      bool // that the person is protected
}

var sights = map[Viewer]Sight{
	Family:  {Identity: true, Home: true, Contact: true, Place: true},
	Teacher: {Contact: true, Place: true, Guardians: true},
	Office:  {Identity: true, Home: true, Contact: true, Place: true, Guardians: true},
	Support: {Identity: true, Home: true, Contact: true, Place: true, Guardians: true},
}

// SightOf returns what a viewer sees of a person, protected or not.
func SightOf(v Viewer, protected bool) Sight {
	s := sights[v]
	if protected {
		s.Home, s.Contact = false, false
		s.Place = v == Teacher || v == Office
		s.Mark = v == Office || v == Support
	}
	return s
}

// Person is one human being as their page shows them. What the rule on protected
// persons withholds is empty.
type Person struct {
	ID               uuid.UUID
	GivenNames       string
	CallName         string
	FamilyName       string
	BirthDate        *time.Time
	Language         string
	HomeMunicipality string
	Email            string
	Phone            string
	Oppijanumero     string
	Protected        bool
	ViaUnit          bool // reached through a school
	ViaGroup         bool // reached through a group
}

// Name is the name that the person goes by.
func (p Person) Name() string { return p.CallName + " " + p.FamilyName }

// viewer says in what capacity the actor sees the person: the widest that applies.
func (p Person) viewer(a authz.Actor, r authz.Reach) Viewer {
	switch {
	case p.ID == a.Person:
		return Family
	case a.Has(authz.Support):
		return Support
	case r.All || p.ViaUnit:
		return Office
	case p.ViaGroup:
		return Teacher
	}
	return Family
}

// Placement is a school that a learner attends today, with grade and home class
// where they are known.
type Placement struct {
	Person    uuid.UUID
	School    string
	SchoolSv  string
	Grade     string
	HomeGroup string
}

// Membership is a group that a learner is in today.
type Membership struct {
	Person   uuid.UUID
	Group    uuid.UUID
	Title    string
	Homeroom bool
	Teachers []string
}

// Contact is a guardian as the school sees them.
type Contact struct {
	Name, Email, Phone string
}

// RoleAt is what a person is at a unit today, in the roster's word.
type RoleAt struct {
	Word, UnitKind, Unit, UnitSv string
}

// Role returns the product's role, false when the word has none.
func (r RoleAt) Role() (authz.Role, bool) { return authz.RoleOf(r.Word, r.UnitKind) }

// Hit is a line of the search's answer.
type Hit struct {
	ID        uuid.UUID
	Name      string // family name first, as lists have it
	Words     []string
	Place     string
	PlaceSv   string
	HomeGroup string
	Protected bool
}

// unitName is the name in the reader's language, where there is one.
func unitName(l i18n.Lang, fi, sv string) string {
	if l == i18n.Sv && sv != "" {
		return sv
	}
	return fi
}

// patterns turns what was typed into LIKE patterns, each of which must match the
// beginning of a name; ok is false when less than two letters were typed.
func patterns(q string) (out []string, ok bool) {
	n := 0
	for word := range strings.FieldsSeq(fold(q)) {
		n += len([]rune(word))
		out = append(out, "% "+likeEscape.Replace(word)+"%")
	}
	return out, n >= 2 && len(out) <= 6
}

var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// foldFrom and foldTo make å, ä, ö and the letters of Sámi and neighbouring
// languages equal to their plain ones; the search's statement folds the same.
const (
	foldFrom = "ÅÄÖÉÈÜŠŽÁČĐŊŦÕåäöéèüšžáčđŋŧõ"
	foldTo   = "AAOEEUSZACDNTOaaoeeuszacdnto"
)

func fold(s string) string {
	from, to := []rune(foldFrom), []rune(foldTo)
	return strings.ToLower(strings.Map(func(r rune) rune {
		for i, f := range from {
			if f == r {
				return to[i]
			}
		}
		return r
	}, s))
}
