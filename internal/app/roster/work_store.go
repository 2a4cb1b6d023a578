package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

// The clock of beats is the database's: programs on several machines share it.
const sqlInsertWork = `
insert into roster_work (id, kind, upload, plan, state, stage, started_by, started_at, beat_at)
values (@id, @kind, @upload, nullif(@plan, ''), 'running', 'queue', @by, now(), now())`

func insertWork(ctx context.Context, tx tenancy.Write, w *Work) error {
	_, err := tx.Exec(ctx, sqlInsertWork, pgx.StrictNamedArgs{"id": w.ID, "kind": w.Kind, "upload": w.Upload, "plan": w.Plan, "by": w.StartedBy})
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.ConstraintName == "roster_work_running_uq" {
		return fault.New(fault.Conflict, "roster.error.running", "something else of this tenant is running; wait for it")
	}
	if err != nil {
		return fmt.Errorf("begin work: %w", err)
	}
	return nil
}

const sqlBeatWork = `
update roster_work set beat_at = now(), stage = @stage, type = @type, rows = @rows
 where id = @id and state = 'running'`

func beatWork(ctx context.Context, tx tenancy.Write, id uuid.UUID, p *progress) (alive bool, err error) {
	tag, err := tx.Exec(ctx, sqlBeatWork, pgx.StrictNamedArgs{"id": id, "stage": p.stage, "type": string(p.t), "rows": p.rows})
	return tag.RowsAffected() > 0, err
}

const sqlEndWork = `update roster_work set state = @state, ended_at = now() where id = @id and state = 'running'`

// endWork closes the record, and marks the plan whose application failed, or for which
// the files were out of reach: nobody is there to read an error.
func endWork(ctx context.Context, tx tenancy.Write, w *Work, cause error, at time.Time) error {
	state := "done"
	if cause != nil {
		state = "failed"
	}
	if _, err := tx.Exec(ctx, sqlEndWork, pgx.StrictNamedArgs{"id": w.ID, "state": state}); err != nil {
		return fmt.Errorf("end work: %w", err)
	}
	if w.Plan == "" {
		return nil
	}
	if cause == nil {
		return clearFailure(ctx, tx, w.Plan)
	}
	key, ok := failureOf(cause)
	if w.Kind != workApply && key != failedAway {
		return nil
	}
	if errors.Is(cause, context.Canceled) {
		key, ok = failedStopped, true
	}
	if key == "" {
		return nil
	}
	return failPlan(ctx, tx, w.Plan, key, ok)
}

const sqlRunningWork = `
select id, kind, upload, coalesce(plan, ''), state = 'running', stage, type, rows, started_by, started_at,
       beat_at < now() - make_interval(secs => @patience)
  from roster_work
 where state = 'running'`

// runningWork returns what runs in the tenant, nil when nothing does.
func runningWork(ctx context.Context, tx tenancy.Read) (*Work, error) {
	w := &Work{}
	err := tx.QueryRow(ctx, sqlRunningWork, pgx.StrictNamedArgs{"patience": deadAfter.Seconds()}).
		Scan(&w.ID, &w.Kind, &w.Upload, &w.Plan, &w.Running, &w.Stage, &w.Type, &w.Rows, &w.StartedBy, &w.StartedAt, &w.dead)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // nothing runs, which is no error
	}
	if err != nil {
		return nil, fmt.Errorf("read work: %w", err)
	}
	return w, nil
}

// reapWork ends dead work. An import whose transaction still holds the tenant's lock
// is not dead, only silent.
func reapWork(ctx context.Context, tx tenancy.Write, w *Work, at time.Time) error {
	if err := lockRoster(ctx, tx); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, sqlEndWork, pgx.StrictNamedArgs{"id": w.ID, "state": "failed"})
	if err != nil {
		return fmt.Errorf("end dead work: %w", err)
	}
	switch {
	case tag.RowsAffected() == 0: // somebody else did
		return nil
	case w.Kind == workApply:
		return failPlan(ctx, tx, w.Plan, failedStopped, true)
	case w.Upload != nil:
		_, err = settleUpload(ctx, tx, &Upload{ID: *w.Upload, State: Broken, Failure: failedStopped}, nil, at)
		return err
	}
	return nil
}
