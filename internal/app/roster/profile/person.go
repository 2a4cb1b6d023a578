package profile

import (
	"slices"
	"strings"

	"digione/internal/app/people/hetu"
)

// ownMeta are the metadata columns that our fields fill.
var ownMeta = []string{metadata + "hetu", metadata + "homeLanguage", metadata + "turvakielto", metadata + "title"}

var ownOrgMeta = []string{metadata + "oid", metadata + "language"}

// person is a users row to be, with what hangs on it.
type person struct {
	id                          string
	family, given, middle, call string
	email, phone, username, oid string
	birth, sex, grade           string
	meta                        map[string]string
	agents                      []string
	roles                       []role
	class                       *class // of a learner
	guardian                    bool
	from                        place
}

type role struct {
	word   string
	school *school
	from   place
}

func (c *converter) learner(r *record) {
	school, ok := c.schoolOf(r)
	p := c.newPerson(r, "l")
	if p == nil || !ok {
		return
	}
	if c.byID[p.id] != nil {
		r.find("P301", r.s.in.Key[0], "another row has the same key", "one row for each learner")
		return
	}
	if code := r.get("hetu"); code != "" {
		if c.hetus[code] != nil {
			r.find("P302", "hetu", "another learner has the same identity code", "")
			return
		}
		c.hetus[code] = p
	}
	p.oid, p.grade = r.get("oppijanumero"), r.get("grade")
	p.roles = []role{{"student", school, r.place()}}
	c.add(p)
	if title := r.get("class"); title != "" {
		p.class = c.classOf(school, title, r)
		c.gradeByClass(p, title, r)
		p.class.join(p)
	} else {
		r.find("P207", "class", "the learner has no class and comes into no group", "")
	}
	for n := '1'; n <= '9'; n++ {
		c.guardianOf(p, r, "guardian"+string(n)+".", school)
	}
}

// gradeByClass takes the grade from "7B" where no column says it.
func (c *converter) gradeByClass(p *person, title string, r *record) {
	if p.grade != "" {
		return
	}
	g, ok := gradeOf(title)
	if !ok {
		r.find("P206", "class", "the grade cannot be told from the class, and no column says it", "a class such as 7B")
		return
	}
	p.grade = g
}

// employee takes a row of staff; a person with two schools has two rows.
func (c *converter) employee(r *record) {
	school, ok := c.schoolOf(r)
	hasRole := r.require("role")
	p := c.newPerson(r, "e")
	if p == nil || !ok || !hasRole {
		return
	}
	if first := c.byID[p.id]; first != nil {
		if first.family != p.family || first.given != p.given {
			r.find("P304", "familyName", "an earlier row of this person has another name", "")
		}
		p = first
	} else {
		c.add(p)
	}
	p.addRole(role{r.get("role"), school, r.place()})
	for _, title := range strings.FieldsFunc(r.get("class"), func(r rune) bool { return r == ',' || r == '/' || r == ';' }) {
		c.classOf(school, strings.TrimSpace(title), r).teach(p, r)
	}
}

func (p *person) addRole(x role) {
	for _, have := range p.roles {
		if have.word == x.word && have.school == x.school {
			return
		}
	}
	p.roles = append(p.roles, x)
}

// newPerson makes a person of a row, nil when something was wrong.
func (c *converter) newPerson(r *record, kind string) *person {
	p := &person{from: r.place(), meta: map[string]string{}}
	p.setName(r, "")
	id := c.keyOf(r, kind)
	if !r.named(p, "") || id == "" || len(r.wrong) > 0 {
		return nil
	}
	p.id, p.email, p.phone = id, r.get("email"), r.get("phone")
	p.username = firstOf(r.get("username"), id)
	p.sex, p.birth = r.get("sex"), r.birth("")
	for name, v := range r.values {
		if metaName.MatchString(name) {
			p.meta[name] = v
		}
	}
	for _, m := range []string{"hetu", "homeLanguage", "turvakielto", "title"} {
		p.meta[metadata+m] = r.get(m)
	}
	return p
}

// setName reads the names with a prefix, from one column or several.
func (p *person) setName(r *record, prefix string) {
	p.family = r.get(prefix + "familyName")
	given := r.get(prefix + "givenNames")
	if whole := r.get(prefix + "name"); whole != "" {
		family, rest := splitName(whole, r.s.in.NameOrder)
		p.family, given = firstOf(p.family, family), firstOf(given, rest)
	}
	p.given, p.middle, _ = strings.Cut(given, " ")
	p.given = firstOf(r.get(prefix+"givenName"), p.given)
	p.middle = firstOf(r.get(prefix+"middleNames"), strings.TrimSpace(p.middle))
	if call := r.get(prefix + "callName"); call != p.given {
		p.call = call
	}
}

// named reports a missing name at the column that should have it.
func (r *record) named(p *person, prefix string) bool {
	whole := r.s.at[prefix+"name"] != 0
	for _, n := range [...]struct{ value, field string }{{p.family, "familyName"}, {p.given, "givenNames"}} {
		if n.value != "" {
			continue
		}
		field := prefix + n.field
		if whole && r.s.at[field] == 0 {
			field = prefix + "name"
		}
		r.find("P201", field, "a family name and a given name are required", "")
		return false
	}
	return true
}

// birth is the birth date, from the identity code where no column has it.
func (r *record) birth(prefix string) string {
	said := r.get(prefix + "birthDate")
	h, err := hetu.Parse(r.get(prefix + "hetu"))
	if err != nil {
		return said
	}
	coded := h.BirthDate().Format("2006-01-02")
	if said != "" && said != coded {
		r.find("P208", "birthDate", "the birth date is not that of the identity code; it is kept", "")
	}
	return firstOf(said, coded)
}

func (c *converter) add(p *person) {
	c.people = append(c.people, p)
	c.byID[p.id] = p
}

// addMeta adds a metadata column of the units or of the people, once.
func (c *converter) addMeta(k Kind, name string) {
	into := &c.meta
	if k == Schools {
		into = &c.orgMeta
	}
	if metaName.MatchString(name) && !slices.Contains(*into, name) {
		*into = append(*into, name)
	}
}
