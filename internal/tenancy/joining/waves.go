package joining

import (
	"context"
	"errors"
	"slices"
	"time"

	"digione/internal/tenancy"
)

// Plan sets the waves of schools; the first is the pilot. Waves that are open
// stay as they are.
func (s *Service) Plan(ctx context.Context, t tenancy.Tenant, by Actor, waves []Wave) (*State, error) {
	if err := CheckWaves(waves); err != nil {
		return nil, err
	}
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		if err := by.leads("plans waves"); err != nil {
			return nil, err
		}
		changed, err := st.MayPlan(waves)
		if err != nil || !changed {
			return nil, err
		}
		e := by.event(Planned, s.Now())
		e.Waves = waves
		return []Event{e}, nil
	})
}

// MayPlan tells whether other waves than the present ones would be planned, or
// why they cannot be.
func (s *State) MayPlan(waves []Wave) (changed bool, err error) {
	if slices.EqualFunc(s.Waves, waves, func(a, b Wave) bool {
		return a.Name == b.Name && a.Opens == b.Opens && slices.Equal(a.Schools, b.Schools)
	}) {
		return false, nil
	}
	for _, open := range s.OpenWaves {
		i := slices.IndexFunc(s.Waves, func(w Wave) bool { return w.Name == open })
		j := slices.IndexFunc(waves, func(w Wave) bool { return w.Name == open })
		if i >= 0 && (j < 0 || !slices.Equal(s.Waves[i].Schools, waves[j].Schools)) {
			return false, invalid("wave %s is open; its schools stay until it is rolled back", open)
		}
	}
	return true, nil
}

// CheckWaves looks at a plan of waves: each has a name, a day and schools of its
// own, and at most three times the schools of the one before.
func CheckWaves(waves []Wave) error {
	var faults []error
	names, schools := map[string]bool{}, map[string]string{}
	for i, w := range waves {
		if w.Name == "" || names[w.Name] {
			faults = append(faults, invalid("wave %d: give it a name of its own", i+1))
		}
		names[w.Name] = true
		if _, err := time.Parse(time.DateOnly, w.Opens); err != nil {
			faults = append(faults, invalid("wave %s: opens %q is not a day such as 2027-01-11", w.Name, w.Opens))
		}
		if len(w.Schools) == 0 {
			faults = append(faults, invalid("wave %s has no schools", w.Name))
		}
		if i > 0 && len(w.Schools) > 3*len(waves[i-1].Schools) {
			faults = append(faults, invalid("wave %s has %d schools, more than three times the %d of %s", w.Name, len(w.Schools), len(waves[i-1].Schools), waves[i-1].Name))
		}
		for _, school := range w.Schools {
			if in, twice := schools[school]; twice {
				faults = append(faults, invalid("school %s is in %s and in %s", school, in, w.Name))
			}
			schools[school] = w.Name
		}
	}
	return errors.Join(faults...)
}

// Pause halts the next waves until Resume.
func (s *Service) Pause(ctx context.Context, t tenancy.Tenant, by Actor, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		if err := by.leads("pauses"); err != nil {
			return nil, err
		}
		if reason == "" {
			return nil, because{refused("pausing needs a reason"), "reason"}
		}
		if st.Paused {
			return nil, nil
		}
		e := by.event(Paused, s.Now())
		e.Reason = reason
		return []Event{e}, nil
	})
}

// Resume lets waves open again.
func (s *Service) Resume(ctx context.Context, t tenancy.Tenant, by Actor, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		if err := by.leads("resumes"); err != nil {
			return nil, err
		}
		if !st.Paused {
			return nil, nil
		}
		e := by.event(Resumed, s.Now())
		e.Reason = reason
		return []Event{e}, nil
	})
}

// RollBack closes a wave's schools to their people again. Nothing is deleted. The
// process pauses, or the wave would open again by itself. Done again at once, it
// changes nothing.
func (s *Service) RollBack(ctx context.Context, t tenancy.Tenant, by Actor, wave, reason string) (*State, error) {
	return s.decide(ctx, t, func(st *State) ([]Event, error) {
		if err := by.leads("rolls back"); err != nil {
			return nil, err
		}
		if reason == "" {
			return nil, because{refused("rolling back needs a reason"), "reason"}
		}
		e, p := by.event(RolledBack, s.Now()), by.event(Paused, s.Now())
		e.Wave, e.Reason, p.Reason = wave, reason, reason
		if st.before.said(e) && st.last.said(p) {
			return nil, nil
		}
		if !slices.Contains(st.OpenWaves, wave) {
			return nil, invalid("wave %q is not open; open are %v", wave, st.OpenWaves)
		}
		return []Event{e, p}, nil
	})
}

// MayOpen tells why a wave cannot open yet; nothing if it can.
func (s *State) MayOpen(at int, today string) (why string) {
	w := s.Waves[at]
	switch {
	case s.Paused:
		return "paused: " + s.PausedWhy
	case s.Red() > 0:
		return "a gate is red"
	case s.waves() != nil && (s.waves().Last == nil || s.waves().Last.Key == "" && s.waves().Last.Value == ""):
		return "the waves were not compared with the roster's schools yet"
	case at > 0 && !slices.Contains(s.OpenWaves, s.Waves[at-1].Name):
		return "wave " + s.Waves[at-1].Name + " is not open"
	case today < w.Opens:
		return "opens " + w.Opens
	}
	for _, st := range s.Status {
		stage := s.Template.Stages[s.Template.StageAt(st.Stage)]
		if s.Template.StageAt(st.Stage) >= s.pilot() && at == 0 {
			break
		}
		if stage.Opens == OpensAll || st.Kind == Waves || st.Passed() || (at == 0 && st.NeedsOpen) {
			continue
		}
		return st.ID + " is open"
	}
	return ""
}

// Pilot is the first wave and when it opened; ok is false while it is not open.
func (s *State) Pilot() (w Wave, since time.Time, ok bool) {
	if len(s.Waves) == 0 {
		return w, since, false
	}
	since, ok = s.OpenedAt[s.Waves[0].Name]
	return s.Waves[0], since, ok
}

// pilot is the place of the stage that opens the pilot schools.
func (s *State) pilot() int {
	if i := slices.IndexFunc(s.Template.Stages, func(st Stage) bool { return st.Opens == OpensPilot }); i >= 0 {
		return i
	}
	return len(s.Template.Stages)
}

// Advance runs everything that runs by itself: the checks, and the waves whose
// day has come. What is left waits for someone: see State.Due.
func (s *Service) Advance(ctx context.Context, t tenancy.Tenant) (*State, error) {
	if _, err := s.Check(ctx, t, ""); err != nil {
		return nil, err
	}
	for any := false; ; any = true {
		st, opened, err := s.openNext(ctx, t)
		switch {
		case err != nil:
			return nil, err
		case opened:
		case any: // what could not be measured while the schools were closed
			return s.Check(ctx, t, "")
		default:
			return st, nil
		}
	}
}

// openNext opens the next wave if its day has come and nothing is in its way.
func (s *Service) openNext(ctx context.Context, t tenancy.Tenant) (st *State, opened bool, err error) {
	today := s.Now().In(helsinki).Format(time.DateOnly)
	st, err = s.decide(ctx, t, func(st *State) ([]Event, error) {
		w, at, ok := st.NextWave()
		if opened = ok && st.MayOpen(at, today) == ""; !opened {
			return nil, nil
		}
		e := Actor{Account: "digione", Side: System}.event(Opened, s.Now())
		e.Wave = w.Name
		return []Event{e}, nil
	})
	return st, opened, err
}

var helsinki = func() *time.Location {
	l, err := time.LoadLocation("Europe/Helsinki")
	if err != nil {
		return time.FixedZone("Helsinki", 2*60*60)
	}
	return l
}()
