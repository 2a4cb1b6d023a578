package roster_test

import (
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"digione/internal/app/mail/catch"

	appmail "digione/internal/app/mail"
	"digione/internal/app/roster"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
)

// letters catches the mails of a town's tasks.
func (o *office) letters() (roster.Tasks, func() []string) {
	o.Helper()
	dir := o.TempDir()
	c, err := catch.New(dir)
	if err != nil {
		o.Fatal(err)
	}
	l, err := catch.Listen("localhost:0")
	if err != nil {
		o.Fatal(err)
	}
	go func() { _ = c.Serve(l) }()
	o.Cleanup(func() { _ = c.Close() })
	task := roster.Tasks{Desk: o.desk, Mail: appmail.Server{Addr: l.Addr().String(), From: mail.Address{Address: "ei-vastausta@digione.example"}}}
	return task, func() (out []string) {
		names, err := filepath.Glob(filepath.Join(dir, "*.eml"))
		if err != nil {
			o.Fatal(err)
		}
		for _, n := range names {
			b, err := os.ReadFile(n)
			if err != nil {
				o.Fatal(err)
			}
			out = append(out, string(b))
		}
		return out
	}
}

// TestPublishPages takes a school year from its rehearsal over the second person's
// approval to its day, as the admins and the task do.
func TestPublishPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := made(t, 300, 0, 0)
	o.settle(first)
	next := nextGenerated(t, 300)
	path, _ := o.planned(anna, next)
	at := path + "/julkaisu"

	if a := o.site.Get(t, webtest.Alpha, anna, at); a.Status != 200 || !strings.Contains(a.Body, "Harjoittele pakettia") {
		t.Fatalf("not rehearsed: %d\n%s", a.Status, a.Body)
	}
	if a := o.post(anna, at, "day", "2027-08-01", "time", "03:00"); a.Status != 409 {
		t.Errorf("scheduled without a rehearsal: %d", a.Status)
	}
	o.post(anna, path+"/harjoitus", "day", "2027-09-01")
	_, a := o.settled(anna, path+"/harjoitus")
	a.Doc(t).Says("main", "Avaa julkaiseminen")
	for name, bad := range map[string][]string{"a day long gone": {"2020-08-01", "03:00"}, "no day": {"x", "03:00"}, "no time": {"2027-08-01", "25:00"}, "a day far away": {"2031-08-01", "03:00"}} {
		if a := o.post(anna, at, "day", bad[0], "time", bad[1]); a.Status != 422 || !strings.Contains(a.Body, "aria-invalid") {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	if a := o.post(anna, at, "day", "2027-08-01", "time", "03:00"); a.Status != 303 {
		t.Fatalf("scheduling: %d\n%s", a.Status, a.Body)
	}
	_, a = o.settled(anna, at)
	doc := a.Doc(t)
	doc.Says("main .lead", "1.8.2027")
	doc.Says("tbody th", "Yhteiset tiedot")
	if !strings.Contains(a.Body, "Toisen henkilön") && !strings.Contains(a.Body, "toisen henkilön") || strings.Contains(a.Body, `name="part"`) {
		t.Errorf("who asked may not approve:\n%s", a.Body)
	}
	o.attackPublication(at)

	task, letters := o.letters()
	o.tenant.Settings.Joining.Contacts = []tenancy.Contact{{Name: "Maija", Email: "maija@alfala.example"}}
	run := func() {
		t.Helper()
		if err := task.Publish(ctx, o.tenant); err != nil {
			t.Fatal(err)
		}
		o.settled(anna, at)
	}
	for range 2 {
		run()
	}
	if l := letters(); len(l) != 1 || !strings.Contains(l[0], "/julkaisu") || strings.Contains(l[0], "koulu\r\n") {
		t.Errorf("letters before the day: %q", l)
	}
	o.same("before the day", o.export(), lines(t, first))
	if a := o.post(bert, path+"/tuo", "approve", "1", "reason", "x"); a.Status != 409 {
		t.Errorf("imported whole beside its publication: %d", a.Status)
	}
	if a := o.post(anna, path+"/hylkaa"); a.Status != 409 {
		t.Errorf("closed beside its publication: %d", a.Status)
	}

	// Bert approves all but one school; the day comes; that one stays.
	a = o.site.Get(t, webtest.Alpha, bert, at)
	form := url.Values{"reason": {"Lukuvuosi 2027-2028"}}
	for _, m := range regexp.MustCompile(`name="part" value="([^"]+)"`).FindAllStringSubmatch(a.Body, -1) {
		form.Add("part", m[1])
	}
	all := slices.Clone(form["part"])
	if len(all) < 3 {
		t.Fatalf("%d held parts:\n%s", len(all), a.Body)
	}
	if r := o.site.Post(t, webtest.Alpha, anna, at+"/hyvaksy", form); r.Status != 403 {
		t.Errorf("anna approves her own: %d", r.Status)
	}
	if r := o.site.Post(t, webtest.Alpha, bert, at+"/hyvaksy", url.Values{"part": all}); r.Status != 422 || !strings.Contains(r.Body, "Kirjoita perustelu") {
		t.Errorf("without a reason: %d", r.Status)
	}
	one := regexp.MustCompile(`^1\.`)
	if r := o.site.Post(t, webtest.Alpha, bert, at+"/hyvaksy", url.Values{"all": {all[0] + "0"}, "each": {"1"}, "reason": {"x"}}); r.Status != 409 {
		t.Errorf("another change than the one that is held: %d", r.Status)
	}
	form["part"] = slices.DeleteFunc(slices.Clone(all), one.MatchString)
	if r := o.site.Post(t, webtest.Alpha, bert, at+"/hyvaksy", form); r.Status != 303 {
		t.Fatalf("approving: %d\n%s", r.Status, r.Body)
	}
	day := time.Date(2027, 8, 1, 0, 1, 0, 0, time.UTC) // 3:01 in Finland
	o.svc.Now = func() time.Time { return day.Add(-10 * time.Minute) }
	run()
	o.same("ten minutes before", o.export(), lines(t, first))
	o.svc.Now = func() time.Time { return day }
	o.tenant.Settings.Roster.Blackout = []tenancy.Window{{From: "08-01", To: "08-01"}}
	run()
	o.same("in a blackout", o.export(), lines(t, first))
	o.tenant.Settings.Roster.Blackout = nil
	run()
	run()
	if _, a = o.settled(anna, at); strings.Count(a.Body, ">Julkaistu<") < 2 || !strings.Contains(a.Body, "toisen henkilön") {
		t.Fatalf("on the day:\n%s", a.Body)
	}
	if l := letters(); len(l) != 2 {
		t.Errorf("%d letters on the day, want 2", len(l))
	}
	table := o.site.Get(t, webtest.Alpha, anna, at+".csv")
	if rows := strings.Split(strings.TrimSpace(table.Body), "\r\n"); table.Status != 200 || !strings.HasPrefix(table.Body, "\ufeffKoulu;") || len(rows) < 5 {
		t.Errorf("the table: %d\n%s", table.Status, table.Body)
	}
	if r := o.site.Post(t, webtest.Alpha, bert, at+"/hyvaksy", url.Values{"each": {"1"}, "all": slices.DeleteFunc(all, func(p string) bool { return !one.MatchString(p) }), "reason": {"Nyt"}}); r.Status != 303 {
		t.Fatalf("approving the last: %d\n%s", r.Status, r.Body)
	}
	o.settled(anna, at)
	run()
	o.same("all published", o.export(), lines(t, next))
	_, a = o.settled(anna, at)
	a.Doc(t).Says("main .lead", "Julkaistu")
	if l := letters(); len(l) != 3 {
		t.Errorf("%d letters in the end, want 3", len(l))
	}
	for _, l := range letters() {
		if strings.Contains(l, "koulu.") || !strings.Contains(l, "Message-ID: <publication-") {
			t.Errorf("a letter:\n%s", l)
		}
	}
	// What comes first cannot be taken back while the schools stand on it.
	link := regexp.MustCompile(`/oppilastiedot/(pln_[A-Z0-9]+)"`).FindAllStringSubmatch(a.Body[strings.Index(a.Body, "<tbody>"):], -1)
	if r := o.post(anna, "/oppilastiedot/"+link[0][1]+"/peru"); r.Status != 409 {
		t.Errorf("the common part is taken back first: %d", r.Status)
	}
	o.site.Get(t, webtest.Alpha, anna, "/oppilastiedot/"+link[0][1]).Doc(t).Says("main", "Avaa julkaiseminen")
}

// attackPublication asks for a publication from the twin and from other roles.
func (o *office) attackPublication(at string) {
	o.Helper()
	for name, a := range map[string]webtest.Answer{
		"the twin's admin": o.site.Get(o, webtest.Beta, anna, at),
		"a teacher":        o.site.Get(o, webtest.Alpha, teacher, at),
		"a guardian":       o.site.Get(o, webtest.Alpha, guardian, at),
		"the twin's table": o.site.Get(o, webtest.Beta, anna, at+".csv"),
		"a teacher's":      o.site.Get(o, webtest.Alpha, teacher, at+".csv"),
	} {
		if a.Status != 404 {
			o.Errorf("%s: %d", name, a.Status)
		}
	}
	for _, what := range []string{"", "/hyvaksy", "/nyt", "/peru", "/uudelleen"} {
		form := url.Values{"day": {"2027-08-01"}, "time": {"03:00"}, "part": {"1.00"}, "reason": {"x"}}
		if a := o.site.Post(o, webtest.Beta, anna, at+what, form); a.Status != 404 {
			o.Errorf("the twin posts %q: %d", what, a.Status)
		}
		if a := o.site.Post(o, webtest.Alpha, teacher, at+what, form); a.Status != 404 {
			o.Errorf("a teacher posts %q: %d", what, a.Status)
		}
	}
	if n := count(o, o.Env, "t_alpha", "select count(*)::int from roster_publication where state = 'scheduled'"); n != 1 {
		o.Errorf("%d publications are scheduled after the attacks", n)
	}
}

// TestPublishTakenBack: until it begins, a publication is taken back; nothing happens
// on its day.
func TestPublishTakenBack(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := made(t, 120, 0, 0)
	o.settle(first)
	path, _ := o.planned(anna, made(t, 120, 0.05, 2))
	at := path + "/julkaisu"
	o.post(anna, path+"/harjoitus", "day", "2027-09-01")
	o.settled(anna, path+"/harjoitus")
	for range 2 {
		if a := o.post(anna, at, "day", "2027-08-01", "time", "03:00"); a.Status != 303 {
			t.Fatalf("scheduling: %d\n%s", a.Status, a.Body)
		}
		_, a := o.settled(anna, at)
		a.Doc(t).Says("main", "Peru julkaiseminen")
		if a := o.post(anna, at, "day", "2027-08-02", "time", "03:00"); a.Status != 409 {
			o.settled(anna, at)
		}
		if a := o.post(bert, at+"/peru"); a.Status != 303 {
			t.Errorf("taking back: %d", a.Status)
		}
		if a := o.post(bert, at+"/nyt"); a.Status != 409 {
			t.Errorf("now, after it was taken back: %d", a.Status)
		}
	}
	o.svc.Now = func() time.Time { return now.AddDate(0, 9, 0) }
	if ok, err := o.svc.Publish(ctx, o.tenant, nil); ok || err != nil {
		t.Errorf("published what was taken back: %t, %v", ok, err)
	}
	o.same("after its day", o.export(), lines(t, first))
}
