// Package onboarding is joining as its people see it: the measurements that look
// at a tenant's real data, the operators' board and the municipality's own page.
// The process itself is internal/tenancy/joining.
package onboarding

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
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
	HTTP     *http.Client // asks sign-in providers for their discovery document
	Now      func() time.Time

	certificate sync.Once
	violations  int
	pairs       int64
	broken      error
}

// signInDays is how long ago a test sign-in may be, pilotDays how long the
// pilot's rates are looked at.
const (
	signInDays = 14
	pilotDays  = 14 // ten school days
)

// Checks are the measurements that templates may name.
func (f *Facts) Checks() map[string]joining.Measure {
	return map[string]joining.Measure{
		"doctor":          f.doctor,
		"provider":        f.provider,
		"staff-sign-in":   f.signedIn(func(x identity.Facts) int { return x.Staff }, "staff"),
		"learner-sign-in": f.signedIn(func(x identity.Facts) int { return x.Learners }, "learners"),
		"schools":         f.schools,
		"school-year":     f.schoolYear,
		"principals":      f.principals,
		"roster":          f.roster,
		"duplicates":      f.duplicates,
		"counts":          f.counts,
		"sign-in-success": f.success,
		"guardian-reach":  f.reach,
		"attendance":      notYet("noattendance"),
		"restore-drill":   f.drill,
		"isolation":       f.isolation,
	}
}

func notYet(key string) joining.Measure {
	return func(context.Context, tenancy.Tenant, joining.Requirement, *joining.State) (joining.Measurement, error) {
		return found(key), nil
	}
}

// found is what a check found, as a sentence of the catalogue: in English for the
// log and the command line, with what a page needs to say it in another language.
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
		args = append(args, string(rune('A'+i)), a)
	}
	return l.T("onboarding.found."+m.Key, args...)
}

func measured(ok bool, next, key string, args ...any) joining.Measurement {
	m := found(key, args...)
	if m.OK, m.Measurable = ok, true; !ok {
		m.Next = next
	}
	return m
}

func (f *Facts) doctor(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
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
		names = append(names[:3:3], fmt.Sprintf("%d more", len(names)-3))
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

func (f *Facts) people(ctx context.Context, t tenancy.Tenant, days int) (identity.Facts, error) {
	return read(ctx, f, t, func(tx tenancy.Read) (identity.Facts, error) {
		return identity.ReadFacts(ctx, tx, i18n.Day(f.Now()), f.Now().AddDate(0, 0, -days))
	})
}

// provider asks each of the tenant's providers for its discovery document.
func (f *Facts) provider(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	facts, err := f.people(ctx, t, signInDays)
	if err != nil {
		return joining.Measurement{}, err
	}
	next := "tenantctl tenant provider " + t.Slug + " --help"
	if len(facts.Issuers) == 0 {
		return measured(false, next, "noprovider"), nil
	}
	var silent []string
	for _, issuer := range facts.Issuers {
		if err := f.discover(ctx, issuer); err != nil {
			silent = append(silent, issuer)
		}
	}
	return measured(len(silent) == 0, next, "provider", len(facts.Issuers)-len(silent), len(facts.Issuers), listed(silent)), nil
}

func (f *Facts) discover(ctx context.Context, issuer string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	client := f.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(rq)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), `"jwks_uri"`) {
		return fmt.Errorf("status %d", answer.StatusCode)
	}
	return nil
}

func (f *Facts) signedIn(count func(identity.Facts) int, who string) joining.Measure {
	return func(ctx context.Context, t tenancy.Tenant, r joining.Requirement, _ *joining.State) (joining.Measurement, error) {
		facts, err := f.people(ctx, t, signInDays)
		if err != nil {
			return joining.Measurement{}, err
		}
		n := count(facts)
		if n == 0 { // nobody has tried: that is no fault, only not yet done
			return found("no"+who, signInDays), nil
		}
		return measured(float64(n) >= r.Limit, "", who, n, signInDays), nil
	}
}

func (f *Facts) org(ctx context.Context, t tenancy.Tenant) (org.Facts, error) {
	return read(ctx, f, t, func(tx tenancy.Read) (org.Facts, error) { return org.ReadFacts(ctx, tx, i18n.Day(f.Now())) })
}

func (f *Facts) schools(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noschools"), err
	}
	return measured(o.Identified == o.Schools, "give each school its code or OID in orgs.csv (identifier)", "schools", o.Identified, o.Schools), nil
}

func (f *Facts) schoolYear(ctx context.Context, t tenancy.Tenant, r joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noterms"), err
	}
	return measured(float64(o.Terms) >= r.Limit, "deliver academicSessions.csv with the present school year", "terms", o.Terms), nil
}

func (f *Facts) principals(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	o, err := f.org(ctx, t)
	if err != nil || o.Schools == 0 {
		return found("noschools"), err
	}
	return measured(len(o.WithoutHead) == 0, "deliver the principals in roles.csv or users.csv", "principals",
		o.Schools-len(o.WithoutHead), o.Schools, listed(o.WithoutHead)), nil
}

func (f *Facts) roster(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	r, err := read(ctx, f, t, func(tx tenancy.Read) (roster.Facts, error) { return roster.ReadFacts(ctx, tx) })
	if err != nil || !r.Applied {
		m := found("noroster")
		m.Next = "tenantctl roster import " + t.Slug + " FILE --initial"
		return m, err
	}
	return measured(r.Errors == 0 && r.Held == 0, "tenantctl roster history "+t.Slug, "roster",
		r.AppliedAt.In(i18n.Zone).Format("2006-01-02 15:04"), r.Errors, r.Held), nil
}

func (f *Facts) duplicates(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	r, err := read(ctx, f, t, func(tx tenancy.Read) (roster.Facts, error) { return roster.ReadFacts(ctx, tx) })
	if err != nil || !r.Applied {
		return found("noroster"), err
	}
	n, err := read(ctx, f, t, func(tx tenancy.Read) (int, error) { return people.SharedNumbers(ctx, tx) })
	return measured(n == 0, "tenantctl roster reviews "+t.Slug, "duplicates", n), err
}

// counts compares with what the municipality declared in its manifest.
func (f *Facts) counts(ctx context.Context, t tenancy.Tenant, r joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	d := t.Settings.Declared
	o, err := f.org(ctx, t)
	if err != nil {
		return joining.Measurement{}, err
	}
	if o.Schools == 0 {
		return found("noroster"), nil
	}
	p, err := f.people(ctx, t, signInDays)
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

func (f *Facts) success(ctx context.Context, t tenancy.Tenant, r joining.Requirement, s *joining.State) (joining.Measurement, error) {
	p, err := f.people(ctx, t, pilotDays)
	if err != nil || len(s.OpenWaves) == 0 || p.Entered+p.TurnedOut == 0 {
		return found("nopilot"), err
	}
	rate := float64(p.Entered) / float64(p.Entered+p.TurnedOut)
	return measured(rate >= r.Limit, "see why sign-ins are refused: the audit events of the tenant", "success",
		percent(rate), p.Entered+p.TurnedOut, percent(r.Limit)), nil
}

func (f *Facts) reach(ctx context.Context, t tenancy.Tenant, r joining.Requirement, s *joining.State) (joining.Measurement, error) {
	if err := f.DB.Refresh(ctx); err != nil { // a wave may have opened a moment ago
		return joining.Measurement{}, err
	}
	p, err := f.people(ctx, t, 365)
	if err != nil || len(s.OpenWaves) == 0 || p.AllGuardians == 0 {
		return found("noguardians"), err
	}
	if p.Guardians == 0 {
		return found("noguardian", p.AllGuardians), nil
	}
	rate := float64(p.Guardians) / float64(p.AllGuardians)
	return measured(rate >= r.Limit, "write to the guardians who have not signed in", "reach",
		percent(rate), p.AllGuardians, percent(r.Limit)), nil
}

func percent(share float64) string { return strconv.Itoa(int(math.Floor(100 * share))) }

// drillDays is how old a restore drill may be.
const drillDays = 90

func (f *Facts) drill(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	next := "tenantctl tenant drill " + t.Slug
	d, ok, err := transfer.LastDrill(ctx, f.Operator, t.ID)
	if err != nil || !ok || f.Now().Sub(d.At) > drillDays*24*time.Hour {
		m := found("nodrill")
		m.Next = next
		return m, err
	}
	return measured(d.OK, next, "drill", d.At.In(i18n.Zone).Format("2.1.2006"), d.Rows, strconv.FormatFloat(d.Seconds, 'f', 1, 64)), nil
}

// isolation proves the whole installation once for all tenants of a run.
func (f *Facts) isolation(ctx context.Context, t tenancy.Tenant, _ joining.Requirement, _ *joining.State) (joining.Measurement, error) {
	f.certificate.Do(func() {
		c, err := f.Operator.VerifyIsolation(ctx, f.Version)
		if f.broken = err; err == nil {
			f.pairs, f.violations = c.Pairs, len(c.Violations)
		}
	})
	if f.broken != nil {
		return joining.Measurement{}, f.broken
	}
	return measured(f.violations == 0, "tenantctl verify isolation", "isolation", f.violations, f.pairs), nil
}
