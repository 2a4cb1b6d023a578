package leaving_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"digione/internal/app/leaving"
	"digione/internal/app/people/peopletest"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/transfer"
)

var id = peopletest.ID

func town(s peopletest.Seed) {
	school := s.School("Kilteri")
	grown := peopletest.Person{Born: "1980-01-01"}
	s.Grant(s.Person("admin", grown), "districtAdministrator", id("provider"))
	s.Grant(s.Person("principal", grown), "principal", school)
}

var sum = strings.Repeat("ab", 32)

// TestVerify: the page is there while a municipality leaves, for its admins; their word is
// noted for the export that they have, and for no other municipality's.
func TestVerify(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	peopletest.In(t, e.DB, dbtest.Alpha, " α", town)
	peopletest.In(t, e.DB, dbtest.Beta, " β", town)
	s := webtest.New(e.DB, func(r *web.Router) { leaving.Routes(r, e.DB) })
	admin := id("admin")
	said := func(sum string) url.Values { return url.Values{"tiiviste": {sum}, "katsottu": {"1"}} }
	for _, a := range []webtest.Answer{s.Get(t, webtest.Alpha, admin, "/lahto"), s.Post(t, webtest.Alpha, admin, "/lahto", said(sum))} {
		if a.Status != 404 {
			t.Errorf("a page of leaving for one who stays: %d", a.Status)
		}
	}
	for i, tenant := range []string{"alpha", "beta"} {
		e.Exec(t, fmt.Sprintf(`insert into control.leaving (tenant, reason, begun_by, begun_at) select id, 'Sopimus päättyy %d', 'olli', '2026-11-01' from control.tenant where slug = '%s'`, i, tenant))
		e.Exec(t, fmt.Sprintf("update control.tenant set state = 'leaving' where slug = '%s'", tenant))
	}
	if err := e.DB.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	d := s.Get(t, webtest.Alpha, admin, "/lahto").Doc(t)
	d.Says("main", "Sopimus päättyy 0")
	d.Says("main", "Tiedostoa ei ole vielä tehty")
	offer := `update control.leaving set offered_sha256 = '%s', offered_at = '2026-11-20', offered = '{"schema_version": 13, "tables": [{"name": "person", "rows": 1234, "sha256": "x"}], "objects": [{"key": "k", "size": 5, "sha256": "y"}]}' where tenant = (select id from control.tenant where slug = '%s')`
	e.Exec(t, fmt.Sprintf(offer, sum, "alpha"))
	e.Exec(t, fmt.Sprintf(offer, strings.Repeat("cd", 32), "beta"))
	for who, want := range map[string]int{"principal": 404, "admin": 200} {
		if a := s.Get(t, webtest.Alpha, id(who), "/lahto"); a.Status != want {
			t.Errorf("as %s: %d", who, a.Status)
		}
	}
	if a := s.Post(t, webtest.Alpha, id("principal"), "/lahto", said(sum)); a.Status != 404 {
		t.Errorf("a principal's word: %d", a.Status)
	}
	for name, form := range map[string]url.Values{"tiiviste": said(strings.Repeat("cd", 32)), "katsottu": {"tiiviste": {sum}}} {
		a := s.Post(t, webtest.Alpha, admin, "/lahto", form)
		if a.Status != 422 || !strings.Contains(a.Body, `href="#`+name+`"`) || !strings.Contains(a.Body, form.Get("tiiviste")) {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		a.Doc(t)
	}
	alpha, _ := e.DB.ByID(dbtest.Alpha)
	if _, there, err := transfer.Verified(context.Background(), e.Operator.Control(), alpha.ID); there || err != nil {
		t.Errorf("noted what was refused: %v", err)
	}
	if a := s.Post(t, webtest.Alpha, admin, "/lahto", said(" "+strings.ToUpper(sum))); a.Status != 303 {
		t.Fatalf("the word: %d %s", a.Status, a.Body)
	}
	v, there, err := transfer.Verified(context.Background(), e.Operator.Control(), alpha.ID)
	if !there || err != nil || v.Side != transfer.ByMunicipality || v.Name != "Testi Kirjautunut" || v.Actor != "person "+admin.String() || v.SHA256 != sum {
		t.Errorf("noted: %+v, %v", v, err)
	}
	s.Get(t, webtest.Alpha, admin, "/lahto").Doc(t).Says("main", "Olette vahvistaneet tiedoston")
	if _, there, _ := transfer.Verified(context.Background(), e.Operator.Control(), dbtest.Beta); there {
		t.Error("the other municipality is said to have verified")
	}
}
