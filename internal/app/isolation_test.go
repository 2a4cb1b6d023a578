package app_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

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

var id = peopletest.ID

// give writes a right by hand, as identity does.
func give(s peopletest.Seed, person, word string, unit, group uuid.UUID, validity string) {
	var g *uuid.UUID
	if group != uuid.Nil {
		g = &group
	}
	s.Exec(`insert into role_grant (id, person, role, unit, teaching_group, validity, source, date_last_modified, reason) values ($1, $2, $3, $4, $5, $6::text::daterange, 'hand', now(), 'syy')`,
		id("right of "+person), id(person), word, unit, g, validity)
}

// twoSchools holds a learner of one school, and everybody who has no part in them.
func twoSchools(s peopletest.Seed) {
	here, there := s.School("Kilteri"), s.School("Jokela")
	class, far := s.Group("7B", "homeroom", here), s.Group("8A", "homeroom", there)
	s.Learner(s.Person("aino", peopletest.Person{Family: "Salattava"}), here, "7", class)
	s.Learner(s.Person("adult", peopletest.Person{Family: "Salattava", Born: "2008-11-23"}), here, "7", class)
	s.Learner(s.Person("other", peopletest.Person{}), there, "8", far)
	s.Learner(s.Person("beside", peopletest.Person{}), here, "7", s.Group("7C", "homeroom", here))
	grown := peopletest.Person{Born: "1980-01-01"}
	for name, word := range map[string]string{"teacher": "teacher", "principal": "principal", "secretary": "ext:schoolSecretary"} {
		s.Grant(s.Person(name+" here", grown), word, here)
		s.Grant(s.Person(name+" there", grown), word, there)
	}
	s.Enrol(class, id("teacher here"), "teacher")
	s.Enrol(far, id("teacher there"), "teacher")
	for _, name := range []string{"substitute", "substitute over", "substitute to come", "substitute without end", "special here", "special there", "special for ever",
		"welfare", "welfare told", "welfare over", "officer", "guardian", "guardian over", "guardian ended", "guardian blocked", "guardian of adult"} {
		s.Person(name, grown)
	}
	give(s, "substitute", "ext:substituteTeacher", here, class, "[2026-11-20,2026-11-24)")
	give(s, "substitute over", "ext:substituteTeacher", here, class, "[2026-11-01,2026-11-23)")
	give(s, "substitute to come", "ext:substituteTeacher", here, class, "[2026-11-24,2026-11-30)")
	give(s, "substitute without end", "ext:substituteTeacher", here, class, "[2026-11-01,)")
	give(s, "special here", "ext:specialTeacher", here, uuid.Nil, "[2026-08-01,)")
	give(s, "special there", "ext:specialTeacher", there, uuid.Nil, "[2026-08-01,)")
	s.Grant(id("special for ever"), "ext:specialTeacher", here) // by the roster: groups alone
	for _, name := range []string{"welfare", "welfare told", "welfare over"} {
		give(s, name, "hand:welfare", here, uuid.Nil, "[2026-08-01,)")
	}
	for name, validity := range map[string]string{"welfare told": "[2026-11-01,2026-12-01)", "welfare over": "[2026-10-01,2026-11-23)"} {
		s.Exec(`insert into disclosure (id, learner, recipient, contacts, reason, validity, disclosed_by) values ($1, $2, $3, true, 'syy', $4::text::daterange, $5)`,
			id("disclosure to "+name), id("aino"), id(name), validity, id("principal here"))
	}
	give(s, "officer", "hand:dataProtection", id("provider"), uuid.Nil, "[2026-08-01,)")
	for _, name := range []string{"guardian", "guardian over", "guardian ended", "guardian blocked"} {
		s.Guardian(id(name), id("aino"))
	}
	s.Guardian(id("guardian of adult"), id("adult"))
	s.Exec(`update guardianship set validity = '[2020-01-01,2026-11-23)' where guardian = $1`, id("guardian over"))
	s.Exec(`update guardianship set ended_on = '2026-11-23' where guardian = $1`, id("guardian ended"))
	s.Exec(`insert into guardian_block (id, child, guardian, reason, blocked_by, blocked_at) values ($1, $2, $3, 'syy', $2, now())`, id("block"), id("aino"), id("guardian blocked"))
	s.Exec(`update guardianship set id = $1 where guardian = $2`, id("guardianship"), id("guardian"))
}

type probe struct{ method, path, none string }

// probes are all routes with ids that name something inside a municipality, and the
// same with ids of nothing.
func probes(t *testing.T, r *web.Router) (out []probe) {
	t.Helper()
	for _, route := range r.Routes() {
		names := paramsOf(route.Path)
		for _, name := range names {
			if _, known := parameters[name]; !known {
				t.Errorf("%s: nobody tried :%s; add it to parameters", route.Path, name)
			}
		}
		if len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return parameters[name].inside == nil }) {
			continue
		}
		for i := range parameters["person"].inside {
			there := func(_ int, name string) string { ids := parameters[name].inside; return id(ids[i%len(ids)]).String() }
			none := func(_ int, name string) string { return id("nothing " + name).String() }
			out = append(out, probe{route.Method, address(route.Path, there), address(route.Path, none)})
		}
	}
	return out
}

var volatile = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|<code>[^<]*</code>|name="csrf" value="[^"]*"`)

// TestInsideAMunicipality asks for everything of one school as those who have no
// part in it: what they get is what is answered for nothing at all, word for word.
func TestInsideAMunicipality(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, "", twoSchools)
	s := webtest.New(db, func(r *web.Router) {
		home.Routes(r, db)
		org.Routes(r, db)
		people.Routes(r, db)
		rights.Routes(r, db)
		merge.Routes(r, db, app.MergeRoster)
	})
	whole := probes(t, app.New(app.Config{}).Router)
	if len(whole) < 20 {
		t.Fatalf("%d probes", len(whole))
	}
	send := func(who string, p probe, path string, form url.Values) webtest.Answer {
		if p.method == "GET" {
			return s.Get(t, webtest.Alpha, id(who), path)
		}
		return s.Post(t, webtest.Alpha, id(who), path, form)
	}
	for _, who := range []string{"teacher there", "principal there", "secretary there", "special there", "special for ever", "substitute over", "substitute to come",
		"substitute without end", "guardian over", "guardian ended", "guardian blocked", "guardian of adult", "welfare", "welfare over", "officer", "other"} {
		for _, p := range whole {
			if who == "officer" && p.method == "GET" && strings.HasPrefix(p.path, "/oikeudet/") {
				continue // who has which rights is theirs to see
			}
			if who == "special for ever" && strings.HasPrefix(p.path, "/koulut/") {
				continue // counts of their school
			}
			form := url.Values{"syy": {"Sijaisuus on sovittu"}, "tunnus": {"x"}, "rooli": {"substitute"}, "alkaa": {"2026-11-23"}, "viimeinen": {"2026-11-30"}, "laji": {"custodian"}, "kenelle": {id("welfare").String()}}
			if who == "officer" {
				form.Del("syy")
			}
			got, none := send(who, p, p.path, form), send(who, p, p.none, form)
			if got.Status != 404 || none.Status != 404 {
				t.Errorf("%s, %s %s: %d, for nothing %d", who, p.method, p.path, got.Status, none.Status)
			}
			if volatile.ReplaceAllString(got.Body, "") != volatile.ReplaceAllString(none.Body, "") {
				t.Errorf("%s, %s %s: another page than for nothing", who, p.method, p.path)
			}
			if strings.Contains(got.Body, "Salattava") {
				t.Errorf("%s, %s %s names the learner", who, p.method, p.path)
			}
		}
	}
	// The same questions by those who have a part in the learner.
	aino := "/henkilot/" + id("aino").String()
	for who, path := range map[string]string{"teacher here": aino, "principal here": aino + "/huoltajat", "secretary here": aino + "/huoltajat", "substitute": aino,
		"special here": aino, "welfare told": aino, "guardian": aino, "aino": aino} {
		if got := s.Get(t, webtest.Alpha, id(who), path); got.Status != 200 || !strings.Contains(got.Body, "Salattava") {
			t.Errorf("%s: %d", who, got.Status)
		}
	}
	// A right for a group is for that group; a school's learners are not its staff.
	for who, paths := range map[string][]string{
		"substitute":     {"/ryhmat/" + id("7C").String(), "/henkilot/" + id("beside").String(), "/henkilot/" + id("teacher here").String()},
		"special here":   {"/henkilot/" + id("principal here").String(), "/henkilot/" + id("other").String(), aino + "/huoltajat"},
		"welfare told":   {"/henkilot/" + id("beside").String(), "/ryhmat/" + id("7B").String(), "/koulut/" + id("Kilteri").String()},
		"secretary here": {"/oikeudet/" + id("Kilteri").String(), "/henkilot/" + id("other").String()},
	} {
		for _, path := range paths {
			if got := s.Get(t, webtest.Alpha, id(who), path); got.Status != 404 {
				t.Errorf("%s, %s: %d", who, path, got.Status)
			}
		}
	}
	if got := s.Get(t, webtest.Alpha, id("special here"), "/henkilot/"+id("beside").String()); got.Status != 200 {
		t.Errorf("a special-needs teacher of the whole school: %d", got.Status)
	}
	if got := s.Post(t, webtest.Alpha, id("officer"), "/tietosuoja/"+id("aino").String(), url.Values{"syy": {"Rekisteröidyn pyyntö 12/2026"}}); got.Status != 200 || !strings.Contains(got.Body, "Salattava") {
		t.Errorf("the officer with a reason: %d", got.Status)
	}
}
