package oversight

import (
	"context"
	"embed"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/audit/seal"
	"digione/internal/app/authz"
	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// The addresses: who looked at me and mine, and what those see who oversee.
const (
	looked   = "/katselut"
	overseen = "/valvonta"
)

// span is how far back one page looks.
const span = 90 * 24 * time.Hour

type handlers struct{ db *tenancy.DB }

// Routes mounts the pages.
func Routes(r *web.Router, db *tenancy.DB) {
	h := handlers{db}
	r.Get(looked, authz.ViewsRead, h.own)
	r.Get(looked+"/:person", authz.ViewsRead, h.of)
	r.Get(overseen, authz.AuditRead, h.overseen)
	r.Post(overseen+"/:alarm", authz.AuditRead, h.review)
	r.Nav(
		web.NavItem{Key: "oversight.nav.looks", Path: looked, Action: authz.ViewsRead, Order: 92},
		web.NavItem{Key: "oversight.nav", Path: overseen, Action: authz.AuditRead, Order: 65},
	)
}

// LooksPage is all that templates/looks.html may use.
type LooksPage struct {
	web.Page
	Of     string // "" for oneself
	Others []Other
	Looks  []Line
	Since  time.Time
	Older  string // address of what was before
	Hidden bool   // organisations are not named: it would tell where a protected person is
}

// Other is somebody else whose looks the reader may see.
type Other struct {
	Name, Path string
	Current    bool
}

// Line is one row, in words.
type Line struct {
	Day                   time.Time
	Time, Who, Role, What string
	Why                   string
	Times                 int
}

func (h handlers) own(c *fiber.Ctx, rq *web.Request) error { return h.show(c, rq, rq.Actor.Person) }

func (h handlers) of(c *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("person")
	if err != nil {
		return err
	}
	if !rq.Reach().Holds(authz.Object{Person: id}) {
		return authz.Missing("person")
	}
	return h.show(c, rq, id)
}

func (h handlers) show(c *fiber.Ctx, rq *web.Request, id uuid.UUID) error {
	page := LooksPage{Page: rq.Page("oversight.title.looks")}
	before := rq.Now.Add(time.Minute)
	if d, err := time.Parse(time.DateOnly, c.Query("ennen")); err == nil && d.Before(before) {
		before = d
	}
	page.Since = before.Add(-span)
	var list []Look
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if list, err = looks(rq.Ctx, tx.Read, id, rq.Actor.Person, page.Since, before); err != nil {
			return err
		}
		if err = page.others(rq, tx.Read, id); err != nil {
			return err
		}
		if id != rq.Actor.Person {
			if page.Hidden, err = protected(rq.Ctx, tx.Read, id, rq.Today()); err != nil {
				return err
			}
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, id))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	for _, l := range list {
		page.Looks = append(page.Looks, page.line(rq, l))
	}
	page.Older = "?ennen=" + page.Since.Format(time.DateOnly)
	return rq.Render(pages["looks"], page)
}

// others are oneself and one's children, so that the reader can go from one to another.
func (p *LooksPage) others(rq *web.Request, tx tenancy.Read, id uuid.UUID) error {
	if len(rq.Actor.Children) == 0 {
		return nil
	}
	called, err := names(rq.Ctx, tx, rq.Actor.Children)
	if err != nil {
		return err
	}
	p.Others = append(p.Others, Other{Name: rq.Lang.T("oversight.self"), Path: looked, Current: id == rq.Actor.Person})
	for _, child := range rq.Actor.Children {
		p.Others = append(p.Others, Other{Name: called[child], Path: looked + "/" + child.String(), Current: id == child})
		if id == child {
			p.Of = called[child]
		}
	}
	return nil
}

func (p *LooksPage) line(rq *web.Request, l Look) Line {
	out := Line{Day: l.Day, Times: l.Times, Why: l.Reason, Time: rq.Lang.Clock(l.Last)}
	switch {
	case l.Kind == "operator":
		out.Who = rq.Lang.T("oversight.who.operator")
	case l.Role == audit.RoleGuardian:
		out.Who = rq.Lang.T("oversight.who.guardian")
	case p.Hidden || l.Unit == "":
		out.Who = rq.Lang.T("oversight.who.staff")
	case rq.Lang == i18n.Sv && l.UnitSv != "":
		out.Who = l.UnitSv
	default:
		out.Who = l.Unit
	}
	if key := "role." + l.Role; l.Role != "" && l.Role != audit.RoleGuardian && l.Kind == "person" && i18n.Has(key) {
		out.Role = rq.Lang.T(key)
	}
	if key := "oversight.what." + l.Action; i18n.Has(key) {
		out.What = rq.Lang.T(key)
	} else {
		out.What = rq.Lang.T("oversight.what.other")
	}
	return out
}

// OverseenPage is all that templates/overseen.html may use.
type OverseenPage struct {
	web.Page
	Open, Done []Alarm
	Head       *seal.Head
	Hash, Key  string
	WrongAt    uuid.UUID
	Text       string
}

func (h handlers) overseen(_ *fiber.Ctx, rq *web.Request) error {
	return h.desk(rq, OverseenPage{}, fiber.StatusOK)
}

func (h handlers) desk(rq *web.Request, page OverseenPage, status int) error {
	page.Page = rq.Page("oversight.title")
	if status == fiber.StatusUnprocessableEntity {
		page.Mend("r-"+page.WrongAt.String(), rq.Lang.T("oversight.review.wrong"))
	}
	err := h.db.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error {
		list, err := alarms(rq.Ctx, tx)
		if err != nil {
			return err
		}
		page.Open, page.Done = nil, nil
		for _, a := range list {
			if a.Reviewed == nil {
				page.Open = append(page.Open, a)
			} else {
				page.Done = append(page.Done, a)
			}
		}
		return page.chain(rq.Ctx, tx)
	})
	if err != nil {
		return err
	}
	return rq.RenderStatus(status, pages["overseen"], page)
}

func (p *OverseenPage) chain(ctx context.Context, tx tenancy.Read) error {
	head, ok, err := audit.LastHead(ctx, tx)
	if err != nil {
		return err
	}
	if ok {
		p.Head, p.Hash, p.Key = &head, hex.EncodeToString(head.Hash), hex.EncodeToString(head.PublicKey)
	}
	return nil
}

// longestReview is in characters.
const longestReview = 500

func (h handlers) review(c *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("alarm")
	if err != nil {
		return err
	}
	text := strings.TrimSpace(rq.Form("selvitys"))
	if n := utf8.RuneCountInString(text); n < 5 || n > longestReview {
		return h.desk(rq, OverseenPage{WrongAt: id, Text: text}, fiber.StatusUnprocessableEntity)
	}
	var done bool
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if done, err = review(rq.Ctx, tx, id, rq.Actor.Person, text, rq.Now); err != nil || !done {
			return err
		}
		e := rq.Seen(audit.Page)
		e.Action, e.Reason = "audit.review", id.String()
		return audit.Viewed(rq.Ctx, tx, e)
	})
	if err != nil {
		return err
	}
	if !done {
		return authz.Missing("alarm")
	}
	rq.Flash("flash.oversight.reviewed")
	return c.Redirect(overseen, fiber.StatusSeeOther)
}
