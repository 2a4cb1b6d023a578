// Package generate makes rosters of Finnish municipalities that do not exist:
// schools, learners, guardians and staff as OneRoster, for demonstrations, tests
// and load. One seed gives one roster, byte for byte. Nobody in it is real: names
// are drawn from lists, identity codes are from the numbers kept for tests, and
// addresses end in .example. It writes no table and knows no tenant's data.
//
// Grades are two digits: "01" … "09" are the years of basic education, "10" …
// "12" the first to third year of the lukio.
package generate

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
)

// Spec says what to make. Equal specs give equal files.
type Spec struct {
	Tenant           string // slug, begins every sourcedId
	MunicipalityCode string // three digits
	NameFi, NameSv   string // NameSv is empty where there is only Finnish
	Learners         int
	Seed             uint64
	SchoolYear       int               // in which the year ends: 2026 is 2025-2026
	Mutate           float64           // share of learners and guardians who change in a night, .02 is 2 %
	Night            int               // how many such nights have passed
	Version          oneroster.Variant // 1.2.1 when empty
	Elsewhere        *Elsewhere        // one guardian is shared with another roster
}

// Summary is what was written.
type Summary struct {
	Rows    map[oneroster.Type]int64 `json:"rows"`
	Schools int                      `json:"schools"`
	Changes Changes                  `json:"changes"`
}

const (
	leastLearners = 10
	mostLearners  = 250_000
	mostNights    = 400
)

var (
	slug     = regexp.MustCompile(`^[a-z][a-z0-9-]{1,40}$`)
	kuntaNro = regexp.MustCompile(`^[0-9]{3}$`)
)

// Validate returns every fault of the spec in one error.
func (s Spec) Validate() error {
	var faults []string
	wrong := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	wrong(!slug.MatchString(s.Tenant), "tenant %q: want small letters, such as vantaa", s.Tenant)
	wrong(!kuntaNro.MatchString(s.MunicipalityCode), "municipality code %q: want three digits, such as 092", s.MunicipalityCode)
	wrong(s.NameFi == "", "no Finnish name: want one, such as Vantaa")
	wrong(s.Learners < leastLearners || s.Learners > mostLearners, "learners %d: want %d to %d", s.Learners, leastLearners, mostLearners)
	wrong(s.SchoolYear < 2020 || s.SchoolYear > 2100, "school year %d: want the year in which it ends, such as 2026", s.SchoolYear)
	wrong(!(s.Mutate >= 0 && s.Mutate <= .5), "mutate %g: want 0 to 0.5, such as 0.02", s.Mutate)
	wrong(s.Night < 0 || s.Night > mostNights, "night %d: want 0 to %d", s.Night, mostNights)
	wrong(s.Version != "" && s.Version != oneroster.V121 && s.Version != oneroster.V12Final, "version %q: want %q or %q", s.Version, oneroster.V121, oneroster.V12Final)
	if faults == nil {
		return nil
	}
	return fault.New(fault.Invalid, "roster.generate.error.spec", "%s", strings.Join(faults, "; "))
}

// Write makes the roster and writes it as a bulk package. The rows are made one
// at a time: memory grows with the people, not with the file.
func Write(ctx context.Context, out io.Writer, spec Spec) (Summary, error) {
	if err := spec.Validate(); err != nil {
		return Summary{}, err
	}
	w := newWorld(spec)
	sum := Summary{Rows: map[oneroster.Type]int64{}, Schools: len(w.schools), Changes: w.changes}
	if err := w.write(ctx, out, sum.Rows); err != nil {
		return Summary{}, fmt.Errorf("write roster: %w", err)
	}
	return sum, nil
}
