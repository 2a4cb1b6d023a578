package tenancy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// txn is one transaction inside one tenant. Nothing is sent before the first
// statement: begin, role and path travel with it in one round trip. Role and
// search_path are local to the transaction, so that a connection goes back
// knowing no tenant.
type txn struct {
	db       *DB
	s        *session
	t        *entry
	readOnly bool
	open     bool // begin has been sent
	done     bool // Finish has run
	deadline time.Duration

	cell       *cell
	ctx        context.Context // of the whole transaction
	attentive  func() bool     // stops to watch over ctx, false when that has come too late
	committing bool            // commit has been sent
	xid        string          // of a write that is open: by it the server tells what became of its commit
}

// The statements by which a transaction enters a tenant; the last is for a read
// that is one pipeline without begin and commit, read-only because the session is.
// statement_timeout is the server's own clock on the deadline.
const (
	sqlEnter  = `select set_config('role', $1, true), set_config('search_path', $2, true), set_config('statement_timeout', $3, true)`
	sqlChange = `select pg_current_xact_id()::text, set_config('role', $1, true), set_config('search_path', $2, true), set_config('statement_timeout', $3, true)`
	sqlPeek   = `select set_config('role', $1, true), set_config('search_path', $2, true)`

	sqlBeginRead  = "begin read only"
	sqlBeginWrite = "begin read write"
	sqlCommit     = "commit"

	sqlWhere = `select current_user::text, current_schema()::text, current_setting('transaction_read_only')`
)

// begin queues the statements that open the transaction.
func (x *txn) begin(b *pgx.Batch) error {
	begin, enter := sqlBeginRead, sqlEnter
	if !x.readOnly { // a session is read-only by default
		begin, enter = sqlBeginWrite, sqlChange
	}
	begin, err := x.s.own(begin)
	if err != nil {
		return err
	}
	if enter, err = x.s.own(enter); err != nil {
		return err
	}
	b.Queue(begin)
	q := b.Queue(enter, x.t.Role, x.t.path, fmt.Sprint(x.deadline.Milliseconds()))
	if !x.readOnly {
		q.QueryRow(x.entered)
	}
	return nil
}

// entered notes the number of the transaction.
func (x *txn) entered(row pgx.Row) error { return row.Scan(&x.xid, nil, nil, nil) }

// own prepares one of tenancy's own statements, outside of any tenant.
func (s *session) own(text string) (string, error) {
	if name, ok := s.lookup(text); ok {
		return name, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.prepare(ctx, text, 1<<20)
}

// ensure opens the transaction by itself, where nothing can travel with it.
func (x *txn) ensure(ctx context.Context) error {
	if x.done {
		return errors.New("statement after Finish")
	}
	if x.open {
		return nil
	}
	b := &pgx.Batch{}
	if err := x.begin(b); err != nil {
		return err
	}
	x.open = true
	if err := x.s.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("enter tenant %s: %w", x.t.Slug, err)
	}
	return x.check(ctx)
}

// check asserts where the transaction stands; tests only.
func (x *txn) check(ctx context.Context) error {
	if !x.db.cfg.Assert {
		return nil
	}
	var role, schema, ro string
	if err := x.s.conn.QueryRow(ctx, sqlWhere, pgx.QueryExecModeSimpleProtocol).Scan(&role, &schema, &ro); err != nil {
		return err
	}
	if role != x.t.Role || schema != x.t.Schema || (ro == "on") != x.readOnly {
		panic(fmt.Sprintf("transaction of %s stands at role %s, schema %s, read only %s", x.t.Slug, role, schema, ro))
	}
	return nil
}

// ready resolves named arguments, tags the text with the tenant, and returns the
// name of the prepared statement. PostgreSQL plans a shared statement again at
// every change of search_path; a text per tenant keeps each plan. The tag is a
// cache key only: were the path ever another, the plan would be made anew.
func (x *txn) ready(ctx context.Context, sql string, args []any, together int) (string, []any, error) {
	if !isPlain(sql) {
		x.s.touched = true
	}
	text, args, err := positional(sql, args)
	if err != nil {
		return "", nil, err
	}
	text = x.t.tag + text
	if name, ok := x.s.lookup(text); ok {
		return name, args, nil
	}
	if err := x.ensure(ctx); err != nil {
		return "", nil, err
	}
	name, err := x.s.prepare(ctx, text, max(x.s.statements(x.db.cfg), together+2))
	return name, args, err
}

// run is the transaction from its first statement to its end.
func (x *txn) run(ctx context.Context, f func(*txn) error) error {
	if err := f(x); err != nil {
		x.rollback()
		return x.lost(ctx, err)
	}
	return x.lost(ctx, x.commit(ctx))
}

func (x *txn) commit(ctx context.Context) error {
	if !x.open || x.s.conn == nil {
		return nil
	}
	if x.readOnly {
		x.rollback()
		return nil
	}
	if x.s.conn.PgConn().TxStatus() != 'T' {
		x.rollback()
		return errors.New("commit: a statement of the transaction had failed")
	}
	x.committing = true
	if _, err := x.s.conn.Exec(ctx, sqlCommit, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// rollback ends the transaction whatever the caller's context says; if it cannot,
// release closes the connection.
func (x *txn) rollback() {
	if !x.open || x.s.conn == nil || x.s.conn.IsClosed() || x.s.conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = x.s.conn.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol)
}

// Read is a read-only transaction inside one tenant.
type Read struct{ x *txn }

// Opening is which schools of the tenant are open to their people; nil is all.
func (r Read) Opening() *Opening { return r.x.t.Opening }

// Query runs a statement of plain, unqualified SQL. Close the rows before the
// next statement.
func (r Read) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return r.x.query(ctx, sql, args)
}

func (x *txn) query(ctx context.Context, sql string, args []any) (pgx.Rows, error) {
	name, args, err := x.ready(ctx, sql, args, 1)
	if err != nil {
		return nil, err
	}
	if x.open || x.db.cfg.Assert {
		if err := x.ensure(ctx); err != nil {
			return nil, err
		}
		return x.s.conn.Query(ctx, name, args...)
	}
	b := &pgx.Batch{}
	if err := x.begin(b); err != nil {
		return nil, err
	}
	b.Queue(name, args...)
	x.open = true
	br := x.s.conn.SendBatch(ctx, b)
	_, err = br.Exec()
	switch {
	case err != nil:
	case x.readOnly:
		_, err = br.Exec()
	default:
		err = x.entered(br.QueryRow())
	}
	if err != nil {
		_ = br.Close()
		return nil, fmt.Errorf("enter tenant %s: %w", x.t.Slug, err)
	}
	rows, err := br.Query()
	if err != nil {
		_ = br.Close()
		return nil, err
	}
	return &firstRows{Rows: rows, br: br}, nil
}

// QueryRow is Query for one row; the error comes with Scan, pgx.ErrNoRows when
// there is none.
func (r Read) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := r.Query(ctx, sql, args...)
	return oneRow{rows, err}
}

// Batch runs the queued statements in one round trip and calls their callbacks.
func (r Read) Batch(ctx context.Context, b *pgx.Batch) error {
	return r.x.batch(ctx, b)
}

func (x *txn) batch(ctx context.Context, b *pgx.Batch) error {
	queued, err := x.resolve(ctx, b)
	if err != nil {
		return err
	}
	out := &pgx.Batch{}
	if x.open || x.db.cfg.Assert {
		if err := x.ensure(ctx); err != nil {
			return err
		}
	} else if err := x.begin(out); err != nil {
		return err
	}
	x.open = true
	out.QueuedQueries = append(out.QueuedQueries, queued...)
	return x.s.conn.SendBatch(ctx, out).Close()
}

// Finish runs the queued statements as the last of the transaction, which ends
// with them: in a read that sends nothing else, that is one round trip in all.
func (r Read) Finish(ctx context.Context, b *pgx.Batch) error {
	return r.x.finish(ctx, b)
}

func (x *txn) finish(ctx context.Context, b *pgx.Batch) error {
	queued, err := x.resolve(ctx, b)
	if err != nil {
		return err
	}
	out := &pgx.Batch{}
	switch {
	case x.db.cfg.Assert:
		if err := x.ensure(ctx); err != nil {
			return err
		}
	case x.readOnly && !x.open:
		peek, err := x.s.own(sqlPeek)
		if err != nil {
			return err
		}
		out.Queue(peek, x.t.Role, x.t.path)
	case !x.open:
		if err := x.begin(out); err != nil {
			return err
		}
		x.open = true
	}
	out.QueuedQueries = append(out.QueuedQueries, queued...)
	if x.open && !x.readOnly {
		commit, err := x.s.own(sqlCommit)
		if err != nil {
			return err
		}
		out.Queue(commit)
		x.committing = true
	}
	x.done = true
	err = x.s.conn.SendBatch(ctx, out).Close()
	if x.open && (x.readOnly || err != nil) {
		x.rollback()
	}
	x.open = false
	return err
}

// resolve returns what is queued with the names of prepared statements for the
// texts. The batch stays as it was: the transaction may begin anew.
func (x *txn) resolve(ctx context.Context, b *pgx.Batch) ([]*pgx.QueuedQuery, error) {
	out := make([]*pgx.QueuedQuery, len(b.QueuedQueries))
	for i, q := range b.QueuedQueries {
		// All of them must be there when the batch goes out.
		name, args, err := x.ready(ctx, q.SQL, q.Arguments, len(b.QueuedQueries))
		if err != nil {
			return nil, err
		}
		out[i] = &pgx.QueuedQuery{SQL: name, Arguments: args, Fn: q.Fn}
	}
	return out, nil
}

// Prepare checks a statement without running it; tests use it.
func (r Read) Prepare(ctx context.Context, sql string) (*pgconn.StatementDescription, error) {
	if err := r.x.ensure(ctx); err != nil {
		return nil, err
	}
	return r.x.s.conn.Prepare(ctx, "", sql)
}

// Write is a transaction inside one tenant that may also change data.
type Write struct{ Read }

// Exec runs a statement that returns no rows.
func (w Write) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := w.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// CopyFrom streams rows into an unqualified table and returns how many.
func (w Write) CopyFrom(ctx context.Context, table string, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := w.x.ensure(ctx); err != nil {
		return 0, err
	}
	return w.x.s.conn.CopyFrom(ctx, pgx.Identifier{table}, columns, src)
}

// firstRows are the rows of a transaction's first statement; the pipeline that
// opened it is closed with them.
type firstRows struct {
	pgx.Rows
	br  pgx.BatchResults
	err error
}

func (r *firstRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

func (r *firstRows) Close() {
	r.Rows.Close()
	if r.br != nil {
		r.err = r.br.Close()
		r.br = nil
	}
}

func (r *firstRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

type oneRow struct {
	rows pgx.Rows
	err  error
}

func (r oneRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// goroutine returns the number of the running goroutine; Assert only.
func goroutine() string {
	var b [64]byte
	f := bytes.Fields(b[:runtime.Stack(b[:], false)])
	return string(f[1])
}
