package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	verdictFields = "file valid version rows errors totals repairs"
	findingFields = "code severity file line column field message expected excerpt repair folded"
	planFields    = `plan import tenant state kind undoes source source_sha256 version held holds changes conflicts rekeyed findings repairs
		rows planned_by planned_at approved_by reason applied_by applied_at seconds options applied`
	holdFields  = "rule type school school_name count of limit share message"
	countFields = "insert update remove reactivate unchanged"
)

// verdicts reads what validate prints: one object per line and file.
func verdicts(t testing.TB, out string) (list []fields) {
	t.Helper()
	for line := range strings.Lines(out) {
		o := object[fields](t, line)
		want := verdictFields
		if o["problem"] != nil {
			want += " problem"
		}
		named(t, "validate", o, want)
		for _, f := range o["errors"].([]any) {
			named(t, "a finding", f.(fields), findingFields)
		}
		list = append(list, o)
	}
	return list
}

func TestRosterValidate(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.data = "" // offline: no data folder, no database
	offline := []string{"--data", filepath.Join(t.TempDir(), "none")}
	good := s.offline(60)
	bad, noise := unzipped(t, good), write(t, filepath.Join(t.TempDir(), "noise.zip"), []byte("no zip at all"))
	edit(t, bad, "users.csv", func(n int, line string) (string, bool) {
		switch n {
		case 1:
			line = strings.Replace(line, "username", "userName", 1)
		case 3:
			line = strings.Replace(line, "true", "TRUE", 1)
		}
		return line, true
	})

	a := s.run(append(offline, "roster", "validate", good, bad, noise, "-o", "json")...)
	list := verdicts(t, a.out)
	if a.code != 5 || len(list) != 3 || !strings.Contains(a.err, "2 of 3 packages have errors") {
		t.Fatalf("validate: %s", a)
	}
	if o := list[0]; o["file"] != good || o["valid"] != true || o["version"] != "1.2.1" || o["rows"].(fields)["users"].(float64) < 60 || len(o["errors"].([]any)) != 0 {
		t.Errorf("the good one: %v", o)
	}
	if o := list[1]; o["file"] != bad || o["valid"] != false || len(o["errors"].([]any)) != 2 {
		t.Fatalf("the bad one: %v", o)
	}
	header, cell := list[1]["errors"].([]any)[0].(fields), list[1]["errors"].([]any)[1].(fields)
	if header["file"] != "users.csv" || header["line"] != 1.0 || header["code"] != "E211" || header["severity"] != "error" {
		t.Errorf("the header is line 1: %v", header)
	}
	if cell["file"] != "users.csv" || cell["line"] != 3.0 || cell["column"] != 4.0 || cell["field"] != "enabledUser" || cell["code"] != "E306" || cell["message"] == "" {
		t.Errorf("a cell: %v", cell)
	}
	if o := list[2]; o["valid"] != false || o["errors"].([]any)[0].(fields)["code"] != "E101" {
		t.Errorf("no zip: %v", o)
	}

	missing := s.run(append(offline, "roster", "validate", good, filepath.Join(t.TempDir(), "none.zip"), bad, "-o", "json")...)
	if list := verdicts(t, missing.out); missing.code != 1 || len(list) != 3 || list[1]["valid"] != false || !strings.Contains(fmt.Sprint(list[1]["problem"]), "there is no") {
		t.Errorf("a missing file among others: %s", missing)
	}
	if a := s.run(append(offline, "roster", "validate", good, unzipped(t, good), "-o", "json")...); a.code != 0 || a.err != "" {
		t.Errorf("zip and folder, both good: %s", a)
	}
	if a := s.run(append(offline, "roster", "validate", bad)...); a.code != 5 || !strings.Contains(a.err, "users.csv:3:4") || !strings.Contains(a.err, "(E306)") || strings.Count(a.out, "\n") != 1 {
		t.Errorf("as a table: %s", a)
	}
	s.refused(2, "FILE is missing", append(offline, "roster", "validate")...)
	if a := s.run(append(offline, "roster", "validate", bad, "--csv")...); a.code != 5 || !strings.Contains(a.out, bad+",E306,error,users.csv,3,4,enabledUser,") {
		t.Errorf("as CSV: %s", a)
	}

	mendable := unzipped(t, good)
	edit(t, mendable, "users.csv", func(n int, line string) (string, bool) {
		return strings.Replace(line, "true", "TRUE", min(1, max(0, 4-n))), true
	})
	if a := s.run(append(offline, "roster", "validate", mendable, "-o", "json")...); a.code != 5 {
		t.Errorf("strict: %s", a)
	}
	a = s.run(append(offline, "roster", "validate", mendable, "--lenient", "-o", "json")...)
	if o := verdicts(t, a.out)[0]; a.code != 0 || o["valid"] != true || o["repairs"].(fields)["bool-case"] != 2.0 {
		t.Errorf("lenient: %s", a)
	}
	if _, err := os.Stat(offline[1]); err == nil {
		t.Error("validate has made a data folder")
	}
	s.discreet(unzipped(t, good))
}

// offline makes a roster without the house.
func (s *shell) offline(learners int) string {
	s.Helper()
	file := filepath.Join(s.TempDir(), "roster.zip")
	s.ok("roster", "generate", "--tenant", "town", "--learners", fmt.Sprint(learners), "--seed", "7", "--out", file)
	return file
}

func TestRosterFirstImport(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug, other := s.town("first"), s.town("other")
	file := s.generated(120)

	a := s.run("roster", "plan", slug, file, "-o", "json", "--actor", "planner")
	o := object[fields](t, a.out)
	named(t, "a plan", o, planFields)
	p := object[plan](t, a.out)
	if a.code != 8 || !p.Held || p.Applied || p.Tenant != slug || !strings.HasPrefix(p.Plan, "pln_") || p.Import != "" || len(p.SHA256) != 64 || p.PlannedBy != "planner" {
		t.Errorf("plan: %s", a)
	}
	if len(p.Holds) != 1 || p.Holds[0].Rule != "initial" {
		t.Errorf("holds: %+v", p.Holds)
	}
	named(t, "a hold", o["holds"].([]any)[0].(fields), holdFields)
	for kind, c := range o["changes"].(fields) {
		named(t, "changes of "+kind, c.(fields), countFields)
	}
	if p.Changes["users"]["insert"] < 120 || p.total("update")+p.total("remove")+p.total("unchanged") != 0 {
		t.Errorf("changes: %v", p.Changes)
	}
	if a := s.run("roster", "plan", slug, file); a.code != 8 || !strings.Contains(a.err, "Next: tenantctl roster apply "+slug+" pln_") || !strings.Contains(a.err, "--initial") {
		t.Errorf("as a table: %s", a)
	}
	if a := s.run("roster", "import", slug, file, "-o", "json"); a.code != 8 || !object[plan](t, a.out).Held {
		t.Errorf("import without --initial: %s", a)
	}
	if a := s.run("roster", "apply", slug, p.Plan, "-o", "json"); a.code != 8 {
		t.Errorf("apply without --initial: %s", a)
	}
	if users := s.exported(slug)["users.csv"]; len(users) != 0 {
		t.Errorf("held plans have written %d users", len(users))
	}

	s.refused(1, other+" has no plan or import", "roster", "apply", other, p.Plan, "--initial")
	s.refused(1, "see: tenantctl roster history", "roster", "show", other, p.Plan)
	s.refused(1, "see: tenantctl roster history", "roster", "apply", slug, "pln_NOSUCH00", "--initial")
	s.refused(1, "see: tenantctl roster history", "roster", "rollback", slug, "imp_1")

	if dry := object[plan](t, s.ok("roster", "apply", slug, p.Plan, "--initial", "--dry-run", "-o", "json")); dry.State != "held" {
		t.Errorf("apply --dry-run: %+v", dry)
	}
	done := s.ok("roster", "apply", slug, p.Plan, "--initial", "-o", "json", "--actor", "applier")
	named(t, "an import", object[fields](t, done), planFields)
	d := object[plan](t, done)
	if !d.Applied || d.Held || d.Import != "imp_1" || d.Plan != p.Plan || d.AppliedBy != "applier" || d.Seconds <= 0 || d.total("insert") != p.total("insert") || d.Rows != p.Rows {
		t.Errorf("applied: %+v", d)
	}
	sameRoster(t, "what went in comes out", s.exported(slug), contents(t, file))

	s.refused(1, "was applied already, as imp_1", "roster", "apply", slug, p.Plan, "--initial")
	again := s.imported(slug, file)
	if again.Import != "imp_2" || again.changed() != 0 || again.total("unchanged") != p.total("insert") {
		t.Errorf("the same file again: %+v", again)
	}
	folder := s.imported(slug, unzipped(t, file))
	if folder.changed() != 0 || folder.total("unchanged") != p.total("insert") {
		t.Errorf("the same as a folder: %+v", folder)
	}

	history := object[[]fields](t, s.ok("roster", "history", slug, "-o", "json"))
	if len(history) != 5 || history[0]["import"] != "imp_3" || history[4]["plan"] != p.Plan {
		t.Errorf("history: %v", history)
	}
	for _, h := range history {
		named(t, "history", h, planFields)
	}
	if got := object[[]fields](t, s.ok("roster", "history", slug, "--limit", "1", "-o", "json")); len(got) != 1 {
		t.Errorf("history --limit 1: %d", len(got))
	}
	byPlan, byImport := s.ok("roster", "show", slug, p.Plan, "-o", "json"), s.ok("roster", "show", slug, "imp_1", "-o", "json")
	named(t, "show", object[fields](t, byPlan), planFields)
	if byPlan != byImport || object[plan](t, byPlan).State != "applied" {
		t.Errorf("show: %s, by import %s", byPlan, byImport)
	}
	s.discreet(unzipped(t, file))
}

func TestRosterRefusesInput(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("input")
	file := s.generated(60)
	noise := write(t, filepath.Join(t.TempDir(), "noise.zip"), []byte("no zip at all"))
	spoilt := unzipped(t, file)
	edit(t, spoilt, "enrollments.csv", func(n int, line string) (string, bool) {
		return strings.Replace(line, ",student,", ",pupil,", 1), true
	})
	for _, verb := range []string{"plan", "import"} {
		for _, in := range []string{noise, spoilt} {
			a := s.run("roster", verb, slug, in, "-o", "json")
			if o := verdicts(t, a.out); a.code != 5 || o[0]["valid"] != false || len(o[0]["errors"].([]any)) == 0 || !strings.Contains(a.err, "nothing was changed") {
				t.Errorf("%s of %s: %s", verb, in, a)
			}
		}
		if a := s.run("roster", verb, slug, spoilt); a.code != 5 || !strings.Contains(a.err, "enrollments.csv:2:7") || !strings.Contains(a.err, "Nothing was changed.") || a.out != "" {
			t.Errorf("%s, as a table: %s", verb, a)
		}
		s.refused(1, "name a zip, a folder or s3://bucket/key", "roster", verb, slug, filepath.Join(t.TempDir(), "none.zip"))
		s.refused(2, "FILE is missing; usage: tenantctl roster "+verb+" TENANT FILE", "roster", verb, slug)
	}
	s.refused(2, "PLAN is missing", "roster", "apply", slug)
	s.refused(2, "--out is missing: name the zip to write", "roster", "export", slug)
	s.refused(2, `--before "": name a day`, "roster", "purge", slug)
	if h := object[[]fields](t, s.ok("roster", "history", slug, "-o", "json")); len(h) != 0 {
		t.Errorf("refused files have left plans: %v", h)
	}
}

func TestRosterNights(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("night")
	first, second := s.generated(300), s.generated(300, "--mutate", "2%")
	s.imported(slug, first, "--initial")
	old := s.exported(slug)

	stale := object[plan](t, s.ok("roster", "plan", slug, second, "-o", "json"))
	if stale.Held || stale.State != "planned" || stale.changed() == 0 {
		t.Fatalf("an ordinary night: %+v", stale)
	}
	sameRoster(t, "planned", s.exported(slug), old)
	night := s.imported(slug, second)
	if night.changed() != stale.changed() {
		t.Errorf("planned %v, done %v", stale.Changes, night.Changes)
	}
	sameRoster(t, "after the night", s.exported(slug), contents(t, second))
	if a := s.run("roster", "apply", slug, stale.Plan); a.code != 1 || !strings.Contains(a.err, "plan again: tenantctl roster plan "+slug) {
		t.Errorf("a plan made before another import: %s", a)
	}

	s.ok("roster", "rollback", slug, night.Import, "--dry-run")
	sameRoster(t, "rollback --dry-run", s.exported(slug), contents(t, second))
	out := s.ok("roster", "rollback", slug, night.Import, "--reason", "wrong file", "-o", "json")
	named(t, "a rollback", object[fields](t, out), planFields)
	if back := object[plan](t, out); !back.Applied || back.Kind != "rollback" || back.changed() != night.changed() || back.Reason != "wrong file" {
		t.Errorf("rollback: %+v", back)
	}
	sameRoster(t, "rolled back", s.exported(slug), old)
	s.refused(1, "only an applied import can be rolled back", "roster", "rollback", slug, night.Import)
	if p := s.imported(slug, first); p.changed() != 0 {
		t.Errorf("the first file after the rollback: %+v", p)
	}
	s.discreet(unzipped(t, second))
}

func TestRosterHeldByThresholds(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	c := code()
	slug := "held-" + c
	manifest := fmt.Sprintf("slug: %s\nname_fi: Held\nmunicipality_code: %q\nsettings:\n  roster: {two_people: true}\n", slug, c)
	s.ok("apply", "-f", write(t, filepath.Join(t.TempDir(), "held.yaml"), []byte(manifest)))
	full := s.generated(300)
	s.imported(slug, full, "--initial")
	less := unzipped(t, full)
	every(t, less, "enrollments.csv", 4)

	a := s.run("roster", "import", slug, less, "-o", "json", "--actor", "kaisa")
	p := object[plan](t, a.out)
	i := slices.IndexFunc(p.Holds, func(h hold) bool { return h.Rule == "removals" && h.Type == "enrollments" })
	if a.code != 8 || !p.Held || p.Applied || i < 0 || p.Holds[i].Count <= p.Holds[i].Limit || p.Holds[i].Count != p.Changes["enrollments"]["remove"] {
		t.Fatalf("a quarter of the enrollments gone: %s", a)
	}
	if a := s.run("roster", "plan", slug, less); a.code != 8 || !strings.Contains(a.err, "HELD  ") || !strings.Contains(a.err, "--approve --reason") || !strings.Contains(a.err, "must run it (--actor)") {
		t.Errorf("as a table: %s", a)
	}
	if a := s.run("roster", "apply", slug, p.Plan, "-o", "json"); a.code != 8 || !object[plan](t, a.out).Held {
		t.Errorf("apply without a word: %s", a)
	}
	s.refused(5, `add --reason`, "roster", "apply", slug, p.Plan, "--approve", "--actor", "liisa")
	s.refused(4, "another person than the planner (kaisa)", "roster", "apply", slug, p.Plan, "--approve", "--reason", "ok", "--actor", "kaisa")
	sameRoster(t, "while held", s.exported(slug), contents(t, full))
	done := object[plan](t, s.ok("roster", "apply", slug, p.Plan, "--approve", "--reason", "a school closes", "--actor", "liisa", "-o", "json"))
	if !done.Applied || done.ApprovedBy != "liisa" || done.Reason != "a school closes" || done.changed() != p.changed() {
		t.Errorf("approved: %+v", done)
	}

	// Without removals: the rest waits in a plan of its own.
	every(t, less, "enrollments.csv", 3)
	out := s.ok("roster", "import", slug, less, "--no-delete", "-o", "json")
	rest, _ := object[fields](t, out)["rest"].(string)
	if p := object[plan](t, out); !p.Applied || p.changed() != 0 || !strings.HasPrefix(rest, "pln_") {
		t.Fatalf("--no-delete: %s", out)
	}
	if p := object[plan](t, s.ok("roster", "show", slug, rest, "-o", "json")); !p.Held || p.total("remove") == 0 {
		t.Errorf("the rest: %+v", p)
	}

	if a := s.run("roster", "import", slug, less, "--no-delete"); a.code != 0 || !strings.Contains(a.err, "Nothing changed") || !strings.Contains(a.err, "removals were left out and wait in plan pln_") || !regexp.MustCompile(`(?m)^enrollments(\t\d+){5}\t[1-9]\d*$`).MatchString(a.out) {
		t.Errorf("--no-delete, as a table: %s", a)
	}

	want := []string{"held", "failed", "refused", "done"}
	var got []string
	for _, e := range object[[]fields](t, s.ok("audit", "--tenant", slug, "-o", "json")) {
		if e["command"] == "roster apply" && e["phase"] == "end" {
			got = append([]string{e["outcome"].(string)}, got...)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("outcomes of roster apply: %v, want %v", got, want)
	}
}

// A plan that is not wanted is closed; what is old is pruned, for one and for all.
func TestRosterCloseAndPrune(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("prune")
	s.imported(slug, s.generated(100), "--initial")
	p := object[plan](t, s.ok("roster", "plan", slug, s.generated(100, "--mutate", "2%"), "-o", "json"))
	if v := object[fields](t, s.ok("roster", "close", slug, p.Plan, "--dry-run", "-o", "json")); v["state"] != "planned" {
		t.Errorf("dry: %v", v)
	}
	for range 2 {
		if v := object[fields](t, s.ok("roster", "close", slug, p.Plan, "-o", "json")); v["state"] != "closed" || v["plan"] != p.Plan {
			t.Errorf("closed: %v", v)
		}
	}
	s.refused(1, "was closed", "roster", "apply", slug, p.Plan)
	s.refused(1, "cannot be closed", "roster", "close", slug, "imp_1")
	list := object[[]fields](t, s.ok("roster", "prune", slug, "-o", "json"))
	if len(list) != 1 || list[0]["plans"] != 0.0 || list[0]["imports"] != 0.0 || list[0]["packages"] != 0.0 {
		t.Errorf("pruned what is young: %v", list)
	}
	s.ok("roster", "prune", "--all", "--dry-run")
	s.refused(2, "name a tenant or say --all", "roster", "prune")
	s.refused(2, "name a tenant or say --all", "roster", "prune", slug, "--all")
	s.ok("roster", "rollback", slug, "imp_1", "--reason", "young enough")
}
