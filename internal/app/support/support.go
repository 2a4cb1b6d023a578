// Package support is the visit of an operator in a municipality. An operator sees no
// personal data there but by a support grant, which names a reason and an end and
// which the municipality sees at once. The operators' host makes the grants (package
// operators); here a one-time token begins a session in the tenant, and the
// municipality's admins read who was here. Grants and sessions stand in the schema
// control, through tenancy.Desk, and are asked for at every request; into the tenant
// it writes audit events alone.
package support

import (
	"context"
	"strings"
	"time"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/identity"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// Actions of audit events that are no route's.
const entered, left = "support.entered", "support.left"

// longest is how long a session lasts at most; by a grant that still counts the next
// one begins at the operators' host.
const longest = time.Hour

// mark begins the tokens of support sessions, so that no other token is looked for
// among them.
const mark = "tuki."

// What is not as long as a token is not looked for at all.
var (
	entryLen = len(identity.NewToken())
	tokenLen = len(mark) + entryLen
)

// Sessions finds operators on a visit, and leaves all others to People.
type Sessions struct {
	People web.Sessions
	DB     *tenancy.DB
	Issuer string // the operators' own, as in operators.Config
}

var _ web.Sessions = Sessions{}

// Find returns the session of a token. A visit counts while its grant does at this
// very moment.
func (s Sessions) Find(ctx context.Context, tenant tenancy.ID, token string, now time.Time) (web.Session, bool, error) {
	if !strings.HasPrefix(token, mark) {
		return s.People.Find(ctx, tenant, token, now)
	}
	if len(token) != tokenLen {
		return web.Session{}, false, nil
	}
	d, err := s.DB.Desk()
	if err != nil {
		return web.Session{}, false, err
	}
	f, ok, err := d.FindSupport(ctx, tenant, s.Issuer, identity.HashOf(token), now)
	if err != nil || !ok {
		return web.Session{}, false, err
	}
	return web.Session{
		Strong: true, // as operators sign in
		Actor:  authz.Actor{Person: f.Operator, Grants: []authz.Grant{{Role: authz.Support}}}, Name: f.OperatorName, CSRF: f.CSRF,
		Leave:   s.leave,
		Support: &web.Support{Grant: f.ID, Reason: f.Reason, Until: f.EndsAt, Note: func(rq *web.Request) error { return s.note(rq, rq.Seen(audit.Page)) }},
	}, true, nil
}

func (s Sessions) note(rq *web.Request, e audit.Entry) error {
	return s.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error { return audit.Viewed(rq.Ctx, tx, e) }, tenancy.Trace())
}

// enter redeems an entry token; ok is false for one that is worth nothing here.
func (s Sessions) enter(rq *web.Request, entry string) (token string, expires time.Time, ok bool, err error) {
	if len(entry) != entryLen {
		return "", expires, false, nil
	}
	d, err := s.DB.Desk()
	if err != nil {
		return "", expires, false, err
	}
	token = mark + identity.NewToken()
	g, ok, err := d.EnterSupport(rq.Ctx, rq.Tenant.ID, s.Issuer, identity.HashOf(entry), identity.HashOf(token), identity.NewToken(), rq.Now, rq.Now.Add(longest),
		func(g tenancy.SupportGrant) tenancy.LogEntry { return line(rq, g, "support enter") })
	if err != nil || !ok {
		return "", expires, false, err
	}
	e := audit.Entry{At: rq.Now, Actor: g.Operator, Support: true, Action: entered, Kind: audit.Session, Reason: g.ID.String(), Request: rq.ID}
	return token, g.EndsAt, true, s.note(rq, e)
}

// leave ends the visit of the request; its grant stays.
func (s Sessions) leave(rq *web.Request) error {
	d, err := s.DB.Desk()
	if err != nil {
		return err
	}
	e := rq.Seen(audit.Session)
	e.Action = left
	if err := s.note(rq, e); err != nil {
		return err
	}
	g := tenancy.SupportGrant{ID: rq.Session.Support.Grant, Operator: rq.Actor.Person, OperatorName: rq.Session.Name}
	return d.LeaveSupport(rq.Ctx, identity.HashOf(rq.SessionToken()), line(rq, g, "support leave"))
}

// line is what the operator log says of a visit.
func line(rq *web.Request, g tenancy.SupportGrant, command string) tenancy.LogEntry {
	return tenancy.LogEntry{At: rq.Now, Actor: g.OperatorName, Command: command, Tenant: rq.Tenant.Slug, Phase: "end", Run: g.ID,
		Outcome: string(tenancy.Done), Detail: "operator " + g.Operator.String() + ", request " + rq.ID}
}
