package audit

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

const sqlInsertEvents = `
with noted as (
  insert into audit_event (id, at, actor, actor_kind, actor_role, action, target, target_kind, reason, request)
  select e.id, @at, @actor::uuid, case when @actor::uuid is null then 'system' when @support::bool then 'operator' else 'person' end,
         case when e.target = @actor::uuid then 'self' when e.target = any(@children::uuid[]) then 'guardian' else @role end,
         @action, e.target, @kind, @reason, @request
    from unnest(@ids::uuid[], @targets::uuid[]) as e (id, target)
  returning id, at)
insert into audit_pending (event, at)
select n.id, n.at
  from noted n`

// Viewed records that the actor saw each target once. Without targets there is
// nothing to record, except that a search was made.
func Viewed(ctx context.Context, tx tenancy.Write, entries ...Entry) error {
	for _, e := range entries {
		if err := insert(ctx, tx, e); err != nil {
			return fmt.Errorf("audit %s: %w", e.Action, err)
		}
	}
	return nil
}

func insert(ctx context.Context, tx tenancy.Write, e Entry) error {
	targets := distinct(e)
	var actor *uuid.UUID
	if e.Actor != uuid.Nil {
		actor = &e.Actor
	}
	if len(targets) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(targets))
	for i := range ids {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		ids[i] = id
	}
	if e.Children == nil {
		e.Children = []uuid.UUID{}
	}
	_, err := tx.Exec(ctx, sqlInsertEvents, pgx.StrictNamedArgs{
		"ids": ids, "targets": targets, "at": e.At, "actor": actor, "action": e.Action,
		"kind": e.Kind, "reason": e.Reason, "request": e.Request, "support": e.Support, "role": e.Role, "children": e.Children,
	})
	return err
}

// distinct returns each target once; a search, a session, an import or a page is one event on
// no target.
func distinct(e Entry) []*uuid.UUID {
	if e.Kind == Search || e.Kind == Session || e.Kind == Import || e.Kind == Page {
		return []*uuid.UUID{nil}
	}
	seen := map[uuid.UUID]bool{}
	var out []*uuid.UUID
	for _, id := range e.Targets {
		if !seen[id] {
			seen[id] = true
			out = append(out, &id)
		}
	}
	return out
}
