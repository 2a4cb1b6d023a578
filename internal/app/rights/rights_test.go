package rights_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/google/uuid"

	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/rights"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

var id = peopletest.ID

func town(s peopletest.Seed) {
	here, there := s.School("Kilteri"), s.School("Jokela")
	class, far := s.Group("7B", "homeroom", here), s.Group("8A", "homeroom", there)
	s.Learner(s.Person("aino", peopletest.Person{}), here, "7", class)
	s.Learner(s.Person("veil", peopletest.Person{Protected: true}), here, "7", class)
	s.Learner(s.Person("far", peopletest.Person{}), there, "8", far)
	grown := peopletest.Person{Born: "1980-01-01"}
	s.Grant(s.Person("principal", grown), "principal", here)
	s.Grant(s.Person("principal there", grown), "principal", there)
	s.Grant(s.Person("admin", grown), "districtAdministrator", id("provider"))
	s.Grant(s.Person("teacher", grown), "teacher", here)
	for _, name := range []string{"sub", "spare", "principal"} {
		if name != "principal" {
			s.Person(name, grown)
		}
		s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, date_last_modified, row_hash) values ($1, $2, true, $3, 'x', 'x', 'test', $3, now(), '')`,
			id("row of "+name), id(name), name)
	}
}

func site(t *testing.T) (*webtest.Site, *tenancy.DB) {
	t.Helper()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, " α", town)
	peopletest.In(t, db, dbtest.Beta, " β", town)
	return webtest.New(db, func(r *web.Router) {
		rights.Routes(r, db)
		people.Routes(r, db)
		org.Routes(r, db)
	}), db
}

func at(unit string) string { return "/oikeudet/" + id(unit).String() }

func form(pairs ...string) url.Values {
	f := url.Values{"tunnus": {"sub"}, "rooli": {"substitute"}, "ryhma": {id("7B").String()}, "alkaa": {"2026-11-23"}, "viimeinen": {"2026-11-27"}, "syy": {"Opettaja on sairaana"}}
	for i := 0; i < len(pairs); i += 2 {
		if f.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			f.Del(pairs[i])
		}
	}
	return f
}

// A substitute gets a class for a week, sees it, and loses it at once when the right
// is ended early; all of it stands in the audit.
func TestGiveAndEnd(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	group := "/ryhmat/" + id("7B").String()
	if got := s.Get(t, webtest.Alpha, id("sub"), group); got.Status != 404 {
		t.Fatalf("before: %d", got.Status)
	}
	if got := s.Post(t, webtest.Alpha, id("principal"), at("Kilteri"), form()); got.Status != 303 {
		t.Fatalf("give: %d %s", got.Status, got.Body)
	}
	if got := s.Post(t, webtest.Alpha, id("principal"), at("Kilteri"), form("alkaa", "2026-11-25")); got.Status != 422 {
		t.Errorf("the same again: %d", got.Status)
	}
	if got := s.Get(t, webtest.Alpha, id("sub"), group); got.Status != 200 {
		t.Errorf("with the right: %d", got.Status)
	}
	if got := s.Get(t, webtest.Beta, id("sub"), group); got.Status != 404 {
		t.Errorf("at the twin: %d", got.Status)
	}
	doc := s.Get(t, webtest.Alpha, id("principal"), at("Kilteri")).Doc(t)
	doc.Says("main", "Sijaisopettaja · 7B α")
	doc.Says("main", "Opettaja on sairaana")
	doc.Says("main", "23.11.2026–27.11.2026")
	doc.Says("main table", "teacher")
	doc.Lacks("β", "aino")
	right := one(t, db, `select id from role_grant where source = 'hand' and person = $1`, id("sub"))
	end := at("Kilteri") + "/" + right.String() + "/lopeta"
	for who, unit := range map[string]string{"principal there": "Jokela", "teacher": "Kilteri"} {
		if got := s.Post(t, webtest.Alpha, id(who), at(unit)+"/"+right.String()+"/lopeta", url.Values{"syy": {"Paluu töihin"}}); got.Status != 404 {
			t.Errorf("%s ends it: %d", who, got.Status)
		}
	}
	if got := s.Post(t, webtest.Alpha, id("principal"), end, url.Values{"syy": {""}}); got.Status != 422 {
		t.Errorf("without a reason: %d", got.Status)
	}
	if got := s.Post(t, webtest.Alpha, id("principal"), end, url.Values{"syy": {"Paluu töihin"}}); got.Status != 303 {
		t.Errorf("end: %d", got.Status)
	}
	if got := s.Post(t, webtest.Alpha, id("principal"), end, url.Values{"syy": {"Paluu töihin"}}); got.Status != 404 {
		t.Errorf("end again: %d", got.Status)
	}
	if got := s.Get(t, webtest.Alpha, id("sub"), group); got.Status != 404 {
		t.Errorf("after the end: %d", got.Status)
	}
	one(t, db, `select actor from audit_event where action = 'rights.give' and target = $1 and reason = 'Opettaja on sairaana'`, id("sub"))
	one(t, db, `select actor from audit_event where action = 'rights.give' and target = $1 and reason = 'Paluu töihin'`, id("sub"))
}

func one(t *testing.T, db *tenancy.DB, q string, args ...any) (out uuid.UUID) {
	t.Helper()
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), q, args...).Scan(&out)
	})
	if err != nil {
		t.Errorf("%s: %v", q, err)
	}
	return out
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	for _, c := range []struct {
		name, who, unit string
		form            url.Values
		want            int
	}{
		{"to oneself", "principal", "Kilteri", form("tunnus", "principal"), 422},
		{"wider than one's own", "principal", "Kilteri", form("rooli", "admin", "ryhma", ""), 422},
		{"the officer's, by a principal", "principal", "Kilteri", form("rooli", "dataprotection", "ryhma", ""), 422},
		{"the officer's, at a school", "admin", "Kilteri", form("rooli", "dataprotection", "ryhma", ""), 422},
		{"a principal for the whole municipality", "admin", "provider", form("rooli", "principal", "ryhma", ""), 422},
		{"a learner", "admin", "Kilteri", form("rooli", "learner", "ryhma", ""), 422},
		{"support", "admin", "Kilteri", form("rooli", "support", "ryhma", ""), 422},
		{"substitute without an end", "principal", "Kilteri", form("viimeinen", ""), 422},
		{"substitute without a group", "principal", "Kilteri", form("ryhma", ""), 422},
		{"another school's group", "principal", "Kilteri", form("ryhma", id("8A").String()), 422},
		{"over already", "principal", "Kilteri", form("alkaa", "2026-11-01", "viimeinen", "2026-11-22"), 422},
		{"ends before it begins", "principal", "Kilteri", form("alkaa", "2026-11-28"), 422},
		{"no such day", "principal", "Kilteri", form("alkaa", "2026-02-30"), 422},
		{"no reason", "principal", "Kilteri", form("syy", "ok"), 422},
		{"nobody's name", "principal", "Kilteri", form("tunnus", "SUB"), 422},
		{"at another school", "principal", "Jokela", form("ryhma", id("8A").String()), 404},
		{"at the municipality", "principal", "provider", form("rooli", "admin", "ryhma", ""), 404},
		{"by a teacher", "teacher", "Kilteri", form(), 404},
	} {
		if got := s.Post(t, webtest.Alpha, id(c.who), at(c.unit), c.form); got.Status != c.want {
			t.Errorf("%s: %d, want %d", c.name, got.Status, c.want)
		} else if c.want == 422 {
			got.Doc(t).Count(`[role=alert]`, 1)
		}
	}
	if n := one(t, db, `select coalesce((select id from role_grant where source = 'hand' limit 1), $1)`, uuid.Nil); n != uuid.Nil {
		t.Error("a refused right was given")
	}
	for _, c := range []struct{ name, unit, role string }{{"officer", "provider", "dataprotection"}, {"admin", "provider", "admin"}, {"secretary", "Kilteri", "secretary"}, {"welfare", "Kilteri", "welfare"}} {
		if got := s.Post(t, webtest.Alpha, id("admin"), at(c.unit), form("rooli", c.role, "ryhma", "", "viimeinen", "", "tunnus", "spare")); got.Status != 303 {
			t.Errorf("%s by an admin: %d", c.name, got.Status)
		}
	}
}

// The officer gives a reason for each look, and it is kept; a principal has no such page.
func TestPrivacy(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	s.Post(t, webtest.Alpha, id("admin"), at("provider"), form("rooli", "dataprotection", "ryhma", "", "viimeinen", "", "tunnus", "spare"))
	why := "Rekisteröidyn pyyntö 12/2026"
	person := "/tietosuoja/" + id("aino").String()
	if got := s.Get(t, webtest.Alpha, id("spare"), "/henkilot/"+id("aino").String()); got.Status != 404 {
		t.Errorf("without a reason: %d", got.Status)
	}
	if got := s.Post(t, webtest.Alpha, id("spare"), "/tietosuoja", url.Values{"nimi": {"aino"}, "syy": {"lyhyt"}}); got.Status != 422 {
		t.Errorf("a short reason: %d", got.Status)
	}
	doc := s.Post(t, webtest.Alpha, id("spare"), "/tietosuoja", url.Values{"nimi": {"aino"}, "syy": {why}}).Doc(t)
	doc.Says("tbody", "Testinen α aino")
	doc = s.Post(t, webtest.Alpha, id("spare"), person, url.Values{"syy": {why}}).Doc(t)
	doc.Says("main", "aino Testinen α")
	doc.Says("main table", "Tietosuojavastaavan katselu")
	doc.Lacks("β", "@posti", "040 ")
	one(t, db, `select actor from audit_event where action = 'privacy.inspect' and target = $1 and reason = $2 limit 1`, id("aino"), why)
	doc = s.Post(t, webtest.Alpha, id("spare"), "/tietosuoja", url.Values{"nimi": {"veil"}, "syy": {why}}).Doc(t)
	doc.Lacks("Kilteri")
	doc = s.Post(t, webtest.Alpha, id("spare"), "/tietosuoja/"+id("veil").String(), url.Values{"syy": {why}}).Doc(t)
	doc.Says("main", "Tietoja suojattu")
	doc.Lacks("Kilteri", "Kotikunta", "@posti")
	for _, who := range []string{"principal", "admin", "teacher"} {
		if got := s.Post(t, webtest.Alpha, id(who), person, url.Values{"syy": {why}}); got.Status != 404 {
			t.Errorf("%s: %d", who, got.Status)
		}
	}
	if got := s.Post(t, webtest.Alpha, id("spare"), at("Kilteri"), form()); got.Status != 404 {
		t.Errorf("the officer gives a right: %d", got.Status)
	}
}
