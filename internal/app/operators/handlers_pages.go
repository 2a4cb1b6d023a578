package operators

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/i18n"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

type handlers struct{ *Site }

// TenantRow is what pages say of a tenant. Its keys are no part of it.
type TenantRow struct {
	Title, Slug, Ring, Cell string // Title is its name in the reader's language
	State                   Tag
	SchemaVersion           int64
	Since                   time.Time // zero when it was never routable
}

// Tag is a word in a colour.
type Tag struct{ Text, Color string }

// TenantsPage is all that templates/tenants.html may use.
type TenantsPage struct {
	web.Page
	Rows   []TenantRow
	Active int
}

var stateColors = map[tenancy.State]string{tenancy.Active: "success", tenancy.Suspended: "danger", tenancy.Provisioning: "warning",
	tenancy.Leaving: "warning", tenancy.Sealed: "danger", tenancy.Erased: "neutral"}

func rowOf(l i18n.Lang, t tenancy.Tenant) TenantRow {
	row := TenantRow{Title: t.Name(string(l)), Slug: t.Slug, Ring: t.Ring, Cell: t.Cell, SchemaVersion: t.SchemaVersion, State: Tag{l.T("operators.state." + string(t.State)), stateColors[t.State]}}
	if t.RoutableAt != nil {
		row.Since = *t.RoutableAt
	}
	return row
}

func (h handlers) tenants(_ *fiber.Ctx, rq *web.Request) (View, error) {
	page := TenantsPage{Page: rq.Page("operators.tenants")}
	for _, t := range h.db.Tenants() {
		row := rowOf(rq.Lang, t)
		page.Rows = append(page.Rows, row)
		if t.State == tenancy.Active {
			page.Active++
		}
	}
	return View{Template: pages["tenants"], Page: page}, nil
}

// TenantPage is all that templates/tenant.html may use.
type TenantPage struct {
	web.Page
	Slug  string
	State Tag
	Facts []Fact
	Log   []LogRow

	Supports  []SupportRow
	Hours     []int
	MayChange bool
	Why       string // what was typed, where the form comes back
	Chosen    int    // hours, likewise
}

// Fact is a label and a value.
type Fact struct{ Label, Value string }

// factsOf is what the catalogue says of a tenant; what is not known is left out.
func factsOf(l i18n.Lang, t tenancy.Tenant) []Fact {
	since := l.T("operators.never")
	if t.RoutableAt != nil {
		since = l.DateTime(*t.RoutableAt)
	}
	names := slices.Compact([]string{t.NameFi, t.NameSv, t.NameEn})
	facts := []Fact{
		{"operators.name", strings.Join(names, " · ")}, {"operators.slug", t.Slug}, {"operators.kind", l.T("operators.kind." + t.Kind)},
		{"operators.code", t.MunicipalityCode}, {"operators.businessid", t.BusinessID}, {"operators.oid", t.OrganisationOID},
		{"operators.hosts", strings.Join(t.Hosts, ", ")}, {"operators.ring", t.Ring}, {"operators.cell", t.Cell}, {"operators.schema", t.Schema},
		{"operators.version", strconv.FormatInt(t.SchemaVersion, 10)}, {"operators.since", since}, {"operators.created", l.DateTime(t.CreatedAt)},
	}
	facts = slices.DeleteFunc(facts, func(f Fact) bool { return f.Value == "" })
	for i := range facts {
		facts[i].Label = l.T(facts[i].Label)
	}
	return facts
}

// lately is how many lines of the log a tenant's page shows.
const lately = 10

func (h handlers) tenant(c *fiber.Ctx, rq *web.Request) (View, error) {
	t, err := h.Tenant(c)
	if err != nil {
		return View{}, err
	}
	d, err := h.db.Desk()
	if err != nil {
		return View{}, err
	}
	list, err := d.Log(rq.Ctx, tenancy.LogFilter{Tenant: t.Slug, Changes: true}, lately)
	if err != nil {
		return View{}, err
	}
	page := TenantPage{Page: rq.Page("operators.tenants"), Slug: t.Slug, State: rowOf(rq.Lang, t).State, Facts: factsOf(rq.Lang, t), Log: h.logRows(rq.Lang, list)}
	page.Title = t.Name(string(rq.Lang))
	page.Hours, page.MayChange = hours, From(rq).MayChange()
	if page.Supports, err = h.supports(rq, t); err != nil {
		return View{}, err
	}
	return View{Template: pages["tenant"], Page: page}, nil
}

// LogRow is a line of the operator log.
type LogRow struct {
	At             time.Time
	Actor, Command string
	Tenant, Slug   string // Slug is empty for a tenant that is not there
	Result         Tag
	Detail         string
}

var outcomeColors = map[string]string{"done": "success", "failed": "danger", "held": "warning", "refused": "danger", "begin": "warning", "view": "neutral"}

func (h handlers) logRows(l i18n.Lang, list []tenancy.LogEntry) []LogRow {
	rows := make([]LogRow, len(list))
	for i, e := range list {
		result := e.Outcome
		if e.Phase == "begin" {
			result = "begin"
		}
		row := LogRow{At: e.At, Actor: e.Actor, Command: e.Command, Tenant: e.Tenant, Detail: plainDetail(e.Detail)}
		if page, ok := strings.CutPrefix(e.Command, viewed); ok {
			result, row.Command = "view", page
		}
		if key := "operators.command." + strings.ReplaceAll(e.Command, " ", "."); i18n.Has(key) {
			row.Command = l.T(key)
		}
		if e.Actor == unknown {
			row.Actor = l.T("operators.unknown")
		}
		if t, ok := h.db.BySlug(e.Tenant); ok {
			row.Tenant, row.Slug = t.Name(string(l)), t.Slug
		}
		row.Result = Tag{l.T("operators.outcome." + result), outcomeColors[result]}
		rows[i] = row
	}
	return rows
}

// plainDetail leaves out the ids that line writes: the log keeps them for whoever
// must know, see tenantctl audit.
func plainDetail(s string) string {
	if !strings.HasPrefix(s, "operator ") {
		return s
	}
	_, rest, _ := strings.Cut(s, ", request ")
	_, text, _ := strings.Cut(rest, ": ")
	return text
}

// LogPage is all that templates/log.html may use.
type LogPage struct {
	web.Page
	Tenants []TenantChoice
	Actor   string
	Changes bool
	Asked   bool // filtered, or not the newest
	Rows    []LogRow
	Older   string // address of the next page, empty on the last
	Newest  string // address of the first page, empty there
}

// TenantChoice is a tenant to filter by.
type TenantChoice struct {
	Slug, Name string
	Chosen     bool
}

// perPage is how many lines of the log a page shows.
const perPage = 50

// Parameters of the log's address.
const (
	byTenant  = "kunta"
	byActor   = "tekija"
	byChanges = "muutokset"
	before    = "ennen"
)

func (h handlers) log(c *fiber.Ctx, rq *web.Request) (View, error) {
	of := tenancy.LogFilter{Tenant: c.Query(byTenant), Actor: strings.TrimSpace(c.Query(byActor)), Changes: c.Query(byChanges) != ""}
	of.Before, _ = strconv.ParseInt(c.Query(before), 10, 64) // what is no number begins at the newest
	if _, ok := h.db.BySlug(of.Tenant); !ok {
		of.Tenant = ""
	}
	d, err := h.db.Desk()
	if err != nil {
		return View{}, err
	}
	list, err := d.Log(rq.Ctx, of, perPage+1)
	if err != nil {
		return View{}, err
	}
	page := LogPage{Page: rq.Page("operators.log"), Actor: of.Actor, Changes: of.Changes, Asked: of != tenancy.LogFilter{}}
	if of.Before != 0 {
		page.Newest = logAddress(of, 0)
	}
	if len(list) > perPage {
		list = list[:perPage]
		page.Older = logAddress(of, list[perPage-1].ID)
	}
	page.Rows = h.logRows(rq.Lang, list)
	for _, t := range h.db.Tenants() {
		page.Tenants = append(page.Tenants, TenantChoice{t.Slug, t.Name(string(rq.Lang)), t.Slug == of.Tenant})
	}
	return View{Template: pages["log"], Page: page, Tenant: of.Tenant}, nil
}

func logAddress(of tenancy.LogFilter, from int64) string {
	q := url.Values{}
	set := func(name, value string) {
		if value != "" {
			q.Set(name, value)
		}
	}
	set(byTenant, of.Tenant)
	set(byActor, of.Actor)
	if of.Changes {
		q.Set(byChanges, "1")
	}
	if from != 0 {
		q.Set(before, strconv.FormatInt(from, 10))
	}
	if len(q) == 0 {
		return "/loki"
	}
	return "/loki?" + q.Encode()
}

// OperatorsPage is all that templates/operators.html may use.
type OperatorsPage struct {
	web.Page
	Rows     []OperatorRow
	AnyEnded bool
}

// OperatorRow is an operator in the list.
type OperatorRow struct {
	Name, Email, Role, AddedBy string
	Since, Ended               time.Time // Ended is zero for those of today
	Me                         bool
}

func (h handlers) operators(_ *fiber.Ctx, rq *web.Request) (View, error) {
	d, err := h.db.Desk()
	if err != nil {
		return View{}, err
	}
	list, err := d.Accounts(rq.Ctx)
	if err != nil {
		return View{}, err
	}
	page := OperatorsPage{Page: rq.Page("operators.list")}
	for _, a := range list {
		row := OperatorRow{Name: a.Name, Email: a.Email, Role: rq.Lang.T("role." + string(a.Role)), AddedBy: a.AddedBy, Since: a.CreatedAt, Me: a.ID == From(rq).ID}
		if a.EndedAt != nil {
			row.Ended, page.AnyEnded = *a.EndedAt, true
		}
		page.Rows = append(page.Rows, row)
	}
	return View{Template: pages["operators"], Page: page}, nil
}
