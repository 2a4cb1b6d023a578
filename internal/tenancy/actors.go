package tenancy

import "strings"

// SamePerson tells whether two names of actors are one person's, where a decision needs
// two: neither letters' case nor blanks around a name make another person of it.
func SamePerson(a, b string) bool {
	return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b))
}
