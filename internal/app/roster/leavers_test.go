package roster_test

import (
	"fmt"
	"strings"
	"testing"

	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/web/webtest"
)

// Whoever would lose a role is named, on as many pages as it takes and in the table; and
// the reader is told what would be taken from themselves.
func TestWhoLosesARole(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := made(t, 400, 0, 0)
	o.settle(first)
	gone := map[string]bool{}
	var turned, mine oneroster.Record
	less := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		switch r.Table.Type {
		case oneroster.Users:
			if len(gone) < 70 && r.Get("grades") != "" {
				gone[r.SourcedID] = true
			}
			for _, a := range r.List("agentSourcedIds") {
				if gone[a] {
					set(r, "agentSourcedIds", "")
				}
			}
			return !gone[r.SourcedID]
		case oneroster.Demographics:
			return !gone[r.SourcedID]
		case oneroster.Roles:
			switch {
			case r.Get("role") == "principal" && turned.SourcedID == "":
				turned = *r.Clone()
				set(r, "role", "teacher")
			case r.Get("role") == "teacher" && mine.SourcedID == "":
				mine = *r.Clone()
				r.SourcedID = "again-" + r.SourcedID // the same role of the same person: no loss
			}
		}
		return !gone[r.Get("userSourcedId")]
	})
	if turned.SourcedID == "" || mine.SourcedID == "" {
		t.Fatal("the town has no principal or no teacher")
	}
	o.Exec(t, fmt.Sprintf(`update t_alpha.role_grant set person = '%s' where sourced_id = '%s'`, anna, turned.SourcedID))
	o.Exec(t, fmt.Sprintf(`update t_alpha.roster_user set person = '%s' where sourced_id = '%s'`, anna, turned.Get("userSourcedId")))

	path, a := o.planned(anna, less)
	p, err := o.svc.Show(ctx, o.tenant, path[strings.LastIndex(path, "/")+1:])
	if err != nil || p.Leavers != (roster.Leavers{Count: 70, Part: 1}) {
		t.Fatalf("leavers: %+v %v", p.Leavers, err)
	}
	a.Doc(t).Says("main", "Sinä itse et olisi enää Rehtori (")
	if b := o.site.Get(t, webtest.Alpha, bert, path); strings.Contains(b.Body, "Sinä itse") {
		t.Error("another is warned of what anna would lose")
	}
	one := o.site.Get(t, webtest.Alpha, anna, path+"/roolit")
	two := o.site.Get(t, webtest.Alpha, anna, path+"/roolit?sivu=2")
	one.Doc(t).Says("main", "1–50 / 71")
	two.Doc(t).Says("main", "51–71 / 71")
	two.Doc(t).Says("main", "Rehtori")
	if n := strings.Count(one.Body, "/henkilot/") + strings.Count(two.Body, "/henkilot/"); n != 71 {
		t.Errorf("%d persons on two pages, want 71", n)
	}
	csv := o.site.Get(t, webtest.Alpha, anna, path+"/roolit.csv")
	if csv.Status != 200 || !strings.HasPrefix(csv.Body, "\ufeffHenkilö;Menettää roolin;Koulu;Jäljelle jää\r\n") || strings.Count(csv.Body, "\r\n") != 72 ||
		strings.Count(csv.Body, ";ei mitään\r\n") != 70 || !strings.Contains(csv.Body, ";Rehtori;") {
		t.Errorf("CSV: %d %.300s", csv.Status, csv.Body)
	}
	if n := count(t, o.Env, "t_alpha", "select count(*)::int from audit_event where action = 'roster.read' and target_kind = 'person'"); n != 50+21+71 {
		t.Errorf("%d events of persons seen, want one for each on the pages and in the table", n)
	}
	for who, as := range map[string]string{"teacher": "/roolit.csv", "guardian": "/roolit.csv"} {
		id := teacher
		if who == "guardian" {
			id = guardian
		}
		if a := o.site.Get(t, webtest.Alpha, id, path+as); a.Status != 404 {
			t.Errorf("%s as a %s: %d", as, who, a.Status)
		}
	}
	if a := o.site.Get(t, webtest.Beta, anna, path+"/roolit.csv"); a.Status != 404 {
		t.Errorf("from the twin: %d", a.Status)
	}
}
