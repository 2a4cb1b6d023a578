package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Facts are what joining asks of a tenant's rosters.
type Facts struct {
	Applied   bool // some package was imported
	AppliedAt time.Time
	Errors    int // findings of severity error in the last applied package
	Held      int // plans that wait for someone
}

const sqlFacts = `
select i.applied_at,
       (select count(*) from jsonb_array_elements(case jsonb_typeof(i.findings) when 'array' then i.findings else '[]' end) f
         where f ->> 'severity' = 'error')::int,
       (select count(*) from roster_import h where h.state = 'held')::int
  from roster_import i
 where i.state = 'applied'
   and i.kind = 'package'
 order by i.seq desc
 limit 1`

// ReadFacts looks at the last applied package.
func ReadFacts(ctx context.Context, tx tenancy.Read) (f Facts, err error) {
	err = tx.QueryRow(ctx, sqlFacts).Scan(&f.AppliedAt, &f.Errors, &f.Held)
	if errors.Is(err, pgx.ErrNoRows) {
		return Facts{}, nil
	}
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of rosters: %w", err)
	}
	f.Applied = true
	return f, nil
}
