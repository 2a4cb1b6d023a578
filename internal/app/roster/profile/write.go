package profile

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"digione/internal/app/roster/oneroster"
)

// pack writes the rows of a type and remembers where each came from.
type pack struct {
	c   *converter
	ctx context.Context
	w   *oneroster.Writer
	rec oneroster.Record
	err error
}

func (c *converter) write(ctx context.Context, out io.Writer) error {
	modes := map[oneroster.Type]oneroster.Mode{}
	files := []struct {
		kind oneroster.Type
		meta []string
		rows func(*pack)
	}{
		{oneroster.Orgs, c.orgMeta, c.orgs},
		{oneroster.AcademicSessions, nil, c.sessions},
		{oneroster.Courses, nil, c.courses},
		{oneroster.Classes, nil, c.classRows},
		{oneroster.Users, c.meta, c.users},
		{oneroster.Roles, nil, c.roles},
		{oneroster.Enrollments, nil, c.enrollments},
		{oneroster.Demographics, nil, c.demographics},
	}
	for _, f := range files {
		modes[f.kind] = oneroster.Bulk
	}
	p := &pack{c: c, ctx: ctx, w: oneroster.NewWriter(out, oneroster.V121, modes, c.p.Name)}
	for _, f := range files {
		if p.begin(f.kind, f.meta); p.err == nil {
			f.rows(p)
		}
	}
	if p.err == nil {
		p.err = p.w.Close()
	}
	return p.err
}

func (p *pack) begin(t oneroster.Type, meta []string) {
	if p.err != nil {
		return
	}
	p.rec = oneroster.Record{Table: oneroster.TableOf(t)}
	p.rec.Fields = make([]string, len(p.rec.Table.Columns))
	for _, m := range meta {
		p.rec.Meta = append(p.rec.Meta, oneroster.Meta{Name: m})
	}
	p.err = p.w.Begin(t, meta)
}

// row writes one; fields are pairs of column and value.
func (p *pack) row(from place, id string, meta map[string]string, fields ...string) {
	if p.err != nil {
		return
	}
	p.rec.SourcedID = id
	clear(p.rec.Fields)
	for i := 0; i < len(fields); i += 2 {
		p.rec.Fields[p.rec.Table.Index(fields[i])] = fields[i+1]
	}
	for i := range p.rec.Meta {
		p.rec.Meta[i].Value = meta[p.rec.Meta[i].Name]
	}
	t, report := p.rec.Table.Type, p.c.report
	report.origins[t] = append(report.origins[t], from)
	if report.Rows[t]++; report.Rows[t]%4096 == 0 && p.ctx.Err() != nil {
		p.err = p.ctx.Err()
		return
	}
	p.err = p.w.Write(&p.rec)
}

func (c *converter) districtID() string { return c.p.Tenant + "-o" }

func (c *converter) orgs(p *pack) {
	p.row(place{}, c.districtID(), nil, "name", c.p.Organisation, "type", "district", "identifier", c.p.Municipality)
	for _, s := range c.schools {
		meta := map[string]string{metadata + "oid": s.oid, metadata + "language": s.language}
		for k, v := range s.meta {
			meta[k] = v
		}
		p.row(s.from, s.id, meta, "name", s.name, "type", "school", "identifier", s.code, "parentSourcedId", c.districtID())
	}
}

func (c *converter) yearID() string { return c.openID("y", c.p.year()) }

func (c *converter) termIDs() string {
	if len(c.p.Terms) == 0 {
		return c.yearID()
	}
	var ids []string
	for i := range c.p.Terms {
		ids = append(ids, c.openID("t", c.p.year(), strconv.Itoa(i+1)))
	}
	return strings.Join(ids, ",")
}

// sessions: the profile gives the last day, OneRoster wants the one after it.
func (c *converter) sessions(p *pack) {
	y := c.p.Year
	title := firstOf(y.Title, "Lukuvuosi "+y.Start[:4]+"–"+c.p.year())
	p.row(place{}, c.yearID(), nil, "title", title, "type", "schoolYear",
		"startDate", y.Start, "endDate", dayAfter(y.End), "schoolYear", c.p.year())
	for i, t := range c.p.Terms {
		p.row(place{}, c.openID("t", c.p.year(), strconv.Itoa(i+1)), nil, "title", firstOf(t.Title, "Lukukausi "+strconv.Itoa(i+1)),
			"type", "term", "startDate", t.Start, "endDate", dayAfter(t.End), "parentSourcedId", c.yearID(), "schoolYear", c.p.year())
	}
}

func dayAfter(day string) string {
	t, _ := time.Parse(time.DateOnly, day) // Load has seen that it is a date
	return t.AddDate(0, 0, 1).Format(time.DateOnly)
}

func (c *converter) courses(p *pack) {
	done := map[string]bool{}
	for _, k := range c.classes {
		if course := c.courseOf(k); !done[course.id] {
			done[course.id] = true
			p.row(k.from, course.id, nil, "schoolYearSourcedId", c.yearID(), "title", course.title,
				"courseCode", course.code, "grades", course.grades, "orgSourcedId", c.districtID())
		}
	}
}

func (c *converter) classRows(p *pack) {
	for _, k := range c.classes {
		p.row(k.from, k.id, nil, "title", k.title, "grades", strings.Join(k.grades, ","), "courseSourcedId", c.courseOf(k).id,
			"classType", "homeroom", "schoolSourcedId", k.school.id, "termSourcedIds", c.termIDs())
	}
}

func (c *converter) users(p *pack) {
	for _, x := range c.people {
		primary := ""
		if len(x.roles) > 0 {
			primary = x.roles[0].school.id
		}
		p.row(x.from, x.id, x.meta, "enabledUser", "true", "username", x.username, "givenName", x.given,
			"middleName", x.middle, "familyName", x.family, "email", x.email, "phone", x.phone,
			"agentSourcedIds", strings.Join(x.agents, ","), "grades", x.grade, "userMasterIdentifier", x.oid,
			"preferredGivenName", x.call, "primaryOrgSourcedId", primary)
	}
}

func (c *converter) roles(p *pack) {
	for _, x := range c.people {
		at := map[*school]bool{}
		for _, r := range x.roles {
			kind := "primary"
			if at[r.school] {
				kind = "secondary"
			}
			at[r.school] = true
			p.row(r.from, x.id+"/"+strings.TrimPrefix(r.school.id, c.p.Tenant+"-")+"/"+r.word, nil,
				"userSourcedId", x.id, "roleType", kind, "role", r.word, "orgSourcedId", r.school.id)
		}
	}
}

func (c *converter) enrollments(p *pack) {
	for _, k := range c.classes {
		for _, x := range k.learners {
			p.row(x.from, x.id+"/"+strings.TrimPrefix(k.id, c.p.Tenant+"-"), nil, "classSourcedId", k.id,
				"schoolSourcedId", k.school.id, "userSourcedId", x.id, "role", "student")
		}
		for i, t := range k.teachers {
			p.row(t.from, t.person.id+"/"+strings.TrimPrefix(k.id, c.p.Tenant+"-"), nil, "classSourcedId", k.id,
				"schoolSourcedId", k.school.id, "userSourcedId", t.person.id, "role", "teacher", "primary", strconv.FormatBool(i == 0))
		}
	}
}

func (c *converter) demographics(p *pack) {
	for _, x := range c.people {
		if x.birth != "" || x.sex != "" {
			p.row(x.from, x.id, nil, "birthDate", x.birth, "sex", x.sex)
		}
	}
}
