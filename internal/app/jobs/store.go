package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// sqlClaim takes a task that is due and that nobody has; a task that never ran is due.
const sqlClaim = `
with claimed as (
  insert into job (name, due_at, lease_until, started_at)
  values (@name, @now, @lease, @now)
  on conflict (name) do update
     set lease_until = excluded.lease_until, started_at = excluded.started_at
   where job.due_at <= @now and job.lease_until <= @now
  returning name)
select coalesce((select greatest(j.due_at, j.lease_until) from job j where j.name = @name), @now), exists (select 1 from claimed)`

// A run that overstayed its lease finds another start and changes nothing.
const sqlFinish = `
update job
   set due_at = @due, lease_until = @finished, finished_at = @finished,
       failures = case when @error = '' then 0 else failures + 1 end, error = @error
 where name = @name and started_at = @began`

const sqlJobs = `
select j.name, j.due_at, j.started_at, j.finished_at, j.failures, j.error
  from job j
 order by j.name
 limit 100`

func claim(ctx context.Context, db *tenancy.DB, id tenancy.ID, name string, now, lease time.Time) (due time.Time, ok bool, err error) {
	err = db.Write(ctx, id, func(tx tenancy.Write) error {
		return tx.QueryRow(ctx, sqlClaim, pgx.StrictNamedArgs{"name": name, "now": now.Truncate(time.Microsecond), "lease": lease}).Scan(&due, &ok)
	}, tenancy.Trace())
	if err != nil {
		return due, false, fmt.Errorf("claim %s: %w", name, err)
	}
	return due, ok, nil
}

func finish(ctx context.Context, db *tenancy.DB, id tenancy.ID, name string, began, due, now time.Time, failed error) error {
	text := ""
	if failed != nil {
		text = fmt.Sprintf("%.300s", failed.Error())
	}
	err := db.Write(ctx, id, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, sqlFinish, pgx.StrictNamedArgs{"name": name, "began": began.Truncate(time.Microsecond), "due": due, "finished": now, "error": text})
		return err
	}, tenancy.Trace())
	if err != nil {
		return fmt.Errorf("note the end of %s: %w", name, err)
	}
	return nil
}

// Job is what is known of a task of a tenant.
type Job struct {
	Name         string
	Due, Started time.Time
	Finished     *time.Time // nil while it never ended
	Failures     int        // in a row
	Error        string     // of the last run
}

// List returns the tasks that ever ran, by name.
func List(ctx context.Context, tx tenancy.Read) ([]Job, error) {
	rows, err := tx.Query(ctx, sqlJobs)
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Job])
}
