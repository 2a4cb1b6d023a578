package identity

import (
	"encoding/hex"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// Realm is whose accounts signing in is about: the people of the tenant that was
// asked, or the operators. The protocol with the provider, and every check on it,
// is the same for all; a realm says who may come in and keeps what must be kept.
type Realm interface {
	// Name binds a sign-in under way to the realm in which it began.
	Name(rq *web.Request) string
	// Hosts are those whose way back the provider may be given.
	Hosts(rq *web.Request) []string
	Words() Words
	// Providers lists those that may be chosen, by id and name.
	Providers(rq *web.Request) ([]Provider, error)
	// Provider returns one of them with its secret, or a NotFound error.
	Provider(rq *web.Request, id uuid.UUID) (Provider, error)
	// Keep holds a sign-in under way by the hash of its state; Take gives it back
	// once, and to one of two who bring the same state.
	Keep(rq *web.Request, state []byte, in Pending, expires time.Time) error
	Take(rq *web.Request, state []byte) (in Pending, ok bool, err error)
	// Enter begins a session for whom the provider vouches for, under a new token,
	// or returns a refusal.
	Enter(rq *web.Request, p Provider, who Proof) (token string, expires time.Time, err error)
	// Refused records that a sign-in that began here ended without a session.
	Refused(rq *web.Request, code string) error
	// Mark is what only the realm can make of a token, "" when it marks none.
	Mark(rq *web.Request, token string) (string, error)
	// Leave ends the session of the request.
	Leave(rq *web.Request) error
}

// Words are the keys of the sentences on the sign-in page that differ by realm.
type Words struct{ Lead, Help, None, NoneHelp string }

// Pending is a sign-in under way.
type Pending struct {
	Provider                  uuid.UUID
	Nonce, Verifier, ReturnTo string
}

// tenants is the realm of the people of whichever tenant was asked.
type tenants struct{ Config }

func (t tenants) Name(rq *web.Request) string { return string(rq.Tenant.ID) }

func (t tenants) Hosts(rq *web.Request) []string { return rq.Tenant.Hosts }

func (t tenants) Words() Words {
	return Words{"identity.lead", "identity.help", "identity.none", "identity.none.help"}
}

func (t tenants) Providers(rq *web.Request) (all []Provider, err error) {
	err = t.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		all, err = ListProviders(rq.Ctx, tx)
		return err
	})
	return all, err
}

func (t tenants) Provider(rq *web.Request, id uuid.UUID) (p Provider, err error) {
	var (
		sealed []byte
		ok     bool
	)
	err = t.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		p, sealed, ok, err = findProvider(rq.Ctx, tx, id)
		return err
	})
	if err != nil {
		return Provider{}, err
	}
	if !ok {
		return Provider{}, authz.Missing("provider")
	}
	ks, err := t.Keys(rq.Tenant)
	if err != nil {
		return Provider{}, err
	}
	secret, err := ks.Open(sealed, secretContext)
	p.Secret = string(secret)
	return p, err
}

func (t tenants) Keep(rq *web.Request, state []byte, in Pending, expires time.Time) error {
	return t.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		return insertSignIn(rq.Ctx, tx, state, in, rq.Now, expires)
	}, tenancy.Trace())
}

func (t tenants) Take(rq *web.Request, state []byte) (in Pending, ok bool, err error) {
	err = t.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		in, ok, err = takeSignIn(rq.Ctx, tx, state, rq.Now)
		return err
	}, tenancy.Trace())
	return in, ok, err
}

// Enter links the account if it must, and begins a session, in one transaction.
func (t tenants) Enter(rq *web.Request, p Provider, who Proof) (token string, expires time.Time, err error) {
	ks, err := t.Keys(rq.Tenant)
	if err != nil {
		return "", expires, err
	}
	err = t.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		person, by, err := personOf(rq.Ctx, tx.Read, ks, p, who)
		if err != nil {
			return err
		}
		actor, err := authz.Load(rq.Ctx, tx.Read, person, rq.Today())
		if err != nil {
			return err
		}
		if len(actor.Roles()) == 0 {
			if tx.Opening() != nil {
				return because(notOpen, nil)
			}
			return because(withoutRole, nil)
		}
		if len(actor.Only(p.kinds()).Roles()) == 0 {
			return because(notMeant, nil)
		}
		a, err := putAccount(rq.Ctx, tx, p, who.Subject, person, by, rq.Now)
		if err != nil {
			return err
		}
		if old := rq.SessionToken(); len(old) == tokenLen {
			if err := deleteSession(rq.Ctx, tx, old); err != nil {
				return err
			}
		}
		if token, expires, err = t.Sessions.begin(rq.Ctx, tx, a, entered{p.StrongBy(who.Claims), rq.Device()}, rq.Now); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, event(rq, SignedIn, person, ""))
	}, tenancy.Trace())
	return token, expires, err
}

func (t tenants) Refused(rq *web.Request, code string) error {
	return t.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		return audit.Viewed(rq.Ctx, tx, event(rq, turnedOut, uuid.Nil, code))
	}, tenancy.Trace())
}

func (t tenants) Mark(rq *web.Request, token string) (string, error) {
	ks, err := t.Keys(rq.Tenant)
	if err != nil {
		return "", err
	}
	b, err := ks.Hash([]byte("known browser " + token))
	return hex.EncodeToString(b), err
}

func (t tenants) Leave(rq *web.Request) error {
	if rq.Session.Leave != nil {
		return rq.Session.Leave(rq)
	}
	return t.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		if err := deleteSession(rq.Ctx, tx, rq.SessionToken()); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, event(rq, SignedOut, rq.Actor.Person, ""))
	}, tenancy.Trace())
}

func event(rq *web.Request, action string, actor uuid.UUID, reason string) audit.Entry {
	return audit.Entry{At: rq.Now, Actor: actor, Action: action, Kind: audit.Session, Reason: reason, Request: rq.ID}
}
