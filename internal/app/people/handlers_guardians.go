package people

import (
	"errors"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

func (h handlers) guardianRoutes(r *web.Router) {
	const at = "/henkilot/:person"
	r.Get(at+"/huoltajat", authz.PersonManage, h.guardians)
	r.Post(at+"/huoltajat", authz.PersonManage, h.decide(h.addGuardian))
	r.Post(at+"/huoltajat/:guardianship/lopeta", authz.PersonManage, h.decide(h.endGuardian))
	r.Post(at+"/huoltajat/:guardian/esta", authz.PersonManage, h.decide(h.block))
	r.Post(at+"/huoltajat/:guardian/salli", authz.PersonManage, h.decide(h.lift))
	r.Post(at+"/luovutukset", authz.PersonDisclose, h.decide(h.disclose))
	r.Post(at+"/luovutukset/:disclosure/lopeta", authz.PersonDisclose, h.decide(h.endDisclosure))
}

// GuardiansPage is all that templates/guardians.html may use.
type GuardiansPage struct {
	web.Page
	Person      Person
	Mark        bool
	Rows        []Guardianship
	Today       time.Time
	Kinds       []string
	Discloses   bool
	Recipients  []Recipient
	Disclosures []Disclosure
	Latest      time.Time // a disclosure's last day at most
	Sent        map[string]string
}

// guardianFields are the fields that errors are about.
var guardianFields = map[string]string{
	"people.reason.wrong": "syy", "people.username.wrong": "tunnus", "people.guardians.wrong.self": "tunnus",
	"people.guardians.wrong.days": "alkaa", "people.disclose.wrong.days": "viimeinen", "people.disclose.wrong.who": "kenelle", "people.disclose.wrong.twice": "kenelle",
}

// Iso writes a day as date fields hold it.
func (GuardiansPage) Iso(t time.Time) string { return t.Format(time.DateOnly) }

// Kind, Source are the words for a guardian's kind and where it is known from.
func (p GuardiansPage) Kind(g Guardianship) string { return p.T("people.guardians.kind." + g.Kind) }
func (p GuardiansPage) Source(g Guardianship) string {
	return p.T("people.guardians.source." + g.Source)
}

func (h handlers) guardians(_ *fiber.Ctx, rq *web.Request) error {
	return h.showGuardians(rq, fiber.StatusOK, nil)
}

func (h handlers) showGuardians(rq *web.Request, status int, wrong error) error {
	id, err := rq.ParamID("person")
	if err != nil {
		return err
	}
	page := GuardiansPage{Kinds: Kinds, Today: rq.Today(), Latest: rq.Today().AddDate(0, 0, discloseDays), Sent: map[string]string{}}
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.Person, err = Get(rq.Ctx, tx.Read, rq.Actor, authz.PersonManage, id, rq.Today()); err != nil {
			return err
		}
		if page.Rows, err = ListGuardianships(rq.Ctx, tx.Read, id, rq.Today()); err != nil {
			return err
		}
		seen := []uuid.UUID{id}
		for _, g := range page.Rows {
			seen = append(seen, g.Guardian)
		}
		if page.Discloses = rq.Actor.May(authz.PersonDisclose); page.Discloses {
			if page.Recipients, err = ListRecipients(rq.Ctx, tx.Read, id, rq.Today()); err != nil {
				return err
			}
			if page.Disclosures, err = ListDisclosures(rq.Ctx, tx.Read, id, rq.Today()); err != nil {
				return err
			}
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	page.Mark = page.Person.Protected
	if wrong != nil && rq.Form("lomake") == "" {
		for _, f := range []string{"tunnus", "laji", "alkaa", "paattyy", "syy"} {
			if s, ok := rq.Sentence(f, 0, 500); ok {
				page.Sent[f] = s
			}
		}
	}
	page.Page = rq.Page("people.manage.title")
	rq.MendFault(&page.Page, wrong, guardianFields)
	return rq.RenderStatus(status, pages["guardians"], page)
}

// decision is one change by hand of the person of the address. It returns whom else
// it is about and the sentence to show.
type decision func(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error)

// decide runs a decision with its audit event in one transaction. What was wrong is
// said on the page, with what was typed.
func (h handlers) decide(do decision) web.Handler {
	return func(c *fiber.Ctx, rq *web.Request) error {
		id, err := rq.ParamID("person")
		if err != nil {
			return err
		}
		flash := ""
		err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) error {
			if _, err := Get(rq.Ctx, tx.Read, rq.Actor, rq.Action, id, rq.Today()); err != nil {
				return err
			}
			// Nobody decides about themself or their own child.
			if id == rq.Actor.Person || slices.Contains(rq.Actor.Children, id) {
				return authz.Missing("person")
			}
			d := Decision{By: rq.Actor.Person, At: rq.Now, Today: rq.Today()}
			var ok bool
			if d.Reason, ok = rq.Sentence("syy", 5, 500); !ok {
				return fault.New(fault.Invalid, "people.reason.wrong", "no reason")
			}
			var other uuid.UUID
			var err error
			if other, flash, err = do(tx, rq, id, d); err != nil {
				return err
			}
			return audit.Viewed(rq.Ctx, tx, rq.Decided(d.Reason, audit.Person, id, other))
		})
		if kind := fault.KindOf(err); err != nil && (kind == fault.Invalid || kind == fault.Conflict) && !errors.Is(err, tenancy.ErrLeaving) {
			status := map[fault.Kind]int{fault.Invalid: fiber.StatusUnprocessableEntity, fault.Conflict: fiber.StatusConflict}[kind]
			return h.showGuardians(rq, status, err)
		}
		if err != nil {
			return err
		}
		rq.Flash(flash)
		return c.Redirect("/henkilot/"+id.String()+"/huoltajat", fiber.StatusSeeOther)
	}
}

func (h handlers) addGuardian(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error) {
	name, _ := rq.Sentence("tunnus", 1, 256)
	from, okFrom := rq.Day("alkaa")
	last, okLast := rq.Day("paattyy")
	if !okFrom || !okLast || from == nil {
		return other, "", fault.New(fault.Invalid, "people.guardians.wrong.days", "days of a guardianship")
	}
	other, ok, err := FindByUsername(rq.Ctx, tx.Read, name)
	if err != nil {
		return other, "", err
	}
	if !ok {
		return other, "", fault.New(fault.Invalid, "people.username.wrong", "no such username")
	}
	if other == rq.Actor.Person {
		return other, "", fault.New(fault.Invalid, "people.guardians.wrong.self", "guardian by their own hand")
	}
	err = AddGuardianship(rq.Ctx, tx, NewGuardianship{Child: person, Guardian: other, Kind: rq.Form("laji"), From: *from, Last: last}, d)
	return other, "flash.guardian.added", err
}

func (h handlers) endGuardian(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error) {
	id, err := rq.ParamID("guardianship")
	if err != nil {
		return other, "", err
	}
	last, ok := rq.Day("viimeinen")
	if !ok {
		return other, "", fault.New(fault.Invalid, "people.guardians.wrong.days", "last day of a guardianship")
	}
	first := d.Today // without a last day it is over at once
	if last != nil {
		first = last.AddDate(0, 0, 1)
	}
	other, err = EndGuardianship(rq.Ctx, tx, person, id, first, d)
	return other, "flash.guardian.ended", err
}

func (h handlers) block(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error) {
	if other, err = rq.ParamID("guardian"); err != nil {
		return other, "", err
	}
	err = BlockGuardian(rq.Ctx, tx, person, other, d)
	return other, "flash.guardian.blocked", err
}

func (h handlers) lift(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error) {
	if other, err = rq.ParamID("guardian"); err != nil {
		return other, "", err
	}
	if other == rq.Actor.Person {
		return other, "", authz.Missing("block")
	}
	err = LiftBlock(rq.Ctx, tx, person, other, d)
	return other, "flash.guardian.lifted", err
}

func (h handlers) disclose(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error) {
	other, err = uuid.Parse(rq.Form("kenelle"))
	last, ok := rq.Day("viimeinen")
	if err != nil || !ok || last == nil {
		return other, "", fault.New(fault.Invalid, "people.disclose.wrong.days", "recipient or last day of a disclosure")
	}
	err = Disclose(rq.Ctx, tx, NewDisclosure{Learner: person, Recipient: other, Contacts: rq.Form("yhteystiedot") != "", Last: *last}, d)
	return other, "flash.disclosure.made", err
}

func (h handlers) endDisclosure(tx tenancy.Write, rq *web.Request, person uuid.UUID, d Decision) (other uuid.UUID, flash string, err error) {
	id, err := rq.ParamID("disclosure")
	if err != nil {
		return other, "", err
	}
	other, err = EndDisclosure(rq.Ctx, tx, person, id, d)
	return other, "flash.disclosure.ended", err
}
