package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	inboxFields    = "tenant waiting refused ended dry_run"
	deliveryFields = "id name size modified_at state sha256 attempts plan failure seen_at whole"
)

// What a municipality's system has put into its inbox is looked at, and brought in
// at once.
func TestRosterInbox(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug, twin := s.town("inbox"), s.town("inboxtwin")
	s.imported(slug, s.generated(100), "--initial")
	id, _ := object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))["id"].(string)
	box := filepath.Join(s.data, "objects", "inbox", id)
	put := func(name string, content []byte) {
		t.Helper()
		write(t, filepath.Join(box, name), content)
		write(t, filepath.Join(box, name+".ready"), nil)
	}
	night, err := os.ReadFile(s.generated(100, "--mutate", "2%"))
	if err != nil {
		t.Fatal(err)
	}
	put("yo.zip", night)
	write(t, filepath.Join(box, "yö.zip"), night)
	for range 2 {
		v := object[fields](t, s.ok("roster", "inbox", slug, "--run", "--dry-run", "-o", "json"))
		named(t, "inbox", v, inboxFields)
		list := v["waiting"].([]any)
		if len(list) != 1 || len(v["refused"].([]any)) != 1 || len(v["ended"].([]any)) != 0 {
			t.Fatalf("waiting: %v", v)
		}
		named(t, "a delivery", list[0].(fields), deliveryFields)
	}
	v := object[fields](t, s.ok("roster", "inbox", slug, "--run", "-o", "json"))
	if done := v["ended"].([]any); len(done) != 1 || done[0].(fields)["state"] != "done" || len(v["waiting"].([]any)) != 0 {
		t.Errorf("brought in: %v", v)
	}
	put("rikki.zip", night[:len(night)/2])
	if a := s.run("roster", "inbox", slug, "--run"); a.code != 3 || !strings.Contains(a.err, "1 files could not be brought in") {
		t.Errorf("a broken one: %s", a)
	}
	put("eka.zip", night)
	other := object[fields](t, s.ok("roster", "inbox", twin, "--run", "-o", "json"))
	if len(other["ended"].([]any)) != 0 || len(other["waiting"].([]any)) != 0 {
		t.Errorf("at the twin: %v", other)
	}
	s.refused(2, "", "roster", "inbox")
	s.refused(1, "", "roster", "inbox", "nowhere")
}
