package org

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Facts are what joining asks of a tenant's schools.
type Facts struct {
	Schools     int
	Identified  int // of them with a school code or an OID
	Terms       int // valid today or later
	WithoutHead []string
}

const sqlFacts = `
select count(*)::int,
       count(*) filter (where u.school_code is not null or u.oid is not null)::int,
       (select count(*) from term t where t.status = 'active' and upper(t.validity) > @today::date)::int,
       coalesce((array_agg(u.name order by u.name) filter (where not exists (
          select from role_grant g
           where g.unit = u.id
             and g.role in ('principal', 'siteAdministrator')
             and g.status = 'active'
             and g.validity @> @today::date)))[1:20], '{}')
  from unit u
 where u.kind = 'school'
   and u.status = 'active'`

// ReadFacts counts schools, terms, and schools without a principal.
func ReadFacts(ctx context.Context, tx tenancy.Read, today time.Time) (f Facts, err error) {
	err = tx.QueryRow(ctx, sqlFacts, pgx.StrictNamedArgs{"today": today}).Scan(&f.Schools, &f.Identified, &f.Terms, &f.WithoutHead)
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of schools: %w", err)
	}
	return f, nil
}
