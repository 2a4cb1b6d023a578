package roster_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/web/webtest"
)

// A program that ends while it imports changes nothing and says so; the plan can be
// made again.
func TestStoppedImport(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := made(t, 300, 0, 0), made(t, 300, 0.02, 1)
	o.settle(first)
	path, _ := o.planned(anna, second)
	// Something else holds the rows that the import is about to change.
	release := hold(t, o.DSN, "t_alpha", "lock table roster_change in access exclusive mode")
	if r := o.post(bert, path+"/tuo", "approve", "1", "reason", "yö"); r.Status != 303 {
		t.Fatalf("%d\n%s", r.Status, r.Body)
	}
	if r := o.post(bert, path+"/tuo", "approve", "1", "reason", "yö"); r.Status != 409 {
		t.Errorf("begun twice: %d", r.Status)
	}
	waiting(t, o.DSN)
	o.desk.Shutdown(ctx)
	release()
	if a := o.post(bert, path+"/tuo", "approve", "1", "reason", "yö"); a.Status != 409 {
		t.Errorf("begun in a program that ends: %d", a.Status)
	}
	_, a := o.settled(anna, path)
	a.Doc(t).Says(".ds-alert", "Ohjelma pysähtyi kesken työn")
	o.same("stopped", o.export(), lines(t, first))

	// Another program takes over.
	o.desk = roster.NewDesk(o.svc, slog.New(slog.DiscardHandler))
	o.mount()
	if r := o.post(anna, path+"/uudelleen"); r.Status != 303 {
		t.Fatalf("again: %d", r.Status)
	}
	o.settled(anna, path)
	list, err := o.svc.History(ctx, o.tenant, 1)
	if err != nil || len(list) != 1 || list[0].State == roster.Failed {
		t.Fatalf("planned again: %+v %v", list, err)
	}
	if _, err := o.svc.Apply(ctx, o.tenant, list[0].ID, roster.Approval{Who: "x", Approve: true, Reason: "r"}, nil); err != nil {
		t.Fatal(explain(err))
	}
	o.same("at last", o.export(), lines(t, second))
}

// A program that is killed leaves a record without a beat: whoever looks next ends
// it, and the plan and the upload say what happened.
func TestKilledWork(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.settle(made(t, 100, 0, 0))
	path, _ := o.planned(anna, made(t, 100, 0.05, 1))
	id := strings.TrimPrefix(path, "/oppilastiedot/")
	up := o.begin(anna, "x.zip", 3)
	o.Exec(t, `update t_alpha.roster_upload set state = 'received', parts = 1 where id = '`+up.ID+`'`)
	for _, c := range []struct{ columns, values, at string }{
		{"plan", "'" + id + "'", path}, {"upload", "'" + up.ID + "'", "/oppilastiedot/paketti/" + up.ID},
	} {
		kind := map[string]string{"plan": "apply", "upload": "check"}[c.columns]
		insert := func(age string) {
			o.Exec(t, `insert into t_alpha.roster_work (id, kind, `+c.columns+`, state, started_by, started_at, beat_at)
				values (gen_random_uuid(), '`+kind+`', `+c.values+`, 'running', 'x', now(), now() - interval '`+age+`')`)
		}
		insert("5 s")
		if a := o.site.Get(t, webtest.Alpha, anna, c.at); !strings.Contains(a.Body, "data-ask") {
			t.Errorf("%s does not say that work runs:\n%s", c.at, a.Body)
		}
		o.Exec(t, `delete from t_alpha.roster_work where state = 'running'`)
		insert("31 s")
		a := o.site.Get(t, webtest.Alpha, anna, c.at)
		a.Doc(t).Says(".ds-alert", "Ohjelma pysähtyi")
	}
	p, err := o.svc.Show(ctx, o.tenant, id)
	if err != nil || p.State != roster.Failed {
		t.Errorf("the plan is %s: %v", p.State, err)
	}
}

// The package is gone from the store: the page says so; at the command line the plan
// stays as it was, for the store may come back.
func TestFailedWithoutPackage(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := made(t, 100, 0, 0)
	o.settle(first)
	path, _ := o.planned(anna, made(t, 100, 0.05, 3))
	store, err := objects.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o.svc.Objects = store
	id := strings.TrimPrefix(path, "/oppilastiedot/")
	a := roster.Approval{Who: "x", Approve: true, Reason: "r"}
	if p, err := o.svc.Apply(ctx, o.tenant, id, a, nil); err == nil || p.State == roster.Failed {
		t.Fatalf("applied without its package: %v", err)
	}
	if r := o.post(bert, path+"/tuo", "approve", "1", "reason", "yö"); r.Status != 303 {
		t.Fatalf("%d", r.Status)
	}
	_, page := o.settled(anna, path)
	page.Doc(t).Says(".ds-alert", "Paketti ei ole enää tallessa")
	if got, err := o.svc.Show(ctx, o.tenant, id); err != nil || got.State != roster.Failed || got.Failure != "roster.failed.file" {
		t.Errorf("%s %q: %v", got.State, got.Failure, err)
	}
	o.same("failed", o.export(), lines(t, first))
}

func TestLeaversAndSchools(t *testing.T) {
	t.Parallel()
	w, first := settle(t, 300)
	// Ten learners leave, with all that is theirs.
	gone := map[string]bool{}
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		if r.Table.Type == oneroster.Users && len(gone) < 10 && r.Get("grades") != "" {
			gone[r.SourcedID] = true
		}
		switch r.Table.Type {
		case oneroster.Users:
			for _, a := range r.List("agentSourcedIds") {
				if gone[a] {
					set(r, "agentSourcedIds", "")
				}
			}
			return !gone[r.SourcedID]
		case oneroster.Demographics:
			return !gone[r.SourcedID]
		}
		return !gone[r.Get("userSourcedId")]
	})
	p := w.plan(less, roster.Options{})
	if p.Leavers.Count != 10 || p.Leavers.Part != 0 {
		t.Errorf("%d would have no role left, want 10", p.Leavers.Count)
	}
	n := map[oneroster.Type]roster.Counts{}
	for _, s := range p.Schools {
		if s.Name == "" || s.ID == "" {
			t.Errorf("a school without a name: %+v", s)
		}
		for ty, c := range s.Changes {
			all := n[ty]
			all.Remove += c.Remove
			all.Unchanged += c.Unchanged
			n[ty] = all
		}
	}
	for _, ty := range []oneroster.Type{oneroster.Roles, oneroster.Enrollments, oneroster.Classes} {
		if n[ty].Remove != p.Changes[ty].Remove || n[ty].Unchanged != p.Changes[ty].Unchanged {
			t.Errorf("%s by school: %+v, in all %+v", ty, n[ty], p.Changes[ty])
		}
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := made(t, 100, 0, 0), made(t, 100, 0.05, 1)
	o.settle(first)
	path, _ := o.planned(anna, second)
	up := o.begin(anna, "x.zip", 10)
	prune := func(dry bool) roster.Pruned {
		t.Helper()
		p, err := o.svc.Prune(ctx, o.tenant, dry)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := prune(false); p != (roster.Pruned{}) {
		t.Errorf("on the first day: %+v", p)
	}
	if a := o.site.Get(t, webtest.Alpha, anna, path); a.Status != 200 {
		t.Errorf("a young plan: %d", a.Status)
	}
	clock := o.svc.Now
	o.svc.Now = func() time.Time { return clock().AddDate(0, 0, 91) }
	o.Exec(t, `update t_alpha.object set created_at = created_at - interval '20 years'`)
	if p := prune(true); p.Plans != 1 || p.Imports != 1 {
		t.Errorf("dry: %+v", p)
	}
	if p := prune(false); p.Plans != 1 || p.Imports != 1 || p.Uploads != 3 || p.Packages != 2 {
		t.Errorf("after 91 days: %+v", p)
	}
	if p := prune(false); p != (roster.Pruned{}) {
		t.Errorf("again: %+v", p)
	}
	for _, gone := range []string{path, "/oppilastiedot/paketti/" + up.ID} {
		if a := o.site.Get(t, webtest.Alpha, anna, gone); a.Status != 404 {
			t.Errorf("%s: %d", gone, a.Status)
		}
	}
	for table, want := range map[string]int{"roster_change": 0, "roster_sample": 0, "object": 0, "roster_import": 1} {
		if n := count(t, o.Env, "t_alpha", "select count(*)::int from "+table); n != want {
			t.Errorf("%d rows of %s, want %d", n, table, want)
		}
	}
	if _, err := o.svc.Rollback(ctx, o.tenant, "imp_1", false, false, roster.Approval{Who: "x"}, nil); err == nil || !strings.Contains(err.Error(), "kept no longer") {
		t.Errorf("rolled back: %v", err)
	}
	o.same("pruned", o.export(), lines(t, first))
}

// TestPersonsHistory shows what imports changed for one person, and nothing that is
// sealed or protected.
func TestPersonsHistory(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := made(t, 100, 0, 0)
	o.settle(first)
	var user string
	change := func(given, phone, veil string) []byte {
		return edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
			if r.Table.Type == oneroster.Users && (user == "" && r.Get("grades") != "" || user == r.SourcedID) {
				user = r.SourcedID
				set(r, "givenName", given)
				set(r, "phone", phone)
				for i, m := range r.Meta {
					if m.Name == "metadata.turvakielto" {
						r.Meta[i].Value = veil
					}
				}
			}
			return true
		})
	}
	path, _ := o.planned(anna, change("Uusinimi", "040 111 2222", ""))
	o.post(bert, path+"/tuo", "approve", "1", "reason", "x")
	o.settled(bert, path)
	person := textOf(t, o.DSN, "t_alpha", "select person::text from roster_user where sourced_id = '"+user+"'")
	page := o.site.Get(t, webtest.Alpha, anna, "/oppilastiedot/henkilot/"+person)
	page.Doc(t).Says(".diff td", "Uusinimi")
	page.Doc(t).Says(".diff td", "040 111 2222")
	if strings.Contains(page.Body, "{{hetu}}") || strings.Contains(page.Body, "sealed:") {
		t.Error("the page shows what is sealed")
	}
	o.Exec(t, `update t_alpha.person set protected = daterange('2020-01-01', null) where id = '`+person+`'`)
	for _, at := range []string{"/oppilastiedot/henkilot/" + person, path + "/muutokset/users/update"} {
		if a := o.site.Get(t, webtest.Alpha, anna, at); a.Status != 200 || strings.Contains(a.Body, "040 111 2222") || !strings.Contains(a.Body, "Uusinimi") {
			t.Errorf("%s of a protected person: %d", at, a.Status)
		}
	}
	if n := count(t, o.Env, "t_alpha", "select count(*)::int from audit_event where target = '"+person+"' and action = 'roster.read' and target_kind = 'person'"); n < 3 {
		t.Errorf("%d views have left an event", n)
	}
	if a := o.site.Get(t, webtest.Alpha, teacher, "/oppilastiedot/henkilot/"+person); a.Status != 404 {
		t.Errorf("as a teacher: %d", a.Status)
	}
	if a := o.site.Get(t, webtest.Beta, anna, "/oppilastiedot/henkilot/"+person); a.Status != 404 {
		t.Errorf("from the twin: %d", a.Status)
	}
}
