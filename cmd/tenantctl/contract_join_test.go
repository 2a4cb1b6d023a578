package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"digione/internal/app/web/webtest"
)

// TestJoin takes a municipality from the agreement to its open pilot, as an
// operator would, and tries what must be refused.
func TestJoin(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir, slug := t.TempDir(), "liittyja-"+code()
	roster := filepath.Join(dir, "oppilaat.zip")
	put := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	paper, notes := put("sopimus.pdf", string(webtest.PDF(slug))), put("notes.txt", "just words")
	s.ok("roster", "generate", "--tenant", slug, "--learners", "40", "--seed", "5", "--out", roster)
	manifest := put("t.yaml", "slug: "+slug+"\nname_fi: Liittyjä\nmunicipality_code: \""+strings.TrimPrefix(slug, "liittyja-")+"\"\nsettings:\n  declared: {learners: 40}\n  joining:\n    waves:\n      - {name: pilotti, opens: 2026-01-01, schools: ["+slug+"-o-001]}\n")
	s.ok("apply", "-f", manifest)
	s.refused(1, "tenantctl join start", "join", "status", slug)

	s.refused(5, "joining/2", "join", "start", slug, "--template", "joining/99")
	s.ok("join", "start", slug, "--dry-run")
	started := object[fields](t, s.ok("join", "start", slug, "--wave", "2027-spring", "-o", "json"))
	named(t, "a status", started, "tenant template stage state due wave open_waves opening")
	if started["stage"] != "agreed" || started["state"] != "under-way" || started["template"] != "joining/2" {
		t.Errorf("started: %v", started)
	}
	due := started["due"].([]any)[0].(map[string]any)
	named(t, "a due requirement", due, "requirement owner due kind state stage found next overdue")

	agreed := []string{"join", "attest", slug, "agreement", "data-processing", "rulebook", "impact-assessment", "contacts"}
	s.refused(4, "name who signed", append(agreed, "--evidence", paper)...)
	s.refused(4, "needs a file", append(agreed, "--signer", "Maija Meri")...)
	s.refused(5, "evidence is a PDF", append(agreed, "--signer", "Maija Meri", "--evidence", notes)...)
	s.ok(append(agreed, "--signer", "Maija Meri", "--evidence", paper, "--actor", "olli")...)
	for _, d := range object[fields](t, s.ok("join", "status", slug, "-o", "json"))["due"].([]any) {
		if row := d.(map[string]any); row["stage"] == "agreed" && (row["state"] != "second" || row["owner"] != "tiera" || !strings.Contains(row["found"].(string), "Maija Meri (entered by olli)")) {
			t.Errorf("what an operator wrote down: %v", row)
		}
	}
	s.refused(4, "was not measured yet", "join", "attest", slug, "attendance", "--signer", "Maija Meri", "--evidence", paper, "--reason", "koe", "--actor", "olli")
	s.refused(4, "another person", "join", "approve", slug, "--actor", "olli")
	s.ok("join", "approve", slug, "--actor", "paula")
	s.ok("roster", "import", slug, roster, "--initial")
	s.ok("join", "waive", slug, "provider", "--reason", "koe", "--actor", "olli")
	s.ok("join", "approve", slug, "--actor", "paula")

	a := s.run("join", "advance", slug, "-o", "json")
	if a.code != 8 || !strings.Contains(a.err, "wait for") {
		t.Fatalf("advance: %s", a)
	}
	now := object[fields](t, a.out)
	if open := now["open_waves"].([]any); len(open) != 1 || open[0] != "pilotti" {
		t.Errorf("open: %v; %s", open, a)
	}
	for _, d := range now["due"].([]any) {
		if row := d.(map[string]any); row["stage"] == "agreed" || row["requirement"] == "roster" {
			t.Errorf("still due: %v", row)
		}
	}
	shown := object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))
	if o, _ := shown["opening"].(map[string]any); o == nil || len(o["schools"].([]any)) != 1 {
		t.Errorf("opening: %v", shown["opening"])
	}
	if all := object[[]fields](t, s.ok("join", "status", "-o", "json")); !slices.ContainsFunc(all, func(v fields) bool { return v["tenant"] == slug }) {
		t.Error("the list of all does not name it")
	}
	s.ok("join", "check", slug, "rostered")
	s.refused(5, "not in joining/2", "join", "check", slug, "nonesuch")
	s.refused(4, "needs a reason", "join", "pause", slug)
	s.ok("join", "rollback", slug, "pilotti", "--reason", "ryhmät väärin")
	s.ok("join", "resume", slug)
	s.refused(4, "needs a reason", "join", "reopen", slug, "rostered")
	s.ok("join", "reopen", slug, "rostered", "--reason", "koulut yhdistyivät")

	report := filepath.Join(dir, "r.html")
	s.ok("join", "report", slug, "--out", report)
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Liittymissopimus", "Maija Meri", "sopimus.pdf", "sha256", "koulut yhdistyivät", "Koulujen aalto suljettu"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the report does not say %q", want)
		}
	}
	if log := s.ok("audit", "--tenant", slug); !strings.Contains(log, "join attest") || !strings.Contains(log, "paula") {
		t.Errorf("the operator log does not tell of it: %s", log)
	}
}
