package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Desk is the operators' part of the schema control for a served process: who
// they are, their sessions, and the log. It logs in as the application, which may
// read the accounts and add to the log, and can change neither.
type Desk struct{ pool *pgxpool.Pool }

// deskConns bounds the connections of the operators' pages: they are few people.
const deskConns = 3

// Desk returns the operators' desk. No connection is opened before the first use.
func (db *DB) Desk() (*Desk, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.desk == nil {
		pool, err := db.controlPool(deskConns)
		if err != nil {
			return nil, fmt.Errorf("open operators' desk: %w", err)
		}
		db.desk = &Desk{pool}
	}
	return db.desk, nil
}

// controlPool reaches the schema control as the application.
func (db *DB) controlPool(conns int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(db.cfg.DSN)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	role := appRole(db.cfg.Secret)
	cfg.ConnConfig.User, cfg.ConnConfig.Password = role, rolePassword(db.cfg.Secret, role)
	cfg.MaxConns, cfg.MinConns, cfg.MaxConnIdleTime = conns, 0, 5*time.Minute
	return pgxpool.NewWithConfig(context.Background(), cfg)
}

// OperatorSession is a signed-in browser of an operator.
type OperatorSession struct {
	Strong  bool // whoever has a passkey has shown it
	Account OperatorAccount
	CSRF    string
	SeenAt  time.Time
}

const sqlFindOperator = `
select id, issuer, subject, name, email, role, added_by, created_at, ended_at
  from control.operator
 where issuer = @issuer
   and subject = @subject
   and ended_at is null`

// Control is the desk's pool, for packages below tenancy that own tables of the
// schema control. It may do there what the application may, and no more.
func (d *Desk) Control() *pgxpool.Pool { return d.pool }

// FindAccount returns the operator of an issuer and a subject; ok is false for
// whoever is not listed, or not any more.
func (d *Desk) FindAccount(ctx context.Context, issuer, subject string) (a OperatorAccount, ok bool, err error) {
	rows, err := d.pool.Query(ctx, sqlFindOperator, pgx.StrictNamedArgs{"issuer": issuer, "subject": subject})
	if err != nil {
		return a, false, fmt.Errorf("find operator: %w", err)
	}
	a, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[OperatorAccount])
	if errors.Is(err, pgx.ErrNoRows) {
		return OperatorAccount{}, false, nil
	}
	if err != nil {
		return OperatorAccount{}, false, fmt.Errorf("find operator: %w", err)
	}
	return a, true, nil
}

// Accounts lists all operators, those of today first.
func (d *Desk) Accounts(ctx context.Context) ([]OperatorAccount, error) { return accounts(ctx, d.pool) }

// OperatorSignIn is an operator's sign-in under way.
type OperatorSignIn struct{ Nonce, Verifier, ReturnTo string }

const sqlSweepOperatorSignIns = `delete from control.operator_sign_in where expires_at <= @now`

const sqlInsertOperatorSignIn = `
insert into control.operator_sign_in (state_hash, nonce, verifier, return_to, expires_at)
values (@state, @nonce, @verifier, @return_to, @expires_at)`

// BeginSignIn keeps a sign-in until it comes back or expires.
func (d *Desk) BeginSignIn(ctx context.Context, state []byte, in OperatorSignIn, now, expires time.Time) error {
	b := &pgx.Batch{}
	b.Queue(sqlSweepOperatorSignIns, pgx.StrictNamedArgs{"now": now})
	b.Queue(sqlInsertOperatorSignIn, pgx.StrictNamedArgs{"state": state, "nonce": in.Nonce, "verifier": in.Verifier,
		"return_to": in.ReturnTo, "expires_at": expires})
	if err := d.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("insert operator's sign-in: %w", err)
	}
	return nil
}

const sqlTakeOperatorSignIn = `
delete from control.operator_sign_in where state_hash = @state and expires_at > @now returning nonce, verifier, return_to`

// TakeSignIn returns a sign-in and forgets it: of two with the same state, one gets it.
func (d *Desk) TakeSignIn(ctx context.Context, state []byte, now time.Time) (in OperatorSignIn, ok bool, err error) {
	err = d.pool.QueryRow(ctx, sqlTakeOperatorSignIn, pgx.StrictNamedArgs{"state": state, "now": now}).Scan(&in.Nonce, &in.Verifier, &in.ReturnTo)
	if errors.Is(err, pgx.ErrNoRows) {
		return OperatorSignIn{}, false, nil
	}
	if err != nil {
		return OperatorSignIn{}, false, fmt.Errorf("take operator's sign-in: %w", err)
	}
	return in, true, nil
}

const sqlSweepOperatorSessions = `delete from control.operator_session where expires_at <= @now`

const sqlInsertOperatorSession = `
insert into control.operator_session (token_hash, operator, csrf, created_at, seen_at, expires_at, strong)
values (@token, @operator, @csrf, @now, @now, @expires_at, not exists (select from control.operator_passkey where operator = @operator))`

// BeginSession starts an operator's session under the hash of its token, ends the
// one that the browser had, and notes the sign-in: all of it or nothing.
func (d *Desk) BeginSession(ctx context.Context, token, former []byte, operator uuid.UUID, csrf string, now, expires time.Time, note LogEntry) error {
	b := &pgx.Batch{}
	b.Queue(sqlSweepOperatorSessions, pgx.StrictNamedArgs{"now": now})
	b.Queue(sqlDeleteOperatorSession, pgx.StrictNamedArgs{"token": former})
	b.Queue(sqlInsertOperatorSession, pgx.StrictNamedArgs{"token": token, "operator": operator, "csrf": csrf, "now": now, "expires_at": expires})
	b.Queue(sqlInsertLog, note.args())
	if err := d.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("begin operator's session: %w", err)
	}
	return nil
}

const sqlFindOperatorSession = `
select o.id, o.issuer, o.subject, o.name, o.email, o.role, o.added_by, o.created_at, s.csrf, s.seen_at, s.strong
  from control.operator_session s
  join control.operator o on o.id = s.operator and o.ended_at is null
 where s.token_hash = @token
   and o.issuer = @issuer
   and s.expires_at > @now
   and s.seen_at > @idle_since`

// FindSession returns a living session of an operator who is still listed and whose
// issuer is still the one in use.
func (d *Desk) FindSession(ctx context.Context, token []byte, issuer string, now, idleSince time.Time) (s OperatorSession, ok bool, err error) {
	a := &s.Account
	err = d.pool.QueryRow(ctx, sqlFindOperatorSession, pgx.StrictNamedArgs{"token": token, "issuer": issuer, "now": now, "idle_since": idleSince}).
		Scan(&a.ID, &a.Issuer, &a.Subject, &a.Name, &a.Email, &a.Role, &a.AddedBy, &a.CreatedAt, &s.CSRF, &s.SeenAt, &s.Strong)
	if errors.Is(err, pgx.ErrNoRows) {
		return OperatorSession{}, false, nil
	}
	if err != nil {
		return OperatorSession{}, false, fmt.Errorf("find operator's session: %w", err)
	}
	return s, true, nil
}

const sqlTouchOperatorSession = `update control.operator_session set seen_at = @now where token_hash = @token and seen_at < @now`

// TouchSession notes that a session is in use.
func (d *Desk) TouchSession(ctx context.Context, token []byte, now time.Time) error {
	if _, err := d.pool.Exec(ctx, sqlTouchOperatorSession, pgx.StrictNamedArgs{"token": token, "now": now}); err != nil {
		return fmt.Errorf("touch operator's session: %w", err)
	}
	return nil
}

const sqlDeleteOperatorSession = `delete from control.operator_session where token_hash = @token`

// EndSession ends a session and notes it; one that is over already is no error.
func (d *Desk) EndSession(ctx context.Context, token []byte, note LogEntry) error {
	b := &pgx.Batch{}
	b.Queue(sqlDeleteOperatorSession, pgx.StrictNamedArgs{"token": token})
	b.Queue(sqlInsertLog, note.args())
	if err := d.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("end operator's session: %w", err)
	}
	return nil
}

// Note adds a line to the operator log.
func (d *Desk) Note(ctx context.Context, e LogEntry) error {
	if _, err := d.pool.Exec(ctx, sqlInsertLog, e.args()); err != nil {
		return fmt.Errorf("write operator log: %w", err)
	}
	return nil
}

// Log returns entries of the operator log, the newest first.
func (d *Desk) Log(ctx context.Context, of LogFilter, limit int) ([]LogEntry, error) {
	return logEntries(ctx, d.pool, of, limit)
}
