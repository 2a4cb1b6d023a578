// Package audit records who saw or changed what: ids only, append-only, in the
// transaction of what it tells about, so that an event is committed before the
// answer leaves the process. It writes audit_event, audit_pending and audit_seal,
// and must not know a name, a hetu or any text about a person.
//
// One event stands for one person seen on one page: a list of twenty-five
// learners leaves twenty-five events, because whoever asks later who has seen
// their child's data must get a whole answer from the events alone, without
// working out who was in a group on a past day. Pages without a person (schools,
// groups with counts) leave none. A search leaves one more event without a
// target, and what was searched for is not kept.
//
// Each event waits in audit_pending until Seal puts it under the next head of the
// tenant's chain (package seal): views never queue behind each other, and an event
// that is changed or taken away later is missed by whoever verifies.
package audit

import (
	"time"

	"github.com/google/uuid"
)

// Kinds of targets.
const (
	Person  = "person"
	Search  = "search"  // has no target
	Session = "session" // nor has this: who signed in or out is the actor
	Import  = "import"  // nor has this: an admin sent, applied or closed a roster; the reason names it
	Page    = "page"    // nor has this: an operator looked at a page on a support visit
)

// Roles of an actor towards one target, beside those of package authz.
const (
	RoleSelf     = "self"
	RoleGuardian = "guardian"
)

// Entry is one view or change of one or more targets by a person, or by an operator.
type Entry struct {
	At    time.Time
	Actor uuid.UUID // uuid.Nil when it is not known who it was
	// Support says that the actor is an operator on a support visit; Reason is then
	// the grant's id.
	Support bool
	// Role is what the actor was when they looked: authz.Role, "" for nobody's. Their
	// own page and their children are told apart from it: see RoleSelf.
	Role     string
	Children []uuid.UUID // of the actor
	Action   string
	Kind     string
	Targets  []uuid.UUID
	Reason   string // why, where the actor was asked; never about the target
	Request  string
}
