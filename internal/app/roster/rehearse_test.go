package roster_test

import (
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/web/webtest"
)

// TestRehearsal: next year's package is worked out for its first day. What differs is
// counted where it belongs, and the tenant stays as it was to the last row.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := made(t, 300, 0, 0)
	o.settle(first)
	before := o.export()
	day := now.Truncate(24 * time.Hour)

	// The same package on the same day differs in nothing.
	p, err := o.svc.Plan(ctx, o.tenant, pack(first), roster.Options{}, "tester", nil)
	if err != nil {
		t.Fatal(explain(err))
	}
	same, err := o.svc.Rehearse(ctx, o.tenant, p.ID, day, "tester", nil)
	if err != nil {
		t.Fatal(explain(err))
	}
	pupils := 0
	for _, s := range same.Schools {
		pupils += s.Pupils
		if s.Name == "" || s.Pupils != s.PupilsNow || len(s.Groups) != s.GroupsNow || s.Goes+s.Comes+s.Leaves+s.New+s.Loose+s.Untaught != 0 {
			t.Errorf("the same differs: %s pupils %d/%d groups %d/%d goes %d comes %d leaves %d new %d loose %d untaught %d", s.Name,
				s.Pupils, s.PupilsNow, len(s.Groups), s.GroupsNow, s.Goes, s.Comes, s.Leaves, s.New, s.Loose, s.Untaught)
		}
	}
	if pupils == 0 {
		t.Fatal("nobody is rehearsed")
	}

	next, what := nextYear(t, first)
	path, _ := o.planned(anna, next)
	if a := o.site.Get(t, webtest.Alpha, anna, path+"/harjoitus"); a.Status != 200 || !strings.Contains(a.Body, "Harjoittele") {
		t.Fatalf("before: %d\n%s", a.Status, a.Body)
	}
	if a := o.post(anna, path+"/harjoitus", "day", day.Format(time.DateOnly)); a.Status != 303 {
		t.Fatalf("rehearsing: %d\n%s", a.Status, a.Body)
	}
	_, a := o.settled(anna, path+"/harjoitus")
	a.Doc(t).Says("tbody th", "Yhteensä")
	r, err := o.svc.Rehearse(ctx, o.tenant, strings.TrimPrefix(path, "/oppilastiedot/"), day, "tester", nil)
	if err != nil {
		t.Fatal(explain(err))
	}
	got := map[string]int{}
	for _, s := range r.Schools {
		got["loose"] += s.Loose
		got["leaves"] += s.Leaves
		got["goes"] += s.Goes
		got["comes"] += s.Comes
		got["untaught"] += s.Untaught
		got["new"] += s.New
	}
	want := map[string]int{"loose": what.loose, "leaves": what.leaves, "goes": what.moves, "comes": what.moves, "untaught": what.untaught, "new": 0}
	if !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if !maps.Equal(o.export(), before) {
		t.Error("the rehearsal has changed the roster")
	}

	seen := count(t, o.Env, "t_alpha", "select count(*)::int from audit_event where target_kind = 'person'")
	page := o.site.Get(t, webtest.Alpha, anna, path+"/harjoitus?koulu="+url.QueryEscape(what.school))
	page.Doc(t).Says("main h2", "Vaihtaa koulua")
	if n := strings.Count(page.Body, "/henkilot/"); page.Status != 200 || n == 0 {
		t.Errorf("one school: %d, %d named\n%s", page.Status, n, page.Body)
	} else if more := count(t, o.Env, "t_alpha", "select count(*)::int from audit_event where target_kind = 'person'") - seen; more == 0 || more > n {
		t.Errorf("%d named, %d events", n, more)
	}
	for name, a := range map[string]webtest.Answer{
		"the twin's admin": o.site.Get(t, webtest.Beta, anna, path+"/harjoitus"),
		"a teacher":        o.site.Get(t, webtest.Alpha, teacher, path+"/harjoitus"),
		"a guardian":       o.site.Get(t, webtest.Alpha, guardian, path+"/harjoitus"),
	} {
		if a.Status != 404 {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	if a := o.post(teacher, path+"/harjoitus", "day", "2027-08-12"); a.Status != 404 {
		t.Errorf("a teacher rehearses: %d", a.Status)
	}
	if a := o.post(anna, path+"/harjoitus", "day", "1999-01-01"); a.Status != 422 {
		t.Errorf("a day long gone: %d", a.Status)
	}
	late, err := o.svc.Rehearse(ctx, o.tenant, p.ID, day.AddDate(2, 0, 0), "tester", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range late.Schools {
		if len(s.Groups) != 0 {
			t.Errorf("two years on %s has %d groups", s.Name, len(s.Groups))
		}
	}

	delta := edited(t, first, oneroster.Delta, []oneroster.Type{oneroster.Users}, func(r *oneroster.Record) bool { return r.Line < 4 })
	part, _ := o.planned(anna, delta)
	if a := o.post(anna, part+"/harjoitus", "day", "2027-08-12"); a.Status != 422 {
		t.Errorf("a package of changes: %d", a.Status)
	}
	if _, err := o.svc.Close(ctx, o.tenant, strings.TrimPrefix(path, "/oppilastiedot/"), "tester"); err != nil {
		t.Fatal(err)
	}
	clock := o.svc.Now
	o.svc.Now = func() time.Time { return clock().AddDate(0, 0, 91) }
	if _, err := o.svc.Prune(ctx, o.tenant, false); err != nil {
		t.Fatal(err)
	}
	if n := count(t, o.Env, "t_alpha", "select count(*)::int from roster_rehearsal"); n != 0 {
		t.Errorf("%d rehearsals stay", n)
	}
}

// turned is what nextYear has changed.
type turned struct {
	school                         string // from which somebody goes
	loose, leaves, moves, untaught int
}

// nextYear makes a package in which pupils lose their class, leave and change school,
// and a class has no teacher.
func nextYear(t *testing.T, first []byte) ([]byte, turned) {
	t.Helper()
	type pupil struct{ school string }
	pupils, order, homes, schools := map[string]pupil{}, []string{}, map[string]bool{}, []string{}
	untaught := ""
	_ = edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		switch {
		case r.Table.Type == oneroster.Orgs && r.Get("type") == "school":
			schools = append(schools, strings.Clone(r.SourcedID))
		case r.Table.Type == oneroster.Classes && r.Get("classType") == "homeroom":
			homes[strings.Clone(r.SourcedID)] = true
			untaught = strings.Clone(r.SourcedID)
		case r.Table.Type == oneroster.Roles && r.Get("role") == "student":
			id := strings.Clone(r.Get("userSourcedId"))
			if _, ok := pupils[id]; !ok {
				order = append(order, id)
			}
			pupils[id] = pupil{strings.Clone(r.Get("orgSourcedId"))}
		}
		return true
	})
	if len(schools) < 2 || len(order) < 20 {
		t.Fatalf("%d schools, %d pupils", len(schools), len(order))
	}
	loose, gone, moved := map[string]bool{}, map[string]bool{}, map[string]string{}
	for i, id := range order[:9] {
		switch i % 3 {
		case 0:
			loose[id] = true
		case 1:
			gone[id] = true
		case 2:
			to := schools[0]
			if pupils[id].school == to {
				to = schools[1]
			}
			moved[id] = to
		}
	}
	from := pupils[order[2]].school
	out := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		user := r.Get("userSourcedId")
		switch r.Table.Type {
		case oneroster.Roles:
			if to := moved[user]; to != "" {
				set(r, "orgSourcedId", to)
			}
			return !(gone[user] && r.Get("role") == "student")
		case oneroster.Users:
			if moved[r.SourcedID] != "" {
				set(r, "primaryOrgSourcedId", moved[r.SourcedID])
			}
			if gone[r.SourcedID] {
				set(r, "primaryOrgSourcedId", "")
			}
		case oneroster.Enrollments:
			if r.Get("role") == "teacher" && r.Get("classSourcedId") == untaught {
				return false
			}
			return !(gone[user] || moved[user] != "" || loose[user] && homes[r.Get("classSourcedId")])
		}
		return true
	})
	return out, turned{school: from, loose: len(loose) + len(moved), leaves: len(gone), moves: len(moved), untaught: 1}
}
