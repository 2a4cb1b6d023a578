package rights

import (
	"embed"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/identity"
	"digione/internal/app/people"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

type handlers struct{ db *tenancy.DB }

// Routes mounts the pages about rights, and the data-protection officer's.
func Routes(r *web.Router, db *tenancy.DB) {
	h := handlers{db}
	r.Get("/oikeudet", authz.RightsRead, h.units)
	r.Get("/oikeudet/:unit", authz.RightsRead, h.unit)
	r.Post("/oikeudet/:unit", authz.RightsGive, h.give)
	r.Post("/oikeudet/:unit/:right/lopeta", authz.RightsGive, h.end)
	r.Get("/tietosuoja", authz.PrivacyInspect, h.ask)
	r.Post("/tietosuoja", authz.PrivacyInspect, h.search)
	r.Post("/tietosuoja/:person", authz.PrivacyInspect, h.inspect)
	r.Nav(
		web.NavItem{Key: "rights.nav", Path: "/oikeudet", Action: authz.RightsRead, Order: 60},
		web.NavItem{Key: "rights.privacy.nav", Path: "/tietosuoja", Action: authz.PrivacyInspect, Order: 65},
	)
}

// UnitsPage is all that templates/units.html may use.
type UnitsPage struct {
	web.Page
	Units []Unit
}

func (h handlers) units(c *fiber.Ctx, rq *web.Request) error {
	page := UnitsPage{Page: rq.Page("rights.title")}
	err := h.db.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) (err error) {
		page.Units, err = ListUnits(rq.Ctx, tx, rq.Reach(), rq.Today())
		return err
	})
	if err != nil {
		return err
	}
	if len(page.Units) == 1 { // a principal's one school
		return c.Redirect("/oikeudet/"+page.Units[0].ID.String(), fiber.StatusSeeOther)
	}
	return rq.Render(pages["units"], page)
}

// RightRow is a right as the page shows it.
type RightRow struct {
	Right
	Role  string // in words
	State string // live, coming, over or ended
	Ends  bool   // the reader may end it
}

// UnitPage is all that templates/unit.html may use.
type UnitPage struct {
	web.Page
	Unit   Unit
	Gives  []authz.Role // what the reader may give here
	Groups []Group
	Hand   []RightRow
	Roster []RightRow
	Today  time.Time
	Sent   map[string]string
}

// Iso writes a day as date fields hold it.
func (UnitPage) Iso(t time.Time) string { return t.Format(time.DateOnly) }

// RoleName is the word for a role.
func (p UnitPage) RoleName(r authz.Role) string { return p.T("role." + string(r)) }

func (h handlers) unit(_ *fiber.Ctx, rq *web.Request) error {
	return h.show(rq, fiber.StatusOK, nil)
}

// rightFields are the fields that errors are about.
var rightFields = map[string]string{
	"rights.wrong.reason": "syy", "rights.wrong.role": "rooli", "rights.wrong.group": "ryhma", "rights.wrong.days": "alkaa",
	"rights.wrong.end": "viimeinen", "rights.wrong.twice": "tunnus", "rights.wrong.self": "tunnus", "people.username.wrong": "tunnus",
}

func (h handlers) show(rq *web.Request, status int, wrong error) error {
	id, err := rq.ParamID("unit")
	if err != nil {
		return err
	}
	page := UnitPage{Today: rq.Today(), Sent: map[string]string{}}
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.Unit, err = GetUnit(rq.Ctx, tx.Read, rq.Actor.Reach(authz.RightsRead), id, rq.Today()); err != nil {
			return err
		}
		list, err := ListRights(rq.Ctx, tx.Read, id, rq.Today())
		if err != nil {
			return err
		}
		if page.Gives = rq.Actor.MayGive(id, page.Unit.Kind); slices.ContainsFunc(page.Gives, authz.Role.TakesGroup) {
			if page.Groups, err = ListGroups(rq.Ctx, tx.Read, id, rq.Today()); err != nil {
				return err
			}
		}
		page.Hand, page.Roster = nil, nil
		var seen []uuid.UUID
		for _, r := range list {
			seen = append(seen, r.Person)
			page.add(r)
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	if wrong != nil && rq.Form("lomake") == "" {
		for _, f := range []string{"tunnus", "rooli", "ryhma", "alkaa", "viimeinen", "syy"} {
			if s, ok := rq.Sentence(f, 0, 500); ok {
				page.Sent[f] = s
			}
		}
	}
	page.Page = rq.Page("rights.title")
	rq.MendFault(&page.Page, wrong, rightFields)
	for _, rows := range [][]RightRow{page.Hand, page.Roster} {
		for i, r := range rows {
			if rows[i].Role = r.Word; r.Role != "" {
				rows[i].Role = rq.Lang.T("role." + r.Role)
			}
		}
	}
	return rq.RenderStatus(status, pages["unit"], page)
}

func (p *UnitPage) add(r Right) {
	row := RightRow{Right: r, State: "over"}
	role, known := r.role(p.Unit.Kind)
	row.Role = string(role)
	switch {
	case r.Ended:
		row.State = "ended"
	case r.Live:
		row.State = "live"
	case r.From != nil && r.From.After(p.Today):
		row.State = "coming"
	}
	row.Ends = r.ByHand && (row.State == "live" || row.State == "coming") && slices.Contains(p.Gives, role)
	switch {
	case r.ByHand:
		p.Hand = append(p.Hand, row)
	case known:
		p.Roster = append(p.Roster, row)
	}
}

// change makes one change of a unit's rights, with its audit event, and answers.
func (h handlers) change(c *fiber.Ctx, rq *web.Request, flash string, do func(tx tenancy.Write, u Unit, gives []authz.Role, why string) (uuid.UUID, error)) error {
	id, err := rq.ParamID("unit")
	if err != nil {
		return err
	}
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
		u, err := GetUnit(rq.Ctx, tx.Read, rq.Reach(), id, rq.Today())
		if err != nil {
			return err
		}
		why, ok := rq.Sentence("syy", 5, 500)
		if !ok {
			return fault.New(fault.Invalid, "rights.wrong.reason", "no reason")
		}
		person, err := do(tx, u, rq.Actor.MayGive(id, u.Kind), why)
		if err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, rq.Decided(why, audit.Person, person))
	})
	if err != nil && fault.KindOf(err) == fault.Invalid {
		return h.show(rq, fiber.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	rq.Flash(flash)
	return c.Redirect("/oikeudet/"+id.String(), fiber.StatusSeeOther)
}

func (h handlers) give(c *fiber.Ctx, rq *web.Request) error {
	return h.change(c, rq, "flash.right.given", func(tx tenancy.Write, u Unit, gives []authz.Role, why string) (person uuid.UUID, err error) {
		n := identity.NewGrant{Role: authz.Role(rq.Form("rooli")), Unit: u.ID, Reason: why, By: rq.Actor.Person, Now: rq.Now}
		if !slices.Contains(gives, n.Role) {
			return person, fault.New(fault.Invalid, "rights.wrong.role", "a right that the actor may not give")
		}
		if s := rq.Form("ryhma"); s != "" && n.Role.TakesGroup() {
			group, err := uuid.Parse(s)
			if err != nil {
				return person, fault.New(fault.Invalid, "rights.wrong.group", "no group")
			}
			n.Group = &group
		}
		from, okFrom := rq.Day("alkaa")
		last, okLast := rq.Day("viimeinen")
		if !okFrom || !okLast || from == nil || last != nil && last.Before(rq.Today()) {
			return person, fault.New(fault.Invalid, "rights.wrong.days", "days of a right")
		}
		n.From, n.Last = *from, last
		name, _ := rq.Sentence("tunnus", 1, 256)
		var ok bool
		if n.Person, ok, err = people.FindByUsername(rq.Ctx, tx.Read, name); err != nil {
			return person, err
		}
		if !ok {
			return person, fault.New(fault.Invalid, "people.username.wrong", "no such username")
		}
		return n.Person, identity.Give(rq.Ctx, tx, n)
	})
}

func (h handlers) end(c *fiber.Ctx, rq *web.Request) error {
	return h.change(c, rq, "flash.right.ended", func(tx tenancy.Write, u Unit, gives []authz.Role, why string) (person uuid.UUID, err error) {
		id, err := rq.ParamID("right")
		if err != nil {
			return person, err
		}
		return identity.EndGrant(rq.Ctx, tx, id, u.ID, gives, rq.Actor.Person, why, rq.Now)
	})
}
