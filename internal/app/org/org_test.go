package org_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"digione/internal/app/org"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

var id = peopletest.ID

func town(s peopletest.Seed) {
	school, other := s.School("Kilteri"), s.School("Jokela")
	class, far := s.Group("7B", "homeroom", school), s.Group("8A", "homeroom", other)
	maths, past := s.Group("MA7", "scheduled", school), s.Group("MA6", "scheduled", school)
	s.Exec(`update teaching_group set validity = daterange('2025-08-01', '2026-06-01') where id = $1`, past)
	for _, name := range []string{"aino", "eeli", "gone", "left", "nouser"} {
		s.Learner(s.Person(name, peopletest.Person{}), school, "7", class)
		s.Enrol(maths, id(name), "student")
	}
	// Three ways of not being there any more.
	s.Exec(`update enrolment set status = 'tobedeleted' where person = $1`, id("gone"))
	s.Exec(`update role_grant set status = 'tobedeleted' where person = $1`, id("gone"))
	s.Exec(`update enrolment set validity = daterange('2026-08-01', '2026-11-23') where person = $1`, id("left"))
	s.Exec(`update role_grant set validity = daterange('2026-08-01', '2026-11-23') where person = $1`, id("left"))
	s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, status, date_last_modified, row_hash)
values ($1, $2, true, 'x', 'x', 'x', 'test', 'x', 'tobedeleted', now(), '')`, id("row of nouser"), id("nouser"))
	s.Exec(`update enrolment set source_user = $1 where person = $2`, id("row of nouser"), id("nouser"))
	s.Exec(`update role_grant set source_user = $1 where person = $2`, id("row of nouser"), id("nouser"))
	s.Learner(s.Person("far", peopletest.Person{}), other, "8", far)
	grown := peopletest.Person{Born: "1980-01-01"}
	for name, word := range map[string]string{"teacher": "teacher", "principal": "principal", "aide": "aide", "relative": "relative", "office": "siteAdministrator"} {
		s.Grant(s.Person(name, grown), word, school)
	}
	for _, group := range []uuid.UUID{maths, past} {
		s.Enrol(group, id("teacher"), "teacher")
	}
	s.Grant(s.Person("local", grown), "districtAdministrator", school) // not of the whole provider
	s.Grant(s.Person("admin", grown), "districtAdministrator", id("provider"))
	s.Grant(s.Person("fired", grown), "principal", school)
	s.Exec(`update role_grant set status = 'tobedeleted' where person = $1`, id("fired"))
	s.Grant(s.Person("former", grown), "principal", school)
	s.Exec(`update role_grant set validity = daterange('2020-01-01', '2026-11-23') where person = $1`, id("former"))
	s.Grant(s.Person("future", grown), "principal", school)
	s.Exec(`update role_grant set validity = daterange('2026-11-24', null) where person = $1`, id("future"))
	s.Grant(s.Person("barred", grown), "principal", school)
	s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, date_last_modified, row_hash)
values ($1, $2, false, 'y', 'y', 'y', 'test', 'y', now(), '')`, id("row of barred"), id("barred"))
	s.Exec(`update role_grant set source_user = $1 where person = $2`, id("row of barred"), id("barred"))
	s.Guardian(s.Person("guardian", grown), id("aino"))
}

func site(t *testing.T) (*webtest.Site, *tenancy.DB) {
	t.Helper()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, " α", town)
	peopletest.In(t, db, dbtest.Alpha, " α", func(s peopletest.Seed) { s.Group("only", "scheduled", s.School("Ainoa")) })
	peopletest.In(t, db, dbtest.Beta, " β", town)
	return webtest.New(db, func(r *web.Router) { org.Routes(r, db) }), db
}

// Everyone not named under a path gets 404.
var seenBy = map[string]string{
	"/koulut":          "teacher aide principal office local admin",
	"/koulut/Kilteri":  "teacher aide principal office local admin",
	"/koulut/Jokela":   "admin",
	"/koulut/Ainoa":    "admin",
	"/koulut/provider": "", // is no school
	"/koulut/7B":       "",
	"/ryhmat/7B":       "principal office local admin",
	"/ryhmat/MA7":      "teacher principal office local admin",
	"/ryhmat/MA6":      "", // does not run today
	"/ryhmat/8A":       "admin",
	"/ryhmat/only":     "admin",
	"/ryhmat/Kilteri":  "",
}

func address(path string) string {
	if at := strings.LastIndex(path, "/"); at > 0 {
		return path[:at+1] + id(path[at+1:]).String()
	}
	return path
}

func TestWhoSeesWhat(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	for _, viewer := range []string{"aino", "guardian", "teacher", "aide", "principal", "office", "local", "admin", "fired", "former", "future", "barred", "relative"} {
		for path, by := range seenBy {
			want := 404
			if strings.Contains(" "+by+" ", " "+viewer+" ") {
				want = 200
			}
			got := s.Get(t, webtest.Alpha, id(viewer), address(path))
			if got.Status != want {
				t.Errorf("%s at %s: %d, want %d", viewer, path, got.Status, want)
			}
			if got.Doc(t).Lacks("β"); want == 404 {
				got.Doc(t).Lacks("α")
			}
			twin := s.Get(t, webtest.Beta, id(viewer), address(path))
			if strings.HasSuffix(path, "Ainoa") || strings.HasSuffix(path, "only") {
				want = 404
			}
			if twin.Doc(t).Lacks("α"); twin.Status != want {
				t.Errorf("%s at beta's %s: %d, want %d", viewer, path, twin.Status, want)
			}
		}
	}
}

func TestSchoolPage(t *testing.T) {
	t.Parallel()
	s, _ := site(t)
	doc := s.Get(t, webtest.Alpha, id("principal"), address("/koulut/Kilteri")).Doc(t)
	doc.Says("h1", "Kilteri α")
	doc.Says(".tiles", "Oppilaita 2") // not the three who left
	doc.Says(".bars", "7. luokka 2")
	doc.Says("main", "7B α")
	doc.Says("main", "MA7 α")
	doc.Lacks("MA6", "8A", "aino")
	doc = s.Get(t, webtest.Alpha, id("teacher"), address("/koulut/Kilteri")).Doc(t)
	doc.Says("main", "MA7 α")
	doc.Lacks("7B")
	doc = s.Get(t, webtest.Alpha, id("aide"), address("/koulut/Kilteri")).Doc(t)
	doc.Says(".empty", "Ei ryhmiä tänään")
	doc = s.Get(t, webtest.Alpha, id("principal"), address("/koulut/Kilteri"), "Cookie", "lang=sv").Doc(t)
	doc.Says("h1", "Kilteri skola α")
}

func TestGroupPage(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	doc := s.Get(t, webtest.Alpha, id("teacher"), address("/ryhmat/MA7")).Doc(t)
	doc.Says("tbody", "Testinen α aino")
	doc.Says("tbody", "Testinen α eeli")
	doc.Says("tbody", "7B α")
	doc.Says(".lead", "2 oppilasta · teacher Testinen α")
	doc.Count("tbody tr", 2)
	doc.Lacks("gone", "left", "nouser", "@posti", "040", "Kotikunta", "6.5.2014")
	seen := map[uuid.UUID]int{}
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		rows, err := tx.Query(context.Background(), `select target from audit_event where actor = $1 and action = 'group.read' and target_kind = 'person'`, id("teacher"))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var target uuid.UUID
			if err := rows.Scan(&target); err != nil {
				return err
			}
			seen[target]++
		}
		return rows.Err()
	}, tenancy.Once())
	if err != nil || len(seen) != 2 || seen[id("aino")] != 1 || seen[id("eeli")] != 1 {
		t.Errorf("events %v, %v", seen, err)
	}
}
