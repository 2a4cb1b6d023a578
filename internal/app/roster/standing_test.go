package roster_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"digione/internal/app/fault"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// one makes a delta of the first row that fits, altered by change.
func one(t *testing.T, from []byte, typ oneroster.Type, at time.Time, change func(*oneroster.Record)) []byte {
	t.Helper()
	done := false
	return edited(t, from, oneroster.Delta, []oneroster.Type{typ}, func(r *oneroster.Record) bool {
		if done {
			return false
		}
		done, r.LastModified = true, at
		change(r)
		return true
	})
}

// A delta row that is older than what is stored changes nothing, not even whether the
// row is there.
func TestStaleRowsNeitherDeleteNorBringBack(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 60)
	before := w.export()
	var id string
	gone := func(r *oneroster.Record) { id, r.Status = r.SourcedID, "tobedeleted" }
	old := one(t, first, oneroster.Enrollments, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), gone)
	p := w.load(old, roster.Options{}, roster.Approval{})
	if c := p.Changes[oneroster.Enrollments]; c.Remove != 0 || c.Stale != 1 || p.Findings[0].Code != "R203" {
		t.Errorf("an old removal: %+v %+v", c, p.Findings)
	}
	w.same("after an old removal", w.export(), before)

	w.load(one(t, first, oneroster.Enrollments, now.Add(time.Hour), gone), roster.Options{}, roster.Approval{})
	without := w.export()
	if _, there := without["enrollments "+id]; there {
		t.Fatal("the removal of today was not done")
	}
	back := one(t, first, oneroster.Enrollments, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), func(*oneroster.Record) {})
	if c := w.load(back, roster.Options{}, roster.Approval{}).Changes[oneroster.Enrollments]; c.Reactivate != 0 || c.Stale != 1 {
		t.Errorf("an old active row: %+v", c)
	}
	w.same("after an old active row", w.export(), without)
	same := one(t, first, oneroster.Users, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), func(*oneroster.Record) {})
	if c := w.load(same, roster.Options{}, roster.Approval{}).Changes[oneroster.Users]; c.Unchanged != 1 || c.Stale != 0 {
		t.Errorf("an old row that says what is stored: %+v", c)
	}
}

// The roles that 1.1 makes out of a users row are as old as the row.
func TestStaleUsersRowOf11KeepsItsRoles(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.load(old11(t, "bulk", map[string]string{
		"orgs":  "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\nd,,,Alfa,district,,\ns1,,,Ykköskoulu,school,10001,d\ns2,,,Kakkoskoulu,school,10002,d\n",
		"users": users11 + "t1,,,true,s1,teacher,opettaja,,Oona,Opettaja,,,,,,,,\n",
	}), roster.Options{}, roster.Approval{Initial: true})
	before := w.export()
	p := w.load(old11(t, "delta", map[string]string{
		"users": users11 + "t1,active,2020-01-01T08:00:00.000Z,true,s2,teacher,opettaja,,Oona,Opettaja,,,,,,,,\n",
	}), roster.Options{}, roster.Approval{})
	if c := p.Changes[oneroster.Roles]; c.Insert+c.Remove+c.Update != 0 || c.Stale != 1 {
		t.Errorf("roles: %+v", c)
	}
	w.same("after an old row", w.export(), before)
}

// The mapping that a plan proposes is enough: what takes its sourcedId from the users
// goes with them, and pairs that fit nothing are said.
func TestMappingCarriesDemographics(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	renamed := renamed(t, first)
	mapping := map[string]string{}
	for _, r := range w.plan(renamed, roster.Options{}).Rekeyed {
		mapping[r.Type+" "+r.Old] = r.New
	}
	p := w.plan(renamed, roster.Options{Mapping: mapping})
	if c := p.Changes[oneroster.Demographics]; c.Insert != 0 || c.Remove != 0 || c.Update == 0 {
		t.Errorf("demographics: %+v", c)
	}
	if hasCode(p, "R204") {
		t.Errorf("all pairs were used: %+v", p.Findings)
	}
	mapping["users nosuch"], mapping["courses nosuch"] = "x", "y"
	p = w.plan(renamed, roster.Options{Mapping: mapping})
	if !hasCode(p, "R204") || !strings.HasPrefix(p.Findings[0].Message, "2 of the ") {
		t.Errorf("two pairs fit nothing: %+v", p.Findings)
	}
}

func hasCode(p *roster.Plan, code string) bool {
	for _, f := range p.Findings {
		if f.Code == code {
			return true
		}
	}
	return false
}

// An edit that stays leaves the row as it is, whatever the source says of that field:
// the row is no change and its date stands, and the conflict is said each time.
func TestKeptEditIsNoChange(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 60)
	id := ""
	titled := func(title, location string) []byte {
		done := false
		return edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
			if r.Table.Type == oneroster.Classes && !done {
				done, id = true, r.SourcedID
				set(r, "title", title)
				if location != "" {
					set(r, "location", location)
				}
			}
			return true
		})
	}
	titled("Nimi", "") // tells the id
	if err := w.svc.Edit(ctx, w.tenant, oneroster.Classes, id, "title", "Meidän nimi", "sihteeri"); err != nil {
		t.Fatal(err)
	}
	modified := func() int {
		return count(t, w.Env, "t_alpha", "select (extract(epoch from date_last_modified) * 1000)::bigint from teaching_group where sourced_id = '"+id+"'")
	}
	edit := modified()
	for _, title := range []string{"Toinen", "Kolmas", "Neljäs"} {
		p := w.load(titled(title, ""), roster.Options{}, roster.Approval{})
		if c := p.Changes[oneroster.Classes]; c.Update != 0 || len(p.Conflicts) != 1 || p.Conflicts[0].SourcedID != id {
			t.Errorf("%s: %+v, conflicts %+v", title, c, p.Conflicts)
		}
		if at := modified(); at != edit {
			t.Errorf("%s: the date moved from %d to %d", title, edit, at)
		}
	}
	// Another field is a change, once.
	for i, want := range []int{1, 0} {
		p := w.load(titled([]string{"Viides", "Kuudes"}[i], "B2"), roster.Options{}, roster.Approval{})
		if c := p.Changes[oneroster.Classes]; c.Update != want || len(p.Conflicts) != 1 {
			t.Errorf("location, time %d: %+v, conflicts %+v", i, c, p.Conflicts)
		}
	}
	if row := w.export()["classes "+id]; !strings.Contains(row, "Meidän nimi") || !strings.Contains(row, "B2") {
		t.Errorf("the row: %s", row)
	}
}

// What no-delete leaves out waits in a plan that stands in the very transaction that left
// it out, held from the beginning, also when nothing else has changed.
func TestNoDeleteKeepsItsRest(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 60)
	n := 0
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type == oneroster.Enrollments {
			n++
		}
		return r.Table.Type != oneroster.Enrollments || n != 1
	})
	atOnce := func(p *roster.Plan) {
		t.Helper()
		rest, err := w.svc.Show(ctx, w.tenant, p.Rest)
		if err != nil || rest.State != roster.Held || !contains(rules(rest), roster.RuleNoDelete) || rest.Spared() != 0 || rest.Changes[oneroster.Enrollments].Remove != 1 {
			t.Fatalf("the rest of %s: %+v %v", p.ID, rest, err)
		}
		if k := count(t, w.Env, "t_alpha", "select count(distinct xmin::text)::int from roster_import where id in ('"+p.ID+"', '"+p.Rest+"')"); k != 1 {
			t.Errorf("the import and its rest stand by %d transactions, want one", k)
		}
	}
	atOnce(w.load(less, roster.Options{NoDelete: true}, roster.Approval{}))
	later := w.plan(less, roster.Options{NoDelete: true})
	if !later.Empty() || later.Spared() != 1 {
		t.Fatalf("nothing but removals: %+v", later.Changes)
	}
	done, err := w.svc.Apply(ctx, w.tenant, later.ID, roster.Approval{Who: "x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	atOnce(done)
}

func TestApprovalNeedsWords(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 60)
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		return r.Table.Type != oneroster.Enrollments || strings.HasSuffix(r.SourcedID, "0")
	})
	p := w.plan(less, roster.Options{})
	blanks := roster.Approval{Who: "x", Approve: true, Reason: " \t "}
	if _, err := w.svc.Apply(ctx, w.tenant, p.ID, blanks, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("applied for a reason of blanks: %v", err)
	}
	if _, err := w.svc.Import(ctx, w.tenant, pack(less), roster.Options{}, blanks, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("imported for a reason of blanks: %v", err)
	}
	two := w.tenant
	two.Settings.Roster.TwoPeople = true
	for _, who := range []string{"Planner", " planner "} {
		if _, err := w.svc.Apply(ctx, two, p.ID, roster.Approval{Who: who, Approve: true, Reason: "r"}, nil); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%q approved what planner had planned: %v", who, err)
		}
	}
	done, err := w.svc.Apply(ctx, two, p.ID, roster.Approval{Who: "other", Approve: true, Reason: "  closes "}, nil)
	if err != nil || done.Reason != "closes" {
		t.Errorf("approved: %v %+v", err, done)
	}
}

// nothing is a package that says that nothing has changed.
func nothingNew(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	f, err := z.Create("manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	text := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\n"
	for _, table := range oneroster.Tables() {
		text += "file." + string(table.Type) + ",absent\n"
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An import without rows is nothing to compare with.
func TestFirstIsTheFirstWithRows(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.load(nothingNew(t), roster.Options{}, roster.Approval{Initial: true})
	full := made(t, 60, 0, 0)
	held := (*roster.HeldError)(nil)
	if _, err := w.svc.Import(ctx, w.tenant, pack(full), roster.Options{}, roster.Approval{Who: "x"}, nil); !errors.As(err, &held) || !contains(rules(held.Plan), roster.RuleInitial) {
		t.Fatalf("the first rows came in without a word: %v", err)
	}
	if _, err := w.svc.Apply(ctx, w.tenant, held.Plan.ID, roster.Approval{Who: "x", Initial: true}, nil); err != nil {
		t.Fatal(err)
	}
	w.same("the first rows", w.export(), lines(t, full))
	if p := w.plan(made(t, 60, 0.02, 1), roster.Options{}); p.Held {
		t.Errorf("the second import: %+v", p.Holds)
	}
}

// How many rows were read is said alike by the plan and by what is kept of it.
func TestRowsOfAKeptPlan(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	first := made(t, 60, 0, 0)
	done := w.load(first, roster.Options{}, roster.Approval{Initial: true})
	gone := one(t, first, oneroster.Enrollments, now.Add(time.Hour), func(r *oneroster.Record) { r.Status = "tobedeleted" })
	for name, p := range map[string]*roster.Plan{"import": done, "again": w.load(first, roster.Options{}, roster.Approval{}), "removal": w.plan(gone, roster.Options{})} {
		kept, err := w.svc.Show(ctx, w.tenant, p.ID)
		if err != nil || p.Rows == 0 || kept.Rows != p.Rows {
			t.Errorf("%s: %d rows, kept %d, %v", name, p.Rows, kept.Rows, err)
		}
	}
}

func TestFindingsAreCountedByCode(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 60)
	n := 0
	reused := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type == oneroster.Users && n < 4 {
			n++
			set(r, "givenName", "Aivan")
			set(r, "familyName", "Toinen")
			set(r, "username", "aivan.toinen"+strings.Repeat("x", n))
			set(r, "identifier", "other"+strings.Repeat("x", n))
		}
		return true
	})
	p := w.plan(reused, roster.Options{})
	seen := 0
	for _, total := range p.Totals {
		if total.Code == "R201" {
			seen++
			if total.Count != 4 || total.Listed != 4 {
				t.Errorf("R201: %+v", total)
			}
		}
	}
	if seen != 1 {
		t.Errorf("%d totals of R201, want one: %+v", seen, p.Totals)
	}
}

func TestSamePerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{{"root", "Root", true}, {" root", "root ", true}, {"Åke", "åke", true}, {"root", "toor", false}} {
		if tenancy.SamePerson(c.a, c.b) != c.same {
			t.Errorf("%q and %q", c.a, c.b)
		}
	}
}
