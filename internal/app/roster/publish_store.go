package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

const publicationColumns = `id, plan, due_at, state, asked_by, asked_at, begun_at, ended_at, ended_by, told`

const (
	sqlOpenPublication = `select ` + publicationColumns + `
  from roster_publication
 where state in ('scheduled', 'running')`
	// The newest of a plan; what a part became leads back to it.
	sqlPublicationOf = `select ` + publicationColumns + `
  from roster_publication
 where plan = @plan
    or id in (select publication from roster_publication_part where import = @plan)
 order by asked_at desc, id desc
 limit 1`
	sqlUntoldPublications = `select ` + publicationColumns + `
  from roster_publication
 where state in ('scheduled', 'running') or state = 'done' and ended_at > @since
 order by asked_at, id
 limit 20`
)

func publications(ctx context.Context, tx tenancy.Read, sql string, args pgx.StrictNamedArgs) ([]*Publication, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read publications: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Publication, error) {
		p := &Publication{}
		return p, row.Scan(&p.ID, &p.Plan, &p.At, &p.State, &p.AskedBy, &p.AskedAt, &p.BegunAt, &p.EndedAt, &p.EndedBy, &p.told)
	})
	for _, p := range list {
		if err == nil {
			p.Parts, err = listParts(ctx, tx, p.ID)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read publications: %w", err)
	}
	return list, nil
}

// untoldPublications lists what there may be to write of.
func untoldPublications(ctx context.Context, tx tenancy.Read, since time.Time) ([]*Publication, error) {
	return publications(ctx, tx, sqlUntoldPublications, pgx.StrictNamedArgs{"since": since})
}

func onePublication(ctx context.Context, tx tenancy.Read, sql string, args pgx.StrictNamedArgs) (p *Publication, ok bool, err error) {
	list, err := publications(ctx, tx, sql, args)
	if err != nil || len(list) == 0 {
		return nil, false, err
	}
	return list[0], true, nil
}

// openPublication returns the publication that is not over; ok is false when there is none.
func openPublication(ctx context.Context, tx tenancy.Read) (*Publication, bool, error) {
	return onePublication(ctx, tx, sqlOpenPublication, pgx.StrictNamedArgs{})
}

// publicationOf returns the newest publication of a plan, or the one that an import is
// a part of; ok is false when there is none.
func publicationOf(ctx context.Context, tx tenancy.Read, plan string) (*Publication, bool, error) {
	return onePublication(ctx, tx, sqlPublicationOf, pgx.StrictNamedArgs{"plan": plan})
}

const sqlParts = `
select p.n, p.kind, p.school, p.name, p.state, p.why, p.counts, p.change_hash, p.holds, p.leavers, p.attempts, p.approved_by, p.reason,
       coalesce(p.import, ''), p.ended_at, coalesce(p.seconds, 0), coalesce(i.state = 'rolled_back', false), coalesce(i.seq, 0)
  from roster_publication_part p
  left join roster_import i on i.id = p.import
 where p.publication = @id
 order by p.n
 limit 5000`

func listParts(ctx context.Context, tx tenancy.Read, id uuid.UUID) ([]*Part, error) {
	rows, err := tx.Query(ctx, sqlParts, pgx.StrictNamedArgs{"id": id})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Part, error) {
		p := &Part{}
		var counts, holds, change []byte
		var seq int
		err := row.Scan(&p.N, &p.Kind, &p.School, &p.Name, &p.State, &p.Why, &counts, &change, &holds, &p.Leavers, &p.Attempts, &p.ApprovedBy, &p.Reason,
			&p.Import, &p.EndedAt, &p.Seconds, &p.Undone, &seq)
		if err != nil {
			return nil, err
		}
		p.change, p.importName = digestOf(change), importName(seq)
		return p, errors.Join(json.Unmarshal(counts, &p.Changes), json.Unmarshal(holds, &p.Holds))
	})
}

const sqlInsertPublication = `
insert into roster_publication (id, plan, due_at, state, asked_by, asked_at)
values (@id, @plan, @due, 'scheduled', @by, @at)`

const sqlInsertPart = `
insert into roster_publication_part (publication, n, kind, school, name, state, counts, change_hash, holds, leavers)
values (@publication, @n, @kind, @school, @name, @state, @counts, @change, @holds, @leavers)`

func insertPublication(ctx context.Context, tx tenancy.Write, p *Publication) error {
	_, err := tx.Exec(ctx, sqlInsertPublication, pgx.StrictNamedArgs{"id": p.ID, "plan": p.Plan, "due": p.At, "by": p.AskedBy, "at": p.AskedAt})
	if err != nil {
		return onlyOne(err)
	}
	for _, part := range p.Parts {
		args, err := part.args(p.ID)
		if err != nil {
			return err
		}
		args["kind"], args["school"], args["name"] = part.Kind, part.School, part.Name
		if _, err := tx.Exec(ctx, sqlInsertPart, args); err != nil {
			return fmt.Errorf("keep part of a publication: %w", err)
		}
	}
	return nil
}

func onlyOne(err error) error {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) && pe.ConstraintName == "roster_publication_open_uq" {
		return fault.New(fault.Conflict, "roster.error.publish.one", "another school year is scheduled or being published; end that first")
	}
	return fmt.Errorf("keep publication: %w", err)
}

func (p *Part) args(publication uuid.UUID) (pgx.StrictNamedArgs, error) {
	counts, err := json.Marshal(p.Changes)
	if err != nil {
		return nil, err
	}
	holds, err := json.Marshal(nonNil(p.Holds))
	return pgx.StrictNamedArgs{"publication": publication, "n": p.N, "state": p.State, "counts": string(counts), "change": p.change.bytes(),
		"holds": string(holds), "leavers": p.Leavers}, err
}

const sqlUpdatePart = `
update roster_publication_part
   set state = @state, why = @why, counts = @counts, change_hash = @change, holds = @holds, leavers = @leavers, attempts = @attempts,
       approved_by = @approved_by, reason = @reason, import = nullif(@import, ''), ended_at = @ended_at, seconds = @seconds
 where publication = @publication and n = @n and state = 'waiting'`

// updatePart notes what became of a part whose turn it is; one that was decided on
// meanwhile is left alone.
func updatePart(ctx context.Context, tx tenancy.Write, publication uuid.UUID, p *Part) error {
	args, err := p.args(publication)
	if err != nil {
		return err
	}
	args["why"], args["attempts"], args["approved_by"], args["reason"] = p.Why, p.Attempts, p.ApprovedBy, p.Reason
	args["import"], args["ended_at"], args["seconds"] = p.Import, p.EndedAt, p.Seconds
	tag, err := tx.Exec(ctx, sqlUpdatePart, args)
	if err == nil && tag.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "roster.error.stale", "part %d was decided on meanwhile", p.N)
	}
	if err != nil {
		return fmt.Errorf("note part of a publication: %w", err)
	}
	return nil
}

const sqlLockPart = `
select a.change_hash
  from roster_publication_part a
  join roster_publication p on p.id = a.publication and p.state = 'running'
 where a.publication = @publication and a.n = @n and a.state = 'waiting'
   for update`

// lockPart makes sure that a part waits for its turn still, as it was read.
func lockPart(ctx context.Context, tx tenancy.Write, publication uuid.UUID, p *Part) error {
	var change []byte
	err := tx.QueryRow(ctx, sqlLockPart, pgx.StrictNamedArgs{"publication": publication, "n": p.N}).Scan(&change)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && digestOf(change) != p.change {
		return fault.New(fault.Conflict, "roster.error.stale", "part %d was decided on meanwhile", p.N)
	}
	if err != nil {
		return fmt.Errorf("read part of a publication: %w", err)
	}
	return nil
}

const sqlBeginPublication = `
update roster_publication set state = 'running', begun_at = coalesce(begun_at, @at)
 where id = @id and state in ('scheduled', 'running')`

func beginPublication(ctx context.Context, tx tenancy.Write, id uuid.UUID, at time.Time) error {
	tag, err := tx.Exec(ctx, sqlBeginPublication, pgx.StrictNamedArgs{"id": id, "at": at})
	if err != nil {
		return fmt.Errorf("begin publication: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "roster.error.stale", "the publication was ended meanwhile")
	}
	return nil
}

const sqlEndPublication = `
update roster_publication set state = 'done', ended_at = @at
 where id = @id and state = 'running'
   and not exists (select from roster_publication_part a left join roster_import i on i.id = a.import
                    where a.publication = @id and (a.state <> 'done' or i.state = 'rolled_back'))`

// endPublication ends a publication of which everything has gone, and puts its plan
// away, which must not be imported whole any more.
func endPublication(ctx context.Context, tx tenancy.Write, p *Publication, at time.Time) error {
	tag, err := tx.Exec(ctx, sqlEndPublication, pgx.StrictNamedArgs{"id": p.ID, "at": at})
	if err != nil {
		return fmt.Errorf("end publication: %w", err)
	}
	if tag.RowsAffected() > 0 {
		_, err = closePlan(ctx, tx, p.Plan, p.AskedBy, at)
	}
	return err
}

const sqlStopPublication = `
update roster_publication
   set state = case state when 'scheduled' then 'cancelled' else 'closed' end, ended_at = @at, ended_by = @by
 where id = @id and state in ('scheduled', 'running')`

func stopPublication(ctx context.Context, tx tenancy.Write, id uuid.UUID, who string, at time.Time) error {
	tag, err := tx.Exec(ctx, sqlStopPublication, pgx.StrictNamedArgs{"id": id, "by": who, "at": at})
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.New(fault.Conflict, "roster.error.publish.over", "the publication is over")
	}
	return err
}

const sqlMovePublication = `
update roster_publication set due_at = @due
 where id = @id and state in ('scheduled', 'running')`

func movePublication(ctx context.Context, tx tenancy.Write, id uuid.UUID, due time.Time) error {
	tag, err := tx.Exec(ctx, sqlMovePublication, pgx.StrictNamedArgs{"id": id, "due": due})
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.New(fault.Conflict, "roster.error.publish.over", "the publication is over")
	}
	return err
}

const sqlApprovePart = `
update roster_publication_part
   set state = 'waiting', why = '', attempts = 0, approved_by = @by, approved_at = @at, reason = @reason
 where publication = @publication and n = @n and state = 'held' and change_hash = @change`

// approvePart lets a held part go, when it would change what whoever approves has seen.
func approvePart(ctx context.Context, tx tenancy.Write, publication uuid.UUID, n int, change digest, a Approval, at time.Time) error {
	tag, err := tx.Exec(ctx, sqlApprovePart, pgx.StrictNamedArgs{"publication": publication, "n": n, "change": change.bytes(), "by": a.Who, "at": at, "reason": a.Reason})
	if err == nil && tag.RowsAffected() == 0 {
		err = fault.New(fault.Conflict, "roster.error.stale", "part %d is not what was looked at", n)
	}
	return err
}

const (
	sqlRetryPart = `
update roster_publication_part a
   set state = 'waiting', why = '', attempts = 0, import = null, ended_at = null, seconds = null
 where a.publication = @publication and a.n = @n
   and (a.state = 'failed' or exists (select from roster_import i where i.id = a.import and i.state = 'rolled_back'))`
	sqlReopenPublication = `update roster_publication set state = 'running', ended_at = null where id = @id and state = 'done'`
)

// retryPart gives a part that failed or was taken back another turn.
func retryPart(ctx context.Context, tx tenancy.Write, publication uuid.UUID, n int) error {
	tag, err := tx.Exec(ctx, sqlRetryPart, pgx.StrictNamedArgs{"publication": publication, "n": n})
	if err != nil {
		return fmt.Errorf("retry part of a publication: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "roster.error.stale", "part %d has neither failed nor been taken back", n)
	}
	if _, err := tx.Exec(ctx, sqlReopenPublication, pgx.StrictNamedArgs{"id": publication}); err != nil {
		return onlyOne(err)
	}
	return nil
}

const sqlToldPublication = `update roster_publication set told = @told where id = @id`

func markPublicationTold(ctx context.Context, tx tenancy.Write, id uuid.UUID, told string) error {
	_, err := tx.Exec(ctx, sqlToldPublication, pgx.StrictNamedArgs{"id": id, "told": told})
	return err
}

const sqlLaterParts = `
select count(*)::int
  from roster_publication_part mine
  join roster_publication_part later on later.publication = mine.publication and later.kind <> mine.kind and later.n > mine.n
  join roster_import i on i.id = later.import and i.state = 'applied'
 where mine.import = @import`

// laterParts counts what was published after a part because that had gone: what comes
// last is taken back first.
func laterParts(ctx context.Context, tx tenancy.Read, plan string) (n int, err error) {
	if err = tx.QueryRow(ctx, sqlLaterParts, pgx.StrictNamedArgs{"import": plan}).Scan(&n); err != nil {
		return 0, fmt.Errorf("look for later parts: %w", err)
	}
	return n, nil
}

const sqlScheduledPlan = `select exists (select from roster_publication where plan = @plan and state in ('scheduled', 'running'))`

// notScheduled refuses to do with a plan what would be in the way of its publication.
func notScheduled(ctx context.Context, tx tenancy.Read, plan string) error {
	var is bool
	if err := tx.QueryRow(ctx, sqlScheduledPlan, pgx.StrictNamedArgs{"plan": plan}).Scan(&is); err != nil {
		return fmt.Errorf("look for publications: %w", err)
	}
	if is {
		return fault.New(fault.Conflict, "roster.error.publish.open", "plan %s is being published school by school; end that first", plan)
	}
	return nil
}
