package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// partAttempts bounds how often a part is tried on which programs die or the database
// fails.
const partAttempts = 3

// Publish publishes what is due of a tenant: what every school needs, then school by
// school, then what nobody needs any more, each in one transaction that also says so.
// Killed anywhere it goes on when called again. A school that is held or fails is
// passed over. ok is false when nothing was due.
func (s *Service) Publish(ctx context.Context, t tenancy.Tenant, progress Progress) (ok bool, err error) {
	pub, due, err := s.DuePublication(ctx, t)
	if err != nil || !due {
		return false, err
	}
	plan, err := s.Show(ctx, t, pub.Plan)
	if err != nil {
		return false, err
	}
	if err := s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return beginPublication(ctx, tx, pub.ID, s.Now()) }); err != nil {
		return false, err
	}
	ks, err := s.Keyset(t)
	if err != nil {
		return false, err
	}
	p, err := s.kept(ctx, t, ks, plan)
	if err != nil {
		return false, err
	}
	defer func() { _ = p.Content.(*os.File).Close() }()
	pkg, err := s.open(*p, plan.Options, progress)
	if err != nil {
		return false, err
	}
	defer func() { _ = pkg.Close() }()
	if err := s.checked(ctx, plan, pkg); err != nil {
		return false, err
	}
	var failed []error
	for _, part := range pub.Parts {
		if !part.mayGo(pub) {
			continue
		}
		on, err := s.publishPart(ctx, t, ks, pub, plan, part, pkg, progress)
		if err != nil {
			failed = append(failed, fmt.Errorf("part %d of %s: %w", part.N, pub.Plan, err))
		}
		if !on {
			return true, errors.Join(failed...)
		}
	}
	err = s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return endPublication(ctx, tx, pub, s.Now()) })
	return true, errors.Join(append(failed, err)...)
}

// mayGo tells whether a part's turn has come: schools need what is common, and nothing
// is taken away for good before every school has gone.
func (p *Part) mayGo(pub *Publication) bool {
	if p.State != PartWaiting {
		return false
	}
	return !slices.ContainsFunc(pub.Parts, func(o *Part) bool {
		return o.Kind != p.Kind && o.N < p.N && !o.gone()
	})
}

// DuePublication returns what is to be published now; due is false when nothing is, or
// when imports have to wait.
func (s *Service) DuePublication(ctx context.Context, t tenancy.Tenant) (pub *Publication, due bool, err error) {
	now := s.Now()
	if _, closed := blackout(t.Settings.Roster, now); closed {
		return nil, false, nil
	}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		var ok bool
		pub, ok, err = openPublication(ctx, tx)
		due = ok && !pub.At.After(now) && (pub.State == Scheduled || pub.whole() ||
			slices.ContainsFunc(pub.Parts, func(p *Part) bool { return p.mayGo(pub) }))
		return err
	})
	return pub, due, err
}

// publishPart publishes one part in one transaction, and says in its row what became
// of it. What fails by itself is tried again with the next look, a few times; on tells
// whether the others may go on meanwhile.
func (s *Service) publishPart(ctx context.Context, t tenancy.Tenant, ks *keys.Keyset, pub *Publication, plan *Plan, part *Part, pkg *oneroster.Package, progress Progress) (on bool, _ error) {
	if part.Attempts >= partAttempts { // programs have died on it
		part.State, part.Why = PartFailed, failedStopped
		err := s.settlePart(ctx, t, pub, part)
		return err == nil, err
	}
	part.Attempts++
	if err := s.settlePart(ctx, t, pub, part); err != nil {
		return false, err
	}
	tried := *part
	err := s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		return s.performPart(ctx, tx, t, ks, pub, plan, part, pkg, progress)
	}, within)
	if err == nil {
		return true, nil
	}
	*part = tried // whatever was noted, its transaction is gone
	why, ok := failureOf(err)
	switch {
	case !ok:
		part.Attempts--
	case part.Attempts >= partAttempts:
		part.State, part.Why = PartFailed, why
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	serr := s.settlePart(end, t, pub, part)
	return ok && serr == nil, errors.Join(err, serr)
}

func (s *Service) settlePart(ctx context.Context, t tenancy.Tenant, pub *Publication, part *Part) error {
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return updatePart(ctx, tx, pub.ID, part) })
}

// performPart plans a part anew and, when that is what was approved, writes it, as an
// import of its own: so it can be taken back by itself.
func (s *Service) performPart(ctx context.Context, tx tenancy.Write, t tenancy.Tenant, ks *keys.Keyset, pub *Publication, plan *Plan, part *Part, pkg *oneroster.Package, progress Progress) error {
	began := s.Now()
	if err := lockRoster(ctx, tx); err != nil {
		return err
	}
	if err := lockPart(ctx, tx, pub.ID, part); err != nil {
		return err
	}
	last, err := latest(ctx, tx.Read)
	if err != nil {
		return err
	}
	only := part.key()
	r, err := s.partRun(ctx, tx.Read, t, ks, plan, pkg, &only)
	if err != nil {
		return err
	}
	r.progress, r.twice = progress, true
	if err := r.all(); err != nil {
		return err
	}
	at := s.Now()
	if r.change != part.change && r.change != (digest{}) {
		fresh := r.partOf(&Part{N: part.N, Kind: part.Kind, School: part.School, Name: part.Name}, thresholdsOf(t.Settings.Roster))
		fresh.State, fresh.Why, fresh.Leavers = PartHeld, heldChanged, part.Leavers
		*part = *fresh
		part.EndedAt = &at
		return updatePart(ctx, tx, pub.ID, part)
	}
	part.State, part.Why, part.EndedAt = PartDone, "", &at
	if r.change != (digest{}) { // otherwise somebody else has brought all of it in
		if err := s.importPart(ctx, tx, r, pub, plan, part, last.seq, began); err != nil {
			return err
		}
	}
	return updatePart(ctx, tx, pub.ID, part)
}

func (s *Service) importPart(ctx context.Context, tx tenancy.Write, r *run, pub *Publication, plan *Plan, part *Part, base int, began time.Time) error {
	id, err := newPlanID()
	if err != nil {
		return err
	}
	one := &Plan{ID: id, Tenant: plan.Tenant, Kind: "part", SourceName: plan.SourceName, SourceSHA256: plan.SourceSHA256, Version: plan.Version, State: Planned,
		PlannedBy: pub.AskedBy, PlannedAt: began, Options: plan.Options, Holds: []Hold{}, Conflicts: nonNil(r.conflicts), Rekeyed: []Rekey{},
		Findings: []oneroster.Finding{}, objectKey: plan.objectKey, baseSeq: base}
	if part.Name != "" {
		one.SourceName = part.Name
	}
	r.count(one)
	if err := insertPlan(ctx, tx, one); err != nil {
		return err
	}
	a := Approval{Who: cmp.Or(part.ApprovedBy, pub.AskedBy), Approve: part.ApprovedBy != "", Reason: part.Reason}
	if err := s.finish(ctx, tx, r, one, a, began); err != nil {
		return err
	}
	part.Import, part.Seconds, part.Undone = one.ID, one.Seconds, false
	return nil
}
