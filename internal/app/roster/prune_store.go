package roster

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

const sqlCountOld = `
select count(*) filter (where seq is null and planned_at < @before
                          and not exists (select from roster_publication p where p.plan = roster_import.id and p.asked_at >= @before - interval '400 days'))::int,
       count(*) filter (where seq is not null and pruned_at is null and applied_at < @before)::int
  from roster_import`

func countOld(ctx context.Context, tx tenancy.Read, before time.Time) (plans, imports int, err error) {
	if err = tx.QueryRow(ctx, sqlCountOld, pgx.StrictNamedArgs{"before": before}).Scan(&plans, &imports); err != nil {
		return 0, 0, fmt.Errorf("count old imports: %w", err)
	}
	return plans, imports, nil
}

const (
	sqlPruneImages = `
delete from roster_change c
 using roster_import i
 where i.seq = c.import_seq and i.pruned_at is null and i.applied_at < @before`
	sqlPruneSamples = `
delete from roster_sample s
 using roster_import i
 where i.id = s.plan and i.seq is not null and i.pruned_at is null and i.applied_at < @before`
	sqlPruneLosses = `
delete from roster_leaver l
 using roster_import i
 where i.id = l.plan and i.seq is not null and i.pruned_at is null and i.applied_at < @before`
	sqlPruneRehearsals = `
delete from roster_rehearsal r
 using roster_import i
 where i.id = r.plan and i.seq is not null and i.pruned_at is null and i.applied_at < @before`
	sqlPrunePlans = `
delete from roster_import i
 where i.seq is null and i.planned_at < @before
   and not exists (select from roster_publication p where p.plan = i.id and p.asked_at >= @before - interval '400 days')`
	sqlMarkPruned = `
update roster_import set pruned_at = @now
 where seq is not null and pruned_at is null and applied_at < @before`
)

func pruneImports(ctx context.Context, tx tenancy.Write, before, now time.Time) error {
	for _, sql := range []string{sqlPruneImages, sqlPruneSamples, sqlPruneLosses, sqlPruneRehearsals, sqlPrunePlans} {
		if _, err := tx.Exec(ctx, sql, pgx.StrictNamedArgs{"before": before}); err != nil {
			return fmt.Errorf("prune imports: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, sqlMarkPruned, pgx.StrictNamedArgs{"before": before, "now": now}); err != nil {
		return fmt.Errorf("prune imports: %w", err)
	}
	return nil
}

const sqlUnneeded = `
select o.key
  from object o
 where o.key like 'rosters/%' and o.created_at < @before
   and not exists (select from roster_import i where i.object_key = o.key and i.pruned_at is null)
 order by o.key
 limit 1000`

// unneeded lists kept packages that no plan and no import needs.
func unneeded(ctx context.Context, tx tenancy.Read, before time.Time) ([]string, error) {
	rows, err := tx.Query(ctx, sqlUnneeded, pgx.StrictNamedArgs{"before": before})
	if err != nil {
		return nil, fmt.Errorf("look for packages to prune: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
