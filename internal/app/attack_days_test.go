package app_test

import (
	"strings"
	"testing"
	"time"

	"digione/internal/app/people/peopletest"
)

// TestMidnight lets the clock pass midnight in Finland while people are signed in. By
// docs/permissions.md a role counts on the days of its validity alone, and a guardian
// until the child is 18: the same session of the same browser sees on one side of
// midnight and not on the other.
func TestMidnight(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	x, grown := s.alpha, peopletest.Person{Born: "1980-01-01"}
	names := []string{"substitute to come", "nearly grown", "guardian of nearly grown", "guardian until", "guardian by hand until", "welfare until", "teacher until", "guardian that stays"}
	peopletest.In(t, s.env.DB, x.ID, " "+x.canary, func(p peopletest.Seed) {
		for _, name := range names[1:] {
			if name == "nearly grown" {
				p.Learner(p.Person(name, peopletest.Person{Family: "Salattava", Born: "2008-11-24"}), id("Kilteri"), "7", id("7B"))
				continue
			}
			p.Person(name, grown)
		}
		p.Guardian(id("guardian of nearly grown"), id("nearly grown"))
		for _, name := range []string{"guardian until", "guardian by hand until", "guardian that stays"} {
			p.Guardian(id(name), id("aino"))
		}
		p.Exec(`update guardianship set validity = '[2020-01-01,2026-11-24)' where guardian = $1`, id("guardian until"))
		p.Exec(`update guardianship set ended_on = '2026-11-24' where guardian = $1`, id("guardian by hand until"))
		give(p, "welfare until", "hand:welfare", id("Kilteri"), [16]byte{}, "[2026-08-01,)")
		p.Exec(`insert into disclosure (id, learner, recipient, contacts, reason, validity, disclosed_by) values ($1, $2, $3, true, 'syy', '[2026-11-01,2026-11-24)', $4)`,
			id("disclosure until"), id("aino"), id("welfare until"), id("principal here"))
		p.Enrol(id("7B"), id("teacher until"), "teacher")
		p.Exec(`update enrolment set validity = '[2026-08-01,2026-11-24)' where person = $1`, id("teacher until"))
		p.Grant(id("teacher until"), "teacher", id("Kilteri"))
	})
	for _, name := range names {
		s.account(x, name)
	}
	at := func(after time.Duration) {
		s.offset.Store(int64(13*time.Hour + 59*time.Minute + 30*time.Second + after))
		s.owner(x, `update session set seen_at = $1::timestamptz, expires_at = $1::timestamptz + interval '1 hour'`, s.now())
	}
	for _, moment := range []struct {
		name  string
		after time.Duration
		day   int
	}{{"before", 0, 0}, {"after", time.Minute, 1}, {"before again", 0, 0}} {
		at(moment.after)
		for _, c := range []struct {
			who, whom string
			sees      [2]bool // before and after
		}{
			{"substitute", "aino", [2]bool{true, false}}, {"substitute to come", "aino", [2]bool{false, true}},
			{"guardian of nearly grown", "nearly grown", [2]bool{true, false}}, {"nearly grown", "nearly grown", [2]bool{true, true}},
			{"guardian until", "aino", [2]bool{true, false}}, {"guardian by hand until", "aino", [2]bool{true, false}}, {"guardian that stays", "aino", [2]bool{true, true}},
			{"welfare until", "aino", [2]bool{true, false}}, {"teacher until", "aino", [2]bool{true, false}}, {"teacher here", "aino", [2]bool{true, true}},
		} {
			who := actor{name: c.who, cookie: "digione=" + tokenOf(x.Slug+c.who)}
			a := s.send(x.host, who, "GET", "/henkilot/"+id(c.whom).String(), nil)
			saw := a.status == 200 && strings.Contains(a.body, "Salattava")
			if want := c.sees[moment.day]; saw != want || !want && !refused(a) || !want && strings.Contains(a.body, "Salattava") {
				t.Errorf("%s midnight, %s: %d %s, want %v", moment.name, c.who, a.status, a.location, want)
			}
			// The front page and the list of the class go by the same day.
			for _, path := range []string{"/", "/ryhmat/" + id("7B").String()} {
				if b := s.send(x.host, who, "GET", path, nil); !c.sees[moment.day] && strings.Contains(b.body, "Salattava") {
					t.Errorf("%s midnight, %s at %s: the child is named", moment.name, c.who, path)
				}
			}
		}
	}
}

func (s *siege) now() string {
	return time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC).Add(time.Duration(s.offset.Load())).Format(time.RFC3339Nano)
}

// TestSchoolToSchool asks for all that has an id of a school's learner, group and staff
// as everybody of the other school; by docs/permissions.md only an admin reaches both.
func TestSchoolToSchool(t *testing.T) {
	t.Parallel()
	s := newSiege(t, false)
	x := s.alpha
	only := "only " + x.Slug + " "
	paths := []string{"/henkilot/" + id(only+"person").String(), "/ryhmat/" + id(only+"group").String(), "/koulut/" + id(only+"school").String(), "/oikeudet/" + id(only+"school").String(), "/henkilot/" + id(only+"person").String() + "/huoltajat"}
	n := 0
	for _, who := range x.actors {
		for _, path := range paths {
			a := s.send(x.host, who, "GET", path, nil)
			reaches := who.name == "admin" || who.name == "support visit" && strings.Count(path, "/") == 2 && !strings.HasPrefix(path, "/oikeudet/") || who.name == "officer" && strings.HasPrefix(path, "/oikeudet/")
			if n++; reaches != (a.status == 200) || !reaches && (!refused(a) || strings.Contains(a.body, only)) {
				t.Errorf("%s, %s: %d, want %v", who.name, path, a.status, reaches)
			}
		}
	}
	if n < 80 {
		t.Errorf("%d questions", n)
	}
}
