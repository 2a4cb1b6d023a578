package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
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

// tries is how often a transaction runs at most. A connection that is opened anew
// is lost too where backends end by the dozen.
const tries = 3

// again tells whether the transaction, which ended in err, is to run once more: its
// connection was lost, and nothing of it is there. A commit that was lost is looked
// up; when it did take place, the error is none.
func (x *txn) again(ctx context.Context, once bool, err error) (bool, error) {
	lost := (*LostError)(nil)
	if !errors.As(err, &lost) || x.done && !x.readOnly || ctx.Err() != nil || once && !lost.Unsure || !x.s.conn.IsClosed() {
		return false, err
	}
	if !x.attentive() {
		return false, err
	}
	if cerr := x.cell.connect(ctx, x.s); cerr != nil {
		x.attentive = func() bool { return true } // there is nothing left to abort
		return false, err
	}
	x.attend()
	if lost.Unsure {
		switch x.fate(ctx) {
		case "committed":
			return false, nil
		case "aborted":
			lost.Unsure = false
		default:
			return false, err
		}
	}
	x.reset()
	return !once, err
}

// reset makes it a transaction that has not begun.
func (x *txn) reset() { x.open, x.done, x.committing, x.xid = false, false, false, "" }

const sqlFate = `select coalesce(pg_xact_status($1::xid8), '')`

// fate asks the server what became of the transaction: "committed", "aborted", or
// something else when that cannot be known. Its backend may still be at it.
func (x *txn) fate(ctx context.Context) (is string) {
	for range 100 {
		if err := x.s.conn.QueryRow(ctx, sqlFate, pgx.QueryExecModeSimpleProtocol, x.xid).Scan(&is); err != nil {
			return ""
		}
		if is != "in progress" {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return is
}

// attend ends what runs on the connection when the time is up.
func (x *txn) attend() {
	conn := x.s.conn
	x.attentive = context.AfterFunc(x.ctx, func() { abort(conn) })
}
