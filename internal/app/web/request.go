package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
	"github.com/mileusna/useragent"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/tenancy"
)

// Request is what a handler needs to know about who asks.
type Request struct {
	Ctx     context.Context // ends at the request's deadline
	Tenant  tenancy.Tenant
	Actor   authz.Actor // the zero Actor when nobody is signed in
	Session Session
	Lang    i18n.Lang
	Now     time.Time
	ID      string       // in the log, in audit events, on error pages
	Action  authz.Action // of the route

	c      *fiber.Ctx
	router *Router
}

type localsKey struct{}

// From returns the request that the edge set up.
func From(c *fiber.Ctx) *Request {
	rq, _ := c.Locals(localsKey{}).(*Request)
	return rq
}

// Today is the calendar day in Finland.
func (rq *Request) Today() time.Time { return i18n.Day(rq.Now) }

// Reach is what the actor reaches with the action of this route.
func (rq *Request) Reach() authz.Reach { return rq.Actor.Reach(rq.Action) }

// Seen returns the audit entry for a view under this route's action.
func (rq *Request) Seen(kind string, targets ...uuid.UUID) audit.Entry {
	e := audit.Entry{
		At: rq.Now, Actor: rq.Actor.Person, Action: string(rq.Action),
		Kind: kind, Targets: targets, Request: rq.ID, Role: rq.Actor.Acting(), Children: rq.Actor.Children,
	}
	if s := rq.Session.Support; s != nil {
		e.Support, e.Reason = true, s.Grant.String()
	}
	return e
}

// Decided is Seen for a change or a look that the actor has given a reason for.
func (rq *Request) Decided(why, kind string, targets ...uuid.UUID) audit.Entry {
	e := rq.Seen(kind, targets...)
	e.Reason = why
	return e
}

// ParamID returns a path parameter as an id; what is not one does not exist.
func (rq *Request) ParamID(name string) (uuid.UUID, error) {
	s := rq.c.Params(name)
	id, err := uuid.Parse(s)
	// Parse takes other spellings too; one thing has one address.
	if err != nil || id.String() != s {
		return uuid.Nil, authz.Missing(name)
	}
	return id, nil
}

// Device is what the browser calls itself, in two words at most, such as "Firefox,
// Windows": for people who look through their own sessions.
func (rq *Request) Device() string {
	ua := useragent.Parse(rq.c.Get(fiber.HeaderUserAgent))
	words := slices.DeleteFunc([]string{ua.Name, ua.OS}, func(s string) bool { return s == "" })
	return fmt.Sprintf("%.60s", strings.ToValidUTF8(strings.Join(words, ", "), ""))
}

// Sentence returns a field that somebody wrote in their own words, ok only when it
// is between least and most characters of readable text.
func (rq *Request) Sentence(name string, least, most int) (s string, ok bool) {
	s = strings.TrimSpace(rq.Form(name))
	n := utf8.RuneCountInString(s)
	return s, utf8.ValidString(s) && !strings.ContainsRune(s, 0) && n >= least && n <= most
}

// Day returns a date field, nil when it is empty; ok is false for what is no day
// near our own time.
func (rq *Request) Day(name string) (day *time.Time, ok bool) {
	s := rq.Form(name)
	if s == "" {
		return nil, true
	}
	t, err := time.Parse(time.DateOnly, s)
	return &t, err == nil && t.Year() >= 1900 && t.Year() < 2200
}

// Form returns a field of the request's body, never of its address.
func (rq *Request) Form(name string) string {
	if v := rq.c.Context().PostArgs().Peek(name); v != nil {
		return string(v)
	}
	if f, err := rq.c.Context().MultipartForm(); err == nil && len(f.Value[name]) > 0 {
		return f.Value[name][0]
	}
	return ""
}
