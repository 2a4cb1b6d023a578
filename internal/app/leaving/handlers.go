package leaving

import (
	"embed"
	"errors"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/transfer"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// own is the page's address.
const own = "/lahto"

type handlers struct{ db *tenancy.DB }

// Routes mounts the page. It is there while a tenant leaves, and does not exist otherwise.
func Routes(r *web.Router, db *tenancy.DB) {
	h := handlers{db}
	r.Get(own, authz.LeavingVerify, h.show)
	r.Post(own, authz.LeavingVerify, h.verify)
	r.Nav(web.NavItem{Key: "leaving.nav", Path: own, Action: authz.LeavingVerify, Order: 1, When: leaves})
}

func leaves(rq *web.Request) bool { return rq.Tenant.State == tenancy.Leaving }

// LeavingPage is all that templates/leaving.html may use.
type LeavingPage struct {
	web.Page
	Offer    transfer.Offer
	Rows     int
	Files    int
	Verified *transfer.Verification // the word that was given, nil for none
	Older    bool                   // it was given for an export before the last one
	Sent     string
}

func (h handlers) show(_ *fiber.Ctx, rq *web.Request) error { return h.render(rq, fiber.StatusOK, nil) }

func (h handlers) render(rq *web.Request, status int, wrong error) error {
	if !leaves(rq) {
		return authz.Missing("leaving")
	}
	page := LeavingPage{Page: rq.Page("leaving.title"), Sent: rq.Form("tiiviste")}
	desk, err := h.db.Desk()
	if err != nil {
		return err
	}
	var ok bool
	if page.Offer, ok, err = transfer.Offered(rq.Ctx, desk.Control(), rq.Tenant.ID); err != nil {
		return err
	}
	if !ok {
		return authz.Missing("leaving")
	}
	page.Rows, page.Files = int(page.Offer.Contents.Rows()), len(page.Offer.Contents.Objects)
	v, ok, err := transfer.Verified(rq.Ctx, desk.Control(), rq.Tenant.ID)
	if err != nil {
		return err
	}
	if ok {
		page.Verified, page.Older = &v, v.SHA256 != page.Offer.SHA256
	}
	rq.MendFault(&page.Page, wrong, map[string]string{"leaving.wrong.sum": "tiiviste", "leaving.wrong.seen": "katsottu"})
	return rq.RenderStatus(status, pages["leaving"], page)
}

// verify takes the municipality's word that it has the export.
func (h handlers) verify(c *fiber.Ctx, rq *web.Request) error {
	if !leaves(rq) {
		return authz.Missing("leaving")
	}
	if rq.Form("katsottu") == "" {
		return h.render(rq, fiber.StatusUnprocessableEntity, fault.New(fault.Invalid, "leaving.wrong.seen", "the file was not looked at"))
	}
	desk, err := h.db.Desk()
	if err != nil {
		return err
	}
	err = transfer.Verify(rq.Ctx, desk.Control(), rq.Tenant, transfer.Verification{SHA256: rq.Form("tiiviste"), Side: transfer.ByMunicipality,
		Actor: "person " + rq.Actor.Person.String(), Name: rq.Session.Name, At: rq.Now})
	if errors.Is(err, transfer.ErrOtherExport) {
		return h.render(rq, fiber.StatusUnprocessableEntity, fault.New(fault.Invalid, "leaving.wrong.sum", "%w", err))
	}
	if err != nil {
		return err
	}
	rq.Flash("flash.confirmed")
	return c.Redirect(own, fiber.StatusSeeOther)
}
