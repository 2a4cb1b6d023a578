package onboarding

import (
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

// Today is the calendar day in Finland.
func Today(now time.Time) time.Time { return i18n.Day(now) }
