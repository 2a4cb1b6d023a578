package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// LostError says that the database was lost in a transaction, cannot be reached or
// has no room: a fault of the installation that passes, not of what was asked.
type LostError struct {
	RetryAfter time.Duration
	Unsure     bool // it was lost while it committed: what was changed may be there or not
	err        error
}

func (e *LostError) Error() string {
	if e.Unsure {
		return fmt.Sprintf("the database was lost while it committed: %v", e.err)
	}
	return fmt.Sprintf("the database is not there for now: %v", e.err)
}

func (e *LostError) Unwrap() error { return e.err }

// regain is after how long it is worth to try again: a restart takes about that.
const regain = 5 * time.Second

// lost tells the errors of a database that is gone or full from all others.
func (x *txn) lost(ctx context.Context, err error) error {
	gone := x.s.conn == nil || x.s.conn.IsClosed()
	if err == nil || ctx.Err() != nil || errors.As(err, new(*LostError)) || errors.Is(err, ErrNoCluster) || !gone && !full(err) {
		return err
	}
	return &LostError{RetryAfter: regain, Unsure: x.committing && gone, err: err}
}

// unreached is lost for a connection that did not come about.
func unreached(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, ErrNoCluster) || !errors.As(err, new(*pgconn.ConnectError)) && !full(err) {
		return err
	}
	return &LostError{RetryAfter: regain, err: err}
}

// full: no room on the disk, no memory, no connection left; or the server is
// being stopped or started.
func full(err error) bool {
	state := sqlState(err)
	return strings.HasPrefix(state, "53") || strings.HasPrefix(state, "57P") || strings.HasPrefix(state, "58")
}

// regained gives a reading transaction that has lost its connection another one,
// once, as long as the caller has been given nothing: it may begin anew.
func (x *txn) regained(ctx context.Context, first bool) bool {
	if !first || !x.readOnly || x.gave || x.again || x.done || ctx.Err() != nil || x.s.conn == nil || !x.s.conn.IsClosed() {
		return false
	}
	x.again = true
	if !x.attentive() {
		return false
	}
	x.open = false
	if x.cell.connect(ctx, x.s) != nil {
		x.attentive = func() bool { return true } // there is nothing left to abort
		return false
	}
	x.attend()
	return true
}

// attend ends what runs on the connection when the time is up.
func (x *txn) attend() {
	conn := x.s.conn
	x.attentive = context.AfterFunc(x.ctx, func() { abort(conn) })
}
