package family

import (
	"context"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// realm lets in whomever the provider vouches for; what they see hangs on what they
// tie. It is identity's Realm, and the edge's web.Sessions.
type realm struct{ Config }

var (
	_ identity.Realm = realm{}
	_ web.Sessions   = realm{}
)

// providerID stands in the address of the one provider.
var providerID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("digione:family"))

func (r realm) Name(*web.Request) string { return "family" }

func (r realm) Hosts(*web.Request) []string { return []string{r.Host} }

func (r realm) Words() identity.Words {
	return identity.Words{Lead: "family.lead", Help: "family.help", None: "family.none", NoneHelp: "family.none.help"}
}

func (r realm) Providers(rq *web.Request) ([]identity.Provider, error) {
	if r.Issuer == "" {
		return nil, nil
	}
	return []identity.Provider{{ID: providerID, Name: rq.Lang.T("family.provider"), Strong: true}}, nil
}

func (r realm) Provider(_ *web.Request, id uuid.UUID) (identity.Provider, error) {
	if r.Issuer == "" || id != providerID {
		return identity.Provider{}, authz.Missing("provider")
	}
	p := identity.Provider{ID: id, Issuer: r.Issuer, ClientID: r.ClientID, Secret: r.Secret}
	return p, p.Apply("suomifi", "")
}

func (r realm) Keep(rq *web.Request, state []byte, in identity.Pending, expires time.Time) error {
	f, err := r.DB.Families()
	if err != nil {
		return err
	}
	return f.BeginSignIn(rq.Ctx, state, tenancy.OperatorSignIn{Nonce: in.Nonce, Verifier: in.Verifier, ReturnTo: in.ReturnTo}, rq.Now, expires)
}

func (r realm) Take(rq *web.Request, state []byte) (identity.Pending, bool, error) {
	f, err := r.DB.Families()
	if err != nil {
		return identity.Pending{}, false, err
	}
	in, ok, err := f.TakeSignIn(rq.Ctx, state, rq.Now)
	return identity.Pending{Provider: providerID, Nonce: in.Nonce, Verifier: in.Verifier, ReturnTo: in.ReturnTo}, ok, err
}

// Enter begins a session. Where the browser's former one wished to tie a tenant, and
// the same person is back, the tenant is asked who they are: now, while their hetu is
// at hand, which is not kept.
func (r realm) Enter(rq *web.Request, p identity.Provider, who identity.Proof) (token string, expires time.Time, err error) {
	f, err := r.DB.Families()
	if err != nil {
		return "", expires, err
	}
	former := identity.HashOf(rq.SessionToken())
	had, ok, err := f.FindSession(rq.Ctx, former, r.Issuer, rq.Now, rq.Now.Add(-r.Limits.Idle))
	if err != nil {
		return "", expires, err
	}
	token, expires = identity.NewToken(), rq.Now.Add(r.Limits.Absolute)
	in := tenancy.FamilyEntering{Token: identity.HashOf(token), Former: former, Issuer: p.Issuer, Subject: who.Subject, CSRF: identity.NewToken(),
		Strong: p.StrongBy(who.Claims), Now: rq.Now, Until: expires, WishUntil: rq.Now.Add(wishTime)}
	if ok && had.Wish.State == tenancy.WishAsked && had.Subject == who.Subject {
		in.Wish = r.fulfil(rq.Ctx, had.Wish.Tenant, p, who)
	}
	return token, expires, f.BeginSession(rq.Ctx, in)
}

// fulfil asks a tenant whether exactly one guardian of its own is who signed in. Why
// not, nobody is told.
func (r realm) fulfil(ctx context.Context, tenant tenancy.ID, p identity.Provider, who identity.Proof) tenancy.FamilyWish {
	ctx, cancel := context.WithTimeout(ctx, r.Patience)
	defer cancel()
	person, ok, err := r.guardian(ctx, tenant, p, who)
	switch {
	case err != nil:
		r.Log.Warn("guardian not looked for", "tenant", string(tenant), "error", err.Error())
		return tenancy.FamilyWish{Tenant: tenant, State: tenancy.WishLater}
	case !ok:
		return tenancy.FamilyWish{Tenant: tenant, State: tenancy.WishNone}
	}
	return tenancy.FamilyWish{Tenant: tenant, State: tenancy.WishFound, Person: person}
}

func (r realm) guardian(ctx context.Context, tenant tenancy.ID, p identity.Provider, who identity.Proof) (person uuid.UUID, ok bool, err error) {
	t, served := r.hosted(tenant)
	if !served {
		return uuid.Nil, false, nil
	}
	ks, err := r.Keys(t)
	if err != nil {
		return uuid.Nil, false, err
	}
	err = r.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		if person, ok, err = identity.Match(ctx, tx, ks, p, who); err != nil || !ok {
			return err
		}
		a, err := guardianOf(ctx, tx, person, r.Now())
		ok = len(a.Children) > 0
		return err
	})
	return person, ok, err
}

// guardianOf is a person of a tenant as a guardian, today, and nothing else.
func guardianOf(ctx context.Context, tx tenancy.Read, person uuid.UUID, now time.Time) (authz.Actor, error) {
	a, err := authz.Load(ctx, tx, person, i18n.Day(now))
	return a.Only([]authz.Kind{authz.Guardians}), err
}

// Refused notes nothing: nobody's data was reached, and who it was is not known.
func (r realm) Refused(*web.Request, string) error { return nil }

// Mark marks no browser: people come here from home, not a school at a time.
func (r realm) Mark(*web.Request, string) (string, error) { return "", nil }

// Leave ends the session, and with it whatever it has opened in tenants: one sign-in,
// one sign-out.
func (r realm) Leave(rq *web.Request) error {
	f, err := r.DB.Families()
	if err != nil {
		return err
	}
	return f.EndSession(rq.Ctx, identity.HashOf(rq.SessionToken()))
}

// Find returns the session of a token.
func (r realm) Find(ctx context.Context, _ tenancy.ID, token string, now time.Time) (web.Session, bool, error) {
	f, err := r.DB.Families()
	if err != nil {
		return web.Session{}, false, err
	}
	s, ok, err := f.FindSession(ctx, identity.HashOf(token), r.Issuer, now, now.Add(-r.Limits.Idle))
	if err != nil || !ok {
		return web.Session{}, false, err
	}
	if now.Sub(s.SeenAt) >= touchEvery {
		if err := f.TouchSession(ctx, identity.HashOf(token), now); err != nil {
			return web.Session{}, false, err
		}
	}
	actor := authz.Actor{Person: s.Account, Grants: []authz.Grant{{Role: authz.Household}}}
	return web.Session{Actor: actor, CSRF: s.CSRF, Strong: s.Strong}, true, nil
}
