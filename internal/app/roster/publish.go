package roster

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// PublicationState is where the publishing of a school year stands.
type PublicationState string

// The states of a publication. A cancelled one never began; a closed one was ended
// while schools had not gone.
const (
	Scheduled  PublicationState = "scheduled"
	Publishing PublicationState = "running"
	Published  PublicationState = "done"
	Cancelled  PublicationState = "cancelled"
	Stopped    PublicationState = "closed"
)

// Publication is a school year that is published school by school from a moment on.
type Publication struct {
	ID               uuid.UUID
	Plan             string
	At               time.Time
	State            PublicationState
	AskedBy, EndedBy string
	AskedAt          time.Time
	BegunAt, EndedAt *time.Time
	Parts            []*Part
	told             string
}

// Open tells whether something may yet be published.
func (p *Publication) Open() bool { return p.State == Scheduled || p.State == Publishing }

// The kinds of parts, in the order in which they go.
const (
	partCommon = "common"
	partSchool = "school"
	partRest   = "rest"
)

// PartState is where a part stands.
type PartState string

// The states of a part.
const (
	PartWaiting PartState = "waiting"
	PartHeld    PartState = "held"
	PartDone    PartState = "done"
	PartFailed  PartState = "failed"
)

// Part is what is published in one transaction.
type Part struct {
	N                  int
	Kind, School, Name string
	State              PartState
	Why                string // key of a sentence, empty when its holds say it
	Changes            map[oneroster.Type]Counts
	Holds              []Hold
	Leavers            int // who would have no role left
	Attempts           int
	ApprovedBy, Reason string
	Import             string // id of the plan that it became
	EndedAt            *time.Time
	Seconds            float64
	Undone             bool // it was taken back since
	importName         string
	change             digest
}

func (p *Part) key() key {
	switch p.Kind {
	case partCommon:
		return commonPart
	case partRest:
		return restPart
	}
	return keyOf(p.School)
}

// gone tells whether the part stands published.
func (p *Part) gone() bool { return p.State == PartDone && !p.Undone }

// whole tells whether everything has gone: then only the end is left to be said.
func (p *Publication) whole() bool {
	return !slices.ContainsFunc(p.Parts, func(o *Part) bool { return !o.gone() })
}

// heldChanged says that a part would change something else than what was approved.
const heldChanged = "roster.publish.why.changed"

// SchedulePublication works out what publishing a rehearsed package would change, part
// by part, and keeps that to be done from a moment on.
func (s *Service) SchedulePublication(ctx context.Context, t tenancy.Tenant, id string, at time.Time, who string, progress Progress) (*Publication, error) {
	plan, err := s.Show(ctx, t, id)
	if err != nil {
		return nil, err
	}
	if err := s.maySchedule(ctx, t, plan, at); err != nil {
		return nil, err
	}
	pkg, done, err := s.openWhole(ctx, t, plan, progress)
	if err != nil {
		return nil, err
	}
	defer done()
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	pub := &Publication{ID: uuid.New(), Plan: plan.ID, At: at, State: Scheduled, AskedBy: who, AskedAt: s.Now()}
	if err := s.checked(ctx, plan, pkg); err != nil {
		return nil, err
	}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		r, err := s.partRun(ctx, tx, t, ks, plan, pkg, nil)
		if err != nil {
			return err
		}
		r.progress, r.watch = progress, newWatch()
		if err := r.all(); err != nil {
			return err
		}
		pub.Parts, err = r.partsOf(thresholdsOf(t.Settings.Roster))
		return err
	}, within)
	if err != nil {
		return nil, err
	}
	return pub, s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return insertPublication(ctx, tx, pub) })
}

// maySchedule says at once what cannot be.
func (s *Service) maySchedule(ctx context.Context, t tenancy.Tenant, plan *Plan, at time.Time) error {
	if err := plan.mayRehearse(); err != nil {
		return err
	}
	if plan.State != Planned && plan.State != Held {
		return fault.New(fault.Conflict, "roster.error.publish.plan", "plan %s is %s; plan again", plan.ID, plan.State)
	}
	if plan.Options.NoDelete || len(plan.Options.Mapping) > 0 {
		return fault.New(fault.Invalid, "roster.error.publish.plan", "plan %s was made with --no-delete or --mapping; a school year is published whole", plan.ID)
	}
	if now := s.Now(); at.Before(now.Add(-24*time.Hour)) || at.After(now.AddDate(1, 1, 0)) {
		return fault.New(fault.Invalid, "roster.error.publish.day", "%s is no day near enough", at.Format(time.DateOnly))
	}
	if w, closed := blackout(t.Settings.Roster, at); closed {
		return fault.New(fault.Invalid, "roster.error.publish.blackout", "imports wait from %s to %s; choose another moment", w.From, w.To)
	}
	return s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		last, err := latest(ctx, tx)
		if err == nil && last.seq == 0 {
			err = fault.New(fault.Conflict, "roster.error.publish.first", "%s has no import yet; bring the first one in whole", t.Slug)
		}
		if err != nil {
			return err
		}
		_, ok, err := findRehearsal(ctx, tx, plan.ID)
		if err == nil && !ok {
			err = fault.New(fault.Conflict, "roster.error.publish.rehearse", "plan %s was not rehearsed", plan.ID)
		}
		return err
	})
}

// checked refuses what cannot be cut: files of changes, and errors.
func (s *Service) checked(ctx context.Context, plan *Plan, pkg *oneroster.Package) error {
	for _, table := range oneroster.Tables() {
		if pkg.Mode(table.Type) == oneroster.Delta {
			return fault.New(fault.Invalid, "roster.error.rehearse", "%s says changes of %s alone; publishing needs all of it: bulk", plan.ID, table.Type)
		}
	}
	report, err := pkg.Check(ctx, nil)
	if err == nil && !report.Valid {
		err = &InvalidError{plan.SourceName, report}
	}
	return err
}

// partRun is a run that plans one part, or all of them.
func (s *Service) partRun(ctx context.Context, tx tenancy.Read, t tenancy.Tenant, ks *keys.Keyset, plan *Plan, pkg *oneroster.Package, only *key) (*run, error) {
	r, err := newRun(ctx, tx, packageSource{ctx, pkg}, plan.Options, ks, s.Now())
	if err != nil {
		return nil, err
	}
	r.policies = t.Settings.Roster.Edits
	if r.cut, err = readCut(ctx, pkg); err != nil {
		return nil, err
	}
	r.cut.only = only
	return r, r.loadEdits()
}

// partsOf says what each part would change and what holds it, in the order in which
// they go. A school of the package is a part even where nothing changes.
func (r *run) partsOf(l thresholds) ([]*Part, error) {
	common, rest := r.partOf(&Part{Kind: partCommon}, l), r.partOf(&Part{Kind: partRest}, l)
	_, holds, err := r.rekeyed()
	if err != nil {
		return nil, err
	}
	common.hold(holds)
	var closing []int32
	parts := []*Part{}
	for k, s := range r.cut.schools {
		if k != commonPart {
			parts = append(parts, r.partOf(&Part{Kind: partSchool, School: s[0], Name: s[1]}, l))
		}
	}
	for unit, k := range r.cut.units {
		if _, stays := r.cut.schools[k]; !stays && r.cut.parts[k] != nil {
			closing = append(closing, unit)
		}
	}
	names, err := r.unitNames(closing)
	for _, n := range names {
		parts = append(parts, r.partOf(&Part{Kind: partSchool, School: n[0], Name: n[1]}, l))
	}
	slices.SortFunc(parts, func(a, b *Part) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.School, b.School)) })
	parts = append(append([]*Part{common}, parts...), rest)
	for i, p := range parts {
		p.N = i
	}
	return parts, err
}

// partOf fills a part with what the run has found for it.
func (r *run) partOf(p *Part, l thresholds) *Part {
	share := r.cut.share(p.key())
	p.State, p.Why, p.Holds, p.Changes = PartWaiting, "", []Hold{}, map[oneroster.Type]Counts{}
	p.change, p.Leavers = share.change, share.leavers
	for t, c := range share.counts {
		p.Changes[t] = *c
	}
	before := func(t oneroster.Type) int { return r.had[t] }
	l.least = nil // of whole packages
	if p.Kind == partSchool {
		// A school is judged by its own rows, as every import judges it.
		l.removals = l.school
		before = func(t oneroster.Type) int { c := p.Changes[t]; return c.Unchanged + c.Update + c.Remove }
	}
	holds := r.typeHolds(l, share.counts, before)
	for i := range holds {
		if p.Kind == partSchool && holds[i].Rule == RuleRemovals && holds[i].Share > 0 {
			holds[i].Rule = RuleSchoolRemovals
		}
		holds[i].School, holds[i].SchoolName = p.School, p.Name
	}
	p.hold(holds)
	return p
}

func (p *Part) hold(h []Hold) {
	if p.Holds = append(p.Holds, h...); len(p.Holds) > 0 {
		p.State = PartHeld
	}
}

// Empty tells whether publishing the part would change nothing.
func (p *Part) Empty() bool {
	for _, c := range p.Changes {
		if c.changes() > 0 {
			return false
		}
	}
	return true
}
