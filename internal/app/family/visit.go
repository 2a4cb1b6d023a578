package family

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// mark begins the tokens of visits, so that no other token is looked for among them.
const mark = "perhe."

// What is not as long as a token is not looked for at all.
var (
	entryLen = len(identity.NewToken())
	visitLen = len(mark) + entryLen
)

// Visits finds guardians who came into a tenant by a link, and leaves all others to
// People. A visit is a guardian's session and nothing more, whatever else they are
// there, as strong as the sign-in at the guardians' host; that and the link are asked
// for at every request.
type Visits struct {
	Config
	People web.Sessions
}

var _ web.Sessions = Visits{}

// NewVisits returns the visits of all tenants.
func NewVisits(cfg Config, people web.Sessions) Visits { return Visits{cfg.withDefaults(), people} }

// Find returns the session of a token.
func (v Visits) Find(ctx context.Context, tenant tenancy.ID, token string, now time.Time) (web.Session, bool, error) {
	if !strings.HasPrefix(token, mark) {
		return v.People.Find(ctx, tenant, token, now)
	}
	if len(token) != visitLen {
		return web.Session{}, false, nil
	}
	f, err := v.DB.Families()
	if err != nil {
		return web.Session{}, false, err
	}
	found, ok, err := f.FindVisit(ctx, tenant, v.Issuer, identity.HashOf(token), now, now.Add(-v.Limits.Idle))
	if err != nil || !ok {
		return web.Session{}, false, err
	}
	var (
		actor authz.Actor
		name  string
	)
	err = v.DB.Read(ctx, tenant, func(tx tenancy.Read) (err error) {
		if name, ok, err = nameOf(ctx, tx, found.Person); err != nil || !ok {
			return err
		}
		actor, err = guardianOf(ctx, tx, found.Person, now)
		ok = len(actor.Children) > 0
		return err
	})
	if err != nil || !ok {
		return web.Session{}, false, err
	}
	if now.Sub(found.SeenAt) >= touchEvery {
		if err := f.TouchVisit(ctx, identity.HashOf(token), now); err != nil {
			return web.Session{}, false, err
		}
	}
	return web.Session{Actor: actor, Name: name, CSRF: found.CSRF, Strong: found.Strong, Leave: v.leave}, true, nil
}

// enter redeems an entry token; ok is false for one that is worth nothing here.
func (v Visits) enter(rq *web.Request, entry string) (token string, to tenancy.FamilyVisit, ok bool, err error) {
	if len(entry) != entryLen {
		return "", to, false, nil
	}
	f, err := v.DB.Families()
	if err != nil {
		return "", to, false, err
	}
	token = mark + identity.NewToken()
	to, ok, err = f.EnterVisit(rq.Ctx, rq.Tenant.ID, v.Issuer, identity.HashOf(entry), identity.HashOf(token), identity.NewToken(), rq.Now)
	if err != nil || !ok {
		return "", to, false, err
	}
	err = v.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		a, err := guardianOf(rq.Ctx, tx.Read, to.Person, rq.Now)
		if err != nil {
			return err
		}
		if ok = len(a.Children) > 0; !ok {
			return nil
		}
		return audit.Viewed(rq.Ctx, tx, v.event(rq, identity.SignedIn, to.Person))
	}, tenancy.Trace())
	if err == nil && !ok {
		err = f.LeaveVisit(rq.Ctx, identity.HashOf(token))
	}
	return token, to, ok, err
}

// leave ends the visit of the request; the session at the guardians' host stays.
func (v Visits) leave(rq *web.Request) error {
	f, err := v.DB.Families()
	if err != nil {
		return err
	}
	err = v.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		return audit.Viewed(rq.Ctx, tx, v.event(rq, identity.SignedOut, rq.Actor.Person))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	return f.LeaveVisit(rq.Ctx, identity.HashOf(rq.SessionToken()))
}

func (v Visits) event(rq *web.Request, action string, who uuid.UUID) audit.Entry {
	return audit.Entry{At: rq.Now, Actor: who, Action: action, Kind: audit.Session, Request: rq.ID}
}
