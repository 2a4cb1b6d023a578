package rights

import (
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/people"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// PrivacyPage is all that templates/privacy.html may use.
type PrivacyPage struct {
	web.Page
	Query, Reason string
	Asked         bool
	Hits          []people.HitLine
}

func (h handlers) ask(_ *fiber.Ctx, rq *web.Request) error {
	return rq.Render(pages["privacy"], PrivacyPage{Page: rq.Page("rights.privacy.title")})
}

// reason is why the officer looks; without one there is nobody to be seen.
func reason(rq *web.Request) (string, bool) { return rq.Sentence("syy", 10, 500) }

func (h handlers) search(_ *fiber.Ctx, rq *web.Request) error {
	page := PrivacyPage{Page: rq.Page("rights.privacy.title")}
	var okName, okWhy bool
	page.Query, okName = rq.Sentence("nimi", 2, 100)
	page.Reason, okWhy = reason(rq)
	words, okWords := people.WordsOf(page.Query)
	if !okName || !okWords || !okWhy {
		field := "syy"
		if !okName || !okWords {
			field = "nimi"
		}
		page.Mend(field, rq.Lang.T("rights.privacy.wrong"))
		return rq.RenderStatus(fiber.StatusUnprocessableEntity, pages["privacy"], page)
	}
	var hits []people.Hit
	err := h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if hits, err = people.Search(rq.Ctx, tx.Read, rq.Reach(), words, rq.Today()); err != nil {
			return err
		}
		ids := make([]uuid.UUID, len(hits))
		for i, hit := range hits {
			ids[i] = hit.ID
		}
		return audit.Viewed(rq.Ctx, tx, rq.Decided(page.Reason, audit.Search), rq.Decided(page.Reason, audit.Person, ids...))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	page.Asked = true
	for _, hit := range hits {
		page.Hits = append(page.Hits, hit.Line(rq.Lang))
	}
	return rq.Render(pages["privacy"], page)
}

// InspectPage is all that templates/inspect.html may use.
type InspectPage struct {
	web.Page
	Person people.Person
	Sight  people.Sight
	Reason string
	Views  []ViewRow
}

// ViewRow is a look at the person, in words.
type ViewRow struct {
	View
	What, Who string
}

// inspect is a form, for the reason must not stand in an address; without a reason
// it is answered as a person who is not there.
func (h handlers) inspect(_ *fiber.Ctx, rq *web.Request) error {
	id, err := rq.ParamID("person")
	if err != nil {
		return err
	}
	why, ok := reason(rq)
	if !ok {
		return authz.Missing("person")
	}
	page := InspectPage{Page: rq.Page("rights.privacy.title"), Reason: why}
	var views []View
	err = h.db.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if page.Person, err = people.Get(rq.Ctx, tx.Read, rq.Actor, rq.Action, id, rq.Today()); err != nil {
			return err
		}
		if views, err = ListViews(rq.Ctx, tx.Read, id); err != nil {
			return err
		}
		return audit.Viewed(rq.Ctx, tx, rq.Decided(why, audit.Person, id))
	}, tenancy.Trace())
	if err != nil {
		return err
	}
	page.Sight = people.SightOf(people.Officer, page.Person.Protected)
	for _, v := range views {
		row := ViewRow{View: v, What: rq.Lang.T("rights.action." + v.Action), Who: v.Actor}
		if row.What == "rights.action."+v.Action {
			row.What = v.Action
		}
		if v.Kind != "person" {
			row.Who = rq.Lang.T("rights.actor." + v.Kind)
		}
		page.Views = append(page.Views, row)
	}
	return rq.Render(pages["inspect"], page)
}
