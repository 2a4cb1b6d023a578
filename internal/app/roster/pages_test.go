package roster_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/people/peopletest"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// office is a town with the pages, and two admins, a teacher and a guardian in
// either twin.
type office struct {
	*town
	site *webtest.Site
	desk *roster.Desk
}

var anna, bert, teacher, guardian = peopletest.ID("anna"), peopletest.ID("bert"), peopletest.ID("teacher"), peopletest.ID("guardian")

func newOffice(t *testing.T) *office {
	t.Helper()
	w := newTown(t)
	for _, id := range []tenancy.ID{dbtest.Alpha, dbtest.Beta} {
		peopletest.In(t, w.DB, id, " "+string(id), func(s peopletest.Seed) {
			school := s.School("Kilteri")
			for name, role := range map[string]string{"anna": "districtAdministrator", "bert": "systemAdministrator", "teacher": "teacher", "guardian": "guardian"} {
				at := peopletest.ID("provider")
				if name == "teacher" || name == "guardian" {
					at = school
				}
				s.Grant(s.Person(name, peopletest.Person{}), role, at)
			}
		})
	}
	o := &office{town: w, desk: roster.NewDesk(w.svc, slog.New(slog.DiscardHandler))}
	o.desk.Beat = 20 * time.Millisecond
	o.mount()
	return o
}

// sendForm sends a package as the plain form does and returns where that leads.
func (o *office) sendForm(as uuid.UUID, name string, content []byte) webtest.Answer {
	o.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("csrf", web.Masked(webtest.CSRF))
	f, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = f.Write(content)
	}
	if err != nil || w.Close() != nil {
		o.Fatal(err)
	}
	return o.site.Send(o, webtest.Alpha, as, "/oppilastiedot/paketti", w.FormDataContentType(), &b)
}

// settled follows a page until nothing runs any more, and returns it.
func (o *office) settled(as uuid.UUID, path string) (at string, a webtest.Answer) {
	o.Helper()
	for range 6000 {
		a = o.site.Get(o, webtest.Alpha, as, path)
		switch {
		case a.Status == 303:
			path = a.Location
		case strings.Contains(a.Body, "data-ask"):
			time.Sleep(20 * time.Millisecond)
		default:
			return path, a
		}
	}
	o.Fatalf("%s never settles: %d\n%s", path, a.Status, a.Body)
	return "", a
}

// planned sends a package and returns the page of its plan.
func (o *office) planned(as uuid.UUID, content []byte) (path string, a webtest.Answer) {
	o.Helper()
	sent := o.sendForm(as, "C:\\Omat\\syksy 2026.zip", content)
	if sent.Status != 303 || !strings.HasPrefix(sent.Location, "/oppilastiedot/paketti/") {
		o.Fatalf("sending: %d %s\n%s", sent.Status, sent.Location, sent.Body)
	}
	path, a = o.settled(as, sent.Location)
	if !strings.HasPrefix(path, "/oppilastiedot/pln_") || a.Status != 200 {
		o.Fatalf("after the check: %s %d\n%s", path, a.Status, a.Body)
	}
	return path, a
}

func (o *office) post(as uuid.UUID, path string, fields ...string) webtest.Answer {
	o.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return o.site.Post(o, webtest.Alpha, as, path, form)
}

// settle brings a first roster in through the pages.
func (o *office) settle(content []byte) {
	o.Helper()
	path, a := o.planned(anna, content)
	a.Doc(o).Says("main", "ensimmäinen tuonti")
	if r := o.post(anna, path+"/tuo", "initial", "1"); r.Status != 303 {
		o.Fatalf("applying: %d\n%s", r.Status, r.Body)
	}
	if _, a = o.settled(anna, path); !strings.Contains(a.Body, "Tuotu") {
		o.Fatalf("not applied:\n%s", a.Body)
	}
}

func TestPagesFromPackageToUndo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	if a := o.site.Get(t, webtest.Alpha, anna, "/oppilastiedot"); a.Status != 200 || !strings.Contains(a.Body, "ei ole vielä tuotu") {
		t.Fatalf("the empty page: %d\n%s", a.Status, a.Body)
	}
	first, second := made(t, 300, 0, 0), made(t, 300, 0.02, 1)
	o.settle(first)
	o.same("after the first import", o.export(), lines(t, first))

	path, a := o.planned(anna, second)
	doc := a.Doc(t)
	doc.Says("main h1", "syksy 2026.zip")
	doc.Says(".matrix tbody th", "Henkilöt")
	links := regexp.MustCompile(`/oppilastiedot/pln_[A-Z0-9]+/muutokset/[a-zA-Z]+/[a-z]+`).FindAllString(a.Body, -1)
	if len(links) < 3 {
		t.Errorf("few samples: %v", links)
	}
	for _, link := range links {
		s := o.site.Get(t, webtest.Alpha, anna, link)
		if s.Status != 200 || len(s.Doc(t).Find(".diff tbody tr")) == 0 {
			t.Errorf("%s: %d\n%s", link, s.Status, s.Body)
		}
	}
	school := regexp.MustCompile(`<option value="(alpha-o-[^"]+)"`).FindStringSubmatch(a.Body)
	if school == nil {
		t.Fatalf("no schools to filter by:\n%s", a.Body)
	}
	if one := o.site.Get(t, webtest.Alpha, anna, path+"?koulu="+school[1]); one.Status != 200 || one.Body == a.Body {
		t.Errorf("filtered by school: %d", one.Status)
	}
	if r := o.post(anna, path+"/tuo", "approve", "1", "reason", "yö"); r.Status != 303 {
		t.Logf("held: %s", r.Body)
		r = o.post(bert, path+"/tuo", "approve", "1", "reason", "yö")
		if r.Status != 303 {
			t.Fatalf("applying: %d\n%s", r.Status, r.Body)
		}
	}
	_, a = o.settled(anna, path)
	a.Doc(t).Says(".ds-alert", "voi perua")
	o.same("after the night", o.export(), lines(t, second))

	undo := o.post(bert, path+"/peru")
	if undo.Status != 303 {
		t.Fatalf("planning to undo: %d\n%s", undo.Status, undo.Body)
	}
	if r := o.post(bert, undo.Location+"/tuo"); r.Status != 422 {
		t.Errorf("undone without a reason: %d", r.Status)
	}
	o.same("before the undo", o.export(), lines(t, second))
	if r := o.post(bert, undo.Location+"/tuo", "reason", "väärä yö"); r.Status != 303 {
		t.Fatalf("undoing: %d\n%s", r.Status, r.Body)
	}
	_, a = o.settled(bert, undo.Location)
	a.Doc(t).Says("main", "väärä yö")
	o.same("after the undo", o.export(), lines(t, first))
	_, a = o.settled(bert, path)
	a.Doc(t).Says(".ds-alert", "peruttu")
	if n := count(t, o.Env, "t_alpha", "select count(*)::int from audit_event where target_kind = 'import' and action = 'roster.change'"); n < 5 {
		t.Errorf("%d changes have left an event", n)
	}
}

// Two people: who planned a held import on the pages cannot approve it, at the
// command line neither; another can, on either side.
func TestPagesTwoPeople(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	full := made(t, 300, 0, 0)
	o.settle(full)
	i := 0
	less := edited(t, full, oneroster.Bulk, nil, func(r *oneroster.Record) bool { i++; return r.Table.Type != oneroster.Demographics || i%3 != 0 })
	path, a := o.planned(anna, less)
	doc := a.Doc(t)
	doc.Says(".ds-alert", "poistettaisiin; nyt niitä on")
	doc.Says("main", "odottaa toista henkilöä")
	doc.Count(`form[action=`+path+`/tuo]`, 0)
	for as, want := range map[uuid.UUID]int{anna: 403} {
		if r := o.post(as, path+"/tuo", "approve", "1", "reason", "ok"); r.Status != want {
			t.Errorf("approved by the planner: %d", r.Status)
		}
	}
	id := strings.TrimPrefix(path, "/oppilastiedot/")
	if _, err := o.svc.Apply(ctx, o.tenant, id, roster.Approval{Who: roster.AccountOf(anna), Approve: true, Reason: "r"}, nil); err == nil {
		t.Error("the planner approved at the command line")
	}
	if r := o.post(bert, path+"/tuo", "approve", "1"); r.Status != 422 || !strings.Contains(r.Body, `href="#reason"`) || !strings.Contains(r.Body, `value="1" required  checked`) {
		t.Errorf("approved without a reason: %d", r.Status)
	}
	if r := o.post(bert, path+"/tuo", "reason", "x"); r.Status != 422 || !strings.Contains(r.Body, `href="#approve"`) || !strings.Contains(r.Body, `name="reason" value="x"`) {
		t.Errorf("applied without the tick: %d", r.Status)
	}
	o.same("held", o.export(), lines(t, full))
	if r := o.post(bert, path+"/tuo", "approve", "1", "reason", "koulu lakkaa"); r.Status != 303 {
		t.Fatalf("approved by another: %d\n%s", r.Status, r.Body)
	}
	if _, a = o.settled(anna, path); !strings.Contains(a.Body, "koulu lakkaa") {
		t.Errorf("approved:\n%s", a.Body)
	}
	o.same("approved", o.export(), lines(t, less))
}

// One plan: made at the command line and applied on the page, and the other way.
func TestPagesAndCommandLine(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first, second := made(t, 300, 0, 0), made(t, 300, 0.02, 1)
	o.settle(first)
	p, err := o.svc.Plan(ctx, o.tenant, pack(second), roster.Options{}, "maija", nil)
	if err != nil {
		t.Fatal(explain(err))
	}
	a := o.site.Get(t, webtest.Alpha, anna, "/oppilastiedot/"+p.ID)
	a.Doc(t).Says("main", "maija (Tiera)")
	if r := o.post(anna, "/oppilastiedot/"+p.ID+"/tuo", "approve", "1", "reason", "yö"); r.Status != 303 {
		t.Fatalf("%d\n%s", r.Status, r.Body)
	}
	o.settled(anna, "/oppilastiedot/"+p.ID)
	o.same("planned there, applied here", o.export(), lines(t, second))

	path, _ := o.planned(anna, first)
	stale, _ := o.planned(bert, rezip(t, first))
	if _, err := o.svc.Apply(ctx, o.tenant, strings.TrimPrefix(path, "/oppilastiedot/"), roster.Approval{Who: "maija", Approve: true, Reason: "r"}, nil); err != nil {
		t.Fatal(explain(err))
	}
	o.same("planned here, applied there", o.export(), lines(t, first))
	_, a = o.settled(anna, stale)
	a.Doc(t).Says(".ds-alert", "vanhentunut")
	if r := o.post(anna, stale+"/tuo"); r.Status != 409 {
		t.Errorf("a stale plan: %d", r.Status)
	}
	if r := o.post(anna, stale+"/uudelleen"); r.Status != 303 {
		t.Fatalf("planning again: %d\n%s", r.Status, r.Body)
	}
	_, a = o.settled(anna, stale)
	next := regexp.MustCompile(`href="(/oppilastiedot/pln_[A-Z0-9]+)">Avaa se`).FindStringSubmatch(a.Body)
	if next == nil {
		t.Fatalf("no new plan:\n%s", a.Body)
	}
	if r := o.post(anna, next[1]+"/hylkaa"); r.Status != 303 {
		t.Errorf("closing: %d", r.Status)
	}
	if _, err := o.svc.Apply(ctx, o.tenant, strings.TrimPrefix(next[1], "/oppilastiedot/"), roster.Approval{Who: "maija"}, nil); err == nil {
		t.Error("a closed plan was applied")
	}
}

func TestPagesFindings(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	bad := unsound(t, made(t, 100, 0, 0))
	sent := o.sendForm(anna, "virheet.zip", bad)
	path, a := o.settled(anna, sent.Location)
	doc := a.Doc(t)
	doc.Says(".ds-alert", "Paketissa on")
	doc.Says("main table", "E303")
	list := o.site.Get(t, webtest.Alpha, anna, path+"/havainnot?saanto=E303").Doc(t)
	list.Says("main table tbody", "academicSessions.csv:")
	file := o.site.Get(t, webtest.Alpha, anna, path+"/havainnot.csv")
	if file.Status != 200 || !strings.HasPrefix(file.Body, "\ufeffSääntö;Vakavuus;") || !strings.Contains(file.Body, "'=cmd") {
		t.Errorf("CSV: %d\n%.600s", file.Status, file.Body)
	}
	for line := range strings.SplitSeq(file.Body, "\r\n") {
		for cell := range strings.SplitSeq(line, ";") {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	if a := o.site.Get(t, webtest.Beta, anna, path+"/havainnot.csv"); a.Status != 404 {
		t.Errorf("from the twin: %d", a.Status)
	}
	if r := o.post(anna, path+"/poista"); r.Status != 303 {
		t.Errorf("deleting: %d", r.Status)
	}
	if a := o.site.Get(t, webtest.Alpha, anna, path); a.Status != 404 {
		t.Errorf("deleted: %d", a.Status)
	}
	for name, content := range map[string][]byte{"not a zip": []byte("hello, not a zip"), "half a zip": bad[:len(bad)/2]} {
		sent := o.sendForm(anna, "x.zip", content)
		if _, a := o.settled(anna, sent.Location); !strings.Contains(a.Body, "E101") {
			t.Errorf("%s:\n%s", name, a.Body)
		}
	}
}

// sent is what the script of the form hears.
type sent struct {
	ID, State, Next string
	Parts, Part     int
}

func (o *office) begin(as uuid.UUID, name string, size int) (s sent) {
	o.Helper()
	a := o.post(as, "/oppilastiedot/lahetys", "name", name, "size", fmt.Sprint(size), "mark", "1")
	if a.Status != 200 || json.Unmarshal([]byte(a.Body), &s) != nil {
		o.Fatalf("begin: %d %s", a.Status, a.Body)
	}
	return s
}

func (o *office) part(as uuid.UUID, id string, n int, b []byte) webtest.Answer {
	o.Helper()
	return o.site.Send(o, webtest.Alpha, as, fmt.Sprintf("/oppilastiedot/lahetys/%s/%d", id, n), "application/octet-stream", bytes.NewReader(b))
}

// TestPagesParts sends a package of several parts, with all that may go wrong on
// the way.
func TestPagesParts(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	content := made(t, 100, 0, 0)
	o.svc.Part = len(content)/3 + 1
	s := o.begin(anna, "iso.zip", len(content))
	cut := func(n int) []byte { return content[n*s.Part : min(len(content), (n+1)*s.Part)] }
	for what, c := range map[string]struct {
		as   uuid.UUID
		id   string
		n    int
		b    []byte
		want int
	}{
		"the second first":        {anna, s.ID, 1, cut(1), 409},
		"too short":               {anna, s.ID, 0, cut(0)[:100], 422},
		"too long":                {anna, s.ID, 0, append(bytes.Clone(cut(0)), 'x'), 422},
		"another admin's":         {bert, s.ID, 0, cut(0), 404},
		"a teacher's":             {teacher, s.ID, 0, cut(0), 404},
		"an unknown upload":       {anna, uuid.NewString(), 0, cut(0), 404},
		"no id":                   {anna, "..%2f..%2fx", 0, cut(0), 404},
		"a negative part":         {anna, s.ID, -1, cut(0), 404},
		"far beyond the last one": {anna, s.ID, 99, cut(0), 409},
	} {
		if a := o.part(c.as, c.id, c.n, c.b); a.Status != c.want {
			t.Errorf("%s: %d, want %d", what, a.Status, c.want)
		}
	}
	if a := o.part(anna, s.ID, 0, cut(0)); a.Status != 200 {
		t.Fatalf("the first part: %d %s", a.Status, a.Body)
	}
	if a := o.part(anna, s.ID, 0, cut(0)); a.Status != 200 { // the answer was lost, it comes again
		t.Errorf("the first part again: %d", a.Status)
	}
	// After a reload the same file goes on where it was; another one does not.
	if again := o.begin(anna, "iso.zip", len(content)); again.ID != s.ID || again.Parts != 1 {
		t.Errorf("begun again: %+v", again)
	}
	if other := o.begin(bert, "iso.zip", len(content)); other.ID == s.ID {
		t.Error("another admin goes on with it")
	}
	if a := o.site.Get(t, webtest.Beta, anna, "/oppilastiedot/lahetys/"+s.ID); a.Status != 404 {
		t.Errorf("from the twin: %d", a.Status)
	}
	o.part(anna, s.ID, 1, cut(1))
	if a := o.part(anna, s.ID, 2, cut(2)); a.Status != 200 {
		t.Fatalf("the last part: %d %s", a.Status, a.Body)
	}
	path, _ := o.settled(anna, s.Next)
	if !strings.HasPrefix(path, "/oppilastiedot/pln_") {
		t.Errorf("the parts have become no plan: %s", path)
	}
	if n := count(t, o.Env, "t_alpha", "select count(*)::int from object where key like 'uploads/"+s.ID+"/%'"); n != 0 {
		t.Errorf("%d parts are left", n)
	}
	for range 4 {
		o.begin(bert, uuid.NewString(), 10)
	}
	if a := o.post(bert, "/oppilastiedot/lahetys", "name", "x", "size", "10"); a.Status != 409 {
		t.Errorf("a sixth package: %d", a.Status)
	}
	for size, want := range map[string]int{"0": 422, "-1": 422, "x": 422, "536870913": 422, "9223372036854775808": 422} {
		if a := o.post(anna, "/oppilastiedot/lahetys", "name", "x", "size", size); a.Status != want {
			t.Errorf("size %s: %d", size, a.Status)
		}
	}
}

// TestPagesWrongPeople: whoever is no admin here finds nothing, and a form without
// the session's token does nothing.
func TestPagesWrongPeople(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.settle(made(t, 100, 0, 0))
	path, a := o.planned(anna, made(t, 100, 0.05, 1))
	sample := regexp.MustCompile(path + `/muutokset/[a-zA-Z]+/[a-z]+`).FindString(a.Body)
	upload := o.begin(anna, "x.zip", 10)
	gets := []string{"", "/tila", "/paketti/" + upload.ID, "/paketti/" + upload.ID + "/havainnot", "/lahetys/" + upload.ID, "/henkilot/" + bert.String()}
	for i := range gets {
		gets[i] = "/oppilastiedot" + gets[i]
	}
	own := append(gets, path, path+"/havainnot", path+"/havainnot.csv", path+"/roolit", sample)
	posts := []string{path + "/tuo", path + "/hylkaa", path + "/uudelleen", path + "/peru", "/oppilastiedot/paketti/" + upload.ID + "/tarkista", "/oppilastiedot/paketti/" + upload.ID + "/poista"}
	for _, get := range own {
		if a := o.site.Get(t, webtest.Alpha, anna, get); a.Status != 200 && a.Status != 303 {
			t.Errorf("%s as the admin: %d", get, a.Status)
		}
		for who, as := range map[string]uuid.UUID{"teacher": teacher, "guardian": guardian} {
			if a := o.site.Get(t, webtest.Alpha, as, get); a.Status != 404 {
				t.Errorf("%s as a %s: %d", get, who, a.Status)
			}
		}
	}
	for _, get := range append([]string{path, path + "/havainnot", path + "/havainnot.csv", path + "/roolit", sample}, gets[2:5]...) {
		if a := o.site.Get(t, webtest.Beta, anna, get); a.Status != 404 {
			t.Errorf("%s from the twin: %d", get, a.Status)
		}
	}
	for _, post := range posts {
		if a := o.site.Post(t, webtest.Alpha, teacher, post, url.Values{"approve": {"1"}, "reason": {"x"}}); a.Status != 404 {
			t.Errorf("%s as a teacher: %d", post, a.Status)
		}
		if a := o.site.Post(t, webtest.Beta, anna, post, url.Values{"approve": {"1"}, "reason": {"x"}}); a.Status != 404 {
			t.Errorf("%s from the twin: %d", post, a.Status)
		}
		if a := o.site.Post(t, webtest.Alpha, anna, post, url.Values{"csrf": {"x"}}); a.Status != 403 {
			t.Errorf("%s without the token: %d", post, a.Status)
		}
	}
	if a := o.site.Send(t, webtest.Alpha, anna, "/oppilastiedot/lahetys/"+upload.ID+"/0", "application/octet-stream", strings.NewReader("0123456789"), "Origin", "http://evil.test"); a.Status != 403 {
		t.Errorf("a part from another origin: %d", a.Status)
	}
}

// unsound puts a date that is none into a package, and one that a spreadsheet would
// take for a formula.
func unsound(t testing.TB, content []byte) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "academicSessions.csv" {
			text = regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}`).ReplaceAll(text, []byte("=cmd"))
		}
		w, err := out.Create(f.Name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mount serves the pages from the desk of the moment.
func (o *office) mount() {
	o.site = webtest.New(o.DB, func(r *web.Router) { roster.Routes(r, o.desk) })
	desk := o.desk
	o.Cleanup(func() { desk.Shutdown(ctx) })
}

// hold runs a statement in a transaction that stays open until it is released.
func hold(t testing.TB, dsn, schema, sql string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"begin", "set local search_path = " + schema, sql} {
		if _, err := conn.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	return func() { _ = conn.Close(ctx) }
}

// waiting returns when somebody waits for a lock in the database.
func waiting(t testing.TB, dsn string) {
	t.Helper()
	for range 500 {
		if textOf(t, dsn, "public", "select count(*)::text from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'") != "0" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("nobody waits")
}

func textOf(t testing.TB, dsn, schema, sql string) (s string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err = conn.Exec(ctx, "set search_path = "+schema); err == nil {
		err = conn.QueryRow(ctx, sql).Scan(&s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
