package people

import (
	"strings"

	"digione/internal/app/i18n"
)

// Card is a learner on a front page or a person page: who, and where today.
// Lang must be set before it is shown.
type Card struct {
	Person     Person
	Sight      Sight
	Placements []Placement
	Groups     []Membership
	Lang       i18n.Lang
	Linked     bool // the name leads to the person's page
}

// Where is the line under the name: class or grade, and school.
func (c Card) Where() string {
	var out []string
	for _, p := range c.Placements {
		class := p.HomeGroup
		if class == "" && p.Grade != "" {
			class = c.Lang.T("people.grade", "Grade", p.Grade)
		}
		out = append(out, strings.Trim(class+", "+unitName(c.Lang, p.School, p.SchoolSv), ", "))
	}
	return strings.Join(out, " · ")
}

// Line is a group as a list shows it: what it is called, and under it who
// teaches it.
type Line struct{ Title, Under string }

// Lines lists the groups, the home class first.
func (c Card) Lines() []Line {
	out := make([]Line, len(c.Groups))
	for i, g := range c.Groups {
		under := g.Teachers
		if g.Homeroom {
			under = append([]string{c.Lang.T("people.homeroom")}, under...)
		}
		out[i] = Line{g.Title, strings.Join(under, " · ")}
	}
	return out
}
