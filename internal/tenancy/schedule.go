package tenancy

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Schedule says when packages that a municipality's system has delivered are brought
// in by themselves; the zero one says never.
type Schedule struct {
	// From and Until are times of day in Finland, as 02:00; Until may lie in the next day.
	From  string `json:"from,omitempty" yaml:"from"`
	Until string `json:"until,omitempty" yaml:"until"`
	// Days are those on which From lies: mon … sun; none are all.
	Days []string `json:"days,omitempty" yaml:"days"`
	// Lenient and NoDelete are the choices of roster import.
	Lenient  bool `json:"lenient,omitempty" yaml:"lenient"`
	NoDelete bool `json:"no_delete,omitempty" yaml:"no_delete"`
}

var (
	clockTime = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	weekdays  = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// Set tells whether anything is brought in by itself.
func (s Schedule) Set() bool { return s.From != "" }

// check returns every fault.
func (s Schedule) check() (faults []error) {
	if !s.Set() && s.Until == "" && len(s.Days) == 0 {
		if s.Lenient || s.NoDelete {
			faults = append(faults, fmt.Errorf("settings.roster.schedule.from is missing: use a time of day, such as 02:00"))
		}
		return faults
	}
	for _, f := range [][2]string{{"from", s.From}, {"until", s.Until}} {
		if !clockTime.MatchString(f[1]) {
			faults = append(faults, fmt.Errorf("settings.roster.schedule.%s %q: use a time of day in quotes, such as \"02:00\"", f[0], f[1]))
		}
	}
	if len(faults) == 0 && s.From == s.Until {
		faults = append(faults, fmt.Errorf("settings.roster.schedule.until %q: use another time than from", s.Until))
	}
	for _, d := range s.Days {
		if !slices.Contains(weekdays, d) {
			faults = append(faults, fmt.Errorf("settings.roster.schedule.days %q: use mon, tue, wed, thu, fri, sat, sun", d))
		}
	}
	return faults
}

// window returns the span that begins on the day of a moment, which is in the
// schedule's own zone; ok is false on days without one.
func (s Schedule) window(day time.Time) (from, until time.Time, ok bool) {
	if !s.Set() || len(s.Days) > 0 && !slices.Contains(s.Days, weekdays[day.Weekday()]) {
		return from, until, false
	}
	at := func(clock string, days int) time.Time {
		t, _ := time.Parse("15:04", clock)
		return time.Date(day.Year(), day.Month(), day.Day()+days, t.Hour(), t.Minute(), 0, 0, day.Location())
	}
	from, until = at(s.From, 0), at(s.Until, 0)
	if s.Until < s.From {
		until = at(s.Until, 1)
	}
	if !from.Before(until) { // the hour that the clocks leave out in spring
		from = from.Add(-time.Hour)
	}
	return from, until, true
}

// Open tells whether packages are brought in at a moment. Times of day are those of
// the moment's own zone.
func (s Schedule) Open(at time.Time) bool {
	for back := range 2 {
		if from, until, ok := s.window(at.AddDate(0, 0, -back)); ok && !at.Before(from) && at.Before(until) {
			return true
		}
	}
	return false
}

// Promised returns the begin of the last span that was over at a moment and that
// free does not call free of imports: a roster from before it is older than the
// schedule promises. ok is false when there was none within eight days.
func (s Schedule) Promised(at time.Time, free func(time.Time) bool) (from time.Time, ok bool) {
	for back := range 9 {
		from, until, found := s.window(at.AddDate(0, 0, -back))
		if found && !until.After(at) && !free(from) {
			return from, true
		}
	}
	return time.Time{}, false
}

// Closed returns the blackout that a moment lies in. MM-DD windows hold every year and
// may run over new year, hours every day and may run over midnight; days and hours are
// those of the moment's own zone.
func (s RosterSettings) Closed(at time.Time) (Window, bool) {
	for _, w := range s.Blackout {
		now := at.Format(time.DateOnly)
		switch {
		case w.Hours():
			now = at.Format("15:04")
			if now == w.To {
				continue
			}
		case len(w.From) == len("01-02"):
			now = now[5:]
		}
		if w.From <= w.To && w.From <= now && now <= w.To || w.From > w.To && (now >= w.From || now <= w.To) {
			return w, true
		}
	}
	return Window{}, false
}

// Late tells whether a roster that was brought in at a moment is older, now, than the
// schedule promises.
func (s RosterSettings) Late(fresh, now time.Time) bool {
	from, ok := s.Schedule.Promised(now, func(at time.Time) bool { _, closed := s.Closed(at); return closed })
	return ok && fresh.Before(from)
}
