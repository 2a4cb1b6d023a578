package identity

import (
	"context"
	"time"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// touchEvery is how exactly idleness is measured: a request within it writes
// nothing.
const touchEvery = time.Minute

// Sessions finds who is signed in; it is the edge's web.Sessions.
type Sessions struct {
	db     *tenancy.DB
	limits Limits
}

var _ web.Sessions = (*Sessions)(nil)

// NewSessions returns the sessions of all tenants.
func NewSessions(db *tenancy.DB, limits Limits) *Sessions {
	return &Sessions{db, limits.withDefaults()}
}

// Find returns the session of a token inside a tenant, with the actor as they
// are at this moment. ok is false for a token that is unknown here, ended or
// idle, and for a person without any role.
func (s *Sessions) Find(ctx context.Context, tenant tenancy.ID, token string, now time.Time) (web.Session, bool, error) {
	if len(token) != tokenLen {
		return web.Session{}, false, nil
	}
	var (
		out  web.Session
		seen time.Time
		ok   bool
	)
	err := s.db.Read(ctx, tenant, func(tx tenancy.Read) error {
		f, is, err := findSession(ctx, tx, token, now, now.Add(-s.limits.Idle))
		if err != nil || !is {
			return err
		}
		actor, err := authz.Load(ctx, tx, f.Person, i18n.Day(now))
		if err != nil {
			return err
		}
		actor = actor.Only(f.Kinds)
		seen, ok = f.SeenAt, len(actor.Roles()) > 0 && !s.staffIdle(actor, f.SeenAt, now)
		out = web.Session{ID: f.ID, Actor: actor, Name: f.Name, CSRF: f.CSRF, Lang: i18n.Lang(f.Language), Strong: f.Strong}
		return nil
	})
	if err != nil || !ok {
		return web.Session{}, false, err
	}
	if now.Sub(seen) >= touchEvery {
		err = s.db.Write(ctx, tenant, func(tx tenancy.Write) error { return touchSession(ctx, tx, token, now) }, tenancy.Trace())
	}
	return out, err == nil, err
}

// staffIdle reports whether somebody of the staff was away for too long.
func (s *Sessions) staffIdle(a authz.Actor, seen, now time.Time) bool {
	return a.Is(authz.Staff) && now.Sub(seen) >= s.limits.Staff
}

// entered is how somebody came in.
type entered struct {
	strong bool
	device string
}

// begin starts a session of an account.
func (s *Sessions) begin(ctx context.Context, tx tenancy.Write, a account, how entered, now time.Time) (token string, expires time.Time, err error) {
	expires = now.Add(s.limits.Absolute)
	token, err = insertSession(ctx, tx, a, how, now, expires)
	return token, expires, err
}
