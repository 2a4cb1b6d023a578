// Package merge lets admins find two records that are one human being, see them side
// by side, make one of them for a reason, and undo it. It owns no table: people keeps
// the merge and which rows it re-pointed, and people, identity, org and the roster
// point their own.
package merge

import (
	"context"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/people"
	"digione/internal/tenancy"
)

// Roster is what the roster's side of a merge is; app gives it, because features do
// not know each other.
type Roster struct {
	Repoint func(ctx context.Context, tx tenancy.Write, r people.Repoint, at time.Time) error
	Resolve func(ctx context.Context, tx tenancy.Write, persons []uuid.UUID, at time.Time) error
}

// Suggestion is a pair that may be one human being.
type Suggestion struct {
	A, B         uuid.UUID
	AName, BName string
	Born         *time.Time
	Why          string // review, identifier or name
}

// Side is a record as the comparison shows it.
type Side struct {
	ID           uuid.UUID
	Given        string
	Family       string
	Born         *time.Time
	Oppijanumero string
	Hetu         bool
	Protected    bool
	Sources      []string // sourcedIds of the roster's rows
	Roles        []string // word, kind of unit and its name between bars, until they are in words
	Groups       []string
	Children     int
	Guardians    int
	Accounts     int
}

// Name is family name first, as lists have it.
func (s Side) Name() string { return s.Family + " " + s.Given }
