// Package people shows persons to those who may see them: one's own data, one's
// children, a learner to the school, and a search for who may look wider; and it lets the
// school's office decide who a child's guardians are and to whom of another
// organisation a learner is disclosed. It owns the tables person, person_identifier,
// guardianship, guardian_block, disclosure and person_merge. It must not know how
// anyone signs in or where the data comes from.
//
// Guardianship has three layers. A source, or a person by hand, says from when to
// when; ended_on, set by hand, ends it whatever the source says later; a block
// shuts a guardian out from a child whatever anything says, and only a hand lifts it.
//
// Turvakielto (protected) hides where a person is. docs/permissions.md has the table
// of who sees what where, written from sights. In short: (1) contact details and
// home municipality of a protected person leave the database for nobody; (2) the
// family, the learner included, sees neither school, class, groups nor teachers,
// because a school tells where a child lives and a session may be read by the one
// hidden from; (3) staff who work with the person see the school, as they must to
// do it, and on the person's page a mark that says to be careful, and so does
// welfare staff to whom the school disclosed the person; (4) the search, which finds
// whom one may see and nobody else, names the person without the school, and whoever
// looks without working with the person (an operator on a support visit, the
// data-protection officer) sees it nowhere, class lists included; (5) that somebody
// is protected is itself sensitive: no list of a class or a family carries a mark.
// Names of protected teachers are left out of what families see.
package people

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

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
	Officer               // the data-protection officer, for a reason
	Welfare               // of another organisation, by a disclosure
)

// Viewers lists all of them.
var Viewers = []Viewer{Family, Teacher, Office, Welfare, Officer, Support}

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
	Officer: {Identity: true, Home: true, Contact: true, Place: true, Guardians: true},
	Welfare: {Place: true}, // guardians as the disclosure says
}

// SightOf returns what a viewer sees of a person, protected or not.
func SightOf(v Viewer, protected bool) Sight {
	s := sights[v]
	if protected {
		s.Home, s.Contact = false, false
		s.Place = v == Teacher || v == Office || v == Welfare
		s.Mark = v != Family
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
	ViaOffice        bool // belongs to a school whose office the actor works in
	ViaSchool        bool // reached as staff who teach: through a group or a school
}

// Name is the name that the person goes by.
func (p Person) Name() string { return p.CallName + " " + p.FamilyName }

// viewer says in what capacity the actor sees the person: the widest that applies.
func (p Person) viewer(a authz.Actor) Viewer {
	switch {
	case p.ID == a.Person:
		return Family
	case a.Has(authz.Support):
		return Support
	case a.Reach(authz.PersonManage).All || p.ViaOffice:
		return Office
	case p.ViaSchool:
		return Teacher
	case slices.Contains(a.Children, p.ID):
		return Family
	case a.Has(authz.Welfare):
		return Welfare
	}
	return Family
}

// sight is what the actor sees of the person.
func (p Person) sight(a authz.Actor) (Viewer, Sight) {
	v := p.viewer(a)
	s := SightOf(v, p.Protected)
	s.Guardians = s.Guardians || v == Welfare && slices.Contains(a.Disclosed, authz.Disclosed{Learner: p.ID, Contacts: true})
	return v, s
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
	Named     int // how many have such a name, of those that were looked at
}

// unitName is the name in the reader's language, where there is one.
func unitName(l i18n.Lang, fi, sv string) string {
	if l == i18n.Sv && sv != "" {
		return sv
	}
	return fi
}

// Words is what was typed, as a question to the names: each word must begin one of
// a person's.
type Words string

// WordsOf makes it; ok is false when less than two letters were typed, or more than
// six words.
func WordsOf(q string) (w Words, ok bool) {
	words := strings.FieldsFunc(fold(q), func(r rune) bool { return unicode.IsSpace(r) || r == '-' || r == 0 })
	n := 0
	for i, word := range words {
		n += utf8.RuneCountInString(word)
		words[i] = "'" + lexeme.Replace(word) + "':*"
	}
	return Words(strings.Join(words, " & ")), n >= 2 && len(words) <= 6
}

var lexeme = strings.NewReplacer(`\`, `\\`, `'`, `''`)

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
