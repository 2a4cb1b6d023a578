package support

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// The times narrow the search to what can hold a grant's events.
const sqlViews = `
select g.id, count(*)::int, count(distinct e.target)::int
  from unnest(@grants::uuid[], @from::timestamptz[], @until::timestamptz[]) as g (id, starts, ends)
  join audit_event e on e.at >= g.starts and e.at <= g.ends and e.actor_kind = 'operator' and e.reason = g.id::text and e.target_kind = 'person'
 group by g.id
 order by g.id
 limit 1000`

// Views is how often a visit's operators saw a person, and how many persons.
type Views struct{ Times, Persons int }

// CountViews returns the views of persons under each grant; one without any is not
// in the map.
func CountViews(ctx context.Context, tx tenancy.Read, list []tenancy.SupportGrant) (map[uuid.UUID]Views, error) {
	ids, from, until := make([]uuid.UUID, len(list)), make([]time.Time, len(list)), make([]time.Time, len(list))
	for i, g := range list {
		ids[i], from[i], until[i] = g.ID, g.StartsAt, g.EndsAt
	}
	rows, err := tx.Query(ctx, sqlViews, pgx.StrictNamedArgs{"grants": ids, "from": from, "until": until})
	if err != nil {
		return nil, fmt.Errorf("count views: %w", err)
	}
	out := map[uuid.UUID]Views{}
	var (
		id uuid.UUID
		v  Views
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &v.Times, &v.Persons}, func() error {
		out[id] = v
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count views: %w", err)
	}
	return out, nil
}
