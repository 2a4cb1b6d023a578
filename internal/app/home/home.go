// Package home is the front page: for each role that a person has, what they come
// for first. It owns no table and writes nothing but audit events; schools, groups
// and learners it reads through org and people. What has no feature yet has no
// place on it.
package home

import (
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/org"
	"digione/internal/app/people"
)

// content is what the front page of an actor is made of.
type content struct {
	schools []org.School
	grades  []org.GradeCount
	groups  []org.Group
	cards   []people.Card
	told    []people.Card // learners disclosed to welfare staff
}

// freshAt is when the lists of the page were brought in; nil when there are none.
func (c content) freshAt() *time.Time {
	switch {
	case len(c.schools) > 0:
		return c.schools[0].FreshAt
	case len(c.groups) > 0:
		return c.groups[0].FreshAt
	}
	return nil
}

// SchoolCard is a school on a principal's front page.
type SchoolCard struct {
	School org.School
	Grades []org.GradeCount
}

func schoolCards(schools []org.School, grades []org.GradeCount) []SchoolCard {
	at := map[uuid.UUID]int{}
	out := make([]SchoolCard, len(schools))
	for i, s := range schools {
		out[i].School, at[s.ID] = s, i
	}
	for _, g := range grades {
		if i, ok := at[g.Unit]; ok {
			out[i].Grades = append(out[i].Grades, g)
		}
	}
	return out
}

// family are the persons whose own or guardian's front page this is.
func family(a authz.Actor) []uuid.UUID {
	var out []uuid.UUID
	if a.Has(authz.Learner) {
		out = append(out, a.Person)
	}
	return append(out, a.Children...)
}

// unitsOf are the schools whose learners the principal's page counts by grade.
func unitsOf(schools []org.School) []uuid.UUID {
	out := make([]uuid.UUID, len(schools))
	for i, s := range schools {
		out[i] = s.ID
	}
	return out
}

// disclosed are the learners whom schools have disclosed to the actor.
func disclosed(a authz.Actor) []uuid.UUID {
	if !a.Has(authz.Welfare) {
		return nil
	}
	out := make([]uuid.UUID, len(a.Disclosed))
	for i, d := range a.Disclosed {
		out[i] = d.Learner
	}
	return out
}
