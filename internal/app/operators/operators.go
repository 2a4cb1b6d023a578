// Package operators is the front door of those who keep the fleet: a host of their
// own, beside the tenants' ones, where they sign in by their own provider and look
// at the catalogue and the operator log. Who may come in stands in control.operator,
// by issuer and subject; viewers look, operators also change. Through tenancy.Desk it
// writes operator_session, operator_sign_in, operator_log, support_grant and
// support_entry; it reads no tenant's
// data. Into a tenant it lends a way by a support grant, see package support.
//
// To add a page, write a Handler and register it where the others are, in routes:
//
//	s.Page("/t/:slug/tuonnit", "imports", h.imports)      // GET, for operators and viewers
//	s.Change("/t/:slug/tauko", "tenant suspend", h.pause) // POST, for operators alone
//	s.Router.Nav(web.NavItem{Key: "operators.log", Path: "/loki", Action: authz.FleetRead, Order: 30})
//
// Page writes the view to the operator log before the page is sent; a Change has its
// begin and its end there, and leads to a page by a redirect. Both take the tenant of
// the log's line from the parameter :slug and answer an unknown one with 404. In a
// handler From(rq) is who is signed in, s.Tenant(c) the tenant of :slug, and
// rq.Page(titleKey) the frame with header and navigation for the page's struct. A
// form holds <input type="hidden" name="csrf" value="{{.CSRF}}">, as everywhere. The
// sentence operators.command.view.imports, where there is one, is what the log's page
// calls the view. A page's struct must not name a field as web.Page does (Tenant,
// Role, Title): it would stand in the frame in that one's place.
package operators

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/app/mail"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// Config is what the operators' site needs. DB and Host must be given.
type Config struct {
	DB   *tenancy.DB
	Host string // lower case, no port
	// Issuer, ClientID and Secret are the operators' own provider; without an issuer
	// nobody can sign in.
	Issuer, ClientID, Secret string
	Limits                   identity.Limits // zeros are 30 min and 10 h
	Mail                     mail.Server     // tells municipalities of support grants; without an address nobody is written to

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
		cfg.Limits.Idle = 30 * time.Minute
	}
	if cfg.Limits.Absolute == 0 {
		cfg.Limits.Absolute = 10 * time.Hour
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return cfg
}

// Operator is who is signed in.
type Operator struct {
	ID   uuid.UUID
	Name string
	Role tenancy.OperatorRole
}

// MayChange reports whether they may do more than look.
func (o Operator) MayChange() bool { return o.Role == tenancy.RoleOperator }

// From returns who is signed in, the zero Operator when nobody is.
func From(rq *web.Request) Operator {
	o := Operator{ID: rq.Actor.Person, Name: rq.Session.Name}
	switch {
	case rq.Actor.Has(authz.Operator):
		o.Role = tenancy.RoleOperator
	case rq.Actor.Has(authz.Viewer):
		o.Role = tenancy.RoleViewer
	}
	return o
}

// viewed begins the command of a log line about a page that was looked at.
const viewed = "view "

// line returns a line of the operator log about an operator's request.
func line(rq *web.Request, who Operator, command, tenant string) tenancy.LogEntry {
	return tenancy.LogEntry{At: rq.Now, Actor: who.Name, Command: command, Tenant: tenant, Phase: "end", Run: newRun(),
		Outcome: string(tenancy.Done), Detail: "operator " + who.ID.String() + ", request " + rq.ID}
}

// newRun returns an id for a line; without an order it is an id all the same.
func newRun() uuid.UUID {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.New()
	}
	return id
}
