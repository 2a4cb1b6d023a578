package oversight_test

import (
	"context"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit"
	appmail "digione/internal/app/mail"
	"digione/internal/app/mail/catch"
	"digione/internal/app/oversight"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/htmlcheck"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

var id = peopletest.ID

func TestSQL(t *testing.T) { dbtest.CheckSQL(t, ".") }

func town(s peopletest.Seed) {
	school, other := s.School("Kilteri"), s.School("Jokela")
	class := s.Group("7B", "homeroom", school)
	s.Learner(s.Person("aino", peopletest.Person{}), school, "7", class)
	s.Learner(s.Person("veil", peopletest.Person{Protected: true}), school, "7", class)
	s.Learner(s.Person("eeli", peopletest.Person{}), school, "7", class)
	grown := peopletest.Person{Born: "1980-01-01"}
	s.Grant(s.Person("teacher", grown), "teacher", other) // in two schools: the child's own is named
	s.Grant(id("teacher"), "teacher", school)
	s.Grant(s.Person("admin", grown), "districtAdministrator", id("provider"))
	s.Grant(s.Person("admin2", grown), "districtAdministrator", id("provider"))
	for _, g := range []string{"mother", "father"} {
		s.Person(g, grown)
		s.Guardian(id(g), id("aino"))
		s.Guardian(id(g), id("veil"))
	}
}

func site(t *testing.T) (*webtest.Site, *tenancy.DB) {
	t.Helper()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, " α", town)
	peopletest.In(t, db, dbtest.Beta, " β", town)
	return webtest.New(db, func(r *web.Router) { oversight.Routes(r, db) }), db
}

func look(t *testing.T, db *tenancy.DB, e audit.Entry, targets ...uuid.UUID) {
	t.Helper()
	e.Kind, e.Targets, e.Request = audit.Person, targets, "r"
	if e.Action == "" {
		e.Action = "person.read"
	}
	err := db.Write(context.Background(), dbtest.Alpha, func(tx tenancy.Write) error { return audit.Viewed(context.Background(), tx, e) })
	if err != nil {
		t.Fatal(err)
	}
}

var morning = webtest.Now.Add(-time.Hour)

func TestLooks(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	targets := []uuid.UUID{id("aino"), id("veil")}
	look(t, db, audit.Entry{At: morning, Actor: id("teacher"), Role: "teacher"}, targets...)
	look(t, db, audit.Entry{At: morning, Actor: id("father"), Role: "guardian", Children: targets}, targets...)
	look(t, db, audit.Entry{At: morning, Actor: id("mother"), Role: "guardian", Children: targets}, targets...)
	look(t, db, audit.Entry{At: morning, Actor: uuid.New(), Support: true, Role: "support", Reason: uuid.NewString()}, targets...)
	look(t, db, audit.Entry{At: morning, Actor: id("aino"), Role: "learner"}, id("aino"))
	look(t, db, audit.Entry{At: morning.AddDate(0, -6, 0), Actor: id("admin"), Role: "admin"}, id("aino"))

	page := s.Get(t, webtest.Alpha, id("mother"), "/katselut/"+id("aino").String())
	has(t, page, "Kilteri α", "Opettaja", "Toinen huoltaja", "Kuntien Tiera, tuki").Lacks("Jokela", "teacher", "father", "Kunta α")
	if n := strings.Count(page.Body, "Toinen huoltaja"); n != 1 {
		t.Errorf("her own look is shown: %d guardians", n)
	}
	has(t, s.Get(t, webtest.Alpha, id("aino"), "/katselut"), "Kilteri α")
	has(t, s.Get(t, webtest.Alpha, id("mother"), "/katselut/"+id("veil").String()), "Opetuksen järjestäjä", "suojattu").Lacks("Kilteri", "Jokela")
	has(t, s.Get(t, webtest.Alpha, id("mother"), "/katselut/"+id("aino").String()+"?ennen=2026-08-01"), "Kunta α").Lacks("Kilteri")
	s.Get(t, webtest.Beta, id("mother"), "/katselut/"+id("aino").String()).Doc(t).Lacks("Opettaja", "α")
	for _, who := range []string{"teacher", "admin", "eeli"} {
		if a := s.Get(t, webtest.Alpha, id(who), "/katselut/"+id("aino").String()); a.Status != 404 {
			t.Errorf("%s sees who looked at aino: %d", who, a.Status)
		}
	}
	for _, who := range []string{"teacher", "mother", "aino"} {
		if a := s.Get(t, webtest.Alpha, id(who), "/valvonta"); a.Status != 404 {
			t.Errorf("%s oversees: %d", who, a.Status)
		}
	}
}

// has asserts that the page says each text, and returns it.
func has(t *testing.T, a webtest.Answer, texts ...string) htmlcheck.Doc {
	t.Helper()
	d := a.Doc(t)
	all := strings.Join(strings.Fields(strings.Join(d.Texts("main"), " ")), " ")
	for _, s := range texts {
		if !strings.Contains(all, s) {
			t.Errorf("the page does not say %q: %s", s, all)
		}
	}
	return d
}

func many(n int) []uuid.UUID {
	out := make([]uuid.UUID, n)
	for i := range out {
		out[i] = uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, i))
	}
	return out
}

// watch runs the task once and returns the mails that it sent.
func watch(t *testing.T, db *tenancy.DB, addr string, at time.Time) {
	t.Helper()
	c := oversight.Config{DB: db, Now: func() time.Time { return at }}
	if addr != "" {
		c.Mail = appmail.Server{Addr: addr, From: mail.Address{Address: "ei-vastausta@digione.example"}}
	}
	for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		tn, _ := db.ByID(id)
		tn.Settings.Joining.Contacts = []tenancy.Contact{{Name: "Maija", Email: "maija@alfala.example"}, {Name: "Tiina", Email: "tiina@alfala.example", Role: "data-protection-officer"}}
		for _, task := range oversight.Tasks(c) {
			if task.Name != "audit.watch" {
				continue
			}
			if err := task.Run(context.Background(), tn); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAlarm(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	dir := t.TempDir()
	c, err := catch.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := catch.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Serve(l) }()
	t.Cleanup(func() { _ = c.Close() })
	now := webtest.Now
	teacher := audit.Entry{At: now.Add(-10 * time.Minute), Actor: id("teacher"), Role: "teacher"}
	look(t, db, teacher, many(200)...)
	look(t, db, audit.Entry{At: now.Add(-2 * time.Hour), Actor: id("admin2"), Role: "admin"}, many(900)...)
	watch(t, db, l.Addr().String(), now)
	has(t, s.Get(t, webtest.Alpha, id("admin"), "/valvonta"), "Ei selvitettävää").Lacks("teacher")
	look(t, db, teacher, many(230)...)
	look(t, db, audit.Entry{At: now.Add(-time.Minute), Actor: id("admin"), Role: "admin"}, many(300)...)
	watch(t, db, l.Addr().String(), now)
	watch(t, db, l.Addr().String(), now.Add(5*time.Minute))
	has(t, s.Get(t, webtest.Alpha, id("admin"), "/valvonta"), "teacher Testinen α", "230 eri henkilöä", "raja 200")
	has(t, s.Get(t, webtest.Beta, id("admin"), "/valvonta"), "Ei selvitettävää").Lacks("230")
	var alarms []uuid.UUID
	err = db.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
		for _, who := range []string{"teacher", "admin"} {
			var a uuid.UUID
			if err := tx.QueryRow(context.Background(), "select id from audit_alarm where actor = $1 and told_at is not null", id(who)).Scan(&a); err != nil {
				return err
			}
			alarms = append(alarms, a)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, who, text string
		alarm           uuid.UUID
		want            int
	}{
		{webtest.Alpha, "admin", "", alarms[0], 422},
		{webtest.Alpha, "admin", strings.Repeat("x", 501), alarms[0], 422},
		{webtest.Alpha, "admin", "Oma selitykseni", alarms[1], 404}, // their own
		{webtest.Beta, "admin", "Toisesta kunnasta", alarms[0], 404},
		{webtest.Alpha, "teacher", "En se ollut minä", alarms[0], 404},
		{webtest.Alpha, "admin", "Luokkaluetteloiden tulostus", alarms[0], 303},
		{webtest.Alpha, "admin", "Toisen kerran", alarms[0], 404},
	} {
		got := s.Post(t, c.host, id(c.who), "/valvonta/"+c.alarm.String(), url.Values{"selvitys": {c.text}})
		if got.Status != c.want {
			t.Errorf("%s at %s says %.20q: %d, want %d", c.who, c.host, c.text, got.Status, c.want)
		}
	}
	has(t, s.Get(t, webtest.Alpha, id("admin2"), "/valvonta"), "Luokkaluetteloiden tulostus", "300 eri henkilöä")
}

// Whoever looked at many last week is told of only at twice as many.
func TestUsual(t *testing.T) {
	t.Parallel()
	s, db := site(t)
	now := webtest.Now
	look(t, db, audit.Entry{At: now.AddDate(0, 0, -3), Actor: id("admin2"), Role: "admin"}, many(600)...)
	look(t, db, audit.Entry{At: now.Add(-time.Minute), Actor: id("admin2"), Role: "admin"}, many(1100)...)
	watch(t, db, "", now)
	has(t, s.Get(t, webtest.Alpha, id("admin"), "/valvonta"), "Ei selvitettävää")
	look(t, db, audit.Entry{At: now.Add(-time.Minute), Actor: id("admin2"), Role: "admin"}, many(1300)...)
	watch(t, db, "", now)
	has(t, s.Get(t, webtest.Alpha, id("admin"), "/valvonta"), "1 300 eri henkilöä", "Tavallisesti enintään 600")
}
