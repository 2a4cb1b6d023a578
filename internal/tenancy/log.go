package tenancy

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Outcome is how an operator's change ended.
type Outcome string

// The outcomes that the operator log knows.
const (
	Done    Outcome = "done"
	Failed  Outcome = "failed"
	Held    Outcome = "held"
	Refused Outcome = "refused"
)

// LogEntry is a line of the append-only operator log. A run has a line at its
// begin and one at its end; a run without an end was killed.
type LogEntry struct {
	At      time.Time `json:"at"`
	Actor   string    `json:"actor"`
	Command string    `json:"command"`
	Tenant  string    `json:"tenant"`
	Phase   string    `json:"phase"`
	Run     uuid.UUID `json:"run"`
	Outcome string    `json:"outcome"`
	Detail  string    `json:"detail"`
}

// Began notes that an actor begins a change; the returned function notes its end.
func (o *Operator) Began(ctx context.Context, actor, command, tenant string) (ended func(Outcome, string) error, err error) {
	run, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	note := func(phase string, out Outcome, detail string) error {
		// The end is noted even when the command was cancelled.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, err := o.pool.Exec(ctx, sqlInsertLog, pgx.StrictNamedArgs{"at": time.Now(), "actor": actor, "command": command,
			"tenant": tenant, "phase": phase, "run": run, "outcome": string(out), "detail": detail})
		if err != nil {
			return fmt.Errorf("write operator log: %w", err)
		}
		return nil
	}
	return func(out Outcome, detail string) error { return note("end", out, detail) }, note("begin", "", "")
}

const sqlInsertLog = `
insert into control.operator_log (at, actor, command, tenant, phase, run, outcome, detail)
values (@at, @actor, @command, nullif(@tenant, ''), @phase, @run, @outcome, @detail)`

// Log returns the newest entries first, of one tenant if a slug is given.
func (o *Operator) Log(ctx context.Context, tenant string, limit int) ([]LogEntry, error) {
	const q = `
select at, actor, command, coalesce(tenant, '') as tenant, phase, run, outcome, detail
  from control.operator_log
 where ($1 = '' or tenant = $1)
 order by at desc, id desc
 limit $2`
	rows, err := o.pool.Query(ctx, q, tenant, limit)
	if err != nil {
		return nil, fmt.Errorf("read operator log: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[LogEntry])
	if err != nil {
		return nil, fmt.Errorf("read operator log: %w", err)
	}
	return list, nil
}
