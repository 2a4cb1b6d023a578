package tenancy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// OperatorRole is what an operator may do.
type OperatorRole string

// The roles of operators: a viewer looks, an operator also changes.
const (
	RoleOperator OperatorRole = "operator"
	RoleViewer   OperatorRole = "viewer"
)

// OperatorAccount is somebody who may sign in at the operators' host: who they are
// at the provider is Issuer and Subject together, never the e-mail address.
type OperatorAccount struct {
	ID        uuid.UUID    `json:"id"`
	Issuer    string       `json:"issuer"`
	Subject   string       `json:"subject"`
	Name      string       `json:"name"`
	Email     string       `json:"email"`
	Role      OperatorRole `json:"role"`
	AddedBy   string       `json:"added_by"`
	CreatedAt time.Time    `json:"created_at"`
	EndedAt   *time.Time   `json:"ended_at"`
}

// Check returns every fault of an account.
func (a OperatorAccount) Check() error {
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(!strings.HasPrefix(a.Issuer, "https://") && !strings.HasPrefix(a.Issuer, "http://"), "issuer %q: give it exactly as the provider writes it, such as https://login.example.fi", a.Issuer)
	add(a.Subject == "" || len(a.Subject) > 255, "subject: give the provider's own id of the person (the claim sub), at most 255 characters")
	add(strings.TrimSpace(a.Name) == "" || len(a.Name) > 100, "name: give the name that the operator log shows, at most 100 characters")
	add(len(a.Email) > 254, "email: at most 254 characters")
	add(!slices.Contains([]OperatorRole{RoleOperator, RoleViewer}, a.Role), "role %q: use operator or viewer", a.Role)
	return errors.Join(faults...)
}

const sqlPutOperator = `
insert into control.operator (id, issuer, subject, name, email, role, added_by)
values (@id, @issuer, @subject, @name, @email, @role, @added_by)
on conflict (issuer, subject) do update
   set name = excluded.name, email = excluded.email, role = excluded.role, added_by = excluded.added_by, ended_at = null
 where (operator.name, operator.email, operator.role) <> (excluded.name, excluded.email, excluded.role) or operator.ended_at is not null`

// PutAccount lists an operator. One with the same issuer and subject is changed, and
// comes back if they had ended; adding what stands changes nothing.
func (o *Operator) PutAccount(ctx context.Context, a OperatorAccount) (OperatorAccount, error) {
	if err := a.Check(); err != nil {
		return a, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return a, err
	}
	_, err = o.pool.Exec(ctx, sqlPutOperator, pgx.StrictNamedArgs{"id": id, "issuer": a.Issuer, "subject": a.Subject, "name": a.Name,
		"email": a.Email, "role": a.Role, "added_by": a.AddedBy})
	if err != nil {
		return a, fmt.Errorf("add operator: %w", err)
	}
	rows, err := o.pool.Query(ctx, sqlFindOperator, pgx.StrictNamedArgs{"issuer": a.Issuer, "subject": a.Subject})
	if err != nil {
		return a, fmt.Errorf("find operator: %w", err)
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[OperatorAccount])
}

// ErrNoOperator says that no operator has such an id.
var ErrNoOperator = errors.New("no such operator")

const sqlEndOperator = `
with ended as (update control.operator set ended_at = coalesce(ended_at, now()) where id = @id returning id),
     gone as (delete from control.operator_session where operator in (select id from ended))
select count(*)::int from ended`

// EndAccount takes an operator off the list; their sessions end at once. What they
// did stays in the log.
func (o *Operator) EndAccount(ctx context.Context, id uuid.UUID) error {
	var n int
	if err := o.pool.QueryRow(ctx, sqlEndOperator, pgx.StrictNamedArgs{"id": id}).Scan(&n); err != nil {
		return fmt.Errorf("end operator: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("operator %s: %w; see: tenantctl operator list", id, ErrNoOperator)
	}
	return nil
}

// Accounts lists all operators, those of today first.
func (o *Operator) Accounts(ctx context.Context) ([]OperatorAccount, error) {
	return accounts(ctx, o.pool)
}

const sqlOperators = `
select id, issuer, subject, name, email, role, added_by, created_at, ended_at
  from control.operator
 order by ended_at is not null, name, id
 limit 500`

func accounts(ctx context.Context, q querier) ([]OperatorAccount, error) {
	rows, err := q.Query(ctx, sqlOperators)
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[OperatorAccount])
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	return list, nil
}
