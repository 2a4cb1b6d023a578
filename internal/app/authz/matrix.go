package authz

import (
	"slices"
	"strings"
)

// scopeWords are the scopes in words, narrow to wide.
var scopeWords = []struct {
	s scope
	w string
}{
	{toSelf, "themself"}, {toChildren, "their children"}, {toDisclosed, "learners disclosed to them"}, {toGroups, "their groups"},
	{toLearners, "learners of their schools"}, {toSchools, "their schools"}, {toUnits, "their schools"}, {toAll, "everything"},
}

// Rule is one cell of the permission matrix: how far a role carries an action.
type Rule struct {
	Action Action
	Role   Role
	Scope  string
}

// Matrix lists all rules, by action and then by role, the widest role first. The
// role anyone is whoever is signed in.
func Matrix() []Rule {
	var out []Rule
	for act, roles := range rules {
		for role, s := range roles {
			var words []string
			for _, w := range scopeWords {
				if s&w.s != 0 {
					words = append(words, w.w)
				}
			}
			out = append(out, Rule{act, role, strings.Join(words, ", ")})
		}
	}
	place := func(r Role) int { return slices.Index(order, r) }
	slices.SortFunc(out, func(a, b Rule) int {
		if c := strings.Compare(string(a.Action), string(b.Action)); c != 0 {
			return c
		}
		return place(a.Role) - place(b.Role)
	})
	return out
}

// Given is a right that a role may give by hand.
type Given struct {
	By, Role Role
	At       string // a school or the provider
}

// Giving lists who may give which right by hand.
func Giving() []Given {
	var out []Given
	for _, by := range order {
		g := gives[by]
		for _, r := range g.atSchool {
			out = append(out, Given{by, r, "school"})
		}
		for _, r := range g.atProvider {
			out = append(out, Given{by, r, "provider"})
		}
	}
	return out
}
