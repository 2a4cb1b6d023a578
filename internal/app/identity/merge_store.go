package identity

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// On the way back rows follow that came since from the other record's roster rows.
const (
	sqlRepointAccounts = `update account set person = @to where person = @from and (@ids::uuid[] is null or id = any (@ids)) returning id`
	sqlRepointGrants   = `
update role_grant set person = @to
 where person = @from and (@ids::uuid[] is null or id = any (@ids) or source_user = any (@users)) returning id`
	sqlFollowAccounts = `update session s set person = a.person from account a where a.id = s.account and a.person = @to and s.person <> a.person`
)

// pointer is a merge's step: see people.Repoint.
type pointer interface {
	Run(ctx context.Context, tx tenancy.Write, what, sql string, more pgx.StrictNamedArgs) error
}

// Repoint points accounts, their sessions and rights to a merged person. users are
// the roster rows that go back, when they do.
func Repoint(ctx context.Context, tx tenancy.Write, r pointer, to uuid.UUID, users []uuid.UUID) error {
	if err := r.Run(ctx, tx, "account.person", sqlRepointAccounts, nil); err != nil {
		return err
	}
	if err := r.Run(ctx, tx, "role_grant.person", sqlRepointGrants, pgx.StrictNamedArgs{"users": append([]uuid.UUID{}, users...)}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlFollowAccounts, pgx.StrictNamedArgs{"to": to}); err != nil {
		return fmt.Errorf("sessions follow their accounts: %w", err)
	}
	return nil
}
