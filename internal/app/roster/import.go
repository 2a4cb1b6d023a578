package roster

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Import plans and, unless the plan is held, applies it, in one transaction: the
// tenant's rows are read once. With initial, the first import of a tenant is not
// held for being the first.
func (s *Service) Import(ctx context.Context, t tenancy.Tenant, p Package, o Options, a Approval, progress Progress) (*Plan, error) {
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	pkg, err := s.open(p, o, progress)
	if err != nil {
		return nil, err
	}
	defer func() { _ = pkg.Close() }()
	plan, err := s.newPlan(pkg, p, o, a.Who)
	if err != nil {
		return nil, err
	}
	began := s.Now()
	held := (*HeldError)(nil)
	a.Reason = strings.TrimSpace(a.Reason)
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := lockRoster(ctx, tx); err != nil {
			return err
		}
		r, err := newRun(ctx, tx.Read, packageSource{ctx, pkg}, o, ks, plan.PlannedAt)
		if err != nil {
			return err
		}
		r.progress, r.twice, r.policies = progress, true, t.Settings.Roster.Edits
		if err := s.foresee(r, t, pkg, p, plan, a); err != nil {
			return err
		}
		if err := s.keepHere(ctx, tx, t, ks, p, plan); err != nil {
			return err
		}
		if err := plan.mayApply(t, a); err != nil {
			if errors.As(err, &held) {
				return p.note(ctx, tx, plan) // the plan is kept; nothing else was written
			}
			return err
		}
		if err := s.finish(ctx, tx, r, plan, a, began); err != nil {
			return err
		}
		if err := s.keepSpared(ctx, tx, t, ks, plan, &p, progress); err != nil {
			return err
		}
		return p.note(ctx, tx, plan)
	}, within)
	switch {
	case err != nil:
		return nil, err
	case held != nil:
		return plan, held
	}
	return plan, nil
}

// keepHere stores the package while the import's transaction waits: only now is it known
// to be worth keeping, and its row must not stand without it.
func (s *Service) keepHere(ctx context.Context, tx tenancy.Write, t tenancy.Tenant, ks *keys.Keyset, p Package, plan *Plan) error {
	if err := lockPackages(ctx, tx, true); err != nil {
		return err
	}
	info, err := s.store(ctx, t, ks, p, plan)
	if err != nil {
		return err
	}
	return s.keep(ctx, tx, t, info, plan)
}

// finish writes what a run has planned.
func (s *Service) finish(ctx context.Context, tx tenancy.Write, r *run, plan *Plan, a Approval, began time.Time) error {
	plan.seq = plan.baseSeq + 1
	if err := beginImport(ctx, tx, plan, a); err != nil {
		return err
	}
	if plan.blind || !plan.Empty() {
		r.again(&tx, plan.seq)
		if err := r.perform(plan); err != nil {
			return err
		}
	}
	return s.applied(ctx, tx, plan, a, began)
}

func (s *Service) applied(ctx context.Context, tx tenancy.Write, plan *Plan, a Approval, began time.Time) error {
	plan.State, plan.Held, plan.Import, plan.AppliedBy = Applied, false, importName(plan.seq), a.Who
	plan.Seconds = s.Now().Sub(began).Seconds()
	return finishImport(ctx, tx, plan, s.Now())
}

// Approval is what whoever applies a plan says.
type Approval struct {
	Who     string
	Initial bool // the first import may go ahead
	Approve bool // what holds the plan was looked at
	Reason  string
}

// Apply applies a plan: exactly it, in one transaction, or nothing. It refuses
// when the tenant's roster has changed since.
func (s *Service) Apply(ctx context.Context, t tenancy.Tenant, id string, a Approval, progress Progress) (*Plan, error) {
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	plan, err := s.Show(ctx, t, id)
	if err != nil {
		return nil, err
	}
	a.Reason = strings.TrimSpace(a.Reason)
	if err := plan.mayApply(t, a); err != nil {
		return plan, err
	}
	began := s.Now()
	var p *Package
	if plan.Kind == "package" && (!plan.Empty() || plan.Spared() > 0) {
		if p, err = s.kept(ctx, t, ks, plan); err != nil {
			return plan, s.failed(ctx, t, plan, err)
		}
		defer func() { _ = p.Content.(*os.File).Close() }()
	}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return s.execute(ctx, tx, t, ks, plan, a, p, began, progress) }, within)
	if err != nil {
		return plan, s.failed(ctx, t, plan, err)
	}
	return plan, nil
}

func (s *Service) execute(ctx context.Context, tx tenancy.Write, t tenancy.Tenant, ks *keys.Keyset, plan *Plan, a Approval, p *Package, began time.Time, progress Progress) error {
	if err := lockRoster(ctx, tx); err != nil {
		return err
	}
	last, err := latest(ctx, tx.Read)
	if err != nil {
		return err
	}
	if last.seq != plan.baseSeq {
		return fault.New(fault.Conflict, "roster.error.stale",
			"plan %s was made before import %s changed the roster; plan again: tenantctl roster plan %s FILE", plan.ID, importName(last.seq), t.Slug)
	}
	if err := notScheduled(ctx, tx.Read, plan.ID); err != nil {
		return err
	}
	plan.seq = last.seq + 1
	if err := beginImport(ctx, tx, plan, a); err != nil {
		return err
	}
	if !plan.Empty() {
		if err := s.change(ctx, tx, t, ks, plan, p, began, progress); err != nil {
			return err
		}
	}
	if err := s.applied(ctx, tx, plan, a, began); err != nil {
		return err
	}
	return s.keepSpared(ctx, tx, t, ks, plan, p, progress)
}

// change runs the engine over the source of a stored plan, writing.
func (s *Service) change(ctx context.Context, tx tenancy.Write, t tenancy.Tenant, ks *keys.Keyset, plan *Plan, p *Package, began time.Time, progress Progress) error {
	src, closeSource, err := s.sourceOf(ctx, tx.Read, plan, p, ks, progress)
	if err != nil {
		return err
	}
	defer closeSource()
	r, err := newRun(ctx, tx.Read, src, plan.Options, ks, began)
	if err != nil {
		return err
	}
	r.write, r.progress, r.policies = &tx, progress, t.Settings.Roster.Edits
	r.setSeq(plan.seq)
	if r.first, err = nothingYet(ctx, tx.Read, plan.baseSeq); err != nil {
		return err
	}
	if pkg, ok := src.(packageSource); ok {
		if err := r.check(pkg.Package, *p, nil); err != nil {
			return err
		}
	}
	if err := r.loadEdits(); err != nil {
		return err
	}
	return r.perform(plan)
}

// perform writes, and compares what it has done with the plan before anything is
// committed.
func (r *run) perform(plan *Plan) error {
	if err := r.all(); err != nil {
		return err
	}
	if u, ok := r.src.(*undo); ok {
		if err := r.undoInserts(u.seq); err != nil {
			return err
		}
	}
	if err := errors.Join(r.lateBirthDates(), r.derive(), r.dropEdits(r.dropped)); err != nil {
		return err
	}
	if plan.blind {
		r.count(plan)
		return nil
	}
	if r.state != plan.stateHash || r.change != plan.changeHash {
		return fault.New(fault.Conflict, "roster.error.moved",
			"the roster is not what plan %s was made against; nothing was changed; plan again", plan.ID)
	}
	return nil
}

func (s *Service) sourceOf(ctx context.Context, tx tenancy.Read, plan *Plan, p *Package, ks *keys.Keyset, progress Progress) (source, func(), error) {
	if plan.Kind == "rollback" {
		u, err := loadUndo(ctx, tx, plan.Undoes, ks)
		return u, func() {}, err
	}
	pkg, err := s.open(*p, plan.Options, progress)
	if err != nil {
		return nil, nil, err
	}
	if pkg.SHA256() != plan.SourceSHA256 {
		return nil, nil, fault.New(fault.Conflict, "roster.error.moved", "the file is not the one that plan %s was made from", plan.ID)
	}
	return packageSource{ctx, pkg}, func() { _ = pkg.Close() }, nil
}

// kept opens the package that a plan was made from.
func (s *Service) kept(ctx context.Context, t tenancy.Tenant, ks *keys.Keyset, plan *Plan) (*Package, error) {
	var want [32]byte
	if _, err := hex.Decode(want[:], []byte(plan.SourceSHA256)); err != nil {
		return nil, fmt.Errorf("plan %s: %w", plan.ID, err)
	}
	f, err := objects.For(s.Objects, t.ID, ks).Get(ctx, plan.objectKey, want)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Package{Name: filepath.Base(plan.SourceName), Content: f, Size: fi.Size()}, nil
}

// mayApply checks what a human must have said.
func (p *Plan) mayApply(t tenancy.Tenant, a Approval) error {
	switch p.State {
	case Applied, RolledBack:
		return fault.New(fault.Conflict, "roster.error.applied", "plan %s was applied already, as %s", p.ID, p.Import)
	case Closed:
		return fault.New(fault.Conflict, "roster.error.closed", "plan %s was closed; plan again: tenantctl roster plan %s FILE", p.ID, t.Slug)
	case Failed:
		return fault.New(fault.Conflict, "roster.error.applied", "plan %s failed; plan again: tenantctl roster plan %s FILE", p.ID, t.Slug)
	}
	for _, h := range p.Holds {
		switch {
		case h.Rule == RuleInitial && a.Initial:
		case !a.Approve:
			return &HeldError{p}
		case a.Reason == "":
			return fault.New(fault.Invalid, "roster.error.reason", "an approval needs its reason: add --reason \"…\"")
		case p.NeedsSecond(t) && tenancy.SamePerson(a.Who, p.PlannedBy):
			return fault.New(fault.Forbidden, "roster.error.twopeople",
				"%s wants another person than the planner (%s) to approve what is held", t.Slug, p.PlannedBy)
		}
	}
	return nil
}

// NeedsSecond tells whether what holds the plan is approved by another than who
// planned it: where the tenant asks for that, and always when it was planned on the
// pages, where people are told apart by their accounts.
func (p *Plan) NeedsSecond(t tenancy.Tenant) bool {
	_, person := PersonOf(p.PlannedBy)
	return person || t.Settings.Roster.TwoPeople
}

// Spared counts the removals that no-delete left out.
func (p *Plan) Spared() (n int) {
	for _, c := range p.Changes {
		n += c.Spared
	}
	return n
}

// keepSpared keeps the removals that no-delete left out as a held plan, in the
// transaction that leaves them out: a program that dies leaves both or neither. The
// package is compared with what it has just made of the roster.
func (s *Service) keepSpared(ctx context.Context, tx tenancy.Write, t tenancy.Tenant, ks *keys.Keyset, done *Plan, p *Package, progress Progress) error {
	n := done.Spared()
	if n == 0 || p == nil {
		return nil
	}
	o := Options{Lenient: done.Options.Lenient} // the mapping has done its work
	pkg, err := s.open(*p, o, progress)
	if err != nil {
		return err
	}
	defer func() { _ = pkg.Close() }()
	rest, err := s.newPlan(pkg, *p, o, done.AppliedBy)
	if err != nil {
		return err
	}
	r, err := newRun(ctx, tx.Read, packageSource{ctx, pkg}, o, ks, rest.PlannedAt)
	if err != nil {
		return err
	}
	r.progress, r.policies = progress, t.Settings.Roster.Edits
	if err := s.foresee(r, t, pkg, *p, rest, Approval{}); err != nil {
		return err
	}
	rest.hold(Hold{Rule: RuleNoDelete, Count: n, Message: fmt.Sprintf("%d removals were left out by --no-delete", n)})
	rest.Tenant, done.Rest = t.Slug, rest.ID
	return insertPlan(ctx, tx, rest)
}
