// Package onboarding is joining as its people see it: the measurements that look
// at a tenant's real data, the operators' board and the municipality's own page.
// The process itself is internal/tenancy/joining.
package onboarding

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/app/identity"
	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
	"digione/internal/tenancy/transfer"
)

// Facts measures tenants. DB reads their data, Operator examines the installation.
type Facts struct {
	DB       *tenancy.DB
	Operator *tenancy.Operator
	Version  string
	HTTP     http.RoundTripper // asks sign-in providers; nil is the usual one
	Now      func() time.Time

	certificate sync.Once
	violations  int
	broken      error
}

// How far measurements look where the template does not say it.
const (
	signInDays = 14 // that a test sign-in may be ago
	pilotDays  = 10 // school days that the pilot takes
	drillDays  = 90 // that a restore drill may be ago
)

// window is how many days a requirement is looked at.
func window(r joining.Status, usual int) int {
	if r.Window > 0 {
		return r.Window
	}
	return usual
}

// Checks are the measurements that templates may name.
func (f *Facts) Checks() map[string]joining.Measure {
	out := f.ServedChecks()
	out["doctor"], out["restore-drill"], out["isolation"] = f.doctor, f.drill, f.isolation
	return out
}

// ServedChecks are those of them that need no operator's login to the database: a
// served program runs them too.
func (f *Facts) ServedChecks() map[string]joining.Measure {
	return map[string]joining.Measure{
		"provider":        f.provider,
		"staff-sign-in":   f.signedIn(func(x identity.Facts) int { return x.Staff }, "staff"),
		"learner-sign-in": f.signedIn(func(x identity.Facts) int { return x.Learners }, "learners"),
		"schools":         f.schools,
		"school-year":     f.schoolYear,
		"principals":      f.principals,
		"groups":          f.groups,
		"roster":          f.roster,
		"duplicates":      f.duplicates,
		"references":      f.references,
		"required-fields": f.required,
		"thresholds":      f.thresholds,
		"counts":          f.counts,
		"sign-in-success": f.success,
		"guardian-reach":  f.reach,
		"attendance":      absent("noattendance"),
		joining.Waves:     f.waves,
	}
}

// absent is the measurement of what DigiOne does not have.
func absent(key string) joining.Measure {
	return func(context.Context, tenancy.Tenant, joining.Status, *joining.State) (joining.Measurement, error) {
		m := found(key)
		m.Absent = true
		return m, nil
	}
}

// found is what a check found while there is nothing to judge by, as a sentence of the
// catalogue: in English for the log and the command line, with what a page needs to say
// it in another language. A day stands in it as time.DateOnly, a moment as time.RFC3339.
func found(key string, args ...any) joining.Measurement {
	m := joining.Measurement{Key: key, Args: make([]string, len(args))}
	for i, a := range args {
		m.Args[i] = fmt.Sprint(a)
	}
	m.Value = say(i18n.En, m)
	return m
}

// say writes a measurement in a language.
func say(l i18n.Lang, m joining.Measurement) string {
	if m.Key == "" {
		return m.Value
	}
	var args []any
	for i, a := range m.Args {
		args = append(args, string(rune('A'+i)), written(l, a))
	}
	return l.T("onboarding.found."+m.Key, args...)
}

// written writes a day or a moment as the language does; the other two forms stand in
// events of former versions.
func written(l i18n.Lang, a string) string {
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(form, a, i18n.Zone); err == nil {
			return l.DateTime(at)
		}
	}
	if day, ok := dayIn(a); ok {
		return l.Date(day)
	}
	return a
}

func dayIn(a string) (time.Time, bool) {
	for _, form := range []string{time.DateOnly, "2.1.2006"} {
		if day, err := time.Parse(form, a); err == nil {
			return day, true
		}
	}
	return time.Time{}, false
}

func measured(ok bool, next, key string, args ...any) joining.Measurement {
	m := found(key, args...)
	if m.OK, m.Measurable = ok, true; !ok {
		m.Next = next
	}
	return m
}

func (f *Facts) doctor(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	list, err := f.Operator.Doctor(ctx, t.Slug)
	if err != nil {
		return joining.Measurement{}, err
	}
	var bad []string
	for _, d := range list {
		if !d.OK {
			bad = append(bad, d.Check)
		}
	}
	return measured(len(bad) == 0, "tenantctl doctor "+t.Slug, "doctor", len(list)-len(bad), len(list), listed(bad)), nil
}

func listed(names []string) string {
	if len(names) == 0 {
		return ""
	}
	if len(names) > 3 {
		return ": " + strings.Join(names[:3], ", ") + fmt.Sprintf(" … (+%d)", len(names)-3)
	}
	return ": " + strings.Join(names, ", ")
}

// read runs g inside the tenant.
func read[T any](ctx context.Context, f *Facts, t tenancy.Tenant, g func(tenancy.Read) (T, error)) (out T, err error) {
	err = f.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		out, err = g(tx)
		return err
	})
	return out, err
}

func (f *Facts) people(ctx context.Context, t tenancy.Tenant, since time.Time) (identity.Facts, error) {
	return read(ctx, f, t, func(tx tenancy.Read) (identity.Facts, error) {
		return identity.ReadFacts(ctx, tx, i18n.Day(f.Now()), since)
	})
}

// provider asks each of the tenant's providers for what a sign-in needs of it.
func (f *Facts) provider(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	facts, err := f.people(ctx, t, f.Now())
	if err != nil {
		return joining.Measurement{}, err
	}
	next := "tenantctl tenant provider " + t.Slug + " --help"
	if len(facts.Issuers) == 0 {
		m := found("noprovider")
		m.Next = next
		return m, nil
	}
	var silent []string
	for _, issuer := range facts.Issuers {
		if err := f.probe(ctx, issuer); err != nil {
			silent, next = append(silent, issuer), err.Error()
		}
	}
	return measured(len(silent) == 0, next, "provider", len(facts.Issuers)-len(silent), len(facts.Issuers), listed(silent)), nil
}

func (f *Facts) probe(ctx context.Context, issuer string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return identity.Probe(ctx, f.HTTP, issuer)
}

func (f *Facts) signedIn(count func(identity.Facts) int, who string) joining.Measure {
	return func(ctx context.Context, t tenancy.Tenant, r joining.Status, _ *joining.State) (joining.Measurement, error) {
		days := window(r, signInDays)
		since := f.Now().AddDate(0, 0, -days)
		if r.Since.After(since) { // what was before it was asked is no test of it
			since = r.Since
		}
		facts, err := f.people(ctx, t, since)
		if err != nil {
			return joining.Measurement{}, err
		}
		n := count(facts)
		if float64(n) < r.Limit || n == 0 { // too few have tried: that is no fault, only not yet done
			return found("no"+who, days), nil
		}
		return measured(true, "", who+"in", days), nil
	}
}

func (f *Facts) org(ctx context.Context, t tenancy.Tenant) (org.Facts, error) {
	return read(ctx, f, t, func(tx tenancy.Read) (org.Facts, error) { return org.ReadFacts(ctx, tx, i18n.Day(f.Now())) })
}

func (f *Facts) schools(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noschools"), err
	}
	return measured(o.Identified == o.Schools, "give each school its code or OID in orgs.csv (identifier)", "schools", o.Identified, o.Schools), nil
}

func (f *Facts) schoolYear(ctx context.Context, t tenancy.Tenant, r joining.Status, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noterms"), err
	}
	return measured(float64(o.Terms) >= r.Limit, "deliver academicSessions.csv with the present school year", "terms", o.Terms), nil
}

func (f *Facts) principals(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noschools"), err
	}
	return measured(len(o.WithoutHead) == 0, "deliver the principals in roles.csv or users.csv", "principals",
		o.Schools-len(o.WithoutHead), o.Schools, listed(o.WithoutHead)), nil
}

func (f *Facts) groups(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noschools"), err
	}
	return measured(len(o.WithoutAny) == 0, "deliver the groups in classes.csv", "groups",
		o.Schools-len(o.WithoutAny), o.Schools, listed(o.WithoutAny)), nil
}

// waves compares the waves with the schools that there are: each must be in one, and
// what is still to be opened must be there. A school that an open wave names may have
// been closed since.
func (f *Facts) waves(ctx context.Context, t tenancy.Tenant, _ joining.Status, s *joining.State) (joining.Measurement, error) {
	refs, err := read(ctx, f, t, func(tx tenancy.Read) ([]org.SchoolRef, error) { return org.SchoolRefs(ctx, tx) })
	switch {
	case err != nil:
		return joining.Measurement{}, err
	case len(s.Waves) == 0:
		return found("nowaves"), nil
	case len(refs) == 0:
		return found("noschools"), nil
	}
	named, coming := map[string]bool{}, map[string]bool{}
	for _, w := range s.Waves {
		for _, school := range w.Schools {
			if named[school] = true; !slices.Contains(s.OpenWaves, w.Name) {
				coming[school] = true
			}
		}
	}
	var outside []string
	for _, ref := range refs {
		if !named[ref.SourcedID] {
			outside = append(outside, ref.Name)
		}
		delete(coming, ref.SourcedID)
	}
	next := "mend the waves in the manifest: settings.joining.waves; then: tenantctl join advance " + t.Slug
	switch unknown := slices.Sorted(maps.Keys(coming)); {
	case len(unknown) > 0:
		return measured(false, next, "wavesunknown", len(unknown), listed(unknown)), nil
	case len(outside) > 0:
		m := found("wavesmissing", len(outside), len(refs), listed(outside))
		m.Next = next
		return m, nil
	}
	return measured(true, "", "waves", len(s.Waves), len(refs)), nil
}

func (f *Facts) rosterFacts(ctx context.Context, t tenancy.Tenant) (roster.Facts, error) {
	return read(ctx, f, t, func(tx tenancy.Read) (roster.Facts, error) { return roster.ReadFacts(ctx, tx) })
}

func (f *Facts) references(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	r, err := f.rosterFacts(ctx, t)
	if err != nil || !r.Applied {
		return found("noroster"), err
	}
	return measured(r.Dangling == 0, "send the missing rows, or correct the references: tenantctl roster history "+t.Slug, "references", r.Dangling), nil
}

func (f *Facts) required(ctx context.Context, t tenancy.Tenant, r joining.Status, _ *joining.State) (joining.Measurement, error) {
	x, err := f.rosterFacts(ctx, t)
	if err != nil || !x.Applied {
		return found("noroster"), err
	}
	most := int(r.Limit * float64(x.Rows))
	return measured(x.Missing <= most, "deliver the missing values: tenantctl roster history "+t.Slug, "required", x.Missing, x.Rows, most), nil
}

func (f *Facts) thresholds(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	r, err := f.rosterFacts(ctx, t)
	if err != nil || !r.Applied {
		return found("noroster"), err
	}
	if r.Over == 0 {
		return measured(true, "", "thresholds"), nil
	}
	return measured(r.Approved, "let another person approve the next import that is held", "thresholdsover", r.Over), nil
}

func (f *Facts) roster(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	r, err := f.rosterFacts(ctx, t)
	if err != nil || !r.Applied {
		m := found("noroster")
		m.Next = "tenantctl roster import " + t.Slug + " FILE --initial"
		return m, err
	}
	return measured(r.Errors == 0 && r.Held == 0, "tenantctl roster history "+t.Slug, "roster",
		r.AppliedAt.Format(time.RFC3339), r.Errors, r.Held), nil
}

func (f *Facts) duplicates(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	r, err := f.rosterFacts(ctx, t)
	if err != nil || !r.Applied {
		return found("noroster"), err
	}
	n, err := read(ctx, f, t, func(tx tenancy.Read) (int, error) { return people.SharedNumbers(ctx, tx) })
	return measured(n == 0, "tenantctl roster reviews "+t.Slug, "duplicates", n), err
}

// counts compares with what the municipality declared in its manifest.
func (f *Facts) counts(ctx context.Context, t tenancy.Tenant, r joining.Status, _ *joining.State) (joining.Measurement, error) {
	d := t.Settings.Declared
	o, err := f.org(ctx, t)
	if err != nil {
		return joining.Measurement{}, err
	}
	if o.Schools == 0 {
		return found("noroster"), nil
	}
	p, err := f.people(ctx, t, f.Now())
	if err != nil {
		return joining.Measurement{}, err
	}
	if d.Learners == 0 && d.Schools == 0 {
		m := found("undeclared", o.Schools, p.AllLearners)
		m.Next = "write settings.declared into the manifest: schools and learners"
		return m, nil
	}
	off := func(have, want int) bool {
		return want > 0 && math.Abs(float64(have-want)) > r.Limit*float64(want)
	}
	return measured(!off(o.Schools, d.Schools) && !off(p.AllLearners, d.Learners), "mend the roster, or the declared counts in the manifest",
		"counts", o.Schools, d.Schools, p.AllLearners, d.Learners), nil
}

// pilot is what the pilot has shown: its sign-ins on the last of the school days that
// it must take, and how many of them are over. It begins when the pilot schools open,
// and anew when it is reopened.
type pilot struct {
	identity.Pilot
	days, of int
}

func (f *Facts) pilot(ctx context.Context, t tenancy.Tenant, r joining.Status, s *joining.State) (p pilot, open bool, err error) {
	wave, since, open := s.Pilot()
	if !open {
		return p, false, nil
	}
	if r.Since.After(since) {
		since = r.Since
	}
	today := i18n.Day(f.Now())
	p, err = read(ctx, f, t, func(tx tenancy.Read) (pilot, error) {
		days, err := org.SchoolDays(ctx, tx, i18n.Day(since), today)
		if err != nil {
			return pilot{}, err
		}
		of := window(r, pilotDays)
		days = days[max(0, len(days)-of):]
		x, err := identity.ReadPilot(ctx, tx, today, wave.Schools, since, days)
		return pilot{x, len(days), of}, err
	})
	return p, true, err
}

func (f *Facts) success(ctx context.Context, t tenancy.Tenant, r joining.Status, s *joining.State) (joining.Measurement, error) {
	p, open, err := f.pilot(ctx, t, r, s)
	switch {
	case err != nil || !open || p.days == p.of && p.Staff == 0:
		return found("nopilot"), err
	case p.days < p.of:
		return found("pilotdays", p.days, p.of, p.Staff, p.Refused), nil
	}
	rate := float64(p.Staff) / float64(p.Staff+p.Refused)
	return measured(rate >= r.Limit, "see why sign-ins are refused: the audit events of the tenant", "staffsuccess",
		percent(rate), p.Staff, percent(r.Limit), p.of, p.Refused), nil
}

func (f *Facts) reach(ctx context.Context, t tenancy.Tenant, r joining.Status, s *joining.State) (joining.Measurement, error) {
	p, open, err := f.pilot(ctx, t, r, s)
	switch {
	case err != nil || !open || p.AllGuardians == 0:
		return found("noguardians"), err
	case p.days < p.of:
		return found("reachdays", p.days, p.of, p.Guardians, p.AllGuardians), nil
	}
	rate := float64(p.Guardians) / float64(p.AllGuardians)
	return measured(rate >= r.Limit, "write to the guardians who have not signed in", "reach",
		percent(rate), p.AllGuardians, percent(r.Limit)), nil
}

func percent(share float64) string { return strconv.Itoa(int(math.Floor(100 * share))) }

func (f *Facts) drill(ctx context.Context, t tenancy.Tenant, r joining.Status, _ *joining.State) (joining.Measurement, error) {
	next := "tenantctl tenant drill " + t.Slug
	d, ok, err := transfer.LastDrill(ctx, f.Operator, t.ID)
	if err != nil || !ok || d.At.Before(f.Now().AddDate(0, 0, -window(r, drillDays))) {
		m := found("nodrill")
		m.Next = next
		return m, err
	}
	return measured(d.OK, next, "drill", i18n.Day(d.At).Format(time.DateOnly), d.Rows, math.Ceil(d.Seconds)), nil
}

// drilled tells whether a tenant's last drill that was measured passed, and is no
// older than the template allows. What somebody said or waived is no drill.
func drilled(s *joining.State, today time.Time) bool {
	i := slices.IndexFunc(s.Status, func(st joining.Status) bool { return st.Check == "restore-drill" })
	if i < 0 || s.Status[i].Last == nil || !s.Status[i].Last.OK || len(s.Status[i].Last.Args) == 0 {
		return false
	}
	day, ok := dayIn(s.Status[i].Last.Args[0])
	return ok && !day.Before(today.AddDate(0, 0, -window(s.Status[i], drillDays)))
}

// isolation proves the whole installation once for all tenants of a run.
func (f *Facts) isolation(ctx context.Context, t tenancy.Tenant, _ joining.Status, _ *joining.State) (joining.Measurement, error) {
	f.certificate.Do(func() {
		c, err := f.Operator.VerifyIsolation(ctx, f.Version)
		if f.broken = err; err == nil {
			f.violations = len(c.Violations)
		}
	})
	if f.broken != nil {
		return joining.Measurement{}, f.broken
	}
	return measured(f.violations == 0, "tenantctl verify isolation", "isolation", f.violations), nil
}
