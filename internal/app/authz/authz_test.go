package authz_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/authz"
	"digione/internal/app/people/peopletest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

var (
	id    = peopletest.ID
	today = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	all   = []authz.Action{authz.HomeRead, authz.SelfRead, authz.PersonRead, authz.PersonSearch, authz.SchoolRead, authz.GroupRead, authz.SessionEnd}
)

func TestRoleOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word, kind string
		want       authz.Role
	}{
		{"student", "school", authz.Learner}, {"teacher", "school", authz.Teacher}, {"counselor", "school", authz.Teacher},
		{"principal", "school", authz.Principal}, {"siteAdministrator", "provider", authz.Principal},
		{"districtAdministrator", "provider", authz.Admin}, {"districtAdministrator", "school", authz.Principal},
		{"systemAdministrator", "department", authz.Principal}, {"parent", "school", authz.Guardian},
		{"relative", "school", ""}, {"ext:janitor", "school", ""}, {"Teacher", "school", ""}, {"", "provider", ""},
	} {
		got, ok := authz.RoleOf(c.word, c.kind)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%s at a %s: %s, %v, want %s", c.word, c.kind, got, ok, c.want)
		}
	}
}

func TestNobodyReachesNothing(t *testing.T) {
	t.Parallel()
	var nobody authz.Actor
	if !nobody.May(authz.Public) {
		t.Error("public is for all")
	}
	for _, a := range append(all, "no.such.action") {
		if nobody.May(a) {
			t.Errorf("nobody may %s", a)
		}
		if r := nobody.Reach(a); r.All || r.Holds(authz.Object{}) || r.Units == nil || r.Groups == nil || r.Persons == nil {
			t.Errorf("nobody reaches %+v with %s", r, a)
		}
	}
	admin := authz.Actor{Person: uuid.New(), Grants: []authz.Grant{{Role: authz.Admin}}}
	if admin.May("no.such.action") || admin.Reach("no.such.action").All {
		t.Error("an action without a rule is somebody's")
	}
}

// What lists each role's word for the whole law, action by action.
func TestRules(t *testing.T) {
	t.Parallel()
	me, child, group, unit, far := uuid.New(), uuid.New(), uuid.New(), uuid.New(), uuid.New()
	objects := map[string]authz.Object{
		"self": {Person: me}, "child": {Person: child}, "in group": {Person: far, Groups: []uuid.UUID{group}},
		"in unit": {Person: far, Units: []uuid.UUID{unit}}, "elsewhere": {Person: far, Units: []uuid.UUID{far}, Groups: []uuid.UUID{far}},
	}
	for role, want := range map[authz.Role]map[authz.Action][]string{
		authz.Learner:   {authz.PersonRead: {"self"}},
		authz.Guardian:  {authz.PersonRead: {"child", "self"}},
		authz.Teacher:   {authz.PersonRead: {"in group", "self"}, authz.GroupRead: {"in group"}, authz.SchoolRead: {"in unit"}, authz.PersonSearch: {"in group"}},
		authz.Principal: {authz.PersonRead: {"in unit", "self"}, authz.GroupRead: {"in unit"}, authz.SchoolRead: {"in unit"}, authz.PersonSearch: {"in unit"}},
		authz.Admin: {authz.PersonRead: {"child", "elsewhere", "in group", "in unit", "self"}, authz.GroupRead: {"child", "elsewhere", "in group", "in unit", "self"},
			authz.SchoolRead: {"child", "elsewhere", "in group", "in unit", "self"}, authz.PersonSearch: {"child", "elsewhere", "in group", "in unit", "self"}},
		authz.Support: {authz.PersonRead: {"child", "elsewhere", "in group", "in unit", "self"}, authz.GroupRead: {"child", "elsewhere", "in group", "in unit", "self"},
			authz.SchoolRead: {"child", "elsewhere", "in group", "in unit", "self"}, authz.PersonSearch: {"child", "elsewhere", "in group", "in unit", "self"}},
	} {
		a := authz.Actor{Person: me, Grants: []authz.Grant{{Role: role, Unit: unit, Units: []uuid.UUID{unit}}}}
		switch role {
		case authz.Guardian:
			a.Grants, a.Children = nil, []uuid.UUID{child}
		case authz.Teacher:
			a.Groups = []uuid.UUID{group}
		}
		for _, act := range []authz.Action{authz.PersonRead, authz.GroupRead, authz.SchoolRead, authz.PersonSearch} {
			var got []string
			for name, o := range objects {
				if a.Reach(act).Holds(o) {
					got = append(got, name)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want[act]) {
				t.Errorf("%s, %s: reaches %v, want %v", role, act, got, want[act])
			}
			if a.May(act) != (len(want[act]) > 0) {
				t.Errorf("%s may %s: %v", role, act, a.May(act))
			}
		}
	}
}

// An operator on a support visit does what is written for them, and nothing that is
// anyone's.
func TestSupport(t *testing.T) {
	t.Parallel()
	a := authz.Actor{Person: uuid.New(), Grants: []authz.Grant{{Role: authz.Support}}}
	for act, want := range map[authz.Action]bool{
		authz.HomeRead: true, authz.SessionEnd: true, authz.Public: true, authz.SelfRead: false, authz.Joining: false, authz.RosterRead: true, authz.RosterChange: false, authz.SupportRead: false,
		authz.FleetRead: false, authz.FleetChange: false, "nothing": false,
	} {
		if a.May(act) != want {
			t.Errorf("%s: %v", act, !want)
		}
	}
	if r := a.Reach(authz.SelfRead); r.All || len(r.Persons) > 0 {
		t.Errorf("reaches %v of themself", r)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t)
	peopletest.In(t, db, dbtest.Alpha, "", func(s peopletest.Seed) {
		school := s.School("Kilteri")
		s.Exec(`insert into unit (id, parent, kind, name, source, date_last_modified) values ($1, $2, 'department', 'Yläkoulu', 'test', now())`, id("dept"), school)
		s.Exec(`insert into unit (id, parent, kind, name, source, status, date_last_modified) values ($1, $2, 'department', 'Entinen', 'test', 'tobedeleted', now())`, id("closed"), school)
		s.Grant(s.Person("principal", peopletest.Person{}), "principal", school)
		s.Grant(s.Person("below", peopletest.Person{}), "principal", id("dept"))
		for name, born := range map[string]string{"minor": "2008-11-24", "adult": "2008-11-23"} {
			s.Person(name, peopletest.Person{Born: born})
		}
		for _, g := range []string{"roster", "unlisted", "dvv", "relative", "ended", "early"} {
			s.Person(g, peopletest.Person{})
			source, validity := "roster", "[2020-01-01,)"
			switch g {
			case "dvv":
				source = "dvv"
			case "ended":
				validity = "[2020-01-01,2026-11-23)"
			case "early":
				validity = "[2026-11-24,)"
			}
			for _, child := range []string{"minor", "adult"} {
				s.Exec(`insert into guardianship (id, child, guardian, kind, source, validity) values ($1, $2, $3, 'agent', $4, $5::text::daterange)`, uuid.New(), id(child), id(g), source, validity)
			}
		}
		for _, g := range []string{"roster", "ended", "early"} {
			s.Grant(id(g), "parent", school)
		}
		s.Grant(id("relative"), "relative", school)
	})
	ctx := context.Background()
	err := db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		for who, want := range map[string][]uuid.UUID{
			"roster": {id("minor")}, "dvv": {id("minor")}, "unlisted": nil, "relative": nil, "ended": nil, "early": nil,
		} {
			a, err := authz.Load(ctx, tx, id(who), today)
			if err != nil {
				return err
			}
			if !slices.Equal(a.Children, want) || a.Has(authz.Guardian) != (want != nil) {
				t.Errorf("%s: children %v, want %v", who, a.Children, want)
			}
		}
		up, err := authz.Load(ctx, tx, id("principal"), today)
		if err != nil {
			return err
		}
		r := up.Reach(authz.SchoolRead)
		for unit, want := range map[string]bool{"Kilteri": true, "dept": true, "closed": false, "provider": false} {
			if r.Holds(authz.Object{Units: []uuid.UUID{id(unit)}}) != want {
				t.Errorf("principal reaches %s: %v", unit, !want)
			}
		}
		down, err := authz.Load(ctx, tx, id("below"), today)
		if down.Reach(authz.SchoolRead).Holds(authz.Object{Units: []uuid.UUID{id("Kilteri")}}) {
			t.Error("a department's head reaches the school above")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestClosedSchools: while a municipality joins, people of schools that are not
// open yet have no role; the municipality's own admins have.
func TestClosedSchools(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	peopletest.In(t, e.DB, dbtest.Alpha, "", func(s peopletest.Seed) {
		provider := id("provider")
		for _, name := range []string{"open", "closed"} {
			school := s.School(name)
			s.Exec(`update unit set sourced_id = $2 where id = $1`, school, "org-"+name)
			s.Grant(s.Person("principal-"+name, peopletest.Person{}), "principal", school)
			s.Grant(s.Person("child-"+name, peopletest.Person{Born: "2015-01-01"}), "student", school)
			s.Guardian(s.Person("guardian-"+name, peopletest.Person{}), id("child-"+name))
			s.Grant(id("guardian-"+name), "guardian", school)
		}
		s.Grant(s.Person("admin", peopletest.Person{}), "districtAdministrator", provider)
	})
	roles := func() string {
		var out []string
		err := e.DB.Read(context.Background(), dbtest.Alpha, func(tx tenancy.Read) error {
			out = nil
			for _, who := range []string{"principal-open", "child-open", "guardian-open", "principal-closed", "child-closed", "guardian-closed", "admin"} {
				a, err := authz.Load(context.Background(), tx, id(who), today)
				if err != nil {
					return err
				}
				out = append(out, fmt.Sprint(len(a.Roles())))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(out, "")
	}
	for opening, want := range map[string]string{"null": "1111111", `'{"schools": ["org-open"]}'`: "1110001", `'{"schools": []}'`: "0000001"} {
		e.Exec(t, "delete from control.tenant_opening; insert into control.tenant_opening (tenant, opening) select '"+string(dbtest.Alpha)+"', o from (select "+opening+"::jsonb as o) x where o is not null")
		if err := e.DB.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := roles(); got != want {
			t.Errorf("with %s open: roles %s, want %s", opening, got, want)
		}
	}
}
