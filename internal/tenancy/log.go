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
// begin and one at its end; a run without an end was killed. What an operator only
// looked at is one line, an end by itself.
type LogEntry struct {
	ID      int64     `json:"-"`
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
		e := LogEntry{At: time.Now(), Actor: actor, Command: command, Tenant: tenant, Phase: phase, Run: run, Outcome: string(out), Detail: detail}
		_, err := o.pool.Exec(ctx, sqlInsertLog, e.args())
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

func (e LogEntry) args() pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{"at": e.At, "actor": e.Actor, "command": e.Command, "tenant": e.Tenant, "phase": e.Phase, "run": e.Run,
		"outcome": e.Outcome, "detail": e.Detail}
}

// Log returns the newest entries first, of one tenant if a slug is given.
func (o *Operator) Log(ctx context.Context, tenant string, limit int) ([]LogEntry, error) {
	return logEntries(ctx, o.pool, LogFilter{Tenant: tenant, Begins: true}, limit)
}

// LogFilter picks entries; what is left empty picks all.
type LogFilter struct {
	Tenant, Actor string
	Changes       bool  // not what was only looked at
	Begins        bool  // also the begin of a run that has ended
	Before        int64 // entries older than the one with this ID
}

const sqlLog = `
select l.id, l.at, l.actor, l.command, coalesce(l.tenant, '') as tenant, l.phase, l.run, l.outcome, l.detail
  from control.operator_log l
 where (@tenant = '' or tenant = @tenant)
   and (@actor = '' or actor = @actor)
   and (not @changes or command not like 'view %')
   and (@begins or phase = 'end' or not exists (select from control.operator_log e where e.run = l.run and e.phase = 'end'))
   and (@before::bigint = 0 or id < @before)
 order by id desc
 limit @limit`

func logEntries(ctx context.Context, q querier, of LogFilter, limit int) ([]LogEntry, error) {
	rows, err := q.Query(ctx, sqlLog, pgx.StrictNamedArgs{"tenant": of.Tenant, "actor": of.Actor, "changes": of.Changes, "begins": of.Begins, "before": of.Before, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("read operator log: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[LogEntry])
	if err != nil {
		return nil, fmt.Errorf("read operator log: %w", err)
	}
	return list, nil
}
