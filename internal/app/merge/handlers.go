package merge

import (
	"embed"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/identity"
	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

type handlers struct {
	db     *tenancy.DB
	roster Roster
}

// Routes mounts the pages of merging.
func Routes(r *web.Router, db *tenancy.DB, roster Roster) {
	h := handlers{db, roster}
	r.Get("/yhdistamiset", authz.PersonMerge, h.list)
	r.Post("/yhdistamiset/:merge/pura", authz.PersonMerge, h.undo)
	r.Get("/yhdistamiset/:person/:other", authz.PersonMerge, h.compare)
	r.Post("/yhdistamiset/:person/:other", authz.PersonMerge, h.decide)
	r.Nav(web.NavItem{Key: "merge.nav", Path: "/yhdistamiset", Action: authz.PersonMerge, Order: 62})
}

// ListPage is all that templates/list.html may use.
type ListPage struct {
	web.Page
	Suggestions []Suggestion
	Namesakes   bool
	Merges      []people.Merge
}

// Why says why a pair is suggested.
func (p ListPage) Why(s Suggestion) string { return p.T("merge.why." + s.Why) }

func (h handlers) list(c *fiber.Ctx, rq *web.Request) error {
	page := ListPage{Page: rq.Page("merge.title"), Namesakes: c.Query("nimet") == "1"}
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.Suggestions, err = Suggest(rq.Ctx, tx.Read, page.Namesakes); err != nil {
			return err
		}
		if page.Merges, err = people.ListMerges(rq.Ctx, tx.Read); err != nil {
			return err
		}
		var seen []uuid.UUID
		for _, s := range page.Suggestions {
			seen = append(seen, s.A, s.B)
		}
		for _, m := range page.Merges {
			seen = append(seen, m.Kept, m.Gone)
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	return rq.Render(pages["list"], page)
}

// ComparePage is all that templates/compare.html may use.
type ComparePage struct {
	web.Page
	A, B   Side
	Reason string
}

// Sides are both records, in the order of their columns.
func (p ComparePage) Sides() []Side { return []Side{p.A, p.B} }

func (h handlers) compare(_ *fiber.Ctx, rq *web.Request) error {
	return h.show(rq, fiber.StatusOK, nil)
}

func pair(rq *web.Request) (a, b uuid.UUID, err error) {
	if a, err = rq.ParamID("person"); err != nil {
		return a, b, err
	}
	if b, err = rq.ParamID("other"); err == nil && a == b {
		err = authz.Missing("pair")
	}
	return a, b, err
}

func (h handlers) sides(tx tenancy.Read, rq *web.Request) (a, b Side, err error) {
	one, two, err := pair(rq)
	if err != nil {
		return a, b, err
	}
	if a, err = GetSide(rq.Ctx, tx, rq.Reach(), one, rq.Today()); err != nil {
		return a, b, err
	}
	b, err = GetSide(rq.Ctx, tx, rq.Reach(), two, rq.Today())
	return a, b, err
}

func (h handlers) show(rq *web.Request, status int, wrong error) error {
	page := ComparePage{}
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.A, page.B, err = h.sides(tx.Read, rq); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, page.A.ID, page.B.ID))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	inWords(rq.Lang, page.A.Roles)
	inWords(rq.Lang, page.B.Roles)
	page.Reason, _ = rq.Sentence("syy", 0, 500)
	page.Page = rq.Page("merge.title")
	rq.MendFault(&page.Page, wrong, map[string]string{"people.reason.wrong": "syy", "merge.wrong.choice": "keep-0"})
	return rq.RenderStatus(status, pages["compare"], page)
}

// inWords writes roles as people read them.
func inWords(l i18n.Lang, roles []string) {
	for i, r := range roles {
		parts := strings.SplitN(r, "|", 3)
		if role, ok := authz.RoleOf(parts[0], parts[1]); ok {
			parts[0] = l.T("role." + string(role))
		}
		roles[i] = parts[0] + " · " + parts[2]
	}
}

// decide keeps one of the two records, or says that they are two people.
func (h handlers) decide(c *fiber.Ctx, rq *web.Request) error {
	flash := "flash.merged"
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		a, b, err := h.sides(tx.Read, rq)
		if err != nil {
			return err
		}
		d, err := decision(rq)
		if err != nil {
			return err
		}
		if rq.Actor.Person == a.ID || rq.Actor.Person == b.ID {
			return fault.New(fault.Invalid, "merge.wrong.self", "a record of the actor's own")
		}
		kept, gone := a.ID, b.ID
		switch rq.Form("sailyy") {
		case kept.String():
		case gone.String():
			kept, gone = gone, kept
		case "eri":
			flash = "flash.distinct"
			err = h.roster.Resolve(rq.Ctx, tx, []uuid.UUID{a.ID, b.ID}, rq.Now)
			return events(tx, rq, d.Reason, err, a.ID, b.ID)
		default:
			return fault.New(fault.Invalid, "merge.wrong.choice", "no record to keep")
		}
		err = people.MergePersons(rq.Ctx, tx, kept, gone, d, h.also(tx, rq))
		return events(tx, rq, d.Reason, err, kept, gone)
	})
	if err != nil && fault.KindOf(err) == fault.Invalid {
		return h.show(rq, fiber.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	rq.Flash(flash)
	return c.Redirect("/yhdistamiset", fiber.StatusSeeOther)
}

func decision(rq *web.Request) (people.Decision, error) {
	why, ok := rq.Sentence("syy", 5, 500)
	if !ok {
		return people.Decision{}, fault.New(fault.Invalid, "people.reason.wrong", "no reason")
	}
	return people.Decision{By: rq.Actor.Person, Reason: why, At: rq.Now, Today: rq.Today()}, nil
}

func events(tx tenancy.Write, rq *web.Request, why string, err error, persons ...uuid.UUID) error {
	if err != nil {
		return err
	}
	return audit.Viewed(rq.Ctx, tx, rq.Decided(why, audit.Person, persons...))
}

// also points the rows of the other packages.
func (h handlers) also(tx tenancy.Write, rq *web.Request) func(people.Repoint) error {
	return func(r people.Repoint) error {
		if err := h.roster.Repoint(rq.Ctx, tx, r, rq.Now); err != nil {
			return err
		}
		users := r.Take("roster_user.person")
		if err := org.Repoint(rq.Ctx, tx, r, users); err != nil {
			return err
		}
		return identity.Repoint(rq.Ctx, tx, r, r.To, users)
	}
}

func (h handlers) undo(c *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("merge")
	if err != nil {
		return err
	}
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		d, err := decision(rq)
		if err != nil {
			return err
		}
		kept, gone, err := people.UndoMerge(rq.Ctx, tx, id, d, h.also(tx, rq))
		return events(tx, rq, d.Reason, err, kept, gone)
	})
	if err != nil {
		return err
	}
	rq.Flash("flash.unmerged")
	return c.Redirect("/yhdistamiset", fiber.StatusSeeOther)
}
