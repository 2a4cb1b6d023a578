package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

const sqlFailPlan = `
update roster_import set state = case when @over then 'failed' else state end, failure = @failure
 where id = @id and seq is null and state in ('planned', 'held')`

// failPlan says why a plan could not be applied. When that is over with, it is marked
// as failed; else it may be applied later. While an import runs it refuses: that one
// may yet succeed.
func failPlan(ctx context.Context, tx tenancy.Write, id, key string, over bool) error {
	if err := lockRoster(ctx, tx); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlFailPlan, pgx.StrictNamedArgs{"id": id, "failure": key, "over": over}); err != nil {
		return fmt.Errorf("mark plan as failed: %w", err)
	}
	return nil
}

const sqlClearFailure = `update roster_import set failure = '' where id = @id and state in ('planned', 'held') and failure <> ''`

// clearFailure takes back what was said of a plan that may be applied: it went well now.
func clearFailure(ctx context.Context, tx tenancy.Write, id string) error {
	if _, err := tx.Exec(ctx, sqlClearFailure, pgx.StrictNamedArgs{"id": id}); err != nil {
		return fmt.Errorf("clear a plan's failure: %w", err)
	}
	return nil
}

const sqlClosePlan = `
update roster_import set state = 'closed', closed_by = @by, closed_at = @at
 where id = @id and seq is null and state in ('planned', 'held', 'failed')`

func closePlan(ctx context.Context, tx tenancy.Write, id, who string, at time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, sqlClosePlan, pgx.StrictNamedArgs{"id": id, "by": who, "at": at})
	if err != nil {
		return false, fmt.Errorf("close plan: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

const sqlCloseUndoing = `
update roster_import set state = 'closed', closed_by = @by, closed_at = @at
 where undoes = @undoes and seq is null and state in ('planned', 'held', 'failed')`

// closeUndoing closes the plans that would take an import back.
func closeUndoing(ctx context.Context, tx tenancy.Write, undoes, who string, at time.Time) error {
	if _, err := tx.Exec(ctx, sqlCloseUndoing, pgx.StrictNamedArgs{"undoes": undoes, "by": who, "at": at}); err != nil {
		return fmt.Errorf("close plans that undo %s: %w", undoes, err)
	}
	return nil
}

const (
	sqlSharePackages = `select pg_advisory_xact_lock_shared(hashtextextended(current_schema() || ' roster packages', 0))`
	sqlHoldPackages  = `select pg_advisory_xact_lock(hashtextextended(current_schema() || ' roster packages', 0))`
)

// lockPackages lets no package be deleted while a plan is being kept that needs it.
func lockPackages(ctx context.Context, tx tenancy.Write, shared bool) error {
	sql := sqlHoldPackages
	if shared {
		sql = sqlSharePackages
	}
	if _, err := tx.Exec(ctx, sql); err != nil {
		return fmt.Errorf("lock packages: %w", err)
	}
	return nil
}

const sqlSchoolsOfPlan = `select schools from roster_import where id = @id`

// Schools returns what a plan would change, by school.
func (s *Service) Schools(ctx context.Context, tx tenancy.Read, p *Plan) ([]SchoolCounts, error) {
	var doc []byte
	if err := tx.QueryRow(ctx, sqlSchoolsOfPlan, pgx.StrictNamedArgs{"id": p.ID}).Scan(&doc); err != nil {
		return nil, fault.New(fault.NotFound, "roster.error.noplan", "read schools of %s: %w", p.ID, err)
	}
	var out []SchoolCounts
	return out, json.Unmarshal(doc, &out)
}
