package operators

import (
	"context"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// realm lets in whom control.operator lists; it is identity's Realm, and the edge's
// web.Sessions.
type realm struct{ Config }

var (
	_ identity.Realm = realm{}
	_ web.Sessions   = realm{}
)

// providerID stands in the address of the one provider.
var providerID = uuid.NewSHA1(uuid.NameSpaceURL, []byte("digione:operators"))

func (r realm) Name(*web.Request) string { return "operators" }

func (r realm) Hosts(*web.Request) []string { return []string{r.Host} }

func (r realm) Words() identity.Words {
	return identity.Words{Lead: "operators.lead", Help: "operators.help", None: "operators.none", NoneHelp: "operators.none.help"}
}

func (r realm) Providers(rq *web.Request) ([]identity.Provider, error) {
	if r.Issuer == "" {
		return nil, nil
	}
	return []identity.Provider{{ID: providerID, Name: rq.Lang.T("operators.account")}}, nil
}

func (r realm) Provider(_ *web.Request, id uuid.UUID) (identity.Provider, error) {
	if r.Issuer == "" || id != providerID {
		return identity.Provider{}, authz.Missing("provider")
	}
	// The subject alone says who somebody is, and every id token has it.
	return identity.Provider{ID: id, Issuer: r.Issuer, ClientID: r.ClientID, Secret: r.Secret, LinkClaim: "sub"}, nil
}

func (r realm) Keep(rq *web.Request, state []byte, in identity.Pending, expires time.Time) error {
	d, err := r.DB.Desk()
	if err != nil {
		return err
	}
	return d.BeginSignIn(rq.Ctx, state, tenancy.OperatorSignIn{Nonce: in.Nonce, Verifier: in.Verifier, ReturnTo: in.ReturnTo}, rq.Now, expires)
}

func (r realm) Take(rq *web.Request, state []byte) (identity.Pending, bool, error) {
	d, err := r.DB.Desk()
	if err != nil {
		return identity.Pending{}, false, err
	}
	in, ok, err := d.TakeSignIn(rq.Ctx, state, rq.Now)
	return identity.Pending{Provider: providerID, Nonce: in.Nonce, Verifier: in.Verifier, ReturnTo: in.ReturnTo}, ok, err
}

func (r realm) Enter(rq *web.Request, p identity.Provider, who identity.Proof) (token string, expires time.Time, err error) {
	d, err := r.DB.Desk()
	if err != nil {
		return "", expires, err
	}
	a, ok, err := d.FindAccount(rq.Ctx, p.Issuer, who.Subject)
	if err != nil {
		return "", expires, err
	}
	if !ok {
		return "", expires, identity.Unlisted()
	}
	token, expires = identity.NewToken(), rq.Now.Add(r.Limits.Absolute)
	note := line(rq, Operator{ID: a.ID, Name: a.Name, Role: a.Role}, "sign in", "")
	err = d.BeginSession(rq.Ctx, identity.HashOf(token), identity.HashOf(rq.SessionToken()), a.ID, identity.NewToken(), rq.Now, expires, note)
	return token, expires, err
}

// unknown is the actor of a line about somebody who was not let in.
const unknown = "unknown"

// Refused notes that somebody was not let in. Who it was nobody knows.
func (r realm) Refused(rq *web.Request, code string) error {
	d, err := r.DB.Desk()
	if err != nil {
		return err
	}
	return d.Note(rq.Ctx, tenancy.LogEntry{At: rq.Now, Actor: unknown, Command: "sign in", Phase: "end", Run: newRun(),
		Outcome: string(tenancy.Refused), Detail: code + ", request " + rq.ID})
}

// Mark marks no browser: operators are few, and their addresses no schools.
func (r realm) Mark(*web.Request, string) (string, error) { return "", nil }

func (r realm) Leave(rq *web.Request) error {
	d, err := r.DB.Desk()
	if err != nil {
		return err
	}
	return d.EndSession(rq.Ctx, identity.HashOf(rq.SessionToken()), line(rq, From(rq), "sign out", ""))
}

// touchEvery is how exactly idleness is measured.
const touchEvery = time.Minute

// Find returns the session of a token with the operator as listed at this moment.
// ok is false for a token that is unknown, ended or idle, and for whoever is not
// listed any more.
func (r realm) Find(ctx context.Context, _ tenancy.ID, token string, now time.Time) (web.Session, bool, error) {
	d, err := r.DB.Desk()
	if err != nil {
		return web.Session{}, false, err
	}
	s, ok, err := d.FindSession(ctx, identity.HashOf(token), r.Issuer, now, now.Add(-r.Limits.Idle))
	if err != nil || !ok {
		return web.Session{}, false, err
	}
	if now.Sub(s.SeenAt) >= touchEvery {
		if err := d.TouchSession(ctx, identity.HashOf(token), now); err != nil {
			return web.Session{}, false, err
		}
	}
	role := authz.Viewer
	if s.Account.Role == tenancy.RoleOperator {
		role = authz.Operator
	}
	return web.Session{Actor: authz.Actor{Person: s.Account.ID, Grants: []authz.Grant{{Role: role}}}, Name: s.Account.Name, CSRF: s.CSRF, Strong: s.Strong}, true, nil
}
