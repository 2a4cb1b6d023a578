package faults_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/app/web"
	"digione/internal/app/web/webtest"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/transfer"
)

// TestStoreAway takes the object store away from under everything that uses it.
// breaks is how many of the steps must notice.
func TestStoreAway(t *testing.T) {
	t.Parallel() // with its own kind: the others take the database away
	for _, c := range []struct {
		way
		breaks int
		always bool // in the short variant too
	}{
		{way{name: "takes and never answers", mute: true}, 9, true},
		{way{name: "does it and is not heard", lose: true}, 9, true},
		{way{name: "breaks while it sends", cutDown: 9000}, 3, false},
		{way{name: "refuses", refuse: true}, 9, false},
		{way{name: "is slow", wait: 20 * time.Millisecond}, 0, false},
		{way{name: "trickles", rate: 4 << 10}, 4, false},
		{way{name: "breaks while it is sent to", cutUp: 9000}, 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !full && !c.always {
				t.Skip("make faults")
			}
			t.Parallel()
			newDay(t).under(c.way, c.breaks)
		})
	}
}

// step is something that a person or a job does with files; done again after it was
// away it succeeds.
type step struct {
	name string
	do   func() error
	idle time.Duration // that a transaction of it may wait: for the store, or for rows to be written out
	took time.Duration
	away bool
}

// day is a stock with a day's work laid out.
type day struct {
	*stock
	steps []*step
	copy  string // slug of what is restored
	saved *transfer.File
	out   string

	mu   sync.Mutex
	now  *step
	idle map[string]time.Duration
	slow time.Duration // the slowest page that needs no file
	seen int
	most int // goroutines
}

const inTransaction = time.Second

func newDay(t *testing.T) *day {
	t.Helper()
	d := &day{stock: newStock(t, hasty, 0), idle: map[string]time.Duration{}, copy: "copy" + strings.ReplaceAll(uuid.NewString()[:8], "-", ""), out: filepath.Join(t.TempDir(), "out.zip")}
	who := "person " + admin.String()
	first, second, third, fourth, fifth := d.school(0), d.school(1), d.school(2), d.school(3), d.school(4)
	_, err := d.svc.Import(background, d.tenant, pack(first), roster.Options{}, roster.Approval{Who: who, Initial: true}, nil)
	d.check(err)
	d.check(d.hand("agreement", "sopimus"))
	plan, err := d.svc.Plan(background, d.tenant, pack(second), roster.Options{}, who, nil)
	d.check(err)
	whole, parts := d.begin("kolmas.zip", third), d.begin("neljas.zip", fourth)
	d.check(d.send(whole, third, false))
	for name, b := range map[string][]byte{"yo.zip": fifth, "yo.zip.ready": nil} {
		d.check(d.store.Write(background, "inbox/"+string(d.tenant.ID), name, bytes.NewReader(b), int64(len(b))))
	}
	d.old(first, second)
	d.save()

	planned := func(at, _ string) bool { return strings.HasPrefix(at, "/oppilastiedot/pln_") }
	agreed := sha256.Sum256(paper("sopimus"))
	d.steps = []*step{
		{name: "a package in parts", do: func() error {
			if err := d.send(parts, fourth, true); err != nil {
				return err
			}
			return d.checked(parts, planned)
		}},
		{name: "a check", do: func() error { return d.checked(whole, planned) }},
		{name: "an import", do: func() error {
			path := "/oppilastiedot/" + plan.ID
			if a := d.post(path+"/tuo", map[string]string{"initial": "1"}); a.Status != 303 {
				return fmt.Errorf("%d %s", a.Status, a.Body)
			}
			return d.told(path, func(_, body string) bool { return strings.Contains(body, "Tuotu") })
		}},
		{name: "a delivery", idle: longest, do: func() error {
			_, err := d.svc.Inbox(background, d.tenant, nil)
			if err == nil && d.count("select count(*)::int from t_alpha.roster_delivery where moved_at is null") > 0 {
				err = errors.New("the delivery lies there")
			}
			return away(err)
		}},
		{name: "evidence handed in", do: func() error { return d.hand("data-processing", "liite") }},
		{name: "evidence read", do: func() error {
			a := d.site.Get(d, webtest.Alpha, admin, "/liittyminen/tiedosto/"+hex.EncodeToString(agreed[:]))
			if a.Status == 200 && a.Body != string(paper("sopimus")) {
				return errors.New("another content")
			}
			return d.clear(a)
		}},
		{name: "an export", idle: longest, do: d.export},
		{name: "a restore", do: d.restore},
		{name: "pruning", idle: longest, do: d.prune},
	}
	return d
}

func pack(b []byte) roster.Package {
	return roster.Package{Name: "x.zip", Content: bytes.NewReader(b), Size: int64(len(b))}
}

// hand gives a file in on the page.
func (d *day) hand(requirement, mark string) error {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("csrf", web.Masked(webtest.CSRF))
	f, err := w.CreateFormFile("file", mark+".pdf")
	if err == nil {
		_, err = f.Write(paper(mark))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return d.clear(d.site.Send(d, webtest.Alpha, admin, "/liittyminen/"+requirement, w.FormDataContentType(), &b))
}

// checked begins the check of a package, where nobody has, and follows it.
func (d *day) checked(id string, done func(at, body string) bool) error {
	path := "/oppilastiedot/paketti/" + id
	at, _ := d.settled(path)
	if done(at, "") {
		return nil
	}
	a := d.post(path+"/tarkista", nil)
	if a.Status != 303 {
		return fmt.Errorf("%d %s", a.Status, a.Body)
	}
	return d.told(path, done)
}

// old lays out what is pruned months later, at the twin.
func (d *day) old(first, second []byte) {
	d.Helper()
	twin, _ := d.e.DB.ByID(dbtest.Beta)
	_, err := d.svc.Plan(background, twin, pack(first), roster.Options{}, "x", nil)
	d.check(err)
	u, err := d.svc.BeginUpload(background, twin, "x.zip", int64(len(second)), "x", roster.Options{}, "x")
	d.check(err)
	for n := range 2 {
		_, err = d.svc.PutPart(background, twin, u.ID, n, bytes.NewReader(second[n*d.svc.Part:(n+1)*d.svc.Part]), "x")
		d.check(err)
	}
}

func (d *day) prune() error {
	twin, _ := d.e.DB.ByID(dbtest.Beta)
	later := *d.svc
	later.Now = func() time.Time { return time.Now().AddDate(0, 0, 100) }
	return away(roster.Tasks{Desk: roster.NewDesk(&later, nil)}.Prune(background, twin))
}

func (d *day) save() {
	d.Helper()
	name := filepath.Join(d.TempDir(), "saved.zip")
	_, _, err := d.moves.ExportFile(background, d.tenant, name)
	d.check(err)
	d.saved, err = transfer.OpenFile(background, name)
	d.check(err)
	d.Cleanup(func() { _ = d.saved.Close() })
}

func (d *day) export() error {
	_, _, err := d.moves.ExportFile(background, d.tenant, d.out)
	if _, serr := os.Stat(d.out); err != nil && serr == nil {
		return errors.New("half an export lies there")
	}
	if err != nil {
		return away(err)
	}
	f, err := transfer.OpenFile(background, d.out)
	if err != nil {
		return err
	}
	return f.Close()
}

func (d *day) restore() error {
	spec, _, err := d.moves.Spec(background, d.saved.Manifest, d.copy)
	if err != nil {
		return err
	}
	_, err = d.moves.Restore(background, spec, d.saved, nil)
	if t, ferr := d.e.Operator.Find(background, d.copy); err != nil && ferr == nil && t.State != tenancy.Provisioning {
		return fmt.Errorf("half a tenant is %s", t.State)
	}
	return away(err)
}

// under does everything while the store has a way, and again afterwards.
func (d *day) under(w way, breaks int) {
	d.Helper()
	before := runtime.NumGoroutine()
	stop := d.watch()
	d.proxy.be(w)
	noticed := 0
	for _, s := range d.steps {
		d.mu.Lock()
		d.now = s
		d.mu.Unlock()
		began := time.Now()
		err := s.do()
		s.took = time.Since(began)
		switch {
		case errors.Is(err, errAway):
			s.away = true
			noticed++
			if s.took > longest {
				d.Errorf("%s: %s until it was said", s.name, s.took)
			}
		case err != nil:
			d.Errorf("%s: %v", s.name, err)
			s.away = true
		}
		d.mu.Lock()
		d.Logf("%-20s away %-5t %s, idle %s", s.name, s.away, s.took.Round(time.Millisecond), d.idle[s.name].Round(time.Millisecond))
		d.mu.Unlock()
	}
	if err := objects.Reach(background, d.store); breaks == len(d.steps) && away(err) != errAway {
		d.Errorf("what the doctor sees: %v", err)
	}
	if a := d.site.Get(d, webtest.Alpha, admin, "/readyz"); a.Status != 200 {
		d.Errorf("not ready: %d", a.Status)
	}
	stop()
	if noticed < breaks {
		d.Errorf("%d steps noticed, want %d", noticed, breaks)
	}
	d.noRowAlone("under it")
	d.proxy.be(way{})
	d.awaken()
	for _, s := range d.steps {
		if !s.away {
			continue
		}
		if err := s.do(); err != nil {
			d.Errorf("%s, again: %v", s.name, err)
		}
	}
	d.whole()
	if d.most > before+150 {
		d.Errorf("up to %d goroutines, %d before", d.most, before)
	}
	d.Logf("%d of %d steps noticed; %d pages without files, the slowest %s; up to %d goroutines, %d before", noticed, len(d.steps), d.seen, d.slow.Round(time.Millisecond), d.most, before)
}

// watch asks for pages that need no file, and looks at transactions that wait.
func (d *day) watch() (stop func()) {
	d.Helper()
	look, err := pgx.Connect(background, d.e.DSN)
	d.check(err)
	over := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(every time.Duration, f func()) {
		wg.Go(func() {
			for tick := time.NewTicker(every); ; {
				f()
				select {
				case <-over:
					tick.Stop()
					return
				case <-tick.C:
				}
			}
		})
	}
	loop(50*time.Millisecond, func() {
		began := time.Now()
		a := d.site.Get(d, webtest.Alpha, admin, "/oppilastiedot")
		d.mu.Lock()
		defer d.mu.Unlock()
		d.seen++
		if d.slow = max(d.slow, time.Since(began)); a.Status != 200 {
			d.Errorf("a page without files: %d", a.Status)
		}
	})
	loop(20*time.Millisecond, func() {
		var waits float64
		err := look.QueryRow(background, `select coalesce(max(extract(epoch from clock_timestamp() - state_change)), 0)::float8
		  from pg_stat_activity where datname = current_database() and state = 'idle in transaction'`).Scan(&waits)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.most = max(d.most, runtime.NumGoroutine())
		if err == nil && d.now != nil {
			d.idle[d.now.name] = max(d.idle[d.now.name], time.Duration(waits*float64(time.Second)))
		}
	})
	return func() {
		close(over)
		wg.Wait()
		_ = look.Close(background)
		for _, s := range d.steps {
			if is := d.idle[s.name]; is > max(inTransaction, s.idle) {
				d.Errorf("%s: a transaction waited for %s", s.name, is)
			}
		}
		if d.slow > 3*time.Second {
			d.Errorf("a page without files took %s", d.slow)
		}
	}
}

func (d *day) noRowAlone(when string) {
	d.Helper()
	for schema, id := range map[string]tenancy.ID{"t_alpha": dbtest.Alpha, "t_beta": dbtest.Beta} {
		missing, stray := d.compared(schema, id)
		if len(missing) > 0 {
			d.Errorf("%s: %s: rows without an object: %q", when, schema, missing)
		}
		d.Logf("%s: %s: objects without a row: %q", when, schema, stray)
	}
}

// whole compares what is there in the end with what was to be done: each thing once.
func (d *day) whole() {
	d.Helper()
	for sql, want := range map[string]int{
		"select count(*)::int from t_alpha.roster_import where state = 'applied'":                       3,
		"select count(*)::int from t_alpha.roster_import where state = 'failed' or failure <> ''":       0,
		"select count(*)::int from t_alpha.roster_upload where state = 'planned'":                       2,
		"select count(*)::int from t_alpha.roster_upload":                                               2,
		"select count(*)::int from t_alpha.roster_delivery where state = 'done' and attempts = 1":       1,
		"select count(*)::int from t_alpha.roster_delivery":                                             1,
		"select count(*)::int from t_alpha.object where key like 'joining/%'":                           2,
		"select count(*)::int from t_alpha.object where key like 'uploads/%'":                           0,
		"select count(*)::int from control.join_event where kind = 'attested' and evidence is not null": 2,
		"select count(*)::int from t_beta.object":                                                       0,
	} {
		if n := d.count(sql); n != want {
			d.Errorf("%s: %d, want %d", sql, n, want)
		}
	}
	copied, err := d.e.Operator.Find(background, d.copy)
	d.check(err)
	for schema, id := range map[string]tenancy.ID{"t_alpha": dbtest.Alpha, "t_beta": dbtest.Beta, copied.Schema: copied.ID} {
		if missing, stray := d.compared(schema, id); len(missing)+len(stray) > 0 {
			d.Errorf("in the end: %s: rows without an object %q, objects without a row %q", schema, missing, stray)
		}
	}
	if n := d.count("select count(*)::int from " + pgx.Identifier{copied.Schema}.Sanitize() + ".object"); n != len(d.saved.Manifest.Objects) || n == 0 {
		d.Errorf("restored: %d objects of %d", n, len(d.saved.Manifest.Objects))
	}
	if list, refused, err := d.svc.Look(background, d.tenant); err != nil || len(list)+len(refused) > 0 {
		d.Errorf("left in the inbox: %v %q %v", list, refused, err)
	}
}
