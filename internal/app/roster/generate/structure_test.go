package generate_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"digione/internal/app/roster/generate"
	"digione/internal/app/roster/oneroster"
)

func TestStructure(t *testing.T) {
	t.Parallel()
	r, sum := town(t)
	ratio := func(what string, got, low, high float64) {
		if got < low || got > high {
			t.Errorf("%s: %.2f, want %.2f to %.2f", what, got, low, high)
		}
	}
	ratio("guardians a learner", float64(len(r.having("guardian")))/5000, 1.25, 1.5)
	ratio("learners a teacher", 5000/float64(len(r.having("teacher"))), 10, 15)
	ratio("learners a school", 5000/float64(sum.Schools), 200, 400)
	ratio("enrollments a learner", float64(len(r[oneroster.Enrollments]))/5000, 3.5, 5.5)
	if got := len(r.having("principal")); got != sum.Schools {
		t.Errorf("%d principals for %d schools", got, sum.Schools)
	}
	if got := len(r.having("districtAdministrator")); got < 1 || got > 2 {
		t.Errorf("%d municipal admins", got)
	}
	both := 0
	guardians := r.having("guardian")
	for id := range r.having("teacher") {
		if guardians[id] != nil {
			both++
		}
	}
	if both == 0 {
		t.Error("no teacher is a guardian as well")
	}
}

// TestHomerooms looks at sizes, teachers and the right to be there.
func TestHomerooms(t *testing.T) {
	t.Parallel()
	r, _ := town(t)
	at := map[[2]string]bool{}
	for _, x := range r[oneroster.Roles] {
		at[[2]string{x.Get("userSourcedId"), x.Get("orgSourcedId")}] = true
	}
	learners, teachers, homes := map[string]int{}, map[string]int{}, map[string]int{}
	classes := r.byID(oneroster.Classes)
	for _, e := range r[oneroster.Enrollments] {
		class, user := e.Get("classSourcedId"), e.Get("userSourcedId")
		if !at[[2]string{user, e.Get("schoolSourcedId")}] {
			t.Errorf("%s is in a class of a school without a role there", user)
		}
		switch {
		case e.Get("primary") == "true":
			teachers[class]++
		case e.Get("role") == "student":
			learners[class]++
			if classes[class].Get("classType") == "homeroom" {
				homes[user]++
			}
		}
	}
	var sizes []int
	for id, c := range classes {
		if teachers[id] != 1 {
			t.Errorf("%s %s has %d primary teachers", id, c.Get("title"), teachers[id])
		}
		if c.Get("classType") == "homeroom" {
			sizes = append(sizes, learners[id])
		}
	}
	slices.Sort(sizes)
	if m := sizes[len(sizes)/2]; m < 19 || m > 25 || sizes[0] < 8 || sizes[len(sizes)-1] > 28 {
		t.Errorf("homerooms from %d over %d to %d", sizes[0], m, sizes[len(sizes)-1])
	}
	for id := range r.having("student") {
		if homes[id] != 1 {
			t.Errorf("%s has %d homerooms", id, homes[id])
		}
	}
}

func TestSiblings(t *testing.T) {
	t.Parallel()
	r, _ := town(t)
	users, kids := r.byID(oneroster.Users), map[string][]string{}
	for id, u := range r.having("student") {
		for _, g := range u.List("agentSourcedIds") {
			kids[g] = append(kids[g], id)
		}
	}
	shared := 0
	for g, ids := range kids {
		for _, id := range ids[1:] {
			if users[id].Get("familyName") != users[ids[0]].Get("familyName") {
				t.Errorf("siblings of %s have two family names", g)
			}
		}
		if len(ids) > 1 {
			shared++
		}
	}
	if shared < len(kids)/10 {
		t.Errorf("%d of %d guardians have two or more children", shared, len(kids))
	}
}

func TestSmallMunicipality(t *testing.T) {
	t.Parallel()
	zip, _ := write(t, spec(620))
	var names []string
	for _, o := range read(t, zip)[oneroster.Orgs] {
		names = append(names, o.Get("name"))
	}
	all := strings.Join(names, "\n")
	if len(names) > 4 || !strings.Contains(all, "yhtenäiskoulu") || !strings.Contains(all, "lukio") {
		t.Errorf("the schools of a small municipality: %v", names)
	}
}

func TestNights(t *testing.T) {
	t.Parallel()
	s := spec(2000)
	day := func(night int) (map[string]string, generate.Summary) {
		s := s
		s.Night = night
		zip, sum := write(t, s)
		rows := map[string]string{}
		for _, u := range read(t, zip)[oneroster.Users] {
			rows[u.SourcedID] = strings.Join(u.Fields, "\x00")
		}
		return rows, sum
	}
	before, _ := day(0)
	for night := 1; night <= 2; night++ {
		after, sum := day(night)
		changed, gone, added := 0, 0, 0
		for id, row := range before {
			switch now, there := after[id]; {
			case !there:
				gone++
			case now != row:
				changed++
			}
		}
		for id := range after {
			if before[id] == "" {
				added++
			}
		}
		people := float64(len(before))
		if share := float64(changed+gone) / people; math.Abs(share-.015) > .006 { // class moves are in enrollments
			t.Errorf("night %d: %.2f %% of the rows changed", night, share*100)
		}
		if gone == 0 || added == 0 || sum.Changes.Moved == 0 || sum.Changes.Renamed == 0 || sum.Changes.Contact == 0 {
			t.Errorf("night %d: gone %d, added %d, %+v", night, gone, added, sum.Changes)
		}
		before = after
	}
}

func TestCast(t *testing.T) {
	t.Parallel()
	s := spec(2000)
	s.Night = 1
	c, err := generate.FindCast(s)
	if err != nil {
		t.Fatal(err)
	}
	zip, _ := write(t, s)
	r := read(t, zip)
	users := r.byID(oneroster.Users)
	for role, m := range map[string]generate.Member{
		"districtAdministrator": c.Admin, "principal": c.Principal, "teacher": c.Teacher, "student": c.Learner, "guardian": c.Parent,
	} {
		u := r.having(role)[m.SourcedID]
		if u == nil || u.Get("username") != m.Username || u.Get("familyName") != m.FamilyName || m.Role != role {
			t.Errorf("%s: %+v is not in the package as that", role, m)
		}
	}
	if c.Learner.ClassID != c.Teacher.ClassID || c.Learner.Related[0] != c.Guardian.SourcedID || c.Principal.OrgID != c.Learner.OrgID {
		t.Errorf("the cast does not belong together: %+v", c)
	}
	grades := map[string]bool{}
	for _, id := range c.Parent.Related {
		grades[users[id].Get("grades")] = true
	}
	if len(grades) < 2 || c.Parent.SourcedID == c.Guardian.SourcedID {
		t.Errorf("the parent's children are in grades %v", grades)
	}
	if u := users[c.SwedishTeacher.SourcedID]; u == nil || meta(u, "homeLanguage") != "SV" {
		t.Errorf("the Swedish teacher: %+v", c.SwedishTeacher)
	}
	if _, err := generate.FindCast(generate.Spec{}); err == nil {
		t.Error("an empty spec has a cast")
	}
}
