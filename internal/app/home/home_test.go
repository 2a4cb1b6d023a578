package home_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"digione/internal/app/home"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

var id = peopletest.ID

// town is what both tenants hold: the same ids, other words.
func town(s peopletest.Seed) {
	school, other := s.School("Kilteri"), s.School("Jokela")
	class := s.Group("7B", "homeroom", school)
	maths := s.Group("MA7", "scheduled", school)
	far := s.Group("8A", "homeroom", other)
	for _, name := range []string{"aino", "eeli", "veil"} {
		s.Learner(s.Person(name, peopletest.Person{Protected: name == "veil"}), school, "7", class)
	}
	s.Learner(s.Person("far", peopletest.Person{}), other, "8", far)
	s.Enrol(maths, id("aino"), "student")
	s.Grant(s.Person("teacher", peopletest.Person{Born: "1980-01-01"}), "teacher", school)
	s.Enrol(maths, id("teacher"), "teacher")
	s.Grant(s.Person("principal", peopletest.Person{Born: "1970-01-01"}), "principal", school)
	s.Grant(s.Person("admin", peopletest.Person{Born: "1970-01-01"}), "districtAdministrator", id("provider"))
	s.Person("guardian", peopletest.Person{Born: "1982-01-01"})
	for _, child := range []string{"aino", "veil"} {
		s.Guardian(id("guardian"), id(child))
	}
	s.Person("nobody", peopletest.Person{})
}

func site(t *testing.T) (*webtest.Site, *tenancy.DB) {
	t.Helper()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, " α", town)
	peopletest.In(t, db, dbtest.Beta, " β", town)
	return webtest.New(db, func(r *web.Router) { home.Routes(r, db) }), db
}

func TestFrontPages(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	for _, c := range []struct {
		who  string
		says []string // in main
		not  []string
	}{
		{"aino", []string{"maanantai 23. marraskuuta", "7B α, Kilteri α", "MA7 α", "teacher Testinen α"}, []string{"eeli", "veil", "Jokela", "/ryhmat/", "posti", "/haku"}},
		{"veil", []string{"Koulun tietoja ei näytetä tässä"}, []string{"Kilteri", "7B", "aino"}},
		{"guardian", []string{"aino Testinen α", "7B α, Kilteri α", "veil Testinen α", "Koulun tietoja ei näytetä tässä"}, []string{"eeli", "Jokela", "/ryhmat/", "posti"}},
		{"teacher", []string{"MA7 α", "Kilteri α", "1 ryhmä"}, []string{"8A", "Jokela", "aino", "7B"}},
		{"principal", []string{"Kilteri α", "7. luokka", "3 oppilasta"}, []string{"Jokela", "aino", "8. luokka"}},
		{"admin", []string{"Kilteri α", "Jokela α", "2 koulua, 4 oppilasta", "ei ole vielä tuotu"}, []string{"aino"}},
		{"nobody", []string{"Sinulla ei ole juuri nyt roolia"}, []string{"Kilteri", "Jokela"}},
	} {
		t.Run(c.who, func(t *testing.T) {
			got := s.Get(t, webtest.Alpha, id(c.who), "/")
			if got.Status != 200 {
				t.Fatalf("status %d", got.Status)
			}
			doc := got.Doc(t)
			for _, want := range c.says {
				doc.Says("main", want)
			}
			doc.Lacks(append(c.not, "β")...)
			// The twin holds the same ids: its own words, none of ours.
			twin := s.Get(t, webtest.Beta, id(c.who), "/")
			twin.Doc(t).Lacks("α")
		})
	}
	if got := s.Get(t, webtest.Alpha, uuid.Nil, "/"); got.Status != 303 || got.Location != "/kirjaudu" {
		t.Errorf("signed out: %d %s", got.Status, got.Location)
	}
}

func TestFrontPageInAllLanguages(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	for lang, want := range map[string]string{"fi": "maanantai 23. marraskuuta", "sv": "måndag 23 november", "en": "Monday 23 November"} {
		for _, who := range []string{"aino", "guardian", "teacher", "principal", "admin", "nobody"} {
			got := s.Get(t, webtest.Alpha, id(who), "/", "Cookie", "lang="+lang)
			doc := got.Doc(t)
			doc.Says("h1", want)
			if lang == "sv" && who == "principal" {
				doc.Says("main", "Kilteri skola α")
			}
		}
	}
}

const sqlEvents = `select target from audit_event where actor = $1 and action = 'home.read' and target_kind = 'person' order by target`

func TestViewsLeaveEvents(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	for who, want := range map[string]int{"guardian": 2, "aino": 1, "teacher": 0, "principal": 0, "admin": 0} {
		s.Get(t, webtest.Alpha, id(who), "/")
		n := 0
		err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
			rows, err := tx.Query(context.Background(), sqlEvents, id(who))
			if err != nil {
				return err
			}
			defer rows.Close()
			for n = 0; rows.Next(); {
				n++
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("%s: %d events, want %d", who, n, want)
		}
	}
}
