package operators

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/app/i18n"
	"digione/internal/app/identity"
	appmail "digione/internal/app/mail"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

const (
	supportHours = 8           // at most, as the table's check says
	entryTime    = time.Minute // from the page with the way in to the tenant's host
	supportsMax  = 50          // how many grants pages show
)

// hours are what a grant may be asked for.
var hours = []int{1, 2, 4, supportHours}

// SupportRow is a support grant on a tenant's page.
type SupportRow struct {
	ID, Who, Why  string
	From, To      time.Time
	State         Tag
	Mine          bool // lives, and is the reader's own
	EndedAt       time.Time
	EndPath, Path string
}

func (h handlers) supportRoutes() {
	h.Form("/t/:slug/tuki", "support begin", h.beginSupport, h.supportAgain)
	h.Change("/t/:slug/tuki/:grant/lopeta", "support end", h.endSupport)
	h.Router.Post("/t/:slug/tuki/:grant/avaa", authz.FleetChange, h.openSupport)
}

// supports lists a tenant's grants as an operator sees them.
func (h handlers) supports(rq *web.Request, t tenancy.Tenant) ([]SupportRow, error) {
	d, err := h.db.Desk()
	if err != nil {
		return nil, err
	}
	list, err := d.Support(rq.Ctx, t.ID, supportsMax)
	if err != nil {
		return nil, err
	}
	rows := make([]SupportRow, len(list))
	for i, g := range list {
		row := SupportRow{ID: g.ID.String(), Who: g.OperatorName, Why: g.Reason, From: g.StartsAt, To: g.EndsAt, State: Tag{rq.Lang.T("operators.support.over"), "neutral"}}
		if g.EndedAt != nil {
			row.EndedAt = *g.EndedAt
		}
		if g.Live(rq.Now) {
			row.State = Tag{rq.Lang.T("operators.support.live"), "warning"}
			row.Mine = g.Operator == From(rq).ID && From(rq).MayChange()
		}
		row.Path = "/t/" + t.Slug + "/tuki/" + row.ID + "/avaa"
		row.EndPath = "/t/" + t.Slug + "/tuki/" + row.ID + "/lopeta"
		rows[i] = row
	}
	return rows, nil
}

func (h handlers) beginSupport(c *fiber.Ctx, rq *web.Request) (string, error) {
	t, err := h.Tenant(c)
	if err != nil {
		return "", err
	}
	why, readable := rq.Sentence("syy", 10, 500)
	n, err := strconv.Atoi(rq.Form("tunnit"))
	if err != nil || !slices.Contains(hours, n) || !readable {
		return "", fault.New(fault.Invalid, "operators.support.invalid", "reason or hours of a support grant")
	}
	if t.State != tenancy.Active && t.State != tenancy.Leaving {
		return "", fault.New(fault.Conflict, "operators.support.closed", "nobody enters a tenant that is %s", t.State)
	}
	d, err := h.db.Desk()
	if err != nil {
		return "", err
	}
	g := tenancy.SupportGrant{ID: newRun(), Tenant: t.ID, Operator: From(rq).ID, OperatorName: From(rq).Name, Reason: why,
		StartsAt: rq.Now, EndsAt: rq.Now.Add(time.Duration(n) * time.Hour)}
	if err := d.BeginSupport(rq.Ctx, g); err != nil {
		return "", err
	}
	h.notify(t, g)
	rq.Flash("flash.support.begun")
	return "/t/" + t.Slug, nil
}

// supportAgain is the tenant's page with what is wrong with the request for a grant.
func (h handlers) supportAgain(c *fiber.Ctx, rq *web.Request, wrong error) (View, error) {
	v, err := h.tenant(c, rq)
	if err != nil {
		return v, err
	}
	page := v.Page.(TenantPage)
	page.Why, _ = rq.Sentence("syy", 0, 500)
	page.Chosen, _ = strconv.Atoi(rq.Form("tunnit"))
	rq.MendFault(&page.Page, wrong, map[string]string{"operators.support.invalid": "syy"})
	v.Page = page
	return v, nil
}

// notify writes to the municipality's contacts that an operator may look in, beside
// the request: the page tells of it in any case. The reason is on the page alone.
func (h handlers) notify(t tenancy.Tenant, g tenancy.SupportGrant) {
	to := t.Settings.Joining.Addresses("") // all
	if h.mail.Addr == "" || len(to) == 0 {
		return
	}
	var subjects, bodies []string
	for _, l := range []i18n.Lang{i18n.Fi, i18n.Sv} {
		subjects = append(subjects, l.T("operators.support.mail.subject"))
		body := l.T("operators.support.mail.body", "Name", t.Name(string(l)), "Who", g.OperatorName, "Until", l.DateTime(g.EndsAt))
		if len(t.Hosts) > 0 {
			body += "\n\n" + h.scheme() + t.Hosts[0] + "/tuki"
		}
		bodies = append(bodies, body+"\n")
	}
	m := appmail.Message{To: to, Subject: strings.Join(subjects, " / "), Body: strings.Join(bodies, "\n----------\n\n")}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := h.mail.Send(ctx, m); err != nil {
			h.logger.Warn("mail of a support grant", "tenant", t.ID, "grant", g.ID, "error", err)
		}
	}()
}

func (s *Site) scheme() string {
	if s.tls {
		return "https://"
	}
	return "http://"
}

func (h handlers) endSupport(c *fiber.Ctx, rq *web.Request) (string, error) {
	t, grant, d, err := h.grantOf(c, rq)
	if err != nil {
		return "", err
	}
	ok, err := d.EndSupport(rq.Ctx, t.ID, From(rq).ID, grant, rq.Now)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", authz.Missing("support grant")
	}
	rq.Flash("flash.support.ended")
	return "/t/" + t.Slug, nil
}

// EntryPage is all that templates/entry.html may use.
type EntryPage struct {
	web.Page
	Slug, Town, Address string
}

// openSupport shows the way into a tenant, good once and for a minute. The page
// stands between, because a form may lead to no other host.
func (h handlers) openSupport(c *fiber.Ctx, rq *web.Request) error {
	t, grant, d, err := h.grantOf(c, rq)
	if err != nil {
		return err
	}
	if err := d.Note(rq.Ctx, line(rq, From(rq), "support open", t.Slug)); err != nil {
		return err
	}
	token := identity.NewToken()
	ok, err := d.OpenSupport(rq.Ctx, t.ID, From(rq).ID, grant, h.issuer, identity.HashOf(token), rq.Now, rq.Now.Add(entryTime))
	if err != nil {
		return err
	}
	if !ok || len(t.Hosts) == 0 {
		return authz.Missing("support grant")
	}
	page := EntryPage{Page: rq.Page("operators.support.entry"), Slug: t.Slug, Town: t.Name(string(rq.Lang))}
	page.Address = rq.OriginOf(t.Hosts[0]) + "/tuki/" + token
	for i := range page.Langs {
		page.Langs[i].Path = strings.Replace(page.Langs[i].Path, c.Path(), "/t/"+t.Slug, 1) // this page has no address
	}
	return rq.Render(pages["entry"], page)
}

func (h handlers) grantOf(c *fiber.Ctx, rq *web.Request) (t tenancy.Tenant, grant uuid.UUID, d *tenancy.Desk, err error) {
	if t, err = h.Tenant(c); err != nil {
		return t, grant, nil, err
	}
	if grant, err = rq.ParamID("grant"); err != nil {
		return t, grant, nil, err
	}
	d, err = h.db.Desk()
	return t, grant, d, err
}
