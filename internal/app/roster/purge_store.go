package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/app/identity"
	"digione/internal/app/org"
	"digione/internal/tenancy"
)

// minimumAge is how long a removed row stays before it may be purged.
const minimumAge = 30 * 24 * time.Hour

const sqlPurgeRecords = `
with gone as (delete from roster_record where status = 'tobedeleted' and date_last_modified < @before returning 1)
select count(*)::int from gone`

// Purge deletes the rows without dependants that were removed before a day, and
// tells how many of each table. Dry, it counts and deletes nothing.
func (s *Service) Purge(ctx context.Context, t tenancy.Tenant, before time.Time, dry bool) (map[string]int, error) {
	if s.Now().Sub(before) < minimumAge {
		return nil, fault.New(fault.Invalid, "roster.error.purge", "removed rows stay for 30 days; name an earlier day")
	}
	counts := map[string]int{}
	dryRun := fmt.Errorf("dry run")
	err := s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := lockRoster(ctx, tx); err != nil {
			return err
		}
		for name, purge := range map[string]func(context.Context, tenancy.Write, time.Time) (int, error){
			"enrolment": org.PurgeEnrolments, "role_grant": identity.PurgeGrants, "roster_record": purgeRecords} {
			n, err := purge(ctx, tx, before)
			if err != nil {
				return fmt.Errorf("purge %s: %w", name, err)
			}
			counts[name] = n
		}
		if dry {
			return dryRun
		}
		return nil
	}, within)
	if dry && err == dryRun { //nolint:errorlint // our own value
		err = nil
	}
	return counts, err
}

func purgeRecords(ctx context.Context, tx tenancy.Write, before time.Time) (n int, err error) {
	err = tx.QueryRow(ctx, sqlPurgeRecords, pgx.StrictNamedArgs{"before": before}).Scan(&n)
	return n, err
}
