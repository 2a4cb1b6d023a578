package main

import (
	"path/filepath"
	"testing"
)

// TestJoinDryRun: a dry run of a step of joining decides as the real one, and leaves
// nothing behind.
func TestJoinDryRun(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug, dir := s.town("kuiva"), t.TempDir()
	paper := write(t, filepath.Join(dir, "s.png"), []byte("\x89PNG\r\n\x1a\n0000"))
	other := write(t, filepath.Join(dir, "t.png"), []byte("\x89PNG\r\n\x1a\n1111"))
	notes := write(t, filepath.Join(dir, "notes.txt"), []byte("just words"))
	both := func(code int, words string, args ...string) {
		t.Helper()
		s.refused(code, words, append(args, "--dry-run")...)
		s.refused(code, words, args...)
	}
	both(1, "has not started to join", "join", "attest", slug, "agreement", "--evidence", paper)
	both(5, "is not known", "join", "start", slug, "--template", "joining/99")
	s.ok("join", "start", slug, "--dry-run")
	s.refused(1, "has not started to join", "join", "status", slug)
	s.ok("join", "start", slug)
	both(5, "has started already", "join", "start", slug, "--wave", "toinen")

	log := func() string { return s.ok("audit", "--tenant", slug) }
	status := func() string { return s.ok("join", "status", slug, "-o", "json") }
	both(5, `requirement "nonsense" is not in`, "join", "attest", slug, "nonsense")
	both(4, "name who signed", "join", "attest", slug, "agreement", "--evidence", paper)
	both(5, "evidence is a PDF", "join", "attest", slug, "agreement", "--signer", "Maija Meri", "--evidence", notes)
	both(4, "needs a reason", "join", "pause", slug)
	both(4, "needs a reason", "join", "reopen", slug, "agreed")
	both(4, "needs a reason", "join", "waive", slug, "provider")
	both(5, "nothing of agreement waits", "join", "approve", slug, "agreement")
	kept := func() string { return s.asked("select count(*)::text from " + schemaOf(slug) + ".object") }
	was, logged, files := status(), log(), kept()
	for _, args := range [][]string{
		{"attest", slug, "agreement", "--signer", "Maija Meri", "--evidence", other},
		{"waive", slug, "provider", "--reason", "koe"}, {"pause", slug, "--reason", "koe"}, {"reopen", slug, "agreed", "--reason", "koe"}, {"approve", slug},
	} {
		if a := s.run(append(append([]string{"join"}, args...), "--dry-run", "-o", "json")...); a.code != 0 || (args[0] == "attest" && a.out == was) {
			t.Errorf("%v --dry-run: %s", args, a)
		}
	}
	if status() != was || log() != logged {
		t.Errorf("a dry run has changed something: %s, was %s", status(), was)
	}
	if n := kept(); n != files {
		t.Errorf("a dry run has kept a file: %s, was %s", n, files)
	}
}
