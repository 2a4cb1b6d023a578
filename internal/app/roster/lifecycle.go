package roster

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/tenancy"
)

// accountPrefix begins the account of a person of the municipality; whoever works
// at the command line is known by the name that --actor says.
const accountPrefix = "person "

// AccountOf is how plans and imports name a person of the municipality.
func AccountOf(person uuid.UUID) string { return accountPrefix + person.String() }

// PersonOf returns the person whom an account names, ok false for a name from the
// command line.
func PersonOf(account string) (person uuid.UUID, ok bool) {
	id, ok := strings.CutPrefix(account, accountPrefix)
	if !ok {
		return uuid.Nil, false
	}
	person, err := uuid.Parse(id)
	return person, err == nil
}

// Keys of the sentences that say why a plan or a check failed.
const (
	failedMoved   = "roster.failed.moved"
	failedStopped = "roster.failed.stopped"
	failedSlow    = "roster.failed.slow"
	failedFile    = "roster.failed.file"
	failedAway    = "roster.failed.away"
	failedOther   = "roster.failed.other"
)

// failureOf says why something failed; ok is false where it only has to wait or to
// be said otherwise, and may be tried again as it is. Of files that are out of reach
// people are told all the same.
func failureOf(err error) (key string, ok bool) {
	switch fault.Key(err) {
	case "roster.error.running", "roster.error.applied", "roster.error.stale", "roster.error.closed":
		return "", false
	case "roster.error.moved":
		return failedMoved, true
	case "error.object":
		return failedFile, true
	}
	switch {
	case errors.As(err, new(*objects.AwayError)):
		return failedAway, false
	case errors.Is(err, context.Canceled), errors.As(err, new(*tenancy.BusyError)):
		return "", false
	case errors.Is(err, context.DeadlineExceeded):
		return failedSlow, true
	case errors.Is(err, fs.ErrNotExist):
		return failedFile, true
	}
	return failedOther, true
}

// failed marks a plan whose application failed, with the reason, and returns the
// error. Nothing was changed: the transaction is gone.
func (s *Service) failed(ctx context.Context, t tenancy.Tenant, p *Plan, err error) error {
	key, ok := failureOf(err)
	if !ok || key == failedFile { // a store that gives nothing today may do so tomorrow
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if ferr := s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return failPlan(ctx, tx, p.ID, key, true) }); ferr == nil {
		p.State, p.Failure = Failed, key
	}
	return err // the plan's mark is a courtesy; what happened is the error
}

// Close puts a plan away that is not wanted: it can never be applied.
func (s *Service) Close(ctx context.Context, t tenancy.Tenant, id, who string) (*Plan, error) {
	p, err := s.Show(ctx, t, id)
	if err != nil {
		return nil, err
	}
	if p.State == Closed {
		return p, nil
	}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := notScheduled(ctx, tx.Read, p.ID); err != nil {
			return err
		}
		closed, err := closePlan(ctx, tx, p.ID, who, s.Now())
		if err == nil && !closed {
			err = fault.New(fault.Conflict, "roster.error.applied", "plan %s was applied, as %s; it cannot be closed", p.ID, p.Import)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	p.State, p.Held, p.ClosedBy = Closed, false, who
	return p, nil
}

// Stale tells whether another import has come in since the plan was made.
func (s *Service) Stale(ctx context.Context, t tenancy.Tenant, p *Plan) (stale bool, err error) {
	if p.State != Planned && p.State != Held {
		return false, nil
	}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		last, err := latest(ctx, tx)
		stale = err == nil && last.seq != p.baseSeq
		return err
	})
	return stale, err
}

// Replan makes a plan anew from the kept package, or from the images that undo an
// import, and closes the old one.
func (s *Service) Replan(ctx context.Context, t tenancy.Tenant, id, who string, progress Progress) (*Plan, error) {
	old, err := s.Show(ctx, t, id)
	if err != nil {
		return nil, err
	}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error { return notScheduled(ctx, tx, old.ID) })
	if err != nil {
		return nil, err
	}
	if old.Kind == "rollback" {
		return s.PlanRollback(ctx, t, old.Undoes, false, false, who)
	}
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	p, err := s.kept(ctx, t, ks, old)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Content.(*os.File).Close() }()
	p.Name = old.SourceName
	p.Note = func(ctx context.Context, tx tenancy.Write, _ *Plan) error {
		_, err := closePlan(ctx, tx, old.ID, who, s.Now())
		return err
	}
	return s.Plan(ctx, t, *p, old.Options, who, progress)
}
