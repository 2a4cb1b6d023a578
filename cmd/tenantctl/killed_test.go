package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/web/webtest"
)

// interrupted runs the program and signals it after a while. It returns what was
// said, and whether the signal came before the end.
func (s *shell) interrupted(sig syscall.Signal, after time.Duration, args ...string) (answer, bool) {
	s.Helper()
	var said bytes.Buffer
	cmd := s.command(&said, &said, args...)
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Signal(sig) })
	_ = cmd.Wait()
	timer.Stop()
	a := s.heard(answer{cmd.ProcessState.ExitCode(), "", said.String()})
	return a, a.code != 0
}

// moments are n points of time in a run, one in each of n equal parts of it.
func moments(n int, run time.Duration) (list []time.Duration) {
	for i := range n {
		list = append(list, time.Duration((0.02+0.9*(float64(i)+rand.Float64())/float64(n))*float64(run)))
	}
	rand.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// settled waits until PostgreSQL has noticed that an importer is gone.
func (s *shell) settled(slug string) {
	s.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, house.server.DSN())
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	const q = `select not exists (select from pg_locks where locktype = 'advisory' and (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0))`
	eventually(s, "the killed import's transaction ends", 10*time.Second, func() (free bool) {
		if err := conn.QueryRow(ctx, q, "t_"+strings.ReplaceAll(slug, "-", "_")+" roster").Scan(&free); err != nil {
			s.Fatal(err)
		}
		return free
	})
}

// imports counts the applied ones.
func (s *shell) imports(slug string) (n int) {
	s.Helper()
	for _, p := range object[[]plan](s, s.ok("roster", "history", slug, "-o", "json")) {
		if p.Applied {
			n++
		}
	}
	return n
}

// ran runs the program, which must go well, and returns how long it took.
func (s *shell) ran(args ...string) time.Duration {
	s.Helper()
	began := time.Now()
	if a := s.process(args...); a.code != 0 {
		s.Fatalf("%v: %s", args, a)
	}
	return time.Since(began)
}

// export writes a tenant's roster by the program: it is large.
func (s *shell) export(slug string) (file string) {
	s.Helper()
	file = filepath.Join(s.TempDir(), "export.zip")
	s.ran("roster", "export", slug, "--out", file)
	return file
}

// TestKilledImport: whenever an import is killed, the old roster stands, and the
// next import makes the same of it as one that was never killed.
func TestKilledImport(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills many imports")
	}
	s := newShell(t)
	slug, twin := s.town("killed"), s.town("twin")
	first, night := s.generated(3000), s.generated(3000, "--mutate", "8%")
	initial := func(slug string) []string { return []string{"roster", "import", slug, first, "--initial"} }
	nightly := func(slug string) []string {
		return []string{"roster", "import", slug, night, "--approve", "--reason", "test"}
	}
	firstTime := s.ran(initial(twin)...)
	wantFirst := s.export(twin)
	nightTime := s.ran(nightly(twin)...)
	wantNight := s.export(twin)
	t.Logf("uninterrupted: first %s, night %s", firstTime, nightTime)

	killed := 0
	for _, after := range moments(2, firstTime) {
		s.interrupted(syscall.SIGKILL, after, initial(slug)...)
		s.settled(slug)
		if s.imports(slug) == 1 { // it had just been committed
			t.Logf("%s was too late", after)
			break
		}
		killed++
		if got := contents(t, s.export(slug)); len(got) != 0 {
			t.Fatalf("killed after %s, a first import has left %d files", after, len(got))
		}
	}
	if s.imports(slug) == 0 {
		s.ran(initial(slug)...)
	}
	sameRoster(t, "the first import in the end", contents(t, s.export(slug)), contents(t, wantFirst))

	k := &victim{shell: s, slug: slug, line: nightly(slug), night: night}
	k.begin()
	for _, after := range slices.Concat(moments(4, nightTime), moments(4, nightTime/2)) {
		if killed < 6 && k.strike(syscall.SIGKILL, after) {
			killed++
		}
	}
	if killed < 6 {
		t.Errorf("only %d imports were killed in time", killed)
	}
	for _, after := range moments(2, nightTime/2) { // not before the program listens to signals
		k.strike(syscall.SIGINT, after+nightTime/5)
	}
	s.ran(nightly(slug)...)
	sameRoster(t, "the night in the end", contents(t, s.export(slug)), contents(t, wantNight))

	s.discreet(unzipped(t, night))
	log, err := os.ReadFile(filepath.Join(s.data, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.Index(log, []byte("@edu.town.example")); i >= 0 {
		t.Errorf("PostgreSQL's log holds data of people: %.300s", log[max(0, i-200):])
	}
}

// victim is a tenant with a roster that is to stand while imports are struck down.
type victim struct {
	*shell
	slug, night string
	line        []string
	imports     int
	roster      map[string]uint32
	changes     map[string]map[string]int
}

func (k *victim) begin() {
	k.Helper()
	k.imports, k.roster, k.changes = k.shell.imports(k.slug), sums(k, k.export(k.slug)), k.planned()
}

func (k *victim) planned() map[string]map[string]int {
	k.Helper()
	return object[plan](k, k.process("roster", "plan", k.slug, k.night, "-o", "json").out).Changes
}

// strike begins the import, strikes it down and checks that nothing has changed.
// When it came too late that is taken back, and the answer is false.
func (k *victim) strike(sig syscall.Signal, after time.Duration) bool {
	k.Helper()
	a, inTime := k.interrupted(sig, after, k.line...)
	k.settled(k.slug)
	if k.shell.imports(k.slug) != k.imports {
		k.Logf("%s after %s was too late", sig, after)
		if sig == syscall.SIGINT && a.code != 0 {
			k.Errorf("applied, and yet: %s", a)
		}
		newest := object[[]plan](k, k.ok("roster", "history", k.slug, "--limit", "1", "-o", "json"))[0]
		k.ran("roster", "rollback", k.slug, newest.Import)
		k.begin()
		return false
	}
	if !inTime {
		k.Errorf("%s after %s: nothing was applied, and yet: %s", sig, after, a)
	}
	if sig == syscall.SIGINT && (a.code != 2 || !strings.Contains(a.err, "cancelled; nothing was changed")) {
		k.Errorf("interrupted after %s: %s", after, a)
	}
	if got := sums(k, k.export(k.slug)); !maps.Equal(got, k.roster) {
		k.Errorf("%s after %s has changed the roster: %v, want %v", sig, after, got, k.roster)
	}
	if got := k.planned(); !reflect.DeepEqual(got, k.changes) {
		k.Errorf("%s after %s: another plan: %v, want %v", sig, after, got, k.changes)
	}
	return true
}

// TestKilledCreate: a tenant whose making was killed serves nobody, the doctor
// names it, and the same command finishes it.
func TestKilledCreate(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills many processes")
	}
	s := newShell(t)
	file := s.generated(60)
	create := func() (slug string, args []string) {
		c := code()
		return "broken-" + c, []string{"tenant", "create", "broken-" + c, "--name-fi", "Broken", "--municipality-code", c}
	}
	_, args := create()
	run := s.ran(args...)
	killed, half := 0, 0
	for n := 0; n < 40 && (killed < 8 || half < 2); n++ {
		slug, args := create()
		after := moments(1, run)[0]
		began := time.Now()
		if _, inTime := s.interrupted(syscall.SIGKILL, after, args...); inTime {
			killed++
		} else {
			run = min(run, time.Since(began)) // the machine was slow when it was timed
		}
		if s.finished(slug, file, args) {
			half++
		}
	}
	t.Logf("%d killed, %d of them half made; uninterrupted %s", killed, half, run)
	if killed < 6 || half == 0 {
		t.Errorf("%d were killed in time, %d were half made", killed, half)
	}
	slug, args := create()
	if a, inTime := s.interrupted(syscall.SIGINT, run*3/5, args...); inTime && (a.code != 2 && a.code != -1 || a.code == 2 && !strings.Contains(a.err, "run the command again")) {
		t.Errorf("interrupted: %s", a)
	}
	s.ok(append(args, "-o", "json")...)
	s.ok("doctor", slug)
}

// finished looks at a tenant whose making was killed, makes it again and checks
// that it is whole. It tells whether it was half made.
func (s *shell) finished(slug, file string, create []string) (half bool) {
	s.Helper()
	shown := s.run("tenant", "show", slug, "-o", "json")
	if shown.code != 0 && !strings.Contains(shown.err, "no such tenant") {
		s.Errorf("killed: %s", shown)
	}
	if shown.code == 0 {
		o := object[fields](s, shown.out)
		if (o["state"] == "active") != (o["routable_at"] != nil) {
			s.Errorf("killed: %v", o)
		}
		if half = o["state"] == "provisioning"; half {
			s.halfMade(slug, file)
		}
		create = create[:3] // what is known need not be said again
	}
	// PostgreSQL may still be at work for the process that is gone.
	eventually(s, "the same command finishes "+slug, 10*time.Second, func() bool {
		a := s.run(create...)
		if a.code != 0 {
			s.Logf("made again at once: %s", a)
		}
		return a.code == 0 || !strings.Contains(a.err, "run the command again")
	})
	o := object[fields](s, s.ok("tenant", "show", slug, "-o", "json"))
	if o["state"] != "active" || o["routable_at"] == nil || fmt.Sprint(o["hosts"]) != "["+slug+".localhost]" {
		s.Errorf("killed and made again: %v", o)
	}
	s.ok("doctor", slug)
	return half
}

// halfMade checks what is said of a tenant that was begun.
func (s *shell) halfMade(slug, file string) {
	s.Helper()
	a := s.run("doctor", slug, "-o", "json")
	list := object[[]fields](s, a.out)
	if a.code != 1 || len(list) != 1 || list[0]["ok"] != false || list[0]["found"] == "" || list[0]["next"] != "run: tenantctl tenant create "+slug {
		s.Errorf("doctor of a half-made tenant: %s", a)
	}
	s.refused(1, "is not provisioned yet; run: tenantctl tenant create "+slug, "roster", "import", slug, file)
	s.refused(1, "run: tenantctl tenant create "+slug, "tenant", "resume", slug)
}

// TestKilledJoin: whenever a step of joining is killed, running it again makes the
// same history as one that was never killed, and the twin's is untouched.
func TestKilledJoin(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills many steps")
	}
	s := newShell(t)
	killed, twin := s.town("killed"), s.town("twin")
	roster := s.generated(60)
	paper := write(t, filepath.Join(t.TempDir(), "sopimus.pdf"), webtest.PDF(""))
	steps := func(slug string) [][]string {
		return [][]string{
			{"join", "start", slug, "--wave", "w"},
			{"join", "attest", slug, "agreement", "rulebook", "contacts", "--evidence", paper, "--signer", "Maija", "--actor", "olli"},
			{"join", "approve", slug, "--actor", "paula"},
			{"roster", "import", slug, roster, "--initial"},
			{"join", "waive", slug, "provider", "--reason", "koe", "--actor", "olli"},
			{"join", "approve", slug, "provider", "--actor", "paula"},
			{"join", "advance", slug},
		}
	}
	history := func(slug string) string {
		t.Helper()
		ctx := context.Background()
		conn, err := pgx.Connect(ctx, house.server.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		var out string
		err = conn.QueryRow(ctx, `
select string_agg(concat_ws(' ', e.kind, e.requirement, e.side, e.name, e.reason, e.evidence ->> 'sha256', e.measurement ->> 'ok'), E'\n' order by e.id)
  from control.join_event e
  join control.tenant t on t.id = e.tenant
 where t.slug = $1`, slug).Scan(&out)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for _, line := range steps(twin) {
		if a := s.process(line...); a.code != 0 && a.code != 8 {
			t.Fatalf("%v: %s", line, a)
		}
	}
	want := history(twin)
	n := 0
	for i, line := range steps(killed) {
		for _, after := range moments(2, 120*time.Millisecond) {
			if _, before := s.interrupted(syscall.SIGKILL, after, line...); before {
				n++
			}
		}
		if i == 3 {
			s.settled(killed)
			if s.imports(killed) == 1 {
				continue
			}
		}
		if a := s.process(line...); a.code != 0 && a.code != 8 {
			t.Fatalf("%v after a kill: %s", line, a)
		}
	}
	t.Logf("%d kills", n)
	if got := history(killed); got != want {
		t.Errorf("after the kills:\n%s\nwithout:\n%s", got, want)
	}
	if got := history(twin); got != want {
		t.Error("the twin's history changed")
	}
}
