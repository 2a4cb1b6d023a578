package tenancy

import (
	"context"
	"fmt"
	"time"
)

// phase is how far a tenant's move to another cluster is. In held it is read and
// not changed, but for what notes who reads; in closing, which is short, nobody
// enters it. PostgreSQL enforces both on a process that has not heard of them.
type phase string

const (
	preparing phase = "preparing"
	held      phase = "held"
	closing   phase = "closing"
	switched  phase = "switched"
	moved     phase = "done"
	takenBack phase = "back"
)

// MovingError says that a tenant moves to another cluster and cannot be changed,
// or entered, for a moment.
type MovingError struct{ RetryAfter time.Duration }

func (e *MovingError) Error() string {
	return fmt.Sprintf("tenant moves to another cluster, try again in %s", e.RetryAfter)
}

// heldTime and closedTime are after how long it is worth to try again.
const (
	heldTime   = 10 * time.Second
	closedTime = 2 * time.Second
)

// standing returns a tenant where it stands, if it may be entered there. While its
// doors are shut for the last moment of a move it waits for the news, as long as a
// transaction may wait for its turn.
func (db *DB) standing(ctx context.Context, id ID, writes bool) (*entry, error) {
	patience := time.Now().Add(db.cfg.Patience)
	for {
		t, ok := db.byID(id)
		switch {
		case !ok:
			return nil, fmt.Errorf("enter tenant %q: %w", id, ErrNoTenant)
		case t.phase != closing && (t.phase != held || !writes):
			return t, nil
		case db.renew(ctx):
			continue
		case t.phase == held:
			return nil, &MovingError{heldTime}
		case time.Now().After(patience):
			return nil, &MovingError{closedTime}
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// renew reads the catalogue when what is known is not of this second, and tells
// whether it did: a process that news do not reach stops nobody for long.
func (db *DB) renew(ctx context.Context) bool {
	if time.Since(db.now.Load().at) < time.Second || !db.news.TryLock() {
		return false
	}
	defer db.news.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closedTime)
	defer cancel()
	return db.Refresh(ctx) == nil
}

// refused turns PostgreSQL's refusal into the news that this process had not heard
// when it began: the tenant moves, or has moved.
func (db *DB) refused(ctx context.Context, t *entry, err error) error {
	switch sqlState(err) {
	case "42501", "22023", "3F000", "42P01", "28000", "28P01": // no privilege, no such role, schema, table or login
	default:
		return err
	}
	db.news.Lock()
	defer db.news.Unlock()
	if now, ok := db.byID(t.ID); ok && now != t && now.elsewhere(t) != nil { // read since it began
		return now.elsewhere(t)
	}
	fresh, cancel := context.WithTimeout(context.WithoutCancel(ctx), closedTime)
	defer cancel()
	if db.Refresh(fresh) != nil {
		return err
	}
	if now, ok := db.byID(t.ID); ok && now.elsewhere(t) != nil {
		return now.elsewhere(t)
	}
	return err
}

// elsewhere is what a transaction is told that began in another state than now.
func (e *entry) elsewhere(began *entry) error {
	switch {
	case e.phase == held:
		return &MovingError{heldTime}
	case e.phase == closing, e.Cell != began.Cell:
		return &MovingError{closedTime}
	case began.phase == held, began.phase == closing: // taken back meanwhile
		return &MovingError{closedTime}
	}
	return nil
}

// moving tells whether a move is under way, or was killed.
func (e *entry) moving() bool { return e.phase != "" && e.phase != moved && e.phase != takenBack }
