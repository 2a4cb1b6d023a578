package roster

import (
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"digione/internal/app/audit"
	"digione/internal/app/authz"
	"digione/internal/app/web"
	"digione/internal/tenancy"
)

// LeaversPage is all that templates/leavers.html may use.
type LeaversPage struct {
	web.Page
	Plan, Name         string
	Count, Part        int
	Rows               []LeaverView
	First, Last, Total int
	Previous, Further  string // addresses of the neighbouring pages
}

// LeaverView is a role that somebody would lose.
type LeaverView struct {
	Person     PersonName
	Role, Unit string
	Bare       bool
}

func (h handlers) leavers(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	at := filterOf(c).page
	path := own + "/" + p.ID + "/roolit"
	page := LeaversPage{Page: rq.Page("roster.leavers"), Plan: p.ID, Name: p.SourceName, Count: p.Leavers.Count, Part: p.Leavers.Part}
	list, total, err := h.leaving(rq, p, perPage, (at-1)*perPage)
	if err != nil {
		return err
	}
	v := viewer{l: rq.Lang}
	for _, l := range list {
		page.Rows = append(page.Rows, v.leaver(l))
	}
	page.Total, page.First, page.Last = total, (at-1)*perPage+1, (at-1)*perPage+len(list)
	if at > 1 {
		page.Previous = path + filter{}.query(at-1)
	}
	if page.Last < total {
		page.Further = path + filter{}.query(at+1)
	}
	return rq.Render(pages["leavers"], page)
}

// leaving reads who would lose a role; whoever is named was seen.
func (h handlers) leaving(rq *web.Request, p *Plan, limit, offset int) (list []leaver, total int, err error) {
	err = h.desk.DB.Write(rq.Ctx, rq.Tenant.ID, func(tx tenancy.Write) (err error) {
		if list, total, err = leaversOf(rq.Ctx, tx.Read, p.ID, nil, limit, offset); err != nil {
			return err
		}
		var seen []uuid.UUID
		for i, l := range list {
			if i == 0 || list[i-1].Person != l.Person {
				seen = append(seen, l.Person)
			}
		}
		return audit.Viewed(rq.Ctx, tx, rq.Seen(audit.Person, seen...))
	}, tenancy.Trace())
	return list, total, err
}

// leaversCSV sends all of them as a file that opens right in a spreadsheet.
func (h handlers) leaversCSV(c *fiber.Ctx, rq *web.Request) error {
	p, err := h.planOf(c, rq)
	if err != nil {
		return err
	}
	list, _, err := h.leaving(rq, p, mostFindings, 0)
	if err != nil {
		return err
	}
	var head []string
	for _, key := range []string{"roster.leavers.person", "roster.leavers.role", "roster.school", "roster.leavers.left"} {
		head = append(head, rq.Lang.T(key))
	}
	rows := [][]string{head}
	v := viewer{l: rq.Lang}
	for _, l := range list {
		one := v.leaver(l)
		left := "roster.leavers.left.some"
		if one.Bare {
			left = "roster.leavers.left.none"
		}
		rows = append(rows, []string{one.Person.Name, one.Role, one.Unit, rq.Lang.T(left)})
	}
	c.Attachment(rq.Lang.T("roster.leavers.file") + ".csv")
	c.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	return c.Send(spreadsheet(rows))
}

// leaver puts a role into words; one that gives nothing here keeps the source's.
func (v viewer) leaver(l leaver) LeaverView {
	out := LeaverView{Person: PersonName{l.Person, l.Name}, Role: l.Role, Unit: l.Unit, Bare: l.Bare}
	if role, ok := authz.RoleOf(l.Role, l.UnitKind); ok {
		out.Role = v.l.T("role." + string(role))
	}
	return out
}

// lossesOf says what the reader of a plan would lose by it.
func (v viewer) lossesOf(list []leaver) (out []string) {
	for _, l := range list {
		one := v.leaver(l)
		if l.Bare {
			return []string{v.l.T("roster.leavers.own.all")}
		}
		out = append(out, v.l.T("roster.leavers.own", "Role", one.Role, "School", one.Unit))
	}
	return out
}
