package web

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"
)

// Observation is one answered request without anything about a person.
type Observation struct {
	Method, Route string // Route is the pattern
	Status        int
	Took          time.Duration
}

// observe is the outermost layer: it numbers the request, turns errors and
// panics into answers, and tells log and metrics how it went.
func (r *Router) observe(c *fiber.Ctx) error {
	start := time.Now()
	rq := &Request{ID: RequestID(), Now: r.cfg.Now(), Lang: langOf(c, ""), c: c, router: r}
	c.Locals(localsKey{}, rq)
	c.Set(fiber.HeaderXRequestID, rq.ID)
	if err := r.safely(c); err != nil {
		r.answer(c, rq, err)
	}
	o := Observation{c.Method(), c.Route().Path, c.Response().StatusCode(), time.Since(start)}
	level := slog.LevelInfo
	if o.Route == "/livez" || o.Route == "/readyz" || o.Route == assetPath+"*" {
		level = slog.LevelDebug
	} else if rq.Action == "" {
		o.Route = "unmatched"
	}
	r.cfg.Observe(o)
	r.cfg.Log.LogAttrs(c.Context(), level, "request", logged(rq, o, len(c.Response().Body()))...)
	return nil
}

// logged is what the log says of a request: ids and figures, the pattern of the
// route and never the address, which may hold anything.
func logged(rq *Request, o Observation, size int) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("request", rq.ID), slog.String("method", o.Method), slog.String("route", o.Route),
		slog.Int("status", o.Status), slog.Float64("ms", float64(o.Took.Microseconds())/1000), slog.Int("bytes", size),
	}
	if rq.Tenant.ID != "" {
		attrs = append(attrs, slog.String("tenant", string(rq.Tenant.ID)))
	}
	if rq.Action != "" {
		attrs = append(attrs, slog.String("action", string(rq.Action)))
	}
	if rq.Actor.Person != uuid.Nil {
		attrs = append(attrs, slog.String("actor", rq.Actor.Person.String()))
	}
	return attrs
}

// safely runs the rest of the chain. A panic's value may hold anything, so only
// the runtime's own words and the stack are kept.
func (r *Router) safely(c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			what := fmt.Sprintf("%T", p)
			if re, ok := p.(runtime.Error); ok {
				what = re.Error()
			}
			err = fmt.Errorf("panic: %s\n%s", what, debug.Stack())
		}
	}()
	return c.Next()
}

// RequestID makes an id of a request, or of a part of one that must not be known by
// the id of the whole.
func RequestID() string {
	var b [10]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

const contentSecurity = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

func (r *Router) headers(c *fiber.Ctx) error {
	r.setHeaders(c)
	return c.Next()
}

func (r *Router) setHeaders(c *fiber.Ctx) {
	c.Set("Content-Security-Policy", contentSecurity)
	c.Set("X-Content-Type-Options", "nosniff")
	c.Set("Referrer-Policy", "same-origin")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set("Cross-Origin-Resource-Policy", "same-origin")
	c.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()")
	if r.cfg.TLS {
		c.Set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
	// Everything but a static file, which says otherwise itself.
	c.Set(fiber.HeaderCacheControl, "no-store")
}

func (r *Router) livez(c *fiber.Ctx) error { return c.SendString("ok\n") }

func (r *Router) readyz(c *fiber.Ctx) error {
	if r.draining.Load() {
		return c.Status(fiber.StatusServiceUnavailable).SendString("draining\n")
	}
	if err := r.cfg.Ready(c.Context()); err != nil {
		r.cfg.Log.Warn("not ready", "error", err)
		return c.Status(fiber.StatusServiceUnavailable).SendString("not ready\n")
	}
	return c.SendString("ok\n")
}
