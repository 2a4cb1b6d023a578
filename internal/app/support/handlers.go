package support

import (
	"embed"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// own is the address of the municipality's page, and below it the way in.
const own = "/tuki"

// most is how many visits the page lists.
const most = 200

// Routes mounts the way in and the page for the municipality's admins.
func Routes(r *web.Router, s Sessions) {
	r.Get(own, authz.SupportRead, s.visits)
	r.Get(own+"/:token", authz.Public, s.redeem)
	r.Nav(web.NavItem{Key: "support.nav", Path: own, Action: authz.SupportRead, Order: 70,
		When: func(rq *web.Request) bool { return rq.Tenant.Supported }})
}

// VisitsPage is all that templates/visits.html may use.
type VisitsPage struct {
	web.Page
	Visits []Visited
	Now    int // how many are open
}

// Visited is a grant as the municipality reads of it.
type Visited struct {
	Who, Why       string
	From, To       time.Time // To is when it ended, or will
	Live, Early    bool
	Times, Persons int
}

func (s Sessions) visits(_ *fiber.Ctx, rq *web.Request) error {
	page := VisitsPage{Page: rq.Page("support.title")}
	d, err := s.DB.Desk()
	if err != nil {
		return err
	}
	list, err := d.Support(rq.Ctx, rq.Tenant.ID, most)
	if err != nil {
		return err
	}
	err = s.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error {
		seen, err := CountViews(rq.Ctx, tx, list)
		page.Now, page.Visits = 0, nil
		for _, g := range list {
			v := Visited{Who: g.OperatorName, Why: g.Reason, From: g.StartsAt, To: g.EndsAt, Live: g.Live(rq.Now), Times: seen[g.ID].Times, Persons: seen[g.ID].Persons}
			if g.EndedAt != nil {
				v.To, v.Early = *g.EndedAt, true
			}
			if v.Live {
				page.Now++
			}
			page.Visits = append(page.Visits, v)
		}
		return err
	})
	if err != nil {
		return err
	}
	return rq.Render(pages["visits"], page)
}

// redeem begins a visit. A token that is worth nothing is answered as an address
// that is not there, whatever the cause.
func (s Sessions) redeem(c *fiber.Ctx, rq *web.Request) error {
	if c.Method() != fiber.MethodGet { // to look whether the page is there uses nothing up
		return authz.Missing("entry")
	}
	token, expires, ok, err := s.enter(rq, c.Params("token"))
	if err != nil {
		return err
	}
	if !ok {
		return authz.Missing("entry")
	}
	rq.SetSession(token, expires)
	return c.Redirect("/", fiber.StatusSeeOther)
}
