package onboarding

import (
	"embed"
	"errors"
	"io"
	"slices"
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
	for name, f := range map[string]step{
		"approve": approve, "waive": waive, "reopen": reopen, "pause": pause, "resume": resume,
	} {
		site.Change("/t/:slug/liittyminen/"+name, "join "+name, h.change(f))
	}
	site.Router.Nav(web.NavItem{Key: "onboarding.board", Path: "/liittyjat", Action: authz.FleetRead, Order: 5})
}

// signer is the admin who acts for the municipality.
func signer(rq *web.Request) joining.Actor {
	return joining.Actor{Account: "person " + rq.Actor.Person.String(), Side: joining.Municipality, Name: rq.Session.Name}
}

// refusal turns the process's refusals into answers.
func refusal(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, joining.ErrNotStarted):
		return authz.Missing("joining")
	case errors.Is(err, joining.ErrRefused), errors.Is(err, joining.ErrInvalid):
		return fault.New(fault.Conflict, "onboarding.refused", "%w", err)
	}
	return err
}

// MunicipalityPage is all that templates/municipality.html may use.
type MunicipalityPage struct {
	web.Page
	Started bool
	Stage   string
	State   Tag
	Ours    []Row
	Stages  []StageView
	Waves   []WaveView
	History []Line
	Files   []joining.Evidence
}

func (h handlers) municipality(_ *fiber.Ctx, rq *web.Request) error {
	page := MunicipalityPage{Page: rq.Page("onboarding.title")}
	s, err := h.service.State(rq.Ctx, rq.Tenant)
	if err != nil && refusal(err) != nil && fault.KindOf(refusal(err)) != fault.NotFound {
		return err
	}
	if s != nil {
		events, err := h.service.Events(rq.Ctx, rq.Tenant)
		if err != nil {
			return err
		}
		v := viewer{rq.Lang, rq.Today()}
		page.Started, page.State = true, v.state(s)
		page.Stage, page.Stages = v.stage(s), v.stages(s)
		page.Waves, page.History = v.waves(s), v.history(s, events)
		page.Files = filesOf(s)
		for _, d := range s.Due() {
			if d.Waits() == joining.Municipality {
				page.Ours = append(page.Ours, v.row(d))
			}
		}
	}
	return rq.Render(pages["municipality"], page)
}

// filesOf are the files handed in for all requirements, each once.
func filesOf(s *joining.State) (out []joining.Evidence) {
	for _, st := range s.Status {
		out = append(out, st.Files...)
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
		return h.back(c, rq, err)
	}
	var kept *joining.Evidence
	if f, err := c.FormFile("file"); err == nil && f.Size > 0 {
		in, err := f.Open()
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }()
		if kept, err = h.evidence.Keep(rq.Ctx, rq.Tenant, f.Filename, in); err != nil {
			return err
		}
	}
	_, err = h.service.Attest(rq.Ctx, rq.Tenant, signer(rq), []string{id}, kept, rq.Form("reason"))
	return h.back(c, rq, err)
}

func (h handlers) back(c *fiber.Ctx, rq *web.Request, err error) error {
	if err := refusal(err); err != nil {
		return err
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
	s, err := h.service.State(rq.Ctx, t)
	if err != nil {
		return nil, joining.Evidence{}, refusal(err)
	}
	for _, st := range s.Status {
		for _, f := range st.Files {
			if f.SHA256 != hash {
				continue
			}
			r, err := h.evidence.Open(rq.Ctx, t, f)
			if err != nil {
				return nil, f, err
			}
			defer func() { _ = r.Close() }()
			b, err := io.ReadAll(io.LimitReader(r, MaxEvidence+1))
			return b, f, err
		}
	}
	return nil, joining.Evidence{}, authz.Missing("file")
}

// attach sends a file to be kept, never to be shown in the page's own origin.
func attach(c *fiber.Ctx, b []byte, f joining.Evidence) error {
	c.Attachment(f.Name)
	c.Set(fiber.HeaderContentType, f.Type)
	return c.Send(b)
}
