package roster_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/app/objects/objectstest"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/wiretest"
)

// yard is a town in which a command dies over and over, each time from the same state.
type yard struct {
	*town
	dir, aside string // the object store, and how it was
	kept       *wiretest.Kept
}

// newYard is a town with a roster, and whatever else prepare does.
func newYard(t *testing.T, prepare func(y *yard)) *yard {
	t.Helper()
	y := &yard{town: newTown(t), dir: t.TempDir(), aside: t.TempDir()}
	store, err := objects.Folder(y.dir)
	if err != nil {
		t.Fatal(err)
	}
	y.svc.Objects, y.svc.Now = store, clock(now)
	y.load(made(t, tiny, 0, 0), roster.Options{}, roster.Approval{Initial: true})
	prepare(y)
	if err := os.CopyFS(y.aside, os.DirFS(y.dir)); err != nil {
		t.Fatal(err)
	}
	y.kept = wiretest.Keep(t, y.DSN, "t_alpha")
	return y
}

// tiny is how many learners a roster has that is brought in hundreds of times.
const tiny = 12

// night is a package that adds, changes and removes.
func night(t testing.TB) []byte { return made(t, tiny, 0.5, 2) }

// clock goes on by a second a look.
func clock(from time.Time) func() time.Time {
	var n atomic.Int64
	return func() time.Time { return from.Add(time.Duration(n.Add(1)) * time.Second) }
}

// program is one that runs: what it does goes through the wire, if there is one.
type program struct {
	*roster.Desk
	ctx  context.Context
	stop func()
}

// begin returns everything to its place and starts a program.
func (y *yard) begin(w *wiretest.Wire) *program {
	y.Helper()
	y.kept.Return(y)
	left, err := os.ReadDir(y.dir)
	for _, e := range left {
		err = os.RemoveAll(filepath.Join(y.dir, e.Name()))
	}
	if err == nil {
		err = os.CopyFS(y.dir, os.DirFS(y.aside))
	}
	if err != nil {
		y.Fatal(err)
	}
	db := w.Open(y.T, y.DSN)
	p := y.program(db, objectstest.Through(y.svc.Objects, w.Step))
	w.Cancel = func() {
		p.stop()
		go p.Shutdown(p.ctx)
	}
	return p
}

func (y *yard) program(db *tenancy.DB, store objects.Store) *program {
	svc := &roster.Service{DB: db, Objects: store, Keyset: y.svc.Keyset, Now: clock(now.Add(time.Hour)), Part: 1 << 13}
	p := &program{Desk: roster.NewDesk(svc, slog.New(slog.DiscardHandler))}
	p.Beat = time.Hour
	p.ctx, p.stop = context.WithCancel(ctx)
	return p
}

// after ends the program, and starts the next one a minute later.
func (y *yard) after(w *wiretest.Wire, p *program) *program {
	y.Helper()
	p.Idle()
	w.Stop()
	w.Kill()
	p.stop()
	p.DB.Close()
	w.Gone(y, y.DSN)
	y.minute()
	return y.program(y.DB, y.svc.Objects)
}

// minute passes, as the database counts.
func (y *yard) minute() {
	y.kept.Exec(y, "update roster_work set beat_at = beat_at - interval '1 minute'")
}

// state is all that a run leaves behind, but what tells of how it came to that: the
// work that was begun, and plans that came to nothing.
func (y *yard) state() string {
	y.Helper()
	var b strings.Builder
	b.WriteString(strings.Join(y.canon(), "\n"))
	out := y.export()
	for _, k := range slices.Sorted(maps.Keys(out)) {
		b.WriteString("\nexport " + k + " " + out[k])
	}
	b.WriteString("\n" + y.kept.Lines(y, `select concat_ws(' ', 'import', i.seq, i.state, i.kind, u.seq, i.counts) from roster_import i left join roster_import u on u.id = i.undoes where i.seq is not null order by i.seq`))
	b.WriteString("\n" + y.kept.Lines(y, `select 'waiting ' || kind || ' ' || count(*) from roster_import where seq is null and state in ('planned', 'held') group by kind order by kind`))
	b.WriteString("\n" + y.kept.Lines(y, `select 'inventory ' || key from object order by key`))
	for line := range strings.Lines(y.kept.Counts(y)) {
		if table, _, _ := strings.Cut(line, " "); !slices.Contains([]string{"roster_import", "roster_sample", "roster_leaver", "roster_work"}, table) {
			b.WriteString("\ncount " + strings.TrimSpace(line))
		}
	}
	err := fs.WalkDir(os.DirFS(y.dir), ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b.WriteString("\nfile " + stamp.ReplaceAllString(p, "TIME"))
		}
		return err
	})
	if err != nil {
		y.Fatal(err)
	}
	if n := y.kept.Lines(y, `select count(*)::text from roster_work where state = 'running'`); n != "0" {
		y.Errorf("%s pieces of work run on", n)
	}
	return b.String()
}

// stamp is what the name of a delivery that was put aside begins with.
var stamp = regexp.MustCompile(`\d{8}-\d{6}-[0-9a-f]{8}`)

// insist does something until it is done, as somebody would who reads what the page
// says. What was shown to be under way is waited for.
func (y *yard) insist(p *program, what string, try func() (done bool, err error)) {
	y.Helper()
	var said []string
	for range 6 {
		err := p.LookIn(ctx, y.tenant)
		if err != nil {
			y.Fatal(err)
		}
		done, err := try()
		if done {
			return
		}
		if err != nil {
			said = append(said, fmt.Sprint(explain(err)))
			if k := fault.KindOf(err); k != fault.Conflict {
				y.Fatalf("%s, again: %q", what, said)
			}
		}
		y.minute()
	}
	y.Fatalf("%s never ends: %q", what, said)
}

var yes = roster.Approval{Who: "other", Approve: true, Reason: "yö"}

// TestCrashApply: a plan is applied at the desk.
func TestCrashApply(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		var plan *roster.Plan
		y := newYard(t, func(y *yard) { plan = y.planOf(night(t)) })
		if c := total(plan); c.Insert == 0 || c.Update == 0 || c.Remove == 0 {
			t.Fatalf("a night of %+v", c)
		}
		return func(w *wiretest.Wire) string {
			p := y.begin(w)
			w.Start()
			_ = p.Begin(p.ctx, y.tenant, plan.ID, yes)
			p = y.after(w, p)
			id := plan.ID
			y.insist(p, "apply", func() (bool, error) {
				is, err := p.Show(ctx, y.tenant, id)
				switch {
				case err != nil || is.State == roster.Applied:
					return err == nil, err
				case is.State == roster.Failed: // it says so, and a plan is made again
					err = p.Again(ctx, y.tenant, id, "tester")
					p.Idle()
					id = y.kept.Lines(y, "select id from roster_import where state in ('planned', 'held')")
					return false, err
				}
				err = p.Begin(ctx, y.tenant, id, yes)
				p.Idle()
				return false, err
			})
			return y.state()
		}
	})
}

func (y *yard) planOf(b []byte) *roster.Plan {
	y.Helper()
	p, err := y.svc.Plan(ctx, y.tenant, pack(b), roster.Options{}, "tester", nil)
	if err != nil {
		y.Fatal(explain(err))
	}
	return p
}

// TestCrashRollback: an import is taken back by the command, which plans and applies.
func TestCrashRollback(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		var done *roster.Plan
		y := newYard(t, func(y *yard) {
			done = y.load(night(t), roster.Options{}, roster.Approval{Approve: true, Reason: "yö"})
		})
		return func(w *wiretest.Wire) string {
			p := y.begin(w)
			w.Start()
			_, _ = p.Rollback(p.ctx, y.tenant, done.Import, false, false, yes, nil)
			p = y.after(w, p)
			y.insist(p, "roll back", func() (bool, error) {
				is, err := p.Show(ctx, y.tenant, done.Import)
				if err != nil || is.State == roster.RolledBack {
					return err == nil, err
				}
				_, err = p.Rollback(ctx, y.tenant, done.Import, false, false, yes, nil)
				return false, err
			})
			return y.state()
		}
	})
}

// TestCrashUpload: a package comes in parts, and a plan is made of it.
func TestCrashUpload(t *testing.T) {
	t.Parallel()
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		y := newYard(t, func(*yard) {})
		s := &sender{yard: y, content: night(t)}
		return func(w *wiretest.Wire) string {
			p := y.begin(w)
			s.id = nil
			w.Start()
			_, _ = s.send(p)
			p = y.after(w, p)
			y.insist(p, "send", func() (bool, error) { return s.send(p) })
			// A day later nothing of it lies there but the plan and its package.
			y.kept.Exec(y, "update roster_upload set touched_at = touched_at - interval '2 days'")
			if _, err := p.Prune(ctx, y.tenant, false); err != nil {
				y.Fatal(err)
			}
			return y.state()
		}
	})
}

// sender is a browser that sends a package in parts, and goes on where it was.
type sender struct {
	*yard
	content []byte
	id      *uuid.UUID
}

func (s *sender) send(p *program) (done bool, err error) {
	var u *roster.Upload
	if s.id == nil {
		if u, err = p.BeginUpload(p.ctx, s.tenant, "x.zip", int64(len(s.content)), "mark", roster.Options{}, "tester"); err != nil {
			return false, err
		}
		s.id = &u.ID
	} else if u, err = p.Upload(p.ctx, s.tenant, *s.id); err != nil {
		return false, err
	}
	for u.State == roster.Receiving {
		at := u.Parts * u.PartSize
		part := s.content[at:min(len(s.content), at+u.PartSize)]
		if u, err = p.PutPart(p.ctx, s.tenant, u.ID, u.Parts, bytes.NewReader(part), "tester"); err != nil {
			return false, err
		}
	}
	if u.State == roster.Checked {
		return true, nil
	}
	err = p.Check(p.ctx, s.tenant, u, "tester")
	p.Idle()
	return false, err
}
