package family

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

const sqlNameOf = `
select coalesce(nullif(p.call_name, ''), p.given_names) || ' ' || p.family_name
  from person p
 where p.id = @person
   and p.merged_into is null`

// nameOf returns whom to greet; ok is false for a person who is not there any more.
func nameOf(ctx context.Context, tx tenancy.Read, person uuid.UUID) (name string, ok bool, err error) {
	err = tx.QueryRow(ctx, sqlNameOf, pgx.StrictNamedArgs{"person": person}).Scan(&name)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("find name of %s: %w", person, err)
	}
	return name, true, nil
}
