// Package family is the guardians' own host, beside the tenants' ones: one sign-in and
// one front page for somebody whose children go to school in several municipalities.
// The guardian ties a municipality to their account, and unties it; the data stays
// where it is and is read there, each time, as the guardian that they are there. From
// here a one-time token leads into a tenant's own pages.
//
// Through tenancy.Families it writes family_account, family_link, family_session,
// family_sign_in, family_entry and family_visit; into tenants it writes audit events
// alone. It must not keep a hetu, a name or a child, and no tenant may learn from it
// that another exists for the same person: what it leaves there has ids and a request
// number of that tenant's own, and no line of the log names both an account and a tenant.
package family

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Config is what the guardians' site needs. DB, Keys and Host must be given.
type Config struct {
	DB   *tenancy.DB
	Keys func(tenancy.Tenant) (*keys.Keyset, error)
	Host string // lower case, no port
	// Issuer, ClientID and Secret are the provider, which vouches for a hetu; without
	// an issuer nobody can sign in.
	Issuer, ClientID, Secret string
	Limits                   identity.Limits // zeros are 60 min and 12 h
	// Patience is how long one municipality may take before the page goes without it;
	// 0 is 2 s.
	Patience time.Duration

	// These are as in web.Config and identity.Config.
	TLS            bool
	TrustedProxies []netip.Prefix
	Transport      http.RoundTripper
	Now            func() time.Time
	Log            *slog.Logger
	Ready          func(context.Context) error
	Observe        func(web.Observation)
}

func (cfg Config) withDefaults() Config {
	if cfg.Limits.Idle == 0 {
		cfg.Limits.Idle = time.Hour
	}
	if cfg.Limits.Absolute == 0 {
		cfg.Limits.Absolute = 12 * time.Hour
	}
	if cfg.Patience == 0 {
		cfg.Patience = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

const (
	entryTime  = time.Minute      // from the click to the tenant's host
	wishTime   = 10 * time.Minute // from choosing a municipality to tying it
	touchEvery = time.Minute      // how exactly idleness is measured
)

// hosted returns a tenant by its id while its people are served.
func (cfg Config) hosted(id tenancy.ID) (tenancy.Tenant, bool) {
	t, ok := cfg.DB.ByID(id)
	return t, ok && (t.State == tenancy.Active || t.State == tenancy.Leaving) && len(t.Hosts) > 0
}
