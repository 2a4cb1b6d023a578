package onboarding

import (
	"context"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

// Service returns the process with its measurements, as an operator runs it.
func Service(db *tenancy.DB, o *tenancy.Operator, version string) (*joining.Service, error) {
	templates, err := joining.BuiltIn()
	if err != nil {
		return nil, err
	}
	f := &Facts{DB: db, Operator: o, Version: version, Now: time.Now}
	return &joining.Service{Log: joining.Postgres(o.Control()), Templates: templates, Checks: f.Checks(), Now: time.Now}, nil
}

// Served returns the process as a served program has it: it reads and appends to the
// log, and measures what needs no operator's login to the database.
func Served(db *tenancy.DB, now func() time.Time) *joining.Service {
	templates, err := joining.BuiltIn()
	if err != nil {
		panic(err) // the files are part of the program
	}
	if now == nil {
		now = time.Now
	}
	return &joining.Service{Log: joining.Through(func() (joining.DB, error) {
		desk, err := db.Desk()
		if err != nil {
			return nil, err
		}
		return desk.Control(), nil
	}), Templates: templates, Checks: (&Facts{DB: db, Now: now}).ServedChecks(), Partly: true, Now: now}
}

// Plan takes the waves of schools from a tenant's manifest, where it names any.
func Plan(ctx context.Context, s *joining.Service, t tenancy.Tenant, by joining.Actor) error {
	var waves []joining.Wave
	for _, w := range t.Settings.Joining.Waves {
		waves = append(waves, joining.Wave{Name: w.Name, Opens: w.Opens, Schools: w.Schools})
	}
	if len(waves) == 0 {
		return nil
	}
	_, err := s.Plan(ctx, t, by, waves)
	return err
}

// Today is the calendar day in Finland.
func Today(now time.Time) time.Time { return i18n.Day(now) }
