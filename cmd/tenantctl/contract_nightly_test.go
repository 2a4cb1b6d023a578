package main

import (
	"strings"
	"testing"
)

// TestNightly runs what runs every night, over an installation of its own.
func TestNightly(t *testing.T) {
	t.Parallel()
	s, _ := apart(t)
	good, broken, idle := s.town("hyva"), s.town("rikki"), s.town("poissa")
	for _, slug := range []string{good, broken} {
		s.imported(slug, s.generated(30), "--initial")
	}
	s.ok("tenant", "suspend", idle)
	s.asked("update " + schemaOf(broken) + ".object set sha256 = decode(repeat('00', 32), 'hex')")
	t.Run("drills", func(t *testing.T) { s.within(t).drills(good, broken) })
	t.Run("joining", func(t *testing.T) { s.within(t).joins() })
}

// within is the same shell for a part of a test.
func (s *shell) within(t *testing.T) *shell { return &shell{T: t, data: s.data, dsn: s.dsn} }

func slugs(list []fields, name string) string {
	var out []string
	for _, v := range list {
		out = append(out, v[name].(string))
	}
	return strings.Join(out, " ")
}

func (s *shell) drills(good, broken string) {
	s.refused(2, "TENANT is missing", "tenant", "drill")
	s.refused(2, "name no tenant", "tenant", "drill", good, "--due", "30d")
	s.refused(2, "give an age, such as 30d", "tenant", "drill", "--due", "soon")
	s.refused(2, "--limit goes with --due", "tenant", "drill", good, "--limit", "2")

	both := good + " " + broken
	dry := object[[]fields](s, s.ok("tenant", "drill", "--due", "30d", "--dry-run", "-o", "json"))
	if slugs(dry, "slug") != both || dry[0]["detail"] != "dry run" {
		s.Errorf("dry run: %v", dry)
	}
	if n := s.asked("select count(*)::text from control.drill") + s.asked("select count(*)::text from control.operator_log where command = 'tenant drill'"); n != "00" {
		s.Errorf("the dry run left %s", n)
	}
	a := s.run("tenant", "drill", "--due", "30d", "-o", "json")
	list := object[[]fields](s, a.out)
	if a.code != 3 || slugs(list, "slug") != both || list[0]["ok"] != true || list[1]["ok"] != false || !strings.Contains(a.err, "1 of 2") {
		s.Errorf("drills: %s", a)
	}
	named(s, "a drill among others", list[0], "slug tenant at ok seconds rows objects detail")
	// The good one is not due again; the failed one is.
	if a := s.run("tenant", "drill", "--due", "30d"); a.code != 3 || strings.Contains(a.out, good) || !strings.Contains(a.out, broken) {
		s.Errorf("the second night: %s", a)
	}
	// It has waited longest now, and the broken one was tried after it.
	s.asked("update control.drill set at = at - interval '31 days' where ok")
	if list := object[[]fields](s, s.ok("tenant", "drill", "--due", "30d", "--limit", "1", "-o", "json")); slugs(list, "slug") != good {
		s.Errorf("oldest first: %v", list)
	}
	for slug, want := range map[string]string{good: "done", broken: "failed"} {
		log := object[[]fields](s, s.ok("audit", "--tenant", slug, "--limit", "1", "-o", "json"))
		if len(log) != 1 || log[0]["command"] != "tenant drill" || log[0]["outcome"] != want {
			s.Errorf("log of %s: %v", slug, log)
		}
	}
	if left := s.asked("select count(*)::text from control.tenant t join control.restore r on r.tenant = t.id and r.drill where t.state not in ('erased')"); left != "0" {
		s.Errorf("%s side tenants are left", left)
	}
	s.asked("update " + schemaOf(broken) + ".object set sha256 = o.sha256 from " + schemaOf(good) + ".object o")
	if out := s.ok("tenant", "drill", "--due", "365d", "-o", "json", "--dry-run"); slugs(object[[]fields](s, out), "slug") != broken {
		s.Errorf("due in a year: %s", out)
	}
}

func (s *shell) joins() {
	first, second, bystander := s.town("eka"), s.town("toka"), s.town("muu")
	for _, slug := range []string{first, second} {
		s.ok("join", "start", slug)
	}
	s.refused(2, "TENANT is missing", "join", "advance")
	s.refused(2, "not both", "join", "advance", first, "--all")
	events := func() string { return s.asked("select count(*)::text from control.join_event") }
	was := events()
	if list := object[[]fields](s, s.ok("join", "advance", "--all", "--dry-run", "-o", "json")); slugs(list, "tenant") != first+" "+second {
		s.Errorf("dry run: %v", list)
	}
	s.ok("join", "advance", first, "--dry-run")
	if events() != was {
		s.Error("a dry run has measured")
	}
	out := s.ok("join", "advance", "--all", "-o", "json")
	list := object[[]fields](s, out)
	if slugs(list, "tenant") != first+" "+second || strings.Contains(out, bystander) || events() == was {
		s.Errorf("advance: %v", list)
	}
	named(s, "a status", list[0], "tenant template stage state due wave open_waves opening")
	if log := object[[]fields](s, s.ok("audit", "--tenant", first, "--limit", "1", "-o", "json")); log[0]["command"] != "join advance" || log[0]["outcome"] != "held" {
		s.Errorf("log: %v", log)
	}

	s.asked("alter table " + schemaOf(first) + ".identity_provider rename to provider_gone")
	a := s.run("join", "advance", "--all", "-o", "json")
	if a.code != 3 || slugs(object[[]fields](s, a.out), "tenant") != second || !strings.Contains(a.err, "1 of 2") || !strings.Contains(a.err, first+": ") {
		s.Errorf("past a failure: %s", a)
	}
	s.asked("alter table " + schemaOf(first) + ".provider_gone rename to identity_provider")
}
