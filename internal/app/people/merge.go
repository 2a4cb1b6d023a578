package people

import (
	"time"

	"github.com/google/uuid"
)

// Moved names the rows that a merge re-pointed, by table and column, so that undoing
// it points the very same back.
type Moved map[string][]uuid.UUID

// ids is what a statement takes: nil is all rows on the way there, a list on the way
// back.
func (m Moved) ids(what string, back bool) []uuid.UUID {
	if !back {
		return nil
	}
	return append([]uuid.UUID{}, m[what]...)
}

// Repoint is a step of a merge in a table's own package: it points what names from
// to to, notes the rows in m, and with back set takes only those that m names.
type Repoint struct {
	From, To uuid.UUID
	Moved    Moved
	Back     bool
}

// Take returns the rows to take of what, see Repoint.
func (r Repoint) Take(what string) []uuid.UUID { return r.Moved.ids(what, r.Back) }

// Note keeps what was taken.
func (r Repoint) Note(what string, ids []uuid.UUID) {
	if !r.Back && len(ids) > 0 {
		r.Moved[what] = ids
	}
}

// Merge is two records that were found to be one human being.
type Merge struct {
	ID         uuid.UUID
	Kept, Gone uuid.UUID
	KeptName   string
	GoneName   string
	Reason     string
	By         string
	At         time.Time
	UndoneAt   *time.Time
	UndoReason string
	Undoable   bool // nothing newer rests on it
}
