package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Passkey is a WebAuthn credential of an operator.
type Passkey struct {
	ID         []byte
	Name       string
	Credential []byte // JSON, as the library keeps it
	CreatedAt  time.Time
	UsedAt     *time.Time
}

const sqlOperatorKeys = `
select id, name, credential, created_at, used_at
  from control.operator_passkey
 where operator = @operator
 order by created_at, id
 limit 50`

// Passkeys lists an operator's keys.
func (d *Desk) Passkeys(ctx context.Context, operator uuid.UUID) ([]Passkey, error) {
	rows, err := d.pool.Query(ctx, sqlOperatorKeys, pgx.StrictNamedArgs{"operator": operator})
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Passkey])
}

const sqlKeepChallenge = `update control.operator_session set challenge = @challenge where token_hash = @token`

// KeepChallenge keeps what a key must answer next in a session.
func (d *Desk) KeepChallenge(ctx context.Context, token, challenge []byte) error {
	if _, err := d.pool.Exec(ctx, sqlKeepChallenge, pgx.StrictNamedArgs{"token": token, "challenge": challenge}); err != nil {
		return fmt.Errorf("keep challenge: %w", err)
	}
	return nil
}

const sqlTakeChallenge = `
with s as (select token_hash, challenge from control.operator_session where token_hash = @token and challenge is not null for update)
update control.operator_session o
   set challenge = null
  from s
 where o.token_hash = s.token_hash
returning s.challenge`

// TakeChallenge returns what a key had to answer, once.
func (d *Desk) TakeChallenge(ctx context.Context, token []byte) (challenge []byte, ok bool, err error) {
	err = d.pool.QueryRow(ctx, sqlTakeChallenge, pgx.StrictNamedArgs{"token": token}).Scan(&challenge)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return challenge, err == nil, err
}

const sqlAddPasskey = `
insert into control.operator_passkey (id, operator, name, credential, created_at)
values (@id, @operator, @name, @credential, @now)`

// AddPasskey adds a key and notes it: both or nothing.
func (d *Desk) AddPasskey(ctx context.Context, operator uuid.UUID, p Passkey, note LogEntry) error {
	b := &pgx.Batch{}
	b.Queue(sqlAddPasskey, pgx.StrictNamedArgs{"id": p.ID, "operator": operator, "name": p.Name, "credential": p.Credential, "now": p.CreatedAt})
	b.Queue(sqlInsertLog, note.args())
	if err := d.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("add passkey: %w", err)
	}
	return nil
}

const (
	sqlUsePasskey    = `update control.operator_passkey set credential = @credential, used_at = @now where id = @id and operator = @operator`
	sqlStrongSession = `update control.operator_session set strong = true where token_hash = @token and operator = @operator`
)

// UsePasskey makes a session strong by a key that was shown, and notes it.
func (d *Desk) UsePasskey(ctx context.Context, token []byte, operator uuid.UUID, p Passkey, now time.Time, note LogEntry) error {
	b := &pgx.Batch{}
	b.Queue(sqlUsePasskey, pgx.StrictNamedArgs{"id": p.ID, "operator": operator, "credential": p.Credential, "now": now})
	b.Queue(sqlStrongSession, pgx.StrictNamedArgs{"token": token, "operator": operator})
	b.Queue(sqlInsertLog, note.args())
	if err := d.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("use passkey: %w", err)
	}
	return nil
}

const sqlEndPasskey = `delete from control.operator_passkey where id = @id and operator = @operator`

// EndPasskey takes one of an operator's keys away. false is that they have no such key.
func (d *Desk) EndPasskey(ctx context.Context, operator uuid.UUID, id []byte) (bool, error) {
	tag, err := d.pool.Exec(ctx, sqlEndPasskey, pgx.StrictNamedArgs{"id": id, "operator": operator})
	if err != nil {
		return false, fmt.Errorf("end passkey: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

const sqlForgetKeys = `
with gone as (delete from control.operator_passkey where operator = @id returning 1),
     ended as (delete from control.operator_session where operator = @id)
select count(*)::int from gone`

// ForgetPasskeys takes all keys of an operator who has lost them, and ends their
// sessions.
func (o *Operator) ForgetPasskeys(ctx context.Context, id uuid.UUID) (n int, err error) {
	var known bool
	if err := o.pool.QueryRow(ctx, "select exists (select from control.operator where id = $1)", id).Scan(&known); err != nil {
		return 0, fmt.Errorf("find operator: %w", err)
	}
	if !known {
		return 0, fmt.Errorf("operator %s: %w; see: tenantctl operator list", id, ErrNoOperator)
	}
	if err := o.pool.QueryRow(ctx, sqlForgetKeys, pgx.StrictNamedArgs{"id": id}).Scan(&n); err != nil {
		return 0, fmt.Errorf("forget passkeys: %w", err)
	}
	return n, nil
}
