// Package org shows the municipality's schools and groups to those who work in
// them. It owns the tables unit, term, course, teaching_group, enrolment,
// grade_placement and study_right; its pages write nothing but audit events. It
// reads persons' names for the lists, under the rule of package people: a class
// list holds names and grades, no contact details, and marks nobody.
package org

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/i18n"
)

// School is a school with what is counted in it today.
type School struct {
	ID       uuid.UUID
	Name     string
	NameSv   string
	Learners int
	Groups   int
	Staff    int
	FreshAt  *time.Time // when the roster was last brought in
}

// In is the school's name in a language, where it has one.
func (s School) In(l i18n.Lang) string { return inLang(l, s.Name, s.NameSv) }

func inLang(l i18n.Lang, fi, sv string) string {
	if l == i18n.Sv && sv != "" {
		return sv
	}
	return fi
}

// GradeCount is how many learners a grade of a school has today.
type GradeCount struct {
	Unit  uuid.UUID
	Grade string
	Count int
}

// Group is a home class or a subject group that runs today.
type Group struct {
	ID       uuid.UUID
	Title    string
	Homeroom bool
	Unit     uuid.UUID
	School   string
	SchoolSv string
	Learners int
	Teachers []string
	FreshAt  *time.Time // when the roster was last brought in
}

// SchoolName is the school's name in a language.
func (g Group) SchoolName(l i18n.Lang) string { return inLang(l, g.School, g.SchoolSv) }

// TeacherNames lists the teachers.
func (g Group) TeacherNames() string { return strings.Join(g.Teachers, ", ") }

// Member is a learner on a class list.
type Member struct {
	ID        uuid.UUID
	Name      string // family name first
	Grade     string
	HomeGroup string
}

// Split parts home classes from the other groups.
func Split(groups []Group) (home, other []Group) {
	for _, g := range groups {
		if g.Homeroom {
			home = append(home, g)
		} else {
			other = append(other, g)
		}
	}
	return home, other
}
