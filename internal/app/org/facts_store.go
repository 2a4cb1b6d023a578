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
	WithoutAny  []string // schools without a group that is valid today or later
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
             and g.validity @> @today::date)))[1:20], '{}'),
       coalesce((array_agg(u.name order by u.name) filter (where not exists (
          select from teaching_group g
            left join unit d on d.id = g.unit
           where (g.unit = u.id or d.parent = u.id)
             and g.status = 'active'
             and upper(g.validity) > @today::date)))[1:20], '{}')
  from unit u
 where u.kind = 'school'
   and u.status = 'active'`

// ReadFacts counts schools, terms, and schools without a principal or groups.
func ReadFacts(ctx context.Context, tx tenancy.Read, today time.Time) (f Facts, err error) {
	err = tx.QueryRow(ctx, sqlFacts, pgx.StrictNamedArgs{"today": today}).Scan(&f.Schools, &f.Identified, &f.Terms, &f.WithoutHead, &f.WithoutAny)
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of schools: %w", err)
	}
	return f, nil
}

// SchoolRef is a school as rosters and waves name it.
type SchoolRef struct{ SourcedID, Name string }

const sqlSchoolRefs = `
select coalesce(u.sourced_id, ''), u.name
  from unit u
 where u.kind = 'school'
   and u.status = 'active'
 order by u.name, u.id
 limit 10000`

// SchoolRefs are all schools, by name.
func SchoolRefs(ctx context.Context, tx tenancy.Read) ([]SchoolRef, error) {
	rows, err := tx.Query(ctx, sqlSchoolRefs)
	if err != nil {
		return nil, fmt.Errorf("list schools: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[SchoolRef])
	if err != nil {
		return nil, fmt.Errorf("list schools: %w", err)
	}
	return list, nil
}

// sqlSchoolDays takes the weekdays within the terms. A school year alone says nothing of
// holidays: where there are shorter terms, they count.
const sqlSchoolDays = `
with term_of as (
  select t.validity, t.kind = 'schoolYear' as year
    from term t
   where t.status = 'active'
     and t.validity && daterange(@from::date, @until::date)
), chosen as (
  select c.validity
    from term_of c
   where not c.year
      or not exists (select from term_of s where not s.year and s.validity <@ c.validity)
)
select d::date
  from generate_series(@from::date, @until::date - 1, interval '1 day') d
 where extract(isodow from d) < 6
   and (not exists (select from term) or exists (select from chosen c where c.validity @> d::date))
 order by d`

// SchoolDays are the school days from a day until another, without it: weekdays within
// the terms of the roster, or all weekdays where it has none.
func SchoolDays(ctx context.Context, tx tenancy.Read, from, until time.Time) ([]time.Time, error) {
	rows, err := tx.Query(ctx, sqlSchoolDays, pgx.StrictNamedArgs{"from": from, "until": until})
	if err != nil {
		return nil, fmt.Errorf("list school days: %w", err)
	}
	days, err := pgx.CollectRows(rows, pgx.RowTo[time.Time])
	if err != nil {
		return nil, fmt.Errorf("list school days: %w", err)
	}
	return days, nil
}
