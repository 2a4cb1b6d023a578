package profile

import (
	"slices"
	"strings"
)

// class is a homeroom: a school and what the rows call the class.
type class struct {
	id, title string
	school    *school
	grades    []string
	learners  []*person
	teachers  []teacher
	from      place
}

type teacher struct {
	person *person
	from   place
}

// classOf finds the class of a school, or adds it.
func (c *converter) classOf(s *school, title string, r *record) *class {
	key := s.id + "\x00" + foldWord(title)
	if k := c.byClass[key]; k != nil {
		return k
	}
	k := &class{title: title, school: s, from: r.place()}
	k.id = c.openID("c", c.p.year(), strings.TrimPrefix(s.id, c.p.Tenant+"-s-"), title)
	if _, taken := c.ids[k.id]; taken {
		r.find("P306", "class", "the name of another class gives the same identifier", "names that differ in letters or digits")
	}
	c.ids[k.id] = key
	c.byClass[key] = k
	c.classes = append(c.classes, k)
	return k
}

func (k *class) join(p *person) {
	k.learners = append(k.learners, p)
	if p.grade != "" && !slices.Contains(k.grades, p.grade) {
		k.grades = append(k.grades, p.grade)
	}
}

func (k *class) teach(p *person, r *record) {
	for _, t := range k.teachers {
		if t.person == p {
			return
		}
	}
	if len(k.teachers) == 1 {
		r.find("P305", "class", "the class has a teacher already; that one is primary", "")
	}
	k.teachers = append(k.teachers, teacher{p, r.place()})
}

// settle gives a class without learners the grade that its name tells.
func (k *class) settle() {
	if g, ok := gradeOf(k.title); ok && len(k.grades) == 0 {
		k.grades = []string{g}
	}
	slices.Sort(k.grades)
}

// course is what a homeroom is taught: one for each grade, or set of grades.
type course struct{ id, title, code, grades string }

func (c *converter) courseOf(k *class) course {
	if len(k.grades) == 0 {
		return course{c.openID("k", c.p.year(), "muu"), "Muu opetus", "muu", ""}
	}
	years := make([]string, len(k.grades))
	for i, g := range k.grades {
		years[i] = strings.TrimPrefix(g, "0")
	}
	code := strings.Join(years, "-")
	return course{c.openID("k", c.p.year(), code), "Vuosiluokka " + code, code, strings.Join(k.grades, ",")}
}

// year is the one in which the school year ends.
func (p *Profile) year() string { return p.Year.End[:4] }
