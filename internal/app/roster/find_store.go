package roster

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Named is a roster user as the development sign-in shows one.
type Named struct{ SourcedID, Username, Name, Oppijanumero string }

const sqlFindUser = `
select u.sourced_id, u.username, u.given_name || ' ' || u.family_name, coalesce(p.oppijanumero, '')
  from roster_user u
  join person p on p.id = u.person
 where u.username = @username collate "C" and u.status = 'active' and u.enabled
 order by u.sourced_id
 limit 1`

// FindUser returns the active user of a username, ok false when there is none.
func (s *Service) FindUser(ctx context.Context, id tenancy.ID, username string) (n Named, ok bool, err error) {
	err = s.DB.Read(ctx, id, func(tx tenancy.Read) error {
		return tx.QueryRow(ctx, sqlFindUser, pgx.StrictNamedArgs{"username": username}).Scan(&n.SourcedID, &n.Username, &n.Name, &n.Oppijanumero)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return n, false, nil
	}
	if err != nil {
		return n, false, fmt.Errorf("find user: %w", err)
	}
	return n, true, nil
}
