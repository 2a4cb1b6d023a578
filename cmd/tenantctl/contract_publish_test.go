package main

import (
	"strings"
	"testing"
	"time"
)

const (
	publicationFields = "tenant plan state at asked_by parts dry_run"
	partFields        = "kind school name state undone changes holds leavers import"
)

// TestRosterPublish takes a rehearsed package from its plan to the schools, by
// commands alone.
func TestRosterPublish(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("lukuvuosi")
	s.imported(slug, s.generated(300), "--initial")
	id := object[plan](t, s.run("roster", "plan", slug, s.generated(300, "--mutate", "20%"), "-o", "json").out).Plan // held or not
	day := time.Now().AddDate(0, 3, 0).Format(time.DateOnly)
	// A school that loses a tenth is to be looked at.
	s.asked(`update control.tenant set settings = settings || '{"roster": {"school_removals": 0.01, "removals": 0.01, "floor": 1}}' where slug = $1 returning slug`, slug)
	s.refused(2, "is no day", "roster", "rehearse", slug, id, "--day", "soon")
	s.refused(1, "was not rehearsed", "roster", "publish", slug, id, "--at", day+" 03:00")
	r := object[fields](t, s.ok("roster", "rehearse", slug, id, "--day", day, "-o", "json"))
	named(t, "a rehearsal", r, "tenant plan day schools")
	if len(r["schools"].([]any)) == 0 {
		t.Errorf("no schools: %v", r)
	}

	s.refused(1, "is not being published; begin with: tenantctl roster publish", "roster", "publish", slug, id)
	for _, c := range []struct{ words, args string }{
		{"one at a time", "--now --stop"}, {"--school goes with", "--school 1"}, {"asks which", "--retry"}, {"asks why", "--approve"}, {"is no moment", "--at tomorrow"},
	} {
		s.refused(2, c.words, append([]string{"roster", "publish", slug, id}, strings.Fields(c.args)...)...)
	}
	before := s.asked("select count(*)::text from " + schemaOf(slug) + ".roster_publication")
	s.run("roster", "publish", slug, id, "--at", day+" 03:00", "--dry-run")
	if before != "0" || s.asked("select count(*)::text from "+schemaOf(slug)+".roster_publication") != "0" {
		t.Error("the dry run scheduled something")
	}
	if a := s.run("roster", "publish", slug, id, "--at", day+" 03:00", "-o", "json"); a.code != 0 && a.code != 8 {
		t.Fatalf("scheduled: %s", a)
	}
	seen := func(a answer, state string) (held string) {
		t.Helper()
		v := object[fields](t, a.out)
		named(t, "a publication", v, publicationFields)
		if v["state"] != state {
			t.Errorf("it is %s, want %s: %s", v["state"], state, a)
		}
		for _, p := range v["parts"].([]any) {
			p := p.(fields)
			named(t, "a part", p, partFields)
			if p["state"] == "held" && p["kind"] == "school" {
				held = p["school"].(string)
			}
		}
		return held
	}
	held := seen(s.run("roster", "publish", slug, id, "-o", "json"), "scheduled")
	if held == "" {
		t.Fatal("no school is held")
	}
	if a := s.run("roster", "publish", slug, id, "--now", "-o", "json"); a.code != 8 || !strings.Contains(a.err, "wait for somebody") {
		t.Errorf("begun: %s", a)
	}
	s.refused(2, "is no school of this publication", "roster", "publish", slug, id, "--approve", "--school", "nobody", "--reason", "x")
	s.run("roster", "publish", slug, id, "--approve", "--school", held, "--reason", "katsottu")
	for range 3 { // what becomes free by one approval may be held by its own rows
		if a := s.run("roster", "publish", slug, id, "--approve", "--reason", "katsottu"); a.code != 8 {
			break
		}
	}
	v := s.run("roster", "publish", slug, id, "-o", "json")
	if v.code != 0 {
		t.Errorf("in the end: %s", v)
	}
	seen(v, "done")
	if log := object[[]fields](t, s.ok("audit", "--tenant", slug, "--limit", "1", "-o", "json")); len(log) != 1 || !strings.HasPrefix(log[0]["command"].(string), "roster publish") {
		t.Errorf("log: %v", log)
	}
	s.refused(1, "", "roster", "publish", slug, id, "--at", day+" 04:00")
}
