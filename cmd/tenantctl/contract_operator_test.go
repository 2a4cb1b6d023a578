package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"digione/internal/tenancy/embedded"
)

// The tests that look at the whole fleet run alone, before the parallel ones:
// those make and break tenants.

func TestFleet(t *testing.T) {
	s := newShell(t)
	one, two := s.town("fleet"), s.town("fleet")

	out := s.ok("verify", "isolation", "-o", "json")
	c := object[fields](t, out)
	named(t, "the certificate", c, "time version server tenants cells pairs clusters checks violations")
	tenants := c["tenants"].(float64)
	if tenants < 2 || c["pairs"] != tenants*(tenants-1) || len(c["violations"].([]any)) != 0 || len(c["checks"].([]any)) < 10 {
		t.Errorf("certificate: %s", out)
	}
	if at, err := time.Parse(time.RFC3339, c["time"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time: %v, %v", c["time"], err)
	}
	for _, k := range c["checks"].([]any) {
		named(t, "a check", k.(fields), "cluster name meaning examined violations")
	}

	sick := func(args ...string) []fields {
		t.Helper()
		a := s.run(append([]string{"doctor", "-o", "json"}, args...)...)
		list := object[[]fields](t, a.out)
		var bad []fields
		for _, d := range list {
			named(t, "doctor", d, "tenant check ok found next")
			if d["ok"] == false {
				bad = append(bad, d)
			} else if d["next"] != "" {
				t.Errorf("a next step where nothing is wrong: %v", d)
			}
		}
		if (a.code == 1) != (len(bad) > 0) || len(list) < 4 {
			t.Errorf("doctor %v: %s", args, a)
		}
		return bad
	}
	if bad := append(sick(), sick(one)...); len(bad) != 0 {
		t.Errorf("doctor of a healthy fleet: %v", bad)
	}

	status := object[[]fields](t, s.ok("migrate", "status", "-o", "json"))
	n := 0.0
	for _, v := range status {
		named(t, "migrate status", v, "ring version tenants behind")
		if v["behind"] != false {
			t.Errorf("behind: %v", v)
		}
		n += v["tenants"].(float64)
	}
	if n != tenants {
		t.Errorf("migrate status counts %v of %v tenants", n, tenants)
	}
	for _, args := range [][]string{nil, {"--ring", "canary"}, {"--tenant", two}, {"--parallel", "8"}, {"--dry-run"}} {
		if a := s.run(append([]string{"migrate", "up", "-o", "json"}, args...)...); a.code != 0 || a.out != "" || a.err != "all tenants are on this version\n" {
			t.Errorf("migrate up %v of a current fleet: %s", args, a)
		}
	}
	if a := s.refused(2, `"last" for "--ring" flag: use canary, early, half or all`, "migrate", "up", "--ring", "last"); strings.Contains(a.err, "all tenants are") {
		t.Errorf("an unknown ring: %s", a)
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	c := code()
	slug := "audit-" + c
	s.ok("tenant", "create", slug, "--name-fi", "A", "--municipality-code", c, "--actor", "maija")
	s.run("roster", "import", slug, s.generated(60), "--actor", "ville")           // held
	s.run("roster", "import", slug, filepath.Join(t.TempDir(), "x"))               // failed
	s.imported(slug, s.generated(60), "--initial", "--actor", "ville")             // done
	s.ok("roster", "rollback", slug, "imp_1", "--dry-run")                         // not noted
	s.ok("tenant", "suspend", slug, "--dry-run")                                   // not noted
	s.ok("roster", "export", slug, "--out", filepath.Join(t.TempDir(), "out.zip")) // noted: data goes out
	list := object[[]fields](t, s.ok("audit", "--tenant", slug, "-o", "json"))
	var got []string
	runs := map[any]int{}
	for _, e := range list {
		named(t, "audit", e, "at actor command tenant phase run outcome detail")
		runs[e["run"]]++
		if e["phase"] == "end" {
			got = append(got, fmt.Sprint(e["command"], " by ", e["actor"], ": ", e["outcome"]))
		}
		if at, err := time.Parse(time.RFC3339, e["at"].(string)); err != nil || time.Since(at) > 5*time.Minute {
			t.Errorf("at: %v, %v", e["at"], err)
		}
	}
	me := list[0]["actor"]
	want := []string{fmt.Sprintf("roster export by %s: done", me), "roster import by ville: done", fmt.Sprintf("roster import by %s: failed", me),
		"roster import by ville: held", "tenant create by maija: done"}
	if !slices.Equal(got, want) || me == "" || me == "ville" {
		t.Errorf("audit: %q, want %q", got, want)
	}
	for run, n := range runs {
		if n != 2 {
			t.Errorf("run %v has %d lines, want begin and end", run, n)
		}
	}
	if i := slices.IndexFunc(list, func(e fields) bool { return e["outcome"] == "failed" }); i < 0 || !strings.Contains(fmt.Sprint(list[i]["detail"]), "no such file") {
		t.Errorf("the failed one has no reason: %v", list)
	}
	if got := object[[]fields](t, s.ok("audit", "--tenant", slug, "--limit", "3", "-o", "json")); len(got) != 3 {
		t.Errorf("--limit 3: %d", len(got))
	}
	// A reason of several lines is one row of the table.
	s.run("tenant", "create", "nobody", "--name-fi", "N", "--municipality-code", "9", "--ring", "x")
	for line := range strings.Lines(s.ok("audit", "--tenant", "nobody")) {
		if strings.Count(line, "\t") != 6 {
			t.Errorf("a row of %d columns: %q", strings.Count(line, "\t")+1, line)
		}
	}
	s.discreet(unzipped(t, s.generated(60)))
}

func TestOperators(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	issuer := "https://login.example/" + code()
	add := []string{"operator", "add", "--issuer", issuer, "--subject", "s1", "--name", "Maija M", "--actor", "pekka", "-o", "json"}
	s.ok(append(add, "--dry-run")...)
	mine := func() (list []fields) {
		t.Helper()
		for _, o := range object[[]fields](t, s.ok("operator", "list", "-o", "json")) {
			named(t, "operator", o, "id issuer subject name email role added_by created_at ended_at")
			if o["issuer"] == issuer {
				list = append(list, o)
			}
		}
		return list
	}
	if got := mine(); len(got) != 0 {
		t.Errorf("a dry run has added %v", got)
	}
	first := object[fields](t, s.ok(add...))
	again := object[fields](t, s.ok(append(add, "--role", "viewer")...))
	if first["id"] != again["id"] || first["role"] != "operator" || again["role"] != "viewer" || first["added_by"] != "pekka" {
		t.Errorf("added %v, then %v", first, again)
	}
	s.ok("operator", "end", fmt.Sprint(first["id"]))
	if got := mine(); len(got) != 1 || got[0]["ended_at"] == nil {
		t.Errorf("ended: %v", got)
	}
	s.refused(5, "role \"admin\": use operator or viewer", "operator", "add", "--issuer", issuer, "--subject", "s2", "--name", "N", "--role", "admin")
	s.refused(1, "see: tenantctl operator list", "operator", "end", "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b")
	s.refused(2, "is no id", "operator", "end", "maija")
	s.refused(5, "kept for the operators' own host", "tenant", "create", "operator", "--name-fi", "O", "--municipality-code", code())
	taken := "taken-" + code()
	s.refused(1, "is the operators' own", "tenant", "create", taken, "--name-fi", "O", "--municipality-code", code(), "--host", "operator.localhost")
	s.refused(2, "belong together", "operator", "list", "--operator-host", "NO.Host", "--config", write(t, filepath.Join(t.TempDir(), "c.yaml"), []byte("operator-issuer: https://x.example\n")))
}

func TestVersion(t *testing.T) {
	t.Parallel()
	s := &shell{T: t}
	o := object[fields](t, s.ok("version", "-o", "json"))
	named(t, "version", o, "version go")
	if out := s.ok("version"); out != fmt.Sprintf("%s\t%s\n", o["version"], o["go"]) {
		t.Errorf("version: %q of %v", out, o)
	}
}

// TestDatabaseURL: the server outlives the command that prints its URL, and ends
// with the next one; and processes share it meanwhile.
func TestDatabaseURL(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes a server of its own")
	}
	psql := "psql"
	if bin, err := embedded.Binaries(); err == nil {
		psql = filepath.Join(bin, "psql")
	}
	dir, err := folder()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{T: t, data: dir}
	out := s.process("database", "url")
	url := strings.TrimSpace(out.out)
	if out.code != 0 || !strings.HasPrefix(url, "postgres://") {
		t.Fatalf("database url: %s", out)
	}
	cluster, err := clusterOf(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pid := postmaster(cluster); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGQUIT)
			eventually(t, "the server ends", 20*time.Second, func() bool { return postmaster(cluster) == 0 })
		}
		if err := removeData(dir, cluster); err != nil {
			t.Error(err)
		}
	})
	query := func() (string, error) {
		b, err := exec.Command(psql, "-XAtc", "select count(*) from control.tenant", url).CombinedOutput()
		return strings.TrimSpace(string(b)), err
	}
	if got, err := query(); err != nil || got != "0" {
		t.Fatalf("psql after the command has ended: %s, %v", got, err)
	}
	pid := postmaster(cluster)
	if o := s.process("database", "url", "-o", "json"); object[fields](t, o.out)["url"] != url || postmaster(cluster) != pid {
		t.Errorf("asked again: %s; server %d, then %d", o, pid, postmaster(cluster))
	}
	if o := s.process("tenant", "list", "-o", "json"); o.code != 0 || o.out != "[]\n" {
		t.Errorf("tenant list: %s", o)
	}
	if now := postmaster(cluster); now != 0 {
		t.Errorf("the last to use the server has left it running: %d", now)
	}
	if got, err := query(); err == nil {
		t.Errorf("psql after the server has ended: %s", got)
	}

	// Eight at once begin with a stopped server and end with a stopped one.
	codes := make(chan answer, 8)
	for i := range cap(codes) {
		go func() {
			codes <- s.process("tenant", "create", fmt.Sprintf("many%d", i%4), "--name-fi", "M", "--municipality-code", fmt.Sprintf("%03d", i%4))
		}()
	}
	for range cap(codes) {
		if a := <-codes; a.code != 0 {
			t.Errorf("at once: %s", a)
		}
	}
	if now := postmaster(cluster); now != 0 {
		t.Errorf("the last of many has left the server running: %d", now)
	}
	var list []fields
	if a := s.process("tenant", "list", "-o", "json"); json.Unmarshal([]byte(a.out), &list) != nil || len(list) != 4 {
		t.Errorf("made at once: %s", a)
	}
}

// postmaster returns the process of a server, 0 when it does not run.
func postmaster(cluster string) (pid int) {
	b, err := os.ReadFile(filepath.Join(cluster, "postmaster.pid"))
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(b), &pid); err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := &shell{T: t}
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "digione.yaml"), []byte("host-suffix: NO.Host\nlog-level: loud\ndata: "+filepath.Join(dir, "data")+"\n"))
	a := s.refused(2, "--host-suffix", "tenant", "list", "--config", config, "--database-url", "mysql://x", "--kms-key", "a", "--master-key-file", "b")
	for _, w := range []string{"--log-level \"loud\"", "--database-url is no PostgreSQL URL; an example: postgres://", "--kms-key and --master-key-file exclude each other"} {
		if !strings.Contains(a.err, w) {
			t.Errorf("not told: %s: %s", w, a)
		}
	}
	s.refused(2, "see --config", "tenant", "list", "--config", filepath.Join(dir, "none.yaml"))
	if a := s.refused(1, "connect database", "tenant", "list", "--data", dir, "--database-url", "postgres://u:geheim@127.0.0.1:1/x"); strings.Contains(a.err, "geheim") {
		t.Errorf("tells the password: %s", a)
	}
	// The usual file is found where the program runs, and the program beside it,
	// which is called digione as well, is not taken for it.
	beside := func(name, content string) answer {
		t.Helper()
		here := t.TempDir()
		write(t, filepath.Join(here, name), []byte(content))
		var out, errOut bytes.Buffer
		cmd := s.command(&out, &errOut, "tenant", "list", "--database-url", "postgres://127.0.0.1:1/x", "--data", here)
		cmd.Dir = here
		_ = cmd.Run()
		return answer{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
	}
	if a := beside("digione.yaml", "log-level: loud\n"); a.code != 2 || !strings.Contains(a.err, "--log-level") {
		t.Errorf("digione.yaml is not read: %s", a)
	}
	if a := beside("digione", "\x7fELF\x00\x01"); a.code != 1 || !strings.Contains(a.err, "connect database") {
		t.Errorf("beside the program: %s", a)
	}
}

// TestLogSays: the operator log says what was changed, by ids, keys and flags; what
// apply does stands with each tenant that it was done to.
func TestLogSays(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	c := code()
	slug, file := "kirjattu-"+c, filepath.Join(t.TempDir(), "t.yaml")
	manifest := func(name string) {
		write(t, file, fmt.Appendf(nil, "slug: %s\nname_fi: %s\nmunicipality_code: \"%s\"\nhosts: [%s.example]\n", slug, name, c, slug))
	}
	manifest("Kirjattu")
	s.ok("apply", "-f", file)
	manifest("Toisin")
	s.ok("apply", "-f", file)
	s.ok("apply", "-f", file) // nothing to do: nothing of the tenant's
	held := s.run("roster", "import", slug, s.generated(60), "-o", "json")
	plan := object[plan](t, held.out).Plan
	s.ok("roster", "apply", slug, plan, "--initial", "--approve", "--reason", "tarkistettu käsin")
	s.ok("roster", "rollback", slug, "imp_1", "--force", "--reason", "väärä lukuvuosi")
	again := object[fields](t, s.ok("roster", "plan", slug, s.generated(60), "-o", "json"))["plan"]
	s.ok("roster", "close", slug, fmt.Sprint(again))
	s.run("roster", "edit", slug, "users", "nobody", "givenName", "Salainen")
	s.run("join", "start", slug, "--wave", "2027-kevat")
	var got []string
	for _, e := range object[[]fields](t, s.ok("audit", "--tenant", slug, "-o", "json")) {
		if e["phase"] == "end" {
			got = append(got, fmt.Sprint(e["command"], " ", e["outcome"], ": ", e["detail"]))
		}
	}
	slices.Reverse(got)
	want := []string{"apply done: create", "apply done: update, name_fi", "roster import held: plan " + plan + ": ",
		"roster apply done: plan " + plan + ", --initial, --approve, reason: tarkistettu käsin, import imp_1",
		"roster rollback done: import imp_1, --force, a reason was given, taken back as imp_2", "roster plan done: plan " + fmt.Sprint(again),
		"roster close done: plan " + fmt.Sprint(again), "roster edit failed: ", "join start done: --wave"}
	if len(got) != len(want) {
		t.Fatalf("%d entries:\n%s", len(got), strings.Join(got, "\n"))
	}
	for i, w := range want {
		if !strings.HasPrefix(got[i], w) || strings.HasSuffix(w, plan) && got[i] != w {
			t.Errorf("entry %d: %s, want %s", i, got[i], w)
		}
	}
	if all := strings.Join(got, " "); strings.Contains(all, "Salainen") || strings.Contains(all, "Toisin") || strings.Contains(all, "väärä") {
		t.Errorf("a value is in the log: %s", all)
	}
}
