package roster_test

import (
	"bytes"
	"io/fs"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"digione/internal/app/mail/catch"

	appmail "digione/internal/app/mail"
	"digione/internal/app/objects"
	"digione/internal/app/objects/objectstest"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// deliver puts a file into a tenant's inbox as its own system would.
func deliver(t testing.TB, dir string, id tenancy.ID, name string, content []byte) {
	t.Helper()
	at := filepath.Join(dir, "inbox", string(id))
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lying lists the files of a tenant's inbox and its rooms.
func lying(t testing.TB, dir string, id tenancy.ID) (files []string) {
	t.Helper()
	root := filepath.Join(dir, "inbox", string(id))
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(p, ".sgwtmp") {
			rel, _ := filepath.Rel(root, p)
			files = append(files, rel)
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return files
}

// inboxTown is a town whose inbox lies in a folder, or in S3.
func inboxTown(t *testing.T, s3 bool) (*town, string) {
	t.Helper()
	w := newTown(t)
	dir := t.TempDir()
	if s3 {
		server := objectstest.Start(t)
		server.Bucket(t, "digione")
		w.svc.Objects = objects.S3(server.Client(), "digione", "")
		return w, filepath.Join(server.Dir, "digione")
	}
	store, err := objects.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	w.svc.Objects = store
	return w, dir
}

// put delivers through the store where that is S3, so that the server knows of it.
func (w *town) put(dir string, id tenancy.ID, name string, content []byte) {
	w.Helper()
	drop := w.svc.Objects
	if err := drop.Write(ctx, "inbox/"+string(id), name, bytes.NewReader(content), int64(len(content))); err != nil {
		w.Fatal(err)
	}
	_ = dir
}

// rounds looks into the inbox as often as the task does until everything has settled.
func (w *town) rounds(n int) (ended []*roster.Delivery) {
	w.Helper()
	for range n {
		got, err := w.svc.Inbox(ctx, w.tenant, nil)
		if err != nil {
			w.Fatal(explain(err))
		}
		ended = append(ended, got...)
	}
	return ended
}

func TestInbox(t *testing.T) {
	t.Parallel()
	for name, s3 := range map[string]bool{"folder": false, "S3": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, dir := inboxTown(t, s3)
			first, second := made(t, 120, 0, 0), made(t, 120, 0.02, 1)
			w.put(dir, dbtest.Beta, "beta.zip", first)
			w.put(dir, dbtest.Alpha, "a 1.zip", first)
			w.put(dir, dbtest.Alpha, "a.zip", first)
			w.put(dir, dbtest.Alpha, "lue.txt", []byte("ei paketti"))

			ended := w.rounds(5)
			if len(ended) != 1 || ended[0].State != roster.HeldDelivery || ended[0].Name != "a.zip" {
				t.Fatalf("the first one: %+v", ended)
			}
			if _, err := w.svc.Apply(ctx, w.tenant, ended[0].Plan, roster.Approval{Who: "tester", Initial: true}, nil); err != nil {
				t.Fatal(explain(err))
			}
			w.put(dir, dbtest.Alpha, "b.zip", second)
			w.put(dir, dbtest.Alpha, "rikki.zip", second[:len(second)/2])
			ended = w.rounds(5)
			if len(ended) != 2 || ended[0].State != roster.Done || ended[1].State != roster.FailedDelivery || ended[1].Upload == nil {
				t.Fatalf("the second night: %+v", ended)
			}
			w.same("after the night", w.export(), lines(t, second))
			// The same file again, by the same name: it confirms the list.
			w.put(dir, dbtest.Alpha, "b.zip", second)
			if ended = w.rounds(5); len(ended) != 1 || ended[0].State != roster.Done {
				t.Fatalf("the same again: %+v", ended)
			}
			if n := count(t, w.Env, "t_alpha", "select count(*)::int from roster_import where state = 'applied'"); n != 3 {
				t.Errorf("%d imports, want 3", n)
			}
			list, refused, err := w.svc.Look(ctx, w.tenant)
			if err != nil || len(list) != 0 || len(refused) != 2 {
				t.Errorf("left in the inbox: %v, refused %q, %v", list, refused, err)
			}
			files := strings.Join(lying(t, dir, dbtest.Alpha), "\n")
			for _, want := range []string{"-a.zip.json", "-b.zip", "failed/", "held/", "done/", "a 1.zip", "lue.txt"} {
				if !strings.Contains(files, want) {
					t.Errorf("no %q in\n%s", want, files)
				}
			}
			if left := lying(t, dir, dbtest.Beta); len(left) != 1 || left[0] != "beta.zip" {
				t.Errorf("the twin's inbox: %q", left)
			}
			if n := count(t, w.Env, "t_beta", "select count(*)::int from roster_delivery"); n != 0 {
				t.Errorf("%d deliveries are noted at the twin", n)
			}
			// Weeks later nothing lies there any more but what was never taken.
			w.svc.Now = func() time.Time { return time.Now().AddDate(0, 0, 15) }
			if err := (roster.Tasks{Desk: roster.NewDesk(w.svc, nil)}).Prune(ctx, w.tenant); err != nil {
				t.Fatal(err)
			}
			if left := lying(t, dir, dbtest.Alpha); len(left) != 2 {
				t.Errorf("after weeks: %q", left)
			}
		})
	}
}

// A file that grows is waited for; a marker says that it is whole; a package of
// changes waits behind one that is held.
func TestInboxWaits(t *testing.T) {
	t.Parallel()
	w, dir := inboxTown(t, false)
	at := now
	w.svc.Now = func() time.Time { return at }
	first := made(t, 120, 0, 0)
	w.load(first, roster.Options{}, roster.Approval{Initial: true})
	grown := func(b []byte) {
		deliver(t, dir, dbtest.Alpha, "yo.zip", b)
		if err := os.Chtimes(filepath.Join(dir, "inbox", string(dbtest.Alpha), "yo.zip"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for n := 1; n < 5; n++ {
		grown(first[:n*len(first)/6])
		at = at.Add(time.Minute)
		if got := w.rounds(1); len(got) != 0 {
			t.Fatalf("taken while it grows: %+v", got)
		}
	}
	grown(first)
	deliver(t, dir, dbtest.Alpha, "yo.zip.ready", nil)
	if got := w.rounds(1); len(got) != 1 || got[0].State != roster.Done {
		t.Fatalf("marked: %+v", got)
	}
	for _, f := range lying(t, dir, dbtest.Alpha) {
		if !strings.HasPrefix(f, "done/") {
			t.Errorf("%s stays", f)
		}
	}

	few := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		return r.Table.Type != oneroster.Enrollments || r.Line%2 == 0
	})
	change := edited(t, first, oneroster.Delta, []oneroster.Type{oneroster.Users}, func(r *oneroster.Record) bool {
		return r.Line < 4
	})
	deliver(t, dir, dbtest.Alpha, "1.zip", few)
	deliver(t, dir, dbtest.Alpha, "2.zip", change)
	for _, name := range []string{"1.zip", "2.zip"} {
		if err := os.Chtimes(filepath.Join(dir, "inbox", string(dbtest.Alpha), name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	at = at.Add(10 * time.Minute)
	got := w.rounds(3)
	if len(got) != 1 || got[0].State != roster.HeldDelivery {
		t.Fatalf("the half one: %+v", got)
	}
	if list, _, err := w.svc.Look(ctx, w.tenant); err != nil || len(list) != 1 || list[0].Name != "2.zip" {
		t.Fatalf("behind the held one: %+v, %v", list, err)
	}
	if _, err := w.svc.Close(ctx, w.tenant, got[0].Plan, "tester"); err != nil {
		t.Fatal(err)
	}
	if got = w.rounds(3); len(got) != 1 || got[0].State != roster.Done {
		t.Fatalf("after the held one was put away: %+v", got)
	}
}

// A link in the inbox leads nowhere: not to the twin, not out of the store.
func TestInboxLinks(t *testing.T) {
	t.Parallel()
	w, dir := inboxTown(t, false)
	secret := made(t, 60, 0, 0)
	deliver(t, dir, dbtest.Beta, "beta.zip", secret)
	deliver(t, dir, dbtest.Alpha, "x.txt", nil)
	for name, to := range map[string]string{"l.zip": "../" + string(dbtest.Beta) + "/beta.zip", "done": "../" + string(dbtest.Beta)} {
		if err := os.Symlink(to, filepath.Join(dir, "inbox", string(dbtest.Alpha), name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.rounds(3); len(got) != 0 {
		t.Errorf("a link was taken: %+v", got)
	}
	box, err := objects.InboxOf(w.svc.Objects, dbtest.Alpha)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := box.Fetch(ctx, "", "l.zip", 1<<20); err == nil {
		t.Error("a link was read")
	}
	if list, err := box.List(ctx, "done"); err == nil && len(list) > 0 {
		t.Errorf("a linked room was listed: %v", list)
	}
	for _, bad := range []string{"../" + string(dbtest.Beta) + "/beta.zip", "a/b.zip", "..", ".zip", "a..zip/", "a\n.zip", "ä.zip", ""} {
		if objects.NameAllowed(bad) {
			t.Errorf("%q is allowed", bad)
		}
		if _, _, err := box.Fetch(ctx, "", bad, 1<<20); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
	if left := lying(t, dir, dbtest.Beta); len(left) != 1 {
		t.Errorf("the twin's inbox: %q", left)
	}
}

// catcher takes mail, and keeps it in a folder.
func catcher(t *testing.T) (dir, addr string) {
	t.Helper()
	dir = t.TempDir()
	c, err := catch.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := catch.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Serve(l) }()
	t.Cleanup(func() { _ = c.Close() })
	return dir, l.Addr().String()
}

// The task keeps its hours, and writes once about what waits for somebody.
func TestInboxTask(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := t.TempDir()
	store, err := objects.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	o.svc.Objects = store
	first := made(t, 120, 0, 0)
	o.settle(first)
	mails, addr := catcher(t)
	task := roster.Tasks{Desk: o.desk, Mail: appmail.Server{Addr: addr, From: mail.Address{Address: "ei-vastausta@digione.example"}}}
	o.tenant.Settings.Joining.Contacts = []tenancy.Contact{{Name: "Maija", Email: "maija@alfala.example"}}
	o.tenant.Settings.Roster.Schedule = tenancy.Schedule{From: "02:00", Until: "06:00"}
	clock := time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC) // three in the morning in Finland
	o.svc.Now = func() time.Time { return clock }
	few := edited(t, first, oneroster.Bulk, nil, func(r *oneroster.Record) bool {
		return r.Table.Type != oneroster.Enrollments || r.Line%2 == 0
	})
	deliver(t, dir, dbtest.Alpha, "aino-makela.zip", few)
	deliver(t, dir, dbtest.Alpha, "aino-makela.zip.ready", nil)
	run := func() {
		t.Helper()
		if err := task.Inbox(ctx, o.tenant); err != nil {
			t.Fatal(err)
		}
		o.settled(anna, "/oppilastiedot")
	}
	states := func(want int) {
		t.Helper()
		if n := count(t, o.Env, "t_alpha", "select count(*)::int from roster_delivery where state in ('held', 'failed')"); n != want {
			t.Errorf("%d deliveries wait for somebody, want %d", n, want)
		}
	}
	for _, off := range []func(){
		func() { clock = clock.Add(6 * time.Hour) },
		func() { o.tenant.Settings.Roster.Schedule.Days = []string{"fri"} },
		func() { o.tenant.Settings.Roster.Blackout = []tenancy.Window{{From: "11-24", To: "11-24"}} },
		func() { o.tenant.Settings.Roster.Blackout = []tenancy.Window{{From: "00:30", To: "03:30"}} },
	} {
		was, tenant := clock, o.tenant
		off()
		run()
		states(0)
		clock, o.tenant = was, tenant
	}
	run()
	states(1)
	deliver(t, dir, dbtest.Alpha, "rikki.zip", first[:500])
	deliver(t, dir, dbtest.Alpha, "rikki.zip.ready", nil)
	for range 3 {
		run()
	}
	states(2)
	letters, err := filepath.Glob(filepath.Join(mails, "*.eml"))
	if err != nil || len(letters) != 2 {
		t.Fatalf("%d letters, want 2 (%v)", len(letters), err)
	}
	for _, name := range letters {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(b); !strings.Contains(text, "Message-ID: <roster-") || !strings.Contains(text, "/oppilastiedot/") || strings.Contains(text, "aino") {
			t.Errorf("a letter:\n%s", text)
		}
	}
	a := o.site.Get(t, webtest.Alpha, anna, "/oppilastiedot")
	doc := a.Doc(t)
	doc.Says(".ds-alert", "Automaattinen tuonti odottaa päätöstäsi")
	doc.Says(".ds-alert", "Automaattinen tuonti ei onnistunut")
	if b := o.site.Get(t, webtest.Beta, anna, "/oppilastiedot"); b.Status != 200 || strings.Contains(b.Body, "rikki.zip") {
		t.Errorf("at the twin: %d", b.Status)
	}
	var up string
	for _, link := range strings.Split(a.Body, `"`) {
		if strings.HasPrefix(link, "/oppilastiedot/paketti/") {
			up = link
		}
	}
	if b := o.site.Get(t, webtest.Alpha, anna, up); b.Status != 200 || strings.Contains(b.Body, "/tarkista") {
		t.Errorf("the findings: %d\n%s", b.Status, b.Body)
	}
	if b := o.site.Get(t, webtest.Beta, anna, up); b.Status != 404 {
		t.Errorf("the findings at the twin: %d", b.Status)
	}
	if b := o.post(anna, up+"/tarkista"); b.Status != 409 {
		t.Errorf("checked again without its parts: %d", b.Status)
	}
	if b := o.post(anna, up+"/poista"); b.Status != 303 {
		t.Errorf("put away: %d", b.Status)
	}
	if b := o.site.Get(t, webtest.Alpha, anna, "/oppilastiedot"); strings.Contains(b.Body, "ei onnistunut") {
		t.Error("what was put away still asks for somebody")
	}
}

// A file on which programs die three times is put aside, and the next one goes on. An
// erased tenant leaves nothing in its inbox.
func TestInboxPoison(t *testing.T) {
	t.Parallel()
	w, dir := inboxTown(t, false)
	first := made(t, 60, 0, 0)
	w.load(first, roster.Options{}, roster.Approval{Initial: true})
	for _, name := range []string{"a.zip", "b.zip"} {
		deliver(t, dir, dbtest.Alpha, name, first)
	}
	w.svc.Now = time.Now
	w.rounds(1) // seen, not whole
	w.Exec(t, `update t_alpha.roster_delivery set state = 'taken', attempts = 3 where name = 'a.zip'`)
	w.svc.Now = func() time.Time { return time.Now().Add(10 * time.Minute) }
	got := w.rounds(2)
	if len(got) != 2 || got[0].State != roster.FailedDelivery || got[0].Failure != "roster.failed.stopped" || got[1].State != roster.Done {
		t.Errorf("%+v", got)
	}
	deliver(t, dir, dbtest.Alpha, "c.zip", first)
	deliver(t, dir, dbtest.Beta, "c.zip", first)
	if n, err := objects.Erase(ctx, w.svc.Objects, dbtest.Alpha); err != nil || n < 5 {
		t.Errorf("erased %d, %v", n, err)
	}
	if a, b := lying(t, dir, dbtest.Alpha), lying(t, dir, dbtest.Beta); len(a) != 0 || len(b) != 1 {
		t.Errorf("after the erasure: %q, the twin: %q", a, b)
	}
}
