package onboarding

import (
	"embed"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/operators"
	"digione/internal/app/web"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// own is the address of a municipality's page about its joining.
const own = "/liittyminen"

// olderThan is the parameter of an address for what is older in a history.
const olderThan = "ennen"

// ownAccount begins the account of a municipality's person who is signed in.
const ownAccount = "person "

type handlers struct {
	db       *tenancy.DB
	service  *joining.Service
	evidence Evidence
}

// Routes mounts the municipality's page for its own admins.
func Routes(r *web.Router, db *tenancy.DB, s *joining.Service, e Evidence) {
	h := handlers{db, s, e}
	r.Get(own, authz.Joining, h.municipality)
	r.Get(own+"/tiedosto/:hash", authz.Joining, h.file)
	r.Post(own+"/:requirement", authz.Joining, h.confirm)
	r.Large(own+"/", MaxEvidence+1<<20)
	r.Nav(web.NavItem{Key: "onboarding.nav", Path: own, Action: authz.Joining, Order: 60})
}

// Desk mounts the operators' board and a page for each municipality.
func Desk(site *operators.Site, db *tenancy.DB, s *joining.Service, e Evidence) {
	h := desk{handlers{db, s, e}, site}
	site.Page("/liittyjat", "board", h.board)
	site.Page("/t/:slug/liittyminen", "joining", h.tenant)
	site.Page("/t/:slug/liittyminen/tiedosto/:hash", "evidence", h.evidenceOf)
	site.Router.Get("/liittyjat/viimeisin", authz.FleetRead, h.latest)
	for name, f := range h.steps() {
		site.Form("/t/:slug/liittyminen/"+name, "join "+name, h.change(f), h.again)
	}
	site.Router.Large("/t/", MaxEvidence+1<<20)
	site.Router.Nav(web.NavItem{Key: "onboarding.board", Path: "/liittyjat", Action: authz.FleetRead, Order: 5})
}

// signer is the admin who acts for the municipality.
func signer(rq *web.Request) joining.Actor {
	return joining.Actor{Account: ownAccount + rq.Actor.Person.String(), Side: joining.Municipality, Name: rq.Session.Name, Self: true}
}

// refusal turns the process's refusals into answers.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, joining.ErrNotStarted):
		return authz.Missing("joining")
	case errors.Is(err, joining.ErrRefused), errors.Is(err, joining.ErrInvalid):
		key := "onboarding.refused"
		if why := joining.Why(err); why != "" {
			key = "onboarding.wrong." + why
		}
		return fault.New(fault.Conflict, key, "%w", err)
	}
	return err
}

// MunicipalityPage is all that templates/municipality.html may use.
type MunicipalityPage struct {
	web.Page
	Started bool
	Stage   string
	State   Tag
	Red     int
	Ours    []Row
	Stages  []StageView
	Waves   []WaveView
	History History
	Files   []joining.Evidence
	Sent    map[string]string // reasons that were typed into a form that comes back
}

func (h handlers) municipality(c *fiber.Ctx, rq *web.Request) error {
	return h.show(c, rq, fiber.StatusOK, "", nil)
}

// wrongIn are the fields of a requirement's form that errors are about: the id of one
// begins so, then comes the requirement.
var wrongIn = map[string]string{"onboarding.wrong.reason": "r-", "onboarding.wrong.file": "f-", "onboarding.type": "f-", "onboarding.toolarge": "f-", "onboarding.empty": "f-"}

// show renders the page, with what is wrong in the form of a requirement.
func (h handlers) show(c *fiber.Ctx, rq *web.Request, status int, id string, wrong error) error {
	page := MunicipalityPage{Page: rq.Page("onboarding.title"), Sent: map[string]string{}}
	if wrong != nil {
		field := wrongIn[fault.Key(wrong)]
		if field != "" {
			field += id
		}
		page.Mend(field, rq.Lang.T(fault.Key(wrong)))
		page.Sent[id], _ = rq.Sentence("reason", 0, 500)
	}
	s, err := h.service.State(rq.Ctx, rq.Tenant)
	if err != nil && refusal(err) != nil && fault.KindOf(refusal(err)) != fault.NotFound {
		return err
	}
	if s != nil {
		events, err := h.service.Events(rq.Ctx, rq.Tenant)
		if err != nil {
			return err
		}
		v, err := h.viewer(rq, rq.Tenant)
		if err != nil {
			return err
		}
		page.Started, page.State, page.Red = true, v.state(s), s.Red()
		page.Stage, page.Stages = v.stage(s), v.stages(s)
		page.Waves, page.History = v.waves(s), v.history(s, events, own, before(c))
		page.Files = filesOf(events)
		for _, d := range s.Due() {
			if d.Waits() == joining.Municipality {
				page.Ours = append(page.Ours, v.row(d))
			}
		}
	}
	return rq.RenderStatus(status, pages["municipality"], page)
}

// viewer is whom a request's pages about a tenant are written for.
func (h handlers) viewer(rq *web.Request, t tenancy.Tenant) (viewer, error) {
	at, err := h.service.Measured(rq.Ctx, t)
	return viewer{rq.Lang, rq.Today(), h.service.Templates, at}, err
}

// before is the event that a history is asked for before, 0 for the newest.
func before(c *fiber.Ctx) int64 {
	n, err := strconv.ParseInt(c.Query(olderThan), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// filesOf are the files that were ever handed in, each once: a reopening or another
// version of the template takes none away.
func filesOf(events []joining.Event) (out []joining.Evidence) {
	for _, e := range events {
		if e.Evidence != nil {
			out = append(out, *e.Evidence)
		}
	}
	slices.SortFunc(out, func(a, b joining.Evidence) int { return strings.Compare(a.SHA256, b.SHA256) })
	return slices.CompactFunc(out, func(a, b joining.Evidence) bool { return a.SHA256 == b.SHA256 })
}

// confirm takes the municipality's word, with a file where one is asked for.
func (h handlers) confirm(c *fiber.Ctx, rq *web.Request) error {
	id := c.Params("requirement")
	s, err := h.service.State(rq.Ctx, rq.Tenant)
	if err != nil {
		return refusal(err)
	}
	i := slices.IndexFunc(s.Status, func(st joining.Status) bool { return st.ID == id })
	if i < 0 {
		return authz.Missing("requirement")
	}
	if s.Status[i].State == joining.Second {
		_, err := h.service.Approve(rq.Ctx, rq.Tenant, signer(rq), []string{id}, rq.Form("reason"))
		return h.back(c, rq, id, err)
	}
	kept, err := h.keep(c, rq, rq.Tenant)
	if err == nil {
		_, err = h.service.Attest(rq.Ctx, rq.Tenant, signer(rq), []string{id}, kept, rq.Form("reason"))
	}
	return h.back(c, rq, id, err)
}

// keep keeps the file that a form brings, nil without one.
func (h handlers) keep(c *fiber.Ctx, rq *web.Request, t tenancy.Tenant) (*joining.Evidence, error) {
	f, err := c.FormFile("file")
	if err != nil || f.Size == 0 { // no file is said by what asks for one
		return nil, nil
	}
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	return h.evidence.Keep(rq.Ctx, t, f.Filename, in)
}

func (h handlers) back(c *fiber.Ctx, rq *web.Request, id string, err error) error {
	switch err := refusal(err); fault.KindOf(err) {
	case fault.Invalid:
		return h.show(c, rq, fiber.StatusUnprocessableEntity, id, err)
	case fault.Conflict:
		return h.show(c, rq, fiber.StatusConflict, id, err)
	default:
		if err != nil {
			return err
		}
	}
	rq.Flash("flash.confirmed")
	return c.Redirect(own, fiber.StatusSeeOther)
}

// file sends a file that this municipality handed in, and no other's.
func (h handlers) file(c *fiber.Ctx, rq *web.Request) error {
	b, f, err := h.kept(rq, rq.Tenant, c.Params("hash"))
	if err != nil {
		return err
	}
	return attach(c, b, f)
}

// kept returns a file by its hash, looked for among the events of the tenant alone.
func (h handlers) kept(rq *web.Request, t tenancy.Tenant, hash string) ([]byte, joining.Evidence, error) {
	events, err := h.service.Events(rq.Ctx, t)
	if err != nil {
		return nil, joining.Evidence{}, err
	}
	files := filesOf(events)
	i := slices.IndexFunc(files, func(f joining.Evidence) bool { return f.SHA256 == hash })
	if i < 0 {
		return nil, joining.Evidence{}, authz.Missing("file")
	}
	r, err := h.evidence.Open(rq.Ctx, t, files[i])
	if err != nil {
		return nil, files[i], err
	}
	defer func() { _ = r.Close() }()
	b, err := io.ReadAll(io.LimitReader(r, MaxEvidence+1))
	return b, files[i], err
}

// attach sends a file to be kept, never to be shown in the page's own origin.
func attach(c *fiber.Ctx, b []byte, f joining.Evidence) error {
	c.Attachment(f.Name)
	c.Set(fiber.HeaderContentType, f.Type)
	return c.Send(b)
}
