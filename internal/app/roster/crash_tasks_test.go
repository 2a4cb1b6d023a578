package roster_test

import (
	"net/mail"
	"os"
	"path/filepath"
	"testing"

	appmail "digione/internal/app/mail"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/wiretest"
)

// TestCrashPublish: of a school year that is published, the last school goes, and what
// nobody needs any more.
func TestCrashPublish(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		var pub *roster.Publication
		y := newYard(t, func(y *yard) {
			y.tenant.Settings.Roster.Inserts, y.tenant.Settings.Roster.Floor = 0.00001, 1 // every school waits
			pub = y.scheduled(night(t))
			school := ""
			for _, p := range pub.Parts {
				if p.State == roster.PartHeld && p.School != "" {
					school = p.School
				}
			}
			y.allow(pub, school)
			y.publish()
			y.allow(pub, "")
		})
		return func(w *wiretest.Wire) string {
			p := y.begin(w)
			w.Start()
			_, _ = p.Publish(p.ctx, y.tenant, nil)
			p = y.after(w, p)
			y.insist(p, "publish", func() (bool, error) {
				more, err := p.Publish(ctx, y.tenant, nil)
				return !more && err == nil, err
			})
			if is := y.publication(pub); is.State != roster.Published {
				t.Errorf("%s\n%s", is.State, states(is))
			}
			return y.state() + "\n" + y.kept.Lines(y, `select concat_ws(' ', 'part', n, state, import is null) from roster_publication_part order by n`)
		}
	})
}

// TestCrashInbox: a night's delivery is brought in, and put aside.
func TestCrashInbox(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		y := newYard(t, func(y *yard) {
			y.tenant.Settings.Roster.Floor = 1000
			deliver(t, y.dir, dbtest.Alpha, "yo.zip", night(t))
			deliver(t, y.dir, dbtest.Alpha, "yo.zip.ready", nil)
		})
		return func(w *wiretest.Wire) string {
			p := y.begin(w)
			w.Start()
			_, _ = p.Inbox(p.ctx, y.tenant, nil)
			p = y.after(w, p)
			y.insist(p, "bring in", func() (bool, error) {
				_, err := p.Inbox(ctx, y.tenant, nil)
				left, _, lerr := p.Look(ctx, y.tenant)
				return err == nil && lerr == nil && len(left) == 0, err
			})
			return y.state() + "\n" + y.kept.Lines(y, `select concat_ws(' ', 'delivery', name, state, plan is null, moved_at is null) from roster_delivery order by name`)
		}
	})
}

// TestCrashLetter: somebody is written to about a delivery that is held. A kill between
// the mail server's answer and the note sends the letter once more, under the same
// Message-ID.
func TestCrashLetter(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		mails, addr := catcher(t)
		y := newYard(t, func(y *yard) {
			y.tenant.Settings.Joining.Contacts = []tenancy.Contact{{Name: "Maija", Email: "maija@alfala.example"}}
			y.tenant.Settings.Roster.Updates, y.tenant.Settings.Roster.Floor = 0.00001, 1
			deliver(t, y.dir, dbtest.Alpha, "yo.zip", night(t))
			deliver(t, y.dir, dbtest.Alpha, "yo.zip.ready", nil)
			if got := y.rounds(2); len(got) != 1 || got[0].State != roster.HeldDelivery {
				t.Fatalf("%+v", got)
			}
		})
		tell := func(p *program, addr string) error {
			task := roster.Tasks{Desk: p.Desk, Mail: appmail.Server{Addr: addr, From: mail.Address{Address: "ei-vastausta@digione.example"}}}
			return task.Inbox(p.ctx, y.tenant)
		}
		return func(w *wiretest.Wire) string {
			p := y.begin(w)
			for file := range letters(t, mails) {
				_ = os.Remove(file)
			}
			through := w.Mail(t, addr)
			w.Start()
			_ = tell(p, through)
			p = y.after(w, p)
			y.insist(p, "tell", func() (bool, error) {
				err := tell(p, addr)
				return err == nil, err
			})
			ids := map[string]int{}
			for _, id := range letters(t, mails) {
				ids[id]++
			}
			for id, n := range ids {
				if n > 2 {
					t.Errorf("%d copies of %s", n, id)
				}
			}
			if len(ids) != 1 {
				t.Errorf("letters %v", ids)
			}
			return y.state() + "\n" + y.kept.Lines(y, `select concat_ws(' ', 'delivery', name, state, told_at is null) from roster_delivery order by name`)
		}
	})
}

// letters are the Message-IDs of what was caught, by file.
func letters(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.ReadMessage(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		out[file] = m.Header.Get("Message-ID")
	}
	return out
}
