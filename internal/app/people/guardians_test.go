package people_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

func read(t *testing.T, db *tenancy.DB, into any, q string, args ...any) {
	t.Helper()
	err := db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		return tx.QueryRow(context.Background(), q, args...).Scan(into)
	})
	if err != nil {
		t.Errorf("%s: %v", q, err)
	}
}

// Custody changes by hand: the old guardian ends, the new one begins, one is blocked
// and let in again.
func TestCustody(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	peopletest.In(t, db, dbtest.Alpha, " α", func(s peopletest.Seed) {
		grown := peopletest.Person{Born: "1980-01-01"}
		s.Grant(s.Person("secretary", grown), "ext:schoolSecretary", id("Kilteri"))
		s.Grant(s.Person("office there", grown), "ext:schoolSecretary", id("Jokela"))
		s.Grant(s.Person("new", grown), "guardian", id("provider"))
		s.Exec(`insert into roster_user (id, person, enabled, username, given_name, family_name, source, sourced_id, date_last_modified, row_hash) values ($1, $2, true, 'new', 'x', 'x', 'test', 'new', now(), '')`, id("row of new"), id("new"))
	})
	page := "/henkilot/" + id("aino").String()
	sees := func(who string) bool { return s.Get(t, webtest.Alpha, id(who), page).Status == 200 }
	post := func(who, path string, f url.Values) int {
		return s.Post(t, webtest.Alpha, id(who), page+path, f).Status
	}
	why := url.Values{"syy": {"Käräjäoikeuden päätös"}}
	var old uuid.UUID
	read(t, db, &old, `select id from guardianship where child = $1 and guardian = $2`, id("aino"), id("guardian"))

	for _, who := range []string{"guardian", "teacher", "office there", "aino", "nobody"} {
		if got := s.Get(t, webtest.Alpha, id(who), page+"/huoltajat"); got.Status != 404 {
			t.Errorf("%s opens it: %d", who, got.Status)
		}
		if got := post(who, "/huoltajat/"+id("guardian").String()+"/esta", why); got != 404 {
			t.Errorf("%s blocks: %d", who, got)
		}
	}
	block, lift := "/huoltajat/"+id("guardian").String()+"/esta", "/huoltajat/"+id("guardian").String()+"/salli"
	if got := post("secretary", block, url.Values{}); got != 422 {
		t.Errorf("block without a reason: %d", got)
	}
	if !sees("guardian") || post("secretary", block, why) != 303 || sees("guardian") {
		t.Error("a blocked guardian is not out at once")
	}
	if got := post("secretary", block, why); got != 409 {
		t.Errorf("block twice: %d", got)
	}
	if got := s.Get(t, webtest.Alpha, id("teacher"), page); got.Status == 200 {
		got.Doc(t).Lacks("guardian Testinen")
	}
	s.Get(t, webtest.Alpha, id("principal"), page+"/huoltajat").Doc(t).Says("main", "Estetty")
	if post("principal", lift, why) != 303 || !sees("guardian") {
		t.Error("a lifted block still counts")
	}
	if got := post("secretary", "/huoltajat/"+id("no such").String()+"/lopeta", why); got != 409 {
		t.Errorf("end nothing: %d", got)
	}
	if post("secretary", "/huoltajat/"+old.String()+"/lopeta", why) != 303 || sees("guardian") {
		t.Error("an ended guardian is not out")
	}
	add := func(pairs ...string) url.Values {
		f := url.Values{"tunnus": {"new"}, "laji": {"foster"}, "alkaa": {"2026-11-23"}, "paattyy": {"2026-12-31"}, "syy": {"Sijoituspäätös"}}
		for i := 0; i < len(pairs); i += 2 {
			f.Set(pairs[i], pairs[i+1])
		}
		return f
	}
	for name, f := range map[string]url.Values{"kind": add("laji", "agent"), "days": add("paattyy", "2026-11-01"), "who": add("tunnus", "nobody"), "reason": add("syy", ""), "never": add("alkaa", "2040-01-01", "paattyy", "")} {
		got := s.Post(t, webtest.Alpha, id("secretary"), page+"/huoltajat", f)
		if got.Doc(t).Count(`[role=alert]`, 1); got.Status != 422 {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	if sees("new") || post("secretary", "/huoltajat", add()) != 303 || !sees("new") {
		t.Error("the new guardian is not in")
	}
	if got := post("secretary", "/huoltajat", add()); got != 422 {
		t.Errorf("the same again: %d", got)
	}
	if got := post("principal", "/huoltajat", add("tunnus", "new", "alkaa", "2026-11-23")); got != 422 {
		t.Errorf("once more by another: %d", got)
	}
	doc := s.Get(t, webtest.Alpha, id("secretary"), page+"/huoltajat").Doc(t)
	doc.Says("main", "Sijaisvanhempi")
	doc.Says("main", "viimeinen päivä 31.12.2026")
	doc.Lacks("β", "Luovutukset hyvinvointialueelle")
	var n int
	read(t, db, &n, `select count(*)::int from audit_event where action = 'person.manage' and target = $1 and reason <> ''`, id("aino"))
	if n != 4 {
		t.Errorf("%d reasons in the audit, want 4", n)
	}
	if got := s.Post(t, webtest.Beta, id("secretary"), page+block, why); got.Status != 404 && got.Status != 303 {
		t.Errorf("at the twin: %d", got.Status)
	}
}

// A principal discloses a learner; the other organisation's worker sees what the
// disclosure says, until it ends.
func TestDisclosure(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	peopletest.In(t, db, dbtest.Alpha, " α", func(s peopletest.Seed) {
		s.Exec(`insert into role_grant (id, person, role, unit, validity, source, date_last_modified) values ($1, $2, 'hand:welfare', $3, daterange('2026-08-01', null), 'hand', now())`,
			uuid.New(), s.Person("curator", peopletest.Person{Born: "1980-01-01"}), id("Kilteri"))
	})
	for _, child := range []string{"aino", "veil"} {
		page := "/henkilot/" + id(child).String()
		if got := s.Get(t, webtest.Alpha, id("curator"), page); got.Status != 404 {
			t.Fatalf("before: %d", got.Status)
		}
		f := url.Values{"kenelle": {id("curator").String()}, "viimeinen": {"2026-12-18"}, "syy": {"Huoltaja on suostunut"}}
		if child == "aino" {
			f.Set("yhteystiedot", "1")
		}
		s.Get(t, webtest.Alpha, id("principal"), page+"/huoltajat").Doc(t).Count("#yhteystiedot", 1)
		for name, bad := range map[string][2]string{"too long": {"viimeinen", "2028-12-18"}, "over": {"viimeinen", "2026-11-22"}, "somebody else": {"kenelle", id("teacher").String()}, "no reason": {"syy", ""}} {
			g := url.Values{"kenelle": f["kenelle"], "viimeinen": f["viimeinen"], "syy": f["syy"]}
			g.Set(bad[0], bad[1])
			if got := s.Post(t, webtest.Alpha, id("principal"), page+"/luovutukset", g); got.Status != 422 {
				t.Errorf("%s: %d", name, got.Status)
			}
		}
		if got := s.Post(t, webtest.Alpha, id("teacher"), page+"/luovutukset", f); got.Status != 404 {
			t.Errorf("a teacher discloses: %d", got.Status)
		}
		if got := s.Post(t, webtest.Alpha, id("principal"), page+"/luovutukset", f); got.Status != 303 {
			t.Fatalf("disclose: %d", got.Status)
		}
		if got := s.Post(t, webtest.Alpha, id("principal"), page+"/luovutukset", f); got.Status != 422 {
			t.Errorf("disclose again: %d", got.Status)
		}
		doc := s.Get(t, webtest.Alpha, id("curator"), page).Doc(t)
		doc.Says("main", "Kilteri α")
		doc.Says("main", "7B α")
		doc.Lacks("6.5.2014", "1.2.246.562.24.", "Kotikunta", child+"@posti", "β")
		if child == "aino" {
			doc.Says("main", "040 guardian")
		} else {
			doc.Says("main", "Tietoja suojattu")
			doc.Lacks("040 guardian", "guardian Testinen")
		}
		var made uuid.UUID
		read(t, db, &made, `select id from disclosure where learner = $1`, id(child))
		if got := s.Post(t, webtest.Alpha, id("principal"), page+"/luovutukset/"+made.String()+"/lopeta", url.Values{"syy": {"Asia on hoidettu"}}); got.Status != 303 {
			t.Errorf("end: %d", got.Status)
		}
		if got := s.Get(t, webtest.Alpha, id("curator"), page); got.Status != 404 {
			t.Errorf("after the end: %d", got.Status)
		}
	}
}

// The last day of guardianship, day by day; a child of 29 February is 18 on the last
// day of February.
func TestEighteen(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	born := map[string]string{"plain": "2008-11-23", "leap": "2008-02-29", "leap to leap": "2014-02-28"}
	peopletest.In(t, db, dbtest.Alpha, "", func(s peopletest.Seed) {
		s.School("Kilteri")
		s.Person("guardian", peopletest.Person{Born: "1980-01-01"})
		for name, day := range born {
			s.Person(name, peopletest.Person{Born: day})
			s.Guardian(id("guardian"), id(name))
		}
		s.Exec(`insert into person (id, given_names, family_name) values ($1, 'Syntymäaika', 'Puuttuu')`, id("undated")) // without hetu and birth date
		s.Guardian(id("guardian"), id("undated"))
	})
	for _, c := range []struct {
		day, child string
		want       bool
	}{
		{"2026-11-22", "plain", true}, {"2026-11-23", "plain", false}, {"2026-11-24", "plain", false},
		{"2026-02-27", "leap", true}, {"2026-02-28", "leap", false}, {"2026-03-01", "leap", false},
		{"2032-02-27", "leap to leap", true}, {"2032-02-28", "leap to leap", false}, {"2032-02-29", "leap to leap", false},
		{"2026-11-22", "undated", true}, {"2040-01-01", "undated", true},
	} {
		day, err := time.Parse(time.DateOnly, c.day)
		if err != nil {
			t.Fatal(err)
		}
		err = db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
			a, err := authz.Load(context.Background(), tx, id("guardian"), day)
			if got := a.Reach(authz.PersonRead).Holds(authz.Object{Person: id(c.child)}); got != c.want {
				t.Errorf("%s on %s: %v", c.child, c.day, got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
