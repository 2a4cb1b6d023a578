package roster

import (
	"context"
	"embed"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// own is where the pages lie.
const own = "/oppilastiedot"

type handlers struct{ desk *Desk }

// Routes mounts the pages by which a municipality's admins import for themselves.
func Routes(r *web.Router, d *Desk) {
	h := handlers{d}
	r.Get(own, authz.RosterRead, h.overview)
	r.Get(own+"/tila", authz.RosterRead, h.ask)
	r.Post(own+"/paketti", authz.RosterChange, h.sendForm)
	r.Post(own+"/lahetys", authz.RosterChange, h.sendBegin)
	r.Get(own+"/lahetys/:upload", authz.RosterChange, h.sendState)
	r.Post(own+"/lahetys/:upload/:part", authz.RosterChange, h.sendPart)
	r.Get(own+"/paketti/:upload", authz.RosterRead, h.upload)
	r.Post(own+"/paketti/:upload/tarkista", authz.RosterChange, h.uploadCheck)
	r.Post(own+"/paketti/:upload/poista", authz.RosterChange, h.uploadDrop)
	r.Get(own+"/paketti/:upload/havainnot", authz.RosterRead, h.uploadFindings)
	r.Get(own+"/paketti/:upload/havainnot.csv", authz.RosterRead, h.uploadCSV)
	r.Get(own+"/henkilot/:person", authz.RosterRead, h.person)
	r.Get(own+"/:plan", authz.RosterRead, h.plan)
	r.Get(own+"/:plan/havainnot", authz.RosterRead, h.planFindings)
	r.Get(own+"/:plan/havainnot.csv", authz.RosterRead, h.planCSV)
	r.Get(own+"/:plan/muutokset/:type/:kind", authz.RosterRead, h.samples)
	r.Get(own+"/:plan/roolit", authz.RosterRead, h.leavers)
	r.Get(own+"/:plan/roolit.csv", authz.RosterRead, h.leaversCSV)
	r.Get(own+"/:plan/harjoitus", authz.RosterRead, h.rehearsal)
	r.Post(own+"/:plan/harjoitus", authz.RosterChange, h.rehearse)
	r.Get(own+"/:plan/julkaisu", authz.RosterRead, h.publication)
	r.Get(own+"/:plan/julkaisu.csv", authz.RosterRead, h.publicationCSV)
	r.Post(own+"/:plan/julkaisu", authz.RosterChange, h.schedule)
	r.Post(own+"/:plan/julkaisu/hyvaksy", authz.RosterChange, h.approveParts)
	r.Post(own+"/:plan/julkaisu/nyt", authz.RosterChange, h.publishNow)
	r.Post(own+"/:plan/julkaisu/peru", authz.RosterChange, h.stopPublish)
	r.Post(own+"/:plan/julkaisu/uudelleen", authz.RosterChange, h.retryPart)
	r.Post(own+"/:plan/tuo", authz.RosterChange, h.apply)
	r.Post(own+"/:plan/hylkaa", authz.RosterChange, h.close)
	r.Post(own+"/:plan/uudelleen", authz.RosterChange, h.again)
	r.Post(own+"/:plan/peru", authz.RosterChange, h.undo)
	r.Large(own+"/paketti", MaxForm+1<<20)
	r.Large(own+"/lahetys/", PartSize+1<<16)
	r.Nav(web.NavItem{Key: "roster.nav", Path: own, Action: authz.RosterRead, Order: 40})
}

// account is how plans name who asks.
func account(rq *web.Request) string { return AccountOf(rq.Actor.Person) }

// noted leaves the event of a change before it begins; what names the plan or the
// upload.
func (h handlers) noted(ctx context.Context, rq *web.Request, what string) error {
	e := rq.Seen(audit.Import)
	e.Reason = what
	return h.desk.DB.Write(ctx, rq.Tenant.ID, func(tx tenancy.Write) error { return audit.Viewed(ctx, tx, e) })
}

// RosterPage is all that templates/roster.html may use.
type RosterPage struct {
	web.Page
	MayChange  bool
	Work       *WorkView
	Waiting    []PlanLine
	Uploads    []UploadLine
	Inbox      InboxView
	History    []PlanLine
	Last       *PlanLine // the newest import
	Publishing *PublishingNote
	MaxForm    int // megabytes
	MaxUpload  int
}

// PublishingNote says that a school year waits to be published, or is being so.
type PublishingNote struct {
	Path        string
	At          time.Time
	Begun, Held bool
}

func (h handlers) overview(_ *fiber.Ctx, rq *web.Request) error {
	w, err := h.desk.running(rq.Ctx, rq.Tenant)
	if err != nil {
		return err
	}
	page := RosterPage{Page: rq.Page("roster.title"), MayChange: rq.Actor.May(authz.RosterChange), MaxForm: MaxForm >> 20, MaxUpload: MaxUpload >> 20}
	page.Work = workView(rq.Lang, w)
	list, err := h.desk.history(rq.Ctx, rq.Tenant, 100, false)
	if err != nil {
		return err
	}
	var newest *Plan
	var open []*Upload
	var delivered []*Delivery
	names := map[string]string{}
	err = h.desk.DB.Read(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Read) error {
		if open, err = openUploads(rq.Ctx, tx); err != nil {
			return err
		}
		if delivered, err = listDeliveries(rq.Ctx, tx); err != nil {
			return err
		}
		pub, ok, err := openPublication(rq.Ctx, tx)
		if err != nil {
			return err
		}
		if ok {
			page.Publishing = &PublishingNote{Path: publishing(pub.Plan), At: pub.At, Begun: pub.State == Publishing,
				Held: slices.ContainsFunc(pub.Parts, func(p *Part) bool { return p.State == PartHeld || p.State == PartFailed })}
		}
		if newest, err = latest(rq.Ctx, tx); err != nil {
			return err
		}
		names, err = namesOfAccounts(rq.Ctx, tx, accountsOf(list, open))
		return err
	})
	if err != nil {
		return err
	}
	v := viewer{rq.Lang, names}
	page.Inbox = v.inbox(rq.Tenant, delivered)
	last := 0
	for _, p := range list {
		last = max(last, p.seq)
	}
	for _, p := range list {
		line := v.line(p, newest.seq)
		switch {
		case p.State == Planned || p.State == Held:
			page.Waiting = append(page.Waiting, line)
		default:
			page.History = append(page.History, line)
		}
		if p.seq == last && last > 0 {
			page.Last = &line
		}
	}
	for _, u := range open {
		if u.SentBy == InboxAccount {
			continue // it stands among the deliveries
		}
		page.Uploads = append(page.Uploads, v.upload(u, account(rq)))
	}
	return rq.Render(pages["roster"], page)
}

// ask says in a few words what runs, so that a page can see whether there is news.
func (h handlers) ask(c *fiber.Ctx, rq *web.Request) error {
	w, err := h.desk.running(rq.Ctx, rq.Tenant)
	if err != nil {
		return err
	}
	return c.SendString(w.mark())
}

// planOf returns the plan or import of the address: what is not one of this tenant
// does not exist.
func (h handlers) planOf(c *fiber.Ctx, rq *web.Request) (*Plan, error) {
	id := c.Params("plan")
	if len(id) > 40 {
		return nil, authz.Missing("plan")
	}
	p, err := h.desk.Show(rq.Ctx, rq.Tenant, id)
	if err != nil {
		return nil, err
	}
	if p.ID != id {
		return nil, authz.Missing("plan") // one thing has one address
	}
	return p, nil
}

// refusal is err as a page's answer; a held plan is no error there.
func refusal(err error) error {
	if held := (*HeldError)(nil); isHeld(err, &held) {
		return fault.New(fault.Invalid, "roster.error.held", "%w", err)
	}
	return err
}
