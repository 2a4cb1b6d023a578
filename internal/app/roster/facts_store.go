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

	// Of the last package that was planned, applied or not:
	Rows     int // that it has
	Dangling int // references to what is not there
	Missing  int // required values that are missing

	// Of the last applied one: how many thresholds held it, and whether another person
	// than who planned it approved it.
	Over     int
	Approved bool
}

const sqlFacts = `
select i.applied_at,
       (select count(*) from jsonb_array_elements(case jsonb_typeof(i.findings) when 'array' then i.findings else '[]' end) f
         where f ->> 'severity' = 'error')::int,
       (select count(*) from roster_import h where h.state = 'held')::int,
       l.rows, l.dangling, l.missing,
       (select count(*) from jsonb_array_elements(case jsonb_typeof(i.holds) when 'array' then i.holds else '[]' end) h
         where h ->> 'rule' not in (@initial, @blackout, @publishing))::int,
       i.approved_by <> '' and i.approved_by <> i.planned_by
  from roster_import i
 cross join lateral (
   select coalesce((select sum((c.value ->> 'insert')::int + (c.value ->> 'update')::int + (c.value ->> 'reactivate')::int + (c.value ->> 'unchanged')::int)
                      from jsonb_each(case jsonb_typeof(p.counts) when 'object' then p.counts else '{}' end) c), 0)::int as rows,
          coalesce((select sum((t ->> 'count')::int) from jsonb_array_elements(p.totals) t where t ->> 'code' = any (@dangling)), 0)::int as dangling,
          coalesce((select sum((t ->> 'count')::int) from jsonb_array_elements(p.totals) t where t ->> 'code' = @missing), 0)::int as missing
     from roster_import p
    where p.kind = 'package'
      and p.state <> 'rolled_back'
    order by p.planned_at desc, p.id desc
    limit 1
 ) l
 where i.state = 'applied'
   and i.kind = 'package'
 order by i.seq desc
 limit 1`

// The findings that joining has gates of its own for: a reference to what does not
// exist or is deleted, and a required value that is missing.
var (
	danglingCodes = []string{"E402", "E403", "W402", "W403"}
	missingCode   = "E301"
)

// ReadFacts looks at the last applied package, and at the last that was planned.
func ReadFacts(ctx context.Context, tx tenancy.Read) (f Facts, err error) {
	err = tx.QueryRow(ctx, sqlFacts, pgx.StrictNamedArgs{"initial": RuleInitial, "blackout": RuleBlackout, "publishing": RulePublishing,
		"dangling": danglingCodes, "missing": missingCode}).
		Scan(&f.AppliedAt, &f.Errors, &f.Held, &f.Rows, &f.Dangling, &f.Missing, &f.Over, &f.Approved)
	if errors.Is(err, pgx.ErrNoRows) {
		return Facts{}, nil
	}
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of rosters: %w", err)
	}
	f.Applied = true
	return f, nil
}
