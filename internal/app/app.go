// Package app puts the features together into the one application that serves
// every tenant.
package app

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/family"
	"digione/internal/app/home"
	"digione/internal/app/identity"
	"digione/internal/app/jobs"
	"digione/internal/app/leaving"
	"digione/internal/app/mail"
	"digione/internal/app/merge"
	"digione/internal/app/objects"
	"digione/internal/app/onboarding"
	"digione/internal/app/operators"
	"digione/internal/app/org"
	"digione/internal/app/oversight"
	"digione/internal/app/people"
	"digione/internal/app/rights"
	"digione/internal/app/roster"
	"digione/internal/app/statement"
	"digione/internal/app/support"
	"digione/internal/app/web"
	"digione/internal/app/web/metrics"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Config is what the application needs. DB and Keyset must be given.
type Config struct {
	DB             *tenancy.DB
	Keyset         func(tenancy.Tenant) (*keys.Keyset, error)
	Objects        objects.Store // where people's files are kept
	TLS            bool
	TrustedProxies []netip.Prefix
	Sessions       identity.Limits
	Operators      Operators
	Family         Family
	Mail           mail.Server      // without an address nobody is written to
	Now            func() time.Time // nil is time.Now
	Log            *slog.Logger
	Ready          func(context.Context) error
}

// Operators says where the operators' own site is, and by which provider they sign
// in there. Without a host there is none; without an issuer nobody gets in.
type Operators struct{ Host, Issuer, ClientID, Secret string }

// Family says the same of the guardians' own site. Its provider vouches for a hetu.
type Family struct{ Host, Issuer, ClientID, Secret string }

// App is the application: Router serves people, and operators and guardians at their own hosts;
// Metrics serves those who watch over it.
type App struct {
	Router    *web.Router
	Operators *operators.Site
	Family    *family.Site
	Rosters   *roster.Desk // what runs for people in the background; shut it down last
	Metrics   http.Handler
	Jobs      *jobs.Runner // what runs by itself, once it is run
}

// New wires the features into the router.
func New(cfg Config) *App {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	m := metrics.New()
	sessions := identity.NewSessions(cfg.DB, cfg.Sessions)
	households := family.Config{DB: cfg.DB, Keys: cfg.Keyset, Host: cfg.Family.Host, Issuer: cfg.Family.Issuer, ClientID: cfg.Family.ClientID,
		Secret: cfg.Family.Secret, Limits: identity.Limits{Idle: cfg.Sessions.Idle, Absolute: cfg.Sessions.Absolute}, TLS: cfg.TLS,
		TrustedProxies: cfg.TrustedProxies, Now: cfg.Now, Log: cfg.Log, Ready: cfg.Ready, Observe: m.Observe}
	guardians := family.NewVisits(households, sessions)
	visits := support.Sessions{People: guardians, DB: cfg.DB, Issuer: cfg.Operators.Issuer}
	r := web.New(web.Config{Tenants: cfg.DB, Sessions: visits, TLS: cfg.TLS, TrustedProxies: cfg.TrustedProxies,
		Now: cfg.Now, Log: cfg.Log, Ready: cfg.Ready, Observe: m.Observe})
	identity.Routes(r, identity.Config{DB: cfg.DB, Sessions: sessions, Keys: cfg.Keyset, TLS: cfg.TLS, Log: cfg.Log})
	home.Routes(r, cfg.DB)
	org.Routes(r, cfg.DB)
	people.Routes(r, cfg.DB)
	rights.Routes(r, cfg.DB)
	merge.Routes(r, cfg.DB, MergeRoster)
	process, evidence := onboarding.Served(cfg.DB, cfg.Now), onboarding.Evidence{DB: cfg.DB, Store: cfg.Objects, Keyset: cfg.Keyset}
	rosters := roster.NewDesk(&roster.Service{DB: cfg.DB, Objects: cfg.Objects, Keyset: cfg.Keyset, Now: cfg.Now}, cfg.Log)
	roster.Routes(r, rosters)
	onboarding.Routes(r, cfg.DB, process, evidence)
	leaving.Routes(r, cfg.DB)
	support.Routes(r, visits)
	family.Routes(r, guardians)
	oversight.Routes(r, cfg.DB)
	statement.Routes(r)
	site := operators.New(operators.Config{DB: cfg.DB, Host: cfg.Operators.Host, Issuer: cfg.Operators.Issuer, ClientID: cfg.Operators.ClientID,
		Secret: cfg.Operators.Secret, Mail: cfg.Mail, TLS: cfg.TLS, TrustedProxies: cfg.TrustedProxies, Now: cfg.Now, Log: cfg.Log, Ready: cfg.Ready, Observe: m.Observe})
	onboarding.Desk(site, cfg.DB, process, evidence)
	statement.Routes(site.Router)
	if cfg.Operators.Host != "" {
		r.Beside(site.Router)
	}
	homes := family.New(households)
	statement.Routes(homes.Router)
	if cfg.Family.Host != "" {
		r.Beside(homes.Router)
	}
	runner := &jobs.Runner{DB: cfg.DB, Log: cfg.Log, Now: cfg.Now, Observe: m.ObserveJob,
		Tasks: append(oversight.Tasks(oversight.Config{DB: cfg.DB, Keyset: cfg.Keyset, Mail: cfg.Mail, TLS: cfg.TLS, Now: cfg.Now}),
			roster.Tasks{Desk: rosters, Mail: cfg.Mail, TLS: cfg.TLS}.Jobs()...)}
	return &App{Router: r, Operators: site, Family: homes, Rosters: rosters, Metrics: m.Handler(), Jobs: runner}
}

// MergeRoster is the roster's side of a merge of two persons.
var MergeRoster = merge.Roster{
	Repoint: roster.Repoint,
	Resolve: func(ctx context.Context, tx tenancy.Write, persons []uuid.UUID, at time.Time) error {
		_, err := roster.Resolve(ctx, tx, persons, at)
		return err
	},
}
