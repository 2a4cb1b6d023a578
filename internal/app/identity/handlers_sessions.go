package identity

import (
	"github.com/gofiber/fiber/v2"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// sessionsPath is the page on which people see where they are signed in.
const sessionsPath = "/kirjautumiset"

func mountSessions(r *web.Router, cfg Config) {
	r.Get(sessionsPath, authz.SelfRead, cfg.showSessions)
	r.Post(sessionsPath+"/muut", authz.SelfChange, cfg.endOthers)
	r.Post(sessionsPath+"/:session", authz.SelfChange, cfg.endSession)
	r.Nav(web.NavItem{Key: "identity.sessions.nav", Path: sessionsPath, Action: authz.SelfChange, Order: 95})
}

// SessionsPage is all that templates/sessions.html may use.
type SessionsPage struct {
	web.Page
	Here   Open
	Others []Open
}

func (cfg Config) showSessions(_ *fiber.Ctx, rq *web.Request) error {
	page := SessionsPage{Page: rq.Page("identity.sessions.title")}
	var list []Open
	idle := cfg.Sessions.limits.Idle
	if rq.Actor.Is(authz.Staff) {
		idle = cfg.Sessions.limits.Staff
	}
	err := cfg.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		list, err = sessionsOf(rq.Ctx, tx, rq.Actor.Person, rq.Now, rq.Now.Add(-idle))
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.ID == rq.Session.ID {
			page.Here = s
		} else {
			page.Others = append(page.Others, s)
		}
	}
	return rq.Render(pages["sessions"], page)
}

// endSession ends one of the person's own sessions, on whichever device it is.
func (cfg Config) endSession(c *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("session")
	if err != nil {
		return err
	}
	var ended bool
	err = cfg.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if ended, err = endSession(rq.Ctx, tx, rq.Actor.Person, id); err != nil || !ended {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, event(rq, endedElsewhere, rq.Actor.Person, id.String()))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	if !ended {
		return authz.Missing("session")
	}
	rq.Flash("flash.sessions.ended")
	return c.Redirect(sessionsPath, fiber.StatusSeeOther)
}

func (cfg Config) endOthers(c *fiber.Ctx, rq *web.Request) error {
	err := cfg.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		if err := endOthers(rq.Ctx, tx, rq.Actor.Person, rq.Session.ID); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, event(rq, endedElsewhere, rq.Actor.Person, "all others"))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	rq.Flash("flash.sessions.ended")
	return c.Redirect(sessionsPath, fiber.StatusSeeOther)
}
