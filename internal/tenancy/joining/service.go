package joining

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"digione/internal/tenancy"
)

// Measure runs one check on a tenant. An error is a fault of the measuring; what
// is wrong with the tenant is in the Measurement.
type Measure func(ctx context.Context, t tenancy.Tenant, r Status, s *State) (Measurement, error)

// Service runs the process.
type Service struct {
	Log       Log
	Templates Templates
	Checks    map[string]Measure
	// Partly says that Checks holds only some of what templates name, as in a served
	// program: the others are left as they are.
	Partly bool
	Now    func() time.Time

	seen cache
}

// cache keeps what All has read: the log only grows, in the order of its ids.
type cache struct {
	mu     sync.Mutex
	last   int64
	events map[string][]Event
	states map[string]*State
}

// Actor is who acts: the account, the side it acts for, and the person whose word
// it is where that is another, as on a paper that an operator hands in. Self says
// that a municipality's person is signed in themselves: without it the account is an
// operator's, who writes down what the municipality said.
type Actor struct {
	Account, Side, Name string
	Self                bool
}

func (a Actor) event(k Kind, at time.Time) Event {
	e := Event{Kind: k, At: at, Actor: a.Account, Side: a.Side, Name: a.Name}
	if a.Side == Municipality && !a.Self {
		e.Entered = Tiera
	}
	return e
}

// speaks tells whether who acts for a side may say that a requirement of an owner is
// met: nobody for another side, and Tiera for its own system.
func speaks(side, owner string) bool { return side == owner || side == Tiera && owner == System }

// leads is the error for who is not of the side that leads the process.
func (a Actor) leads(what string) error {
	if a.Side == Municipality {
		return refused("only Tiera %s", what)
	}
	return nil
}

// The ways in which a step is refused.
var (
	ErrNotStarted = errors.New("has not started to join")
	ErrRefused    = errors.New("not allowed")
	ErrInvalid    = errors.New("not possible")
)

// because is a refusal that a page says in words of its own.
type because struct {
	error
	code string
}

func (b because) Unwrap() error { return b.error }

// Why is what a refusal is about: reason, file, signer, self, measured or done; ""
// where nothing of these.
func Why(err error) string {
	b := because{}
	if errors.As(err, &b) {
		return b.code
	}
	return ""
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

func (s *Service) decide(ctx context.Context, t tenancy.Tenant, f func(*State) ([]Event, error)) (*State, error) {
	return s.Log.decide(ctx, s.Templates, t.ID, func(st *State) ([]Event, error) {
		if st == nil {
			return nil, fmt.Errorf("%s %w; run: tenantctl join start %s", t.Slug, ErrNotStarted, t.Slug)
		}
		return f(st)
	})
}

// Start begins a tenant's joining. Starting twice with the same words changes nothing.
func (s *Service) Start(ctx context.Context, t tenancy.Tenant, by Actor, template, cohort string) (*State, error) {
	named := template != ""
	if !named {
		template = DefaultTemplate
	}
	if err := by.leads("begins a joining"); err != nil {
		return nil, err
	}
	if _, err := s.Templates.Get(template); err != nil {
		return nil, invalid("%v", err)
	}
	return s.Log.decide(ctx, s.Templates, t.ID, func(st *State) ([]Event, error) {
		if st != nil {
			if (!named || st.Template.ID == template) && (cohort == "" || st.Cohort == cohort) {
				return nil, nil
			}
			return nil, invalid("%s has started already on %s, in wave %q; to change the template: tenantctl join move-template %s", t.Slug, st.Template.ID, st.Cohort, t.Slug)
		}
		e := by.event(Started, s.Now())
		e.Template, e.Cohort = template, cohort
		return []Event{e}, nil
	})
}

// State returns where a tenant stands.
func (s *Service) State(ctx context.Context, t tenancy.Tenant) (*State, error) {
	list, err := s.Log.events(ctx, t.ID, 0)
	if err != nil {
		return nil, err
	}
	st, err := Fold(s.Templates, list)
	if err == nil && st == nil {
		err = fmt.Errorf("%s %w; run: tenantctl join start %s", t.Slug, ErrNotStarted, t.Slug)
	}
	return st, err
}

// Events returns a tenant's whole log.
func (s *Service) Events(ctx context.Context, t tenancy.Tenant) ([]Event, error) {
	return s.Log.events(ctx, t.ID, 0)
}

// All returns where every tenant stands that has started, by tenant id, and the
// last event that it knows of. The states are shared: they must not be changed.
func (s *Service) All(ctx context.Context) (map[string]*State, int64, error) {
	c := &s.seen
	c.mu.Lock()
	defer c.mu.Unlock()
	list, err := s.Log.events(ctx, "", c.last)
	if err != nil {
		return nil, 0, err
	}
	if c.events == nil {
		c.events, c.states = map[string][]Event{}, map[string]*State{}
	}
	changed := map[string]bool{}
	for _, e := range list {
		c.events[e.Tenant] = append(c.events[e.Tenant], e)
		changed[e.Tenant], c.last = true, e.ID
	}
	for tenant := range changed {
		if c.states[tenant], err = Fold(s.Templates, c.events[tenant]); err != nil {
			c.last, c.events, c.states = 0, nil, nil // read it again next time
			return nil, 0, err
		}
	}
	return maps.Clone(c.states), c.last, nil
}

// find returns a requirement's status, or an error that names those there are.
func (s *State) find(requirement string) (*Status, error) {
	if st := s.status(requirement); st != nil {
		return st, nil
	}
	var ids []string
	for _, st := range s.Status {
		ids = append(ids, st.ID)
	}
	return nil, invalid("requirement %q is not in %s; there are %s", requirement, s.Template.ID, strings.Join(ids, ", "))
}

// Attest says with a name that requirements are met; file is nil where none is
// needed. The same word given twice changes nothing.
func (s *Service) Attest(ctx context.Context, t tenancy.Tenant, by Actor, requirements []string, file *Evidence, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		var out []Event
		for _, id := range requirements {
			e, err := attest(st, by, id, file, reason, s.Now())
			if err != nil {
				return nil, err
			}
			if e != nil {
				out = append(out, *e)
			}
		}
		return out, nil
	})
}

func attest(st *State, by Actor, id string, file *Evidence, reason string, at time.Time) (*Event, error) {
	r, err := st.find(id)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Owner == Municipality && by.Side == Tiera:
		return nil, because{refused("%s is the municipality's to say; name who signed there", id), "signer"}
	case !speaks(by.Side, r.Owner):
		return nil, refused("%s is Tiera's to say", id)
	case r.Kind == Waves, r.Kind == Check && !r.Attestable:
		return nil, because{refused("%s is measured, nobody can attest it; see: join check, or waive it with a reason", id), "measured"}
	case r.Kind == Check && r.Last == nil:
		return nil, because{refused("%s was not measured yet; run: tenantctl join check", id), "measured"}
	case r.Kind == Check && r.Last.Measurable && !r.Last.OK:
		return nil, because{refused("%s was measured: %s; what is measured cannot be attested, waive it with a reason", id, r.Last.Value), "measured"}
	case r.Kind == Check && !r.Last.Absent && !r.Last.OK:
		return nil, because{refused("%s is not done yet: %s; what will be measured cannot be attested", id, r.Last.Value), "measured"}
	case r.Kind == Check && reason == "":
		return nil, because{refused("%s: to attest what could be measured, give a reason", id), "reason"}
	case r.Kind == Check && file == nil:
		return nil, because{refused("%s: to attest what could be measured, give evidence", id), "file"}
	case r.Evidence && file == nil && len(r.Files) == 0:
		return nil, because{refused("%s needs a file as evidence", id), "file"}
	}
	e := by.event(Attested, at)
	e.Requirement, e.Reason, e.Evidence, e.Version = id, reason, file, r.Version
	if r.attested != nil && (r.Passed() || r.State == Second) && r.attested.person() == e.person() && sameFile(r.attested.Evidence, file) {
		return nil, nil
	}
	if r.Passed() {
		return nil, because{invalid("%s is done already; to change it, reopen it first", id), "done"}
	}
	return &e, nil
}

func sameFile(a, b *Evidence) bool {
	return b == nil || (a != nil && a.SHA256 == b.SHA256)
}

// Approve is a second person's word on attestations and waivers; without names,
// on all that wait for this side.
func (s *Service) Approve(ctx context.Context, t tenancy.Tenant, by Actor, requirements []string, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		named := len(requirements) > 0
		list := requirements
		if !named {
			for _, r := range st.Status {
				if r.State == Second && r.Waits() == by.Side {
					list = append(list, r.ID)
				}
			}
		}
		var out []Event
		for _, id := range list {
			r, err := st.find(id)
			if err != nil {
				return nil, err
			}
			if r.State != Second {
				if r.Passed() {
					continue
				}
				return nil, invalid("nothing of %s waits for approval", id)
			}
			e := by.event(Approved, s.Now())
			e.Requirement, e.Reason = id, reason
			first := r.attested
			if r.waived != nil {
				first = r.waived
			}
			if tenancy.SamePerson(first.Actor, e.Actor) || tenancy.SamePerson(first.person(), e.person()) {
				return nil, because{refused("%s was attested by %s: another person must approve it", id, first.person()), "self"}
			}
			if r.Waits() != by.Side {
				return nil, refused("%s waits for %s", id, r.Waits())
			}
			out = append(out, e)
		}
		return out, nil
	})
}

// Waive asks to pass a gate that is not met. It holds once another person of
// Tiera approves it.
func (s *Service) Waive(ctx context.Context, t tenancy.Tenant, by Actor, requirement, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		r, err := st.find(requirement)
		switch {
		case err != nil:
			return nil, err
		case reason == "":
			return nil, because{refused("a waiver needs a reason"), "reason"}
		case r.NoWaiver, r.Kind == Waves: // who is live is wholly open: the waves cannot be left out
			return nil, refused("%s is never waived", requirement)
		case by.Side != Tiera:
			return nil, refused("only Tiera waives")
		case r.Passed():
			return nil, invalid("%s is done already", requirement)
		case r.State == Second && r.waived != nil && r.waived.person() == by.event(Waived, s.Now()).person():
			return nil, nil
		}
		e := by.event(Waived, s.Now())
		e.Requirement, e.Reason = requirement, reason
		return []Event{e}, nil
	})
}

// Reopen opens a stage or a requirement again, and what rests on it. The same word as
// the last of the log changes nothing.
func (s *Service) Reopen(ctx context.Context, t tenancy.Tenant, by Actor, what, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		if err := by.leads("reopens"); err != nil {
			return nil, err
		}
		if reason == "" {
			return nil, because{refused("reopening needs a reason"), "reason"}
		}
		e := by.event(Reopened, s.Now())
		e.Reason = reason
		if st.Template.StageAt(what) >= 0 {
			e.Stage = what
		} else if _, err := st.find(what); err != nil {
			return nil, fmt.Errorf("%q is no stage either: %w", what, err)
		} else {
			e.Requirement = what
		}
		if st.last.said(e) {
			return nil, nil
		}
		return []Event{e}, nil
	})
}

// Preview is what moving to another version of the template changes.
type Preview struct {
	Added   []string `json:"added"`   // requirements that would be asked anew
	Removed []string `json:"removed"` // that would no longer be asked
	Changed []string `json:"changed"` // that would be asked otherwise, their state kept
}

// MoveTemplate takes a tenant to another version; dry says only what changes.
func (s *Service) MoveTemplate(ctx context.Context, t tenancy.Tenant, by Actor, to string, dry bool) (p Preview, st *State, err error) {
	next, err := s.Templates.Get(to)
	if err != nil {
		return p, nil, invalid("%v", err)
	}
	st, err = s.decide(ctx, t, func(st *State) ([]Event, error) {
		if err := by.leads("moves to another version"); err != nil {
			return nil, err
		}
		p = st.Preview(next)
		if dry || st.Template.ID == to {
			return nil, nil
		}
		e := by.event(Moved, s.Now())
		e.Template = to
		return []Event{e}, nil
	})
	return p, st, err
}

// Preview is what moving to another version would change.
func (s *State) Preview(to Template) Preview {
	from := s.Template
	p := Preview{Added: []string{}, Removed: []string{}, Changed: []string{}}
	for _, stage := range to.Stages {
		for _, r := range stage.Requirements {
			old, at, ok := from.Find(r.ID)
			switch {
			case !ok || !old.sameAs(r):
				p.Added = append(p.Added, r.ID)
			case old != r || from.Stages[at].ID != stage.ID:
				p.Changed = append(p.Changed, r.ID)
			}
		}
	}
	for _, stage := range from.Stages {
		for _, r := range stage.Requirements {
			if n, _, ok := to.Find(r.ID); !ok || !n.sameAs(r) {
				p.Removed = append(p.Removed, r.ID)
			}
		}
	}
	return p
}

// Check measures what a stage asks for, or all stages, and notes what changed, and
// beside the log when each was measured last.
func (s *Service) Check(ctx context.Context, t tenancy.Tenant, stage string) (*State, error) {
	st, err := s.State(ctx, t)
	if err != nil {
		return nil, err
	}
	if stage != "" && st.Template.StageAt(stage) < 0 {
		return nil, invalid("stage %q is not in %s", stage, st.Template.ID)
	}
	found := map[string]Measurement{}
	for _, r := range st.Status {
		check := r.measures()
		if check == "" || (stage != "" && r.Stage != stage) || st.over(r) {
			continue
		}
		measure, ok := s.Checks[check]
		switch {
		case !ok && s.Partly:
			continue
		case !ok:
			return nil, fmt.Errorf("requirement %s asks for the check %q, which this program does not know", r.ID, check)
		}
		m, err := measure(ctx, t, r, st)
		if err != nil {
			return nil, fmt.Errorf("measure %s of %s: %w", r.ID, t.Slug, err)
		}
		found[r.ID] = m
	}
	st, err = s.decide(ctx, t, func(st *State) ([]Event, error) {
		var out []Event
		for _, r := range st.Status {
			m, ok := found[r.ID]
			if !ok || r.keeps(m) || (r.Last != nil && same(*r.Last, m)) {
				continue
			}
			e := Actor{Account: "digione", Side: System}.event(Measured, s.Now())
			e.Requirement, e.Measurement = r.ID, &m
			out = append(out, e)
		}
		return out, nil
	})
	if err != nil {
		return nil, err
	}
	return st, s.Log.measured(ctx, t.ID, slices.Sorted(maps.Keys(found)), s.Now())
}

// measures is the check that a requirement is measured by, "" where none is.
func (r Requirement) measures() string {
	if r.Kind == Waves { // of old templates, too
		return Waves
	}
	return r.Check
}

// over tells whether a gate that passed is not measured again: what is of the pilot,
// of the waves or of the joining alone, once the tenant is live.
func (s *State) over(r Status) bool {
	pilot := s.Template.Stages[s.Template.StageAt(r.Stage)].Opens == OpensPilot
	return s.Lives() && r.Passed() && (r.Once || pilot || r.Kind == Waves)
}

// Measured returns when each requirement of a tenant was measured last, also where
// nothing had changed.
func (s *Service) Measured(ctx context.Context, t tenancy.Tenant) (map[string]time.Time, error) {
	return s.Log.measuredAt(ctx, t.ID)
}

func same(a, b Measurement) bool {
	return a.OK == b.OK && a.Measurable == b.Measurable && a.Absent == b.Absent && a.Value == b.Value && a.Next == b.Next
}
