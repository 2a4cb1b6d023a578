package oneroster

// Known is what a tenant has of a row already. Only Active is needed; a rule
// that lacks one of the others is left out.
type Known struct {
	Kind   string // type of an org or of a session
	Active bool   // not tobedeleted
	Parent string // org and session: the parent; class: its school
	Owner  string // userProfile: its user
	From   string // session, and class by its terms: first day, YYYY-MM-DD
	Until  string // the day after the last
}

// Store answers what the tenant has, for the references of delta files. The
// ids are those of the same source. It is asked once or twice for each reference
// that leads out of the package, so it should answer from memory.
type Store interface {
	Lookup(t Type, sourcedID string) (Known, bool)
}

// nothing is the Store of a tenant without a roster.
type nothing struct{}

func (nothing) Lookup(Type, string) (Known, bool) { return Known{}, false }
