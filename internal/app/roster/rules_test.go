package roster_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// renamed is a package whose users have other sourcedIds, wherever these stand.
func renamed(t testing.TB, zip []byte) []byte {
	t.Helper()
	rename := func(s string) string {
		if s == "" {
			return s
		}
		parts := strings.Split(s, ",")
		for i := range parts {
			parts[i] = "new-" + parts[i]
		}
		return strings.Join(parts, ",")
	}
	return edited(t, zip, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		switch r.Table.Type {
		case oneroster.Users:
			r.SourcedID = rename(r.SourcedID)
			set(r, "agentSourcedIds", rename(r.Get("agentSourcedIds")))
		case oneroster.Demographics:
			r.SourcedID = rename(r.SourcedID)
		case oneroster.Roles, oneroster.Enrollments:
			set(r, "userSourcedId", rename(r.Get("userSourcedId")))
		}
		return true
	})
}

// edited copies a package; change may alter a record or drop it by returning false.
func edited(t testing.TB, zip []byte, mode oneroster.Mode, only []oneroster.Type, change func(*oneroster.Record) bool) []byte {
	t.Helper()
	p, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "x.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(ctx, nil); err != nil {
		t.Fatal(err)
	}
	modes := map[oneroster.Type]oneroster.Mode{}
	for _, table := range oneroster.Tables() {
		if modes[table.Type] = oneroster.Absent; p.Mode(table.Type) != oneroster.Absent && (only == nil || has(only, table.Type)) {
			modes[table.Type] = mode
		}
	}
	var b bytes.Buffer
	out := oneroster.NewWriter(&b, oneroster.V121, modes, "test")
	for _, table := range oneroster.Tables() {
		if modes[table.Type] == oneroster.Absent {
			continue
		}
		begun := false
		err := p.Each(ctx, table.Type, func(r *oneroster.Record) error {
			r = r.Clone()
			if !begun {
				begun = true
				var metas []string
				for _, m := range r.Meta {
					metas = append(metas, m.Name)
				}
				if err := out.Begin(table.Type, metas); err != nil {
					return err
				}
			}
			if mode == oneroster.Delta {
				r.Status, r.LastModified = "active", now.Add(time.Hour)
			}
			if !change(r) {
				return nil
			}
			return out.Write(r)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func has(list []oneroster.Type, t oneroster.Type) bool {
	for _, x := range list {
		if x == t {
			return true
		}
	}
	return false
}

func set(r *oneroster.Record, column, value string) { r.Fields[r.Table.Index(column)] = value }

func (w *town) plan(b []byte, o roster.Options) *roster.Plan {
	w.Helper()
	p, err := w.svc.Plan(ctx, w.tenant, pack(b), o, "planner", nil)
	if err != nil {
		w.Fatalf("plan: %v", explain(err))
	}
	return p
}

func rules(p *roster.Plan) (out []string) {
	for _, h := range p.Holds {
		out = append(out, strings.TrimSuffix(h.Rule+" "+h.Type, " "))
	}
	return out
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// settle makes a tenant with an imported roster.
func settle(t *testing.T, learners int) (*town, []byte) {
	t.Helper()
	w := newTown(t)
	first := made(t, learners, 0, 0)
	w.load(first, roster.Options{}, roster.Approval{Initial: true})
	return w, first
}

func TestThresholdsHoldAndApprovalLetsGo(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 300)
	before := w.export()
	// One school loses a third of its enrollments: within the limit of the type
	// where the school is small, over that of the school.
	school := ""
	n := 0
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type != oneroster.Enrollments {
			return true
		}
		if school == "" {
			school = r.Get("schoolSourcedId")
		}
		if r.Get("schoolSourcedId") != school || r.Get("role") != "student" {
			return true
		}
		n++
		return n%3 != 0
	})
	p := w.plan(less, roster.Options{})
	if !p.Held || !contains(rules(p), "school-removals enrollments") {
		t.Fatalf("holds: %+v", p.Holds)
	}
	h := p.Holds[len(p.Holds)-1]
	if h.School != school || h.Count == 0 || h.Limit >= h.Count {
		t.Errorf("hold: %+v, want school %s and a count over the limit", h, school)
	}
	if _, err := w.svc.Apply(ctx, w.tenant, p.ID, roster.Approval{Who: "x"}, nil); !errors.As(err, new(*roster.HeldError)) {
		t.Errorf("applied unapproved: %v", err)
	}
	if _, err := w.svc.Apply(ctx, w.tenant, p.ID, roster.Approval{Who: "x", Approve: true}, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("approved without a reason: %v", err)
	}
	w.same("held", w.export(), before)
	if _, err := w.svc.Import(ctx, w.tenant, pack(less), roster.Options{}, roster.Approval{Who: "x"}, nil); !errors.As(err, new(*roster.HeldError)) {
		t.Errorf("imported unapproved: %v", err)
	}
	w.same("held import", w.export(), before)
	two := w.tenant
	two.Settings.Roster.TwoPeople = true
	if _, err := w.svc.Apply(ctx, two, p.ID, roster.Approval{Who: "planner", Approve: true, Reason: "r"}, nil); fault.KindOf(err) != fault.Forbidden {
		t.Errorf("planner approved own plan: %v", err)
	}
	if _, err := w.svc.Apply(ctx, two, p.ID, roster.Approval{Who: "other", Approve: true, Reason: "closes"}, nil); err != nil {
		t.Fatal(err)
	}
	w.same("approved", w.export(), lines(t, less))
}

func TestTypeThresholds(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 300)
	i := 0
	drop := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		i++
		return r.Table.Type != oneroster.Demographics || i%5 != 0
	})
	if p := w.plan(drop, roster.Options{}); !contains(rules(p), "removals demographics") {
		t.Errorf("20 %% of demographics removed: %v", rules(p))
	}
	change := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type == oneroster.Users {
			set(r, "phone", "0401234567")
		}
		return true
	})
	if p := w.plan(change, roster.Options{}); !contains(rules(p), "updates users") {
		t.Errorf("all users changed: %v", rules(p))
	}
}

func TestRekeyAndReuse(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 300)
	renamed := renamed(t, first)
	p := w.plan(renamed, roster.Options{})
	if !contains(rules(p), "rekey users") || len(p.Rekeyed) == 0 || p.Rekeyed[0].New != "new-"+p.Rekeyed[0].Old {
		t.Fatalf("rekeyed roster: %v, %d pairs", rules(p), len(p.Rekeyed))
	}
	mapping := map[string]string{}
	for _, r := range p.Rekeyed {
		mapping["users "+r.Old] = r.New
		mapping["demographics "+r.Old] = r.New
	}
	m := w.plan(renamed, roster.Options{Mapping: mapping})
	if c := m.Changes[oneroster.Users]; c.Insert != 0 || c.Remove != 0 || contains(rules(m), "rekey users") {
		t.Errorf("with the mapping: %+v %v", c, rules(m))
	}
	if _, err := w.svc.Apply(ctx, w.tenant, m.ID, roster.Approval{Who: "x", Approve: true, Reason: "new ids"}, nil); err != nil {
		t.Fatal(err)
	}
	w.same("renamed", w.export(), lines(t, renamed))

	reused := 0
	again := edited(t, renamed, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type == oneroster.Users && reused == 0 {
			reused++
			set(r, "givenName", "Aivan")
			set(r, "familyName", "Toinen")
			set(r, "username", "aivan.toinen")
			set(r, "identifier", "other")
		}
		return true
	})
	found := false
	for _, f := range w.plan(again, roster.Options{}).Findings {
		found = found || f.Code == "R201"
	}
	if !found {
		t.Error("a reused sourcedId was not warned of")
	}
}

func TestDeltaStaleAndReactivate(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	var gone, changed string
	delta := edited(t, first, oneroster.Delta, []oneroster.Type{oneroster.Enrollments, oneroster.Users}, func(r *oneroster.Record) bool {
		switch {
		case r.Table.Type == oneroster.Enrollments && gone == "":
			gone, r.Status = r.SourcedID, "tobedeleted"
			return true
		case r.Table.Type == oneroster.Users && changed == "":
			changed = r.SourcedID
			set(r, "familyName", "Uusinimi")
			return true
		}
		return false
	})
	p := w.load(delta, roster.Options{}, roster.Approval{})
	if c := total(p); c.Remove != 1 || c.Update != 1 || c.Insert != 0 {
		t.Fatalf("delta: %+v", c)
	}
	got := w.export()
	if _, there := got["enrollments "+gone]; there || !strings.Contains(got["users "+changed], "Uusinimi") {
		t.Error("the delta's rows are not what it says")
	}
	if c := total(w.load(delta, roster.Options{}, roster.Approval{})); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
		t.Errorf("the same delta again: %+v", c)
	}
	old := edited(t, first, oneroster.Delta, []oneroster.Type{oneroster.Users}, func(r *oneroster.Record) bool {
		r.LastModified = now.AddDate(-1, 0, 0)
		set(r, "familyName", "Vanha")
		return r.SourcedID == changed
	})
	if p := w.load(old, roster.Options{}, roster.Approval{}); p.Changes[oneroster.Users].Stale != 1 || p.Changes[oneroster.Users].Update != 0 {
		t.Errorf("stale delta: %+v", p.Changes[oneroster.Users])
	}
	back := w.load(first, roster.Options{}, roster.Approval{})
	if c := total(back); c.Reactivate != 1 || c.Update != 1 {
		t.Errorf("the bulk file again: %+v", c)
	}
	w.same("after it", w.export(), lines(t, first))
}

func TestNoDeleteBlackoutAndStalePlan(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	n := 0
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type != oneroster.Enrollments {
			return true
		}
		n++
		return n != 1
	})
	p := w.load(less, roster.Options{NoDelete: true}, roster.Approval{})
	if c := p.Changes[oneroster.Enrollments]; c.Remove != 0 || c.Spared != 1 || p.Rest == "" {
		t.Fatalf("no-delete: %+v rest %q", c, p.Rest)
	}
	w.same("no-delete", w.export(), lines(t, first))
	rest, err := w.svc.Show(ctx, w.tenant, p.Rest)
	if err != nil || rest.State != roster.Held || rest.Changes[oneroster.Enrollments].Remove != 1 {
		t.Fatalf("the removals: %+v %v", rest, err)
	}
	closed := w.tenant
	closed.Settings.Roster.Blackout = []tenancy.Window{{From: "11-01", To: "12-24", Why: "test"}}
	if _, err := w.svc.Import(ctx, closed, pack(first), roster.Options{}, roster.Approval{Who: "x"}, nil); !errors.As(err, new(*roster.HeldError)) {
		t.Errorf("import in a blackout: %v", err)
	}
	w.load(made(t, 100, 0.05, 1), roster.Options{}, roster.Approval{Approve: true, Reason: "x"})
	if _, err := w.svc.Apply(ctx, w.tenant, p.Rest, roster.Approval{Who: "x", Approve: true, Reason: "x"}, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a plan of an older state: %v, want Conflict", err)
	}
}

// A plan is bound to the rows that it was made against, also when they change by
// another way than an import.
func TestRowsThatAPlanHasNotSeen(t *testing.T) {
	t.Parallel()
	w, _ := settle(t, 100)
	p := w.plan(made(t, 100, 0.05, 1), roster.Options{})
	before := w.export()
	err := w.svc.DB.Write(ctx, w.tenant.ID, func(tx tenancy.Write) error {
		_, err := tx.Exec(ctx, "update roster_user set row_hash = decode(repeat('00', 16), 'hex') where id = (select id from roster_user order by id limit 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.svc.Apply(ctx, w.tenant, p.ID, roster.Approval{Who: "x", Approve: true, Reason: "x"}, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("rows that the plan has not seen: %v, want Conflict", err)
	}
	w.same("refused", w.export(), before)
}

func TestInvalidPackageChangesNothing(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	before := w.export()
	_, err := w.svc.Import(ctx, w.tenant, pack(first[:len(first)/2]), roster.Options{}, roster.Approval{Who: "x", Approve: true, Reason: "x"}, nil)
	if !errors.As(err, new(*roster.InvalidError)) {
		t.Errorf("half a zip: %v", err)
	}
	w.same("after half a zip", w.export(), before)
}

func TestTwoImportsAtOnce(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 200)
	night := made(t, 200, 0.05, 1)
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = w.svc.Import(ctx, w.tenant, pack(night), roster.Options{}, roster.Approval{Who: "x", Approve: true, Reason: "x"}, nil)
		})
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case fault.KindOf(err) != fault.Conflict:
			t.Errorf("a racer: %v", err)
		}
	}
	if done == 0 {
		t.Error("no import went through")
	}
	w.same("after the race", w.export(), lines(t, night))
	_ = first
}

func TestCancelledImportLeavesTheOldRoster(t *testing.T) {
	t.Parallel()
	w, _ := settle(t, 300)
	before := w.export()
	night := made(t, 300, 0.05, 1)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 30 * time.Millisecond, 80 * time.Millisecond} {
		c, cancel := context.WithTimeout(ctx, after)
		_, err := w.svc.Import(c, w.tenant, pack(night), roster.Options{}, roster.Approval{Who: "x", Approve: true, Reason: "x"}, nil)
		cancel()
		if err == nil {
			return // it was quicker than that
		}
		w.same("cancelled", w.export(), before)
	}
}

func TestOtherTenantSeesNothing(t *testing.T) {
	t.Parallel()
	w, _ := settle(t, 50)
	beta, _ := w.DB.ByID(dbtest.Beta)
	list, err := w.svc.History(ctx, beta, 10)
	if err != nil || len(list) != 0 {
		t.Errorf("the twin's history: %d, %v", len(list), err)
	}
	mine, err := w.svc.History(ctx, w.tenant, 10)
	if err != nil || len(mine) == 0 {
		t.Fatal(err)
	}
	if _, err := w.svc.Show(ctx, beta, mine[0].ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the twin shows the plan: %v", err)
	}
	if _, err := w.svc.Apply(ctx, beta, mine[0].ID, roster.Approval{Who: "x", Initial: true}, nil); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the twin applies the plan: %v", err)
	}
	var b bytes.Buffer
	if rows, err := w.svc.Export(ctx, beta, &b); err != nil || len(rows) != 0 {
		t.Errorf("the twin's export: %v %v", rows, err)
	}
}

func TestLocalEditsAreConflicts(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	var id string
	for k := range lines(t, first) {
		if strings.HasPrefix(k, "classes ") && (id == "" || k < "classes "+id) {
			id = strings.TrimPrefix(k, "classes ")
		}
	}
	if err := w.svc.Edit(ctx, w.tenant, oneroster.Classes, id, "location", "A 12", "rehtori"); err != nil {
		t.Fatal(err)
	}
	if got := w.export()["classes "+id]; !strings.Contains(got, "A 12") {
		t.Fatalf("the edit does not hold: %s", got)
	}
	if c := total(w.load(rezip(t, first), roster.Options{}, roster.Approval{})); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
		t.Errorf("the same roster after an edit: %+v", c)
	}
	changed := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.SourcedID == id && r.Table.Type == oneroster.Classes {
			set(r, "title", "Uusi nimi")
			set(r, "location", "B 7")
		}
		return true
	})
	p := w.load(changed, roster.Options{}, roster.Approval{})
	if len(p.Conflicts) != 1 || p.Conflicts[0].Field != "location" || p.Conflicts[0].Policy != "keep" {
		t.Fatalf("conflicts: %+v", p.Conflicts)
	}
	if got := w.export()["classes "+id]; !strings.Contains(got, "A 12") || !strings.Contains(got, "Uusi nimi") {
		t.Errorf("keep: %s", got)
	}
	w.tenant.Settings.Roster.Edits = map[string]string{"classes.location": "overwrite"}
	again := edited(t, changed, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.SourcedID == id && r.Table.Type == oneroster.Classes {
			set(r, "location", "C 3")
		}
		return true
	})
	w.load(again, roster.Options{}, roster.Approval{})
	w.same("overwritten", w.export(), lines(t, again))
}

func TestCountLimits(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	w.tenant.Settings.Roster.RemovalsCount = 1
	w.tenant.Settings.Roster.LeastRows = map[string]int{"users": 100000}
	n := 0
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type != oneroster.Demographics {
			return true
		}
		n++
		return n > 2
	})
	got := rules(w.plan(less, roster.Options{}))
	if !contains(got, "removals demographics") || !contains(got, "least-rows users") {
		t.Errorf("holds: %v", got)
	}
}

// A row that carries another person's hetu goes, and comes back as it was: the hetu
// is still the other's, and the roster is taken in.
func TestTakenHetuComesBack(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 100)
	var codes []string
	taker := ""
	at := w.svc.Now()
	one := func(status string) []byte {
		at = at.Add(24 * time.Hour)
		codes, taker = nil, ""
		return edited(t, first, oneroster.Delta, []oneroster.Type{oneroster.Users}, func(r *oneroster.Record) bool {
			i := slices.IndexFunc(r.Meta, func(m oneroster.Meta) bool { return m.Name == "hetu" || m.Name == "metadata.hetu" })
			if i < 0 || r.Meta[i].Value == "" || taker != "" {
				return false
			}
			if codes = append(codes, r.Meta[i].Value); len(codes) < 2 {
				return false
			}
			taker, r.Meta[i].Value, r.Status, r.LastModified = r.SourcedID, codes[0], status, at
			return true
		})
	}
	let := roster.Approval{Approve: true, Reason: "a test"}
	for i, status := range []string{"active", "tobedeleted", "active"} {
		p := w.load(one(status), roster.Options{}, let)
		if c := total(p); taker == "" || c.Update+c.Remove+c.Reactivate != 1 {
			t.Errorf("step %d: %q, %+v", i, taker, c)
		}
	}
	reviews := 0
	w.query(`select from t_alpha.match_review where sourced_id = $1`, func(pgx.Rows) error { reviews++; return nil }, taker)
	if reviews != 2 {
		t.Errorf("%d reviews", reviews)
	}
}
