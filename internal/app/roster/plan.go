package roster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"digione/internal/app/objects"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Service plans and applies rosters. The CLI and the pages use the same one.
type Service struct {
	DB      *tenancy.DB
	Objects objects.Store
	// Keyset opens a tenant's keys.
	Keyset func(tenancy.Tenant) (*keys.Keyset, error)
	Now    func() time.Time
	// Part is the size of the parts in which a package comes in; 0 is PartSize.
	Part int
}

// Package is a roster to be brought in: a OneRoster zip, open for reading.
type Package struct {
	Name    string
	Content io.ReaderAt
	Size    int64
	// Origin names the place in the municipality's own file that a row was made
	// from, when a mapping profile made the package; nil otherwise.
	Origin func(t oneroster.Type, line int) (file string, at int)
	// Note is called by Import in its transaction, when the plan is applied or kept as
	// held, and by Plan in the one that keeps the plan: what it writes stands exactly
	// when the import or the plan does. It may be nil.
	Note func(ctx context.Context, tx tenancy.Write, p *Plan) error
}

func (p Package) note(ctx context.Context, tx tenancy.Write, plan *Plan) error {
	if p.Note == nil {
		return nil
	}
	return p.Note(ctx, tx, plan)
}

// InvalidError says that a package has errors; the report names each.
type InvalidError struct {
	Name   string
	Report *oneroster.Report
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("%s has %d errors; nothing was changed", e.Name, e.Report.Errors)
}

// HeldError says that a plan waits for a human's word.
type HeldError struct{ Plan *Plan }

func (e *HeldError) Error() string { return "the plan is held; nothing was changed" }

// Plan checks a package and says what it would change. The package is kept,
// encrypted, so that applying the plan later applies exactly this file.
func (s *Service) Plan(ctx context.Context, t tenancy.Tenant, p Package, o Options, who string, progress Progress) (*Plan, error) {
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	pkg, err := s.open(p, o, progress)
	if err != nil {
		return nil, err
	}
	defer func() { _ = pkg.Close() }()
	plan, err := s.newPlan(pkg, p, o, who)
	if err != nil {
		return nil, err
	}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		r, err := newRun(ctx, tx, packageSource{ctx, pkg}, o, ks, plan.PlannedAt)
		if err != nil {
			return err
		}
		r.progress, r.policies = progress, t.Settings.Roster.Edits
		return s.foresee(r, t, pkg, p, plan, Approval{})
	}, within)
	if err != nil {
		return nil, err
	}
	info, err := s.shelve(ctx, t, ks, p, plan)
	if err != nil {
		return nil, err
	}
	return plan, s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := s.keep(ctx, tx, t, info, plan); err != nil {
			return err
		}
		return p.note(ctx, tx, plan)
	}, within)
}

func (s *Service) newPlan(pkg *oneroster.Package, p Package, o Options, who string) (*Plan, error) {
	id, err := newPlanID()
	return &Plan{ID: id, Kind: "package", SourceName: p.Name, SourceSHA256: pkg.SHA256(), Version: string(pkg.Version()),
		State: Planned, PlannedBy: who, PlannedAt: s.Now(), Options: o, objectKey: "rosters/" + pkg.SHA256() + ".zip",
		Holds: []Hold{}, Conflicts: []Conflict{}, Rekeyed: []Rekey{}, Findings: []oneroster.Finding{}}, err
}

// shelve stores the package, outside of any transaction: a store that is slow holds no
// connection. What lay there already is young from now on, so that it is not pruned
// before the plan stands.
func (s *Service) shelve(ctx context.Context, t tenancy.Tenant, ks *keys.Keyset, p Package, plan *Plan) (objects.Info, error) {
	err := s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := lockPackages(ctx, tx, true); err != nil {
			return err
		}
		return objects.Renew(ctx, tx, plan.objectKey)
	})
	if err != nil {
		return objects.Info{}, err
	}
	return s.store(ctx, t, ks, p, plan)
}

func (s *Service) store(ctx context.Context, t tenancy.Tenant, ks *keys.Keyset, p Package, plan *Plan) (objects.Info, error) {
	return objects.For(s.Objects, t.ID, ks).Put(ctx, plan.objectKey, io.NewSectionReader(p.Content, 0, p.Size))
}

// keep notes the package and the plan.
func (s *Service) keep(ctx context.Context, tx tenancy.Write, t tenancy.Tenant, info objects.Info, plan *Plan) error {
	plan.Tenant = t.Slug
	if err := objects.Record(ctx, tx, info); err != nil {
		return err
	}
	return insertPlan(ctx, tx, plan)
}

func (s *Service) open(p Package, o Options, progress Progress) (*oneroster.Package, error) {
	return oneroster.OpenReader(p.Content, p.Size, p.Name, oneroster.Options{Lenient: o.Lenient, Progress: func(file string, rows int64, _ bool) {
		progress.say("check", oneroster.Type(file), rows)
	}})
}

// packageSource is a package as the engine reads it.
type packageSource struct {
	ctx context.Context
	*oneroster.Package
}

func (p packageSource) Each(f func(*oneroster.Record) error, t oneroster.Type) error {
	return p.Package.Each(p.ctx, t, f)
}
func (p packageSource) Full() bool { return false }

// same tells that the very file of the last import comes again and nothing else
// has changed since: then there is nothing to compare.
func same(last *Plan, p *Plan) bool {
	return last.seq > 0 && last.Kind == "package" && last.SourceSHA256 == p.SourceSHA256 && last.Options.Lenient == p.Options.Lenient &&
		len(p.Options.Mapping) == 0 && last.Options.NoDelete == p.Options.NoDelete
}

func (p *Plan) unchanged(last *Plan, set tenancy.RosterSettings, now time.Time) error {
	p.Changes = map[oneroster.Type]Counts{}
	for t, c := range last.Changes {
		n := c.Insert + c.Update + c.Reactivate + c.Unchanged
		p.Changes[t] = Counts{Unchanged: n, Stale: c.Stale, Spared: c.Spared}
	}
	p.Rows = last.Rows
	if w, ok := blackout(set, now); ok {
		p.hold(Hold{Rule: RuleBlackout, Message: fmt.Sprintf("Imports wait from %s to %s. %s", w.From, w.To, w.Why)})
	}
	return nil
}

func (p *Plan) hold(h ...Hold) {
	p.Holds = append(p.Holds, h...)
	if p.Held = len(p.Holds) > 0; p.Held {
		p.State = Held
	}
}

// check runs the package's own rules, with what the tenant has for the
// references of delta files.
func (r *run) check(pkg *oneroster.Package, p Package, plan *Plan) error {
	var store oneroster.Store
	for _, table := range oneroster.Tables() {
		if pkg.Mode(table.Type) == oneroster.Delta {
			known, err := r.storeView()
			if err != nil {
				return err
			}
			store = known
			break
		}
	}
	report, err := pkg.Check(r.ctx, store)
	if err != nil {
		return err
	}
	if p.Origin != nil {
		for i, f := range report.Findings {
			t := oneroster.Type(f.File[:max(0, len(f.File)-len(".csv"))])
			if file, line := p.Origin(t, f.Line); file != "" {
				report.Findings[i].File, report.Findings[i].Line = file, line
			}
		}
	}
	if !report.Valid {
		return &InvalidError{p.Name, report}
	}
	if plan != nil {
		plan.Findings, plan.Totals, plan.Repairs = report.Findings, report.Totals, report.Repairs
	}
	return nil
}

// conclude writes a run's outcome into its plan.
func (r *run) conclude(p *Plan, set tenancy.RosterSettings) error {
	r.count(p)
	p.Conflicts = append(p.Conflicts, r.conflicts...)
	holds, err := r.holds(set, r.at)
	if err != nil {
		return err
	}
	pairs, more, err := r.rekeyed()
	if err != nil {
		return err
	}
	p.Rekeyed = pairs
	p.hold(append(holds, more...)...)
	if err := r.show(p); err != nil {
		return err
	}
	if r.src.Full() {
		return nil
	}
	found, err := r.warnings()
	if err != nil {
		return err
	}
	p.add(found)
	return nil
}

// add notes findings of the plan's own, counted by code as those of the package are.
func (p *Plan) add(found []oneroster.Finding) {
	p.Findings = append(p.Findings, found...)
	for _, f := range found {
		i := slices.IndexFunc(p.Totals, func(t oneroster.Total) bool { return t.Code == f.Code && t.Severity == f.Severity })
		if i < 0 {
			i = len(p.Totals)
			p.Totals = append(p.Totals, oneroster.Total{Code: f.Code, Severity: f.Severity})
		}
		p.Totals[i].Count++
		p.Totals[i].Listed++
	}
}

func (r *run) count(p *Plan) {
	p.Changes = map[oneroster.Type]Counts{}
	for t, c := range r.counts {
		p.Changes[t] = *c
	}
	p.Rows, p.stateHash, p.changeHash = r.rows, r.state, r.change
}

// foresee fills the plan by a pass that writes nothing. A first import that was
// announced as such has nothing to be compared with and needs no such pass.
func (s *Service) foresee(r *run, t tenancy.Tenant, pkg *oneroster.Package, p Package, plan *Plan, a Approval) error {
	last, err := latest(r.ctx, r.tx)
	if err != nil {
		return err
	}
	plan.baseSeq = last.seq
	for t, c := range last.Changes {
		r.expected[t] = c.Unchanged + c.Insert + c.Update + c.Remove + c.Reactivate
	}
	if r.first, err = nothingYet(r.ctx, r.tx, last.seq); err != nil {
		return err
	}
	if same(last, plan) {
		return plan.unchanged(last, t.Settings.Roster, plan.PlannedAt)
	}
	if err := r.checkAndLoad(pkg, p, plan); err != nil {
		return err
	}
	if err := r.loadEdits(); err != nil {
		return err
	}
	if _, closed := blackout(t.Settings.Roster, plan.PlannedAt); r.first && a.Initial && !closed {
		plan.blind = true
		return nil
	}
	r.watch = newWatch()
	if err := r.all(); err != nil {
		return err
	}
	if err := r.conclude(plan, t.Settings.Roster); err != nil {
		return err
	}
	return r.holdForYear(plan)
}

// holdForYear holds what comes in while a school year is being published school by
// school: the source may still send the old year, which would put the schools that have
// gone back into it.
func (r *run) holdForYear(plan *Plan) error {
	pub, ok, err := openPublication(r.ctx, r.tx)
	if err != nil || !ok || pub.State != Publishing || plan.Empty() {
		return err
	}
	plan.hold(Hold{Rule: RulePublishing, Message: "A school year is being published school by school. If this package is of the old year, applying it takes the schools that have gone back to it."})
	return nil
}

// checkAndLoad reads the package on one core and the tenant's rows on another.
// Only a package with delta files has to wait for the rows.
func (r *run) checkAndLoad(pkg *oneroster.Package, p Package, plan *Plan) error {
	for _, table := range oneroster.Tables() {
		if pkg.Mode(table.Type) == oneroster.Delta {
			return r.check(pkg, p, plan)
		}
	}
	checked := make(chan error, 1)
	go func() { checked <- r.check(pkg, p, plan) }()
	var err error
	for _, table := range oneroster.Tables() {
		if t := table.Type; err == nil && !r.first && (pkg.Mode(t) != oneroster.Absent || slices.Contains(referred, t)) {
			err = r.load(t)
		}
	}
	return errors.Join(<-checked, err)
}
