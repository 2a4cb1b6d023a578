package app_test

import (
	"net/url"
	"testing"

	"digione/internal/app"
	"digione/internal/app/home"
	"digione/internal/app/merge"
	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/rights"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy/dbtest"
)

// TestProtected looks at a person under turvakielto in each place of
// docs/permissions.md, by each who comes there.
func TestProtected(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, "", func(s peopletest.Seed) {
		twoSchools(s)
		s.Learner(s.Person("veil", peopletest.Person{Family: "Piilossa", Protected: true}), id("Kilteri"), "7", id("7B"))
		s.Grant(s.Person("admin", peopletest.Person{Born: "1980-01-01"}), "districtAdministrator", id("provider"))
		for _, g := range []string{"guardian", "other guardian"} {
			if g != "guardian" {
				s.Person(g, peopletest.Person{Born: "1980-01-01"})
			}
			s.Guardian(id(g), id("veil"))
		}
		s.Exec(`insert into disclosure (id, learner, recipient, contacts, reason, validity, disclosed_by) values ($1, $2, $3, false, 'syy', '[2026-11-01,2026-12-01)', $4)`,
			id("disclosure of veil"), id("veil"), id("welfare told"), id("principal here"))
	})
	s := webtest.New(db, func(r *web.Router) {
		home.Routes(r, db)
		org.Routes(r, db)
		people.Routes(r, db)
		rights.Routes(r, db)
		merge.Routes(r, db, app.MergeRoster)
	})
	const name, school, mark = "Piilossa", "Kilteri", "Tietoja suojattu"
	person, list := "/henkilot/"+id("veil").String(), "/ryhmat/"+id("7B").String()
	for _, c := range []struct {
		who, path string
		form      url.Values
		place     bool // the school is shown
		mark      bool
	}{
		{"veil", "/", nil, false, false}, {"veil", "/omat-tiedot", nil, false, false},
		{"other guardian", "/", nil, false, false}, {"other guardian", person, nil, false, false}, {"other guardian", "/omat-tiedot", nil, false, false},
		{"teacher here", list, nil, true, false}, {"teacher here", person, nil, true, true},
		{"substitute", list, nil, true, false}, {"substitute", person, nil, true, true},
		{"special here", list, nil, true, false}, {"special here", person, nil, true, true},
		{"secretary here", list, nil, true, false}, {"secretary here", person, nil, true, true}, {"secretary here", person + "/huoltajat", nil, false, true},
		{"principal here", list, nil, true, false}, {"principal here", person, nil, true, true}, {"principal here", person + "/huoltajat", nil, false, true},
		{"admin", person, nil, true, true}, {"admin", "/haku", url.Values{"nimi": {"piilossa"}}, false, true},
		{"principal here", "/haku", url.Values{"nimi": {"piilossa"}}, false, true}, {"secretary here", "/haku", url.Values{"nimi": {"piilossa"}}, false, true},
		{"special here", "/haku", url.Values{"nimi": {"piilossa"}}, false, true}, {"teacher here", "/haku", url.Values{"nimi": {"piilossa"}}, false, true},
		{"substitute", "/haku", url.Values{"nimi": {"piilossa"}}, false, true},
		{"admin", "/yhdistamiset/" + id("veil").String() + "/" + id("guardian").String(), nil, true, true}, // to decide, one must see what the records are
		{"welfare told", person, nil, true, true},
		{"officer", "/tietosuoja", url.Values{"nimi": {"piilossa"}, "syy": {"Rekisteröidyn pyyntö"}}, false, true},
		{"officer", "/tietosuoja/" + id("veil").String(), url.Values{"syy": {"Rekisteröidyn pyyntö"}}, false, true},
	} {
		got := s.Get(t, webtest.Alpha, id(c.who), c.path)
		if c.form != nil {
			got = s.Post(t, webtest.Alpha, id(c.who), c.path, c.form)
		}
		if got.Status != 200 {
			t.Errorf("%s, %s: %d", c.who, c.path, got.Status)
			continue
		}
		doc := got.Doc(t)
		doc.Says("main", name)
		doc.Lacks("veil@posti", "040 veil")
		if c.who != "other guardian" || c.path != "/omat-tiedot" { // there stands their own
			doc.Lacks("Kotikunta")
		}
		if c.place {
			doc.Says("main", school)
		} else if c.who != "secretary here" && c.who != "principal here" {
			doc.Lacks(school)
		}
		if c.mark {
			doc.Says("main", mark)
		} else {
			doc.Lacks(mark)
		}
	}
	for _, who := range []string{"teacher there", "principal there", "guardian of adult"} {
		if got := s.Get(t, webtest.Alpha, id(who), person); got.Status != 404 {
			t.Errorf("%s: %d", who, got.Status)
		}
	}
}
