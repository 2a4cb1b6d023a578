package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const tenantFields = `id slug kind name_fi name_sv name_en municipality_code business_id organisation_oid hosts cell cluster schema ring state
	schema_version settings routable_at created_at`

// businessID makes a valid Y-tunnus of a number.
func businessID(n int) string {
	for ; ; n++ {
		digits := fmt.Sprintf("%07d", n)
		sum := 0
		for i, w := range []int{7, 9, 10, 5, 8, 4, 2} {
			sum += w * int(digits[i]-'0')
		}
		if r := sum % 11; r != 1 {
			return fmt.Sprintf("%s-%d", digits, (11-r)%11)
		}
	}
}

func TestTenantCreate(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	c := code()
	n, _ := strconv.Atoi(c)
	slug, bid := "vanda-"+c, businessID(1234000+20*n) // no other test's
	create := []string{"tenant", "create", slug, "--name-fi", "Vantaa", "--name-sv", "Vanda", "--municipality-code", c, "--business-id", bid, "-o", "json"}

	before := s.ok("tenant", "list", "-o", "json")
	preview := object[fields](t, s.ok(append(create, "--dry-run")...))
	named(t, "the dry run", preview, "tenant action steps dry_run")
	if preview["action"] != "create" || preview["dry_run"] != true || len(preview["steps"].([]any)) < 5 {
		t.Errorf("dry run: %v", preview)
	}
	if s.refused(1, "tenantctl tenant list", "tenant", "show", slug); strings.Contains(s.ok("tenant", "list"), slug) {
		t.Errorf("a dry run has made the tenant; before: %s", before)
	}

	a := s.run(create...)
	if a.code != 0 || !strings.Contains(a.err, "routable ✓") {
		t.Fatalf("create: %s", a)
	}
	made := object[fields](t, a.out)
	named(t, "a tenant", made, tenantFields)
	for field, want := range map[string]string{"slug": slug, "kind": "municipality", "name_fi": "Vantaa", "name_sv": "Vanda", "name_en": "Vantaa",
		"municipality_code": c, "business_id": bid, "organisation_oid": "", "state": "active", "schema": "t_vanda_" + c} {
		if made[field] != want {
			t.Errorf("%s is %v, want %s", field, made[field], want)
		}
	}
	if id, _ := made["id"].(string); !strings.HasPrefix(id, "tnt_") || made["routable_at"] == nil || fmt.Sprint(made["hosts"]) != "["+slug+".localhost]" {
		t.Errorf("made: %v", made)
	}

	again := s.run(create...)
	if again.code != 0 || again.out != a.out || again.err != "" {
		t.Errorf("again: %s\nwant %s", again, a.out)
	}
	if p := object[fields](t, s.ok(append(create, "--dry-run")...)); p["action"] != "none" || len(p["steps"].([]any)) != 0 {
		t.Errorf("dry run of one that stands: %v", p)
	}
	if got := s.ok("tenant", "show", slug, "-o", "json"); got != a.out {
		t.Errorf("show: %s\nwant %s", got, a.out)
	}
	if got := s.ok("tenant", "show", made["id"].(string), "-o", "json"); got != a.out {
		t.Errorf("show by id: %s", got)
	}
	s.refused(1, "exists with another name_fi (Vantaa); to change it: tenantctl apply -f FILE", "tenant", "create", slug, "--name-fi", "Other")
	s.refused(1, "belongs to another tenant; see: tenantctl tenant list", "tenant", "create", "other-"+c, "--name-fi", "O", "--municipality-code", c)
	s.refused(1, "belongs to another tenant; see: tenantctl tenant list", "tenant", "create", "other-"+c, "--name-fi", "O", "--municipality-code", code(), "--business-id", bid)
}

func TestTenantCreateRefuses(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for _, c := range []struct {
		code  int
		words string
		flags string
	}{
		{2, "--name-fi is missing; an example: tenantctl tenant create", "nobody --municipality-code 998"},
		{2, "--municipality-code is missing; an example: tenantctl tenant create", "nobody --name-fi N"},
		{2, "SLUG is missing; usage: tenantctl tenant create SLUG", ""},
		{2, `"two" is too many`, "one two"},
		{2, "unknown flag: --colour; see: tenantctl tenant create --help", "nobody --colour red"},
		{2, "flag needs an argument: --name-fi; see: tenantctl tenant create --help", "nobody --name-fi"},
		{5, `business id "0124610-8": the check digit is wrong; copy it anew from the YTJ register`, "nobody --name-fi N --municipality-code 998 --business-id 0124610-8"},
		{5, `business id "124610": use seven digits`, "nobody --name-fi N --municipality-code 998 --business-id 124610"},
		{5, `municipality code "98": use three digits, such as 092`, "nobody --name-fi N --municipality-code 98"},
		{5, `organisation OID "1.2.3": use 1.2.246.562.10.`, "nobody --name-fi N --municipality-code 998 --organisation-oid 1.2.3"},
		{5, `kind "town": use municipality, joint-authority, state or private`, "nobody --name-fi N --kind town"},
		{5, `ring "last": use canary, early, half or all`, "nobody --name-fi N --municipality-code 998 --ring last"},
		{5, `host "A.fi": use a lower-case host name`, "nobody --name-fi N --municipality-code 998 --host A.fi"},
		{5, `slug "No-Body": use 2-30 of a-z, 0-9`, "No-Body --name-fi N --municipality-code 998"},
		{5, `slug "x'; drop`, "x';~drop --name-fi N --municipality-code 998"},
		{5, "name_fi holds a line break", "nobody --name-fi N\nN --municipality-code 998"},
		{5, "name_sv holds a line break or another character that is not seen", "nobody --name-fi N --name-sv N\x1b[31m --municipality-code 998"},
		{5, "name_en begins or ends with a space", "nobody --name-fi N --name-en ~N --municipality-code 998"},
		{5, "name_fi has 101 characters; use at most 100", "nobody --municipality-code 998 --name-fi " + strings.Repeat("ä", 101)},
	} {
		args := strings.Split(c.flags, " ")
		if c.flags == "" {
			args = nil
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "~", " ")
		}
		s.refused(c.code, c.words, slices.Concat([]string{"tenant", "create"}, args)...)
		s.refused(c.code, c.words, slices.Concat([]string{"tenant", "create", "--dry-run", "-o", "json"}, args)...)
	}
	if list := s.ok("tenant", "list"); strings.Contains(list, "nobody") {
		t.Errorf("a refused tenant was begun: %s", list)
	}
	// All faults of one description at once.
	a := s.refused(5, "", "tenant", "create", "nobody", "--name-fi", "N", "--municipality-code", "9", "--business-id", "1", "--ring", "x")
	for _, w := range []string{"municipality code", "business id", "ring"} {
		if !strings.Contains(a.err, w) {
			t.Errorf("not told: %s: %s", w, a)
		}
	}
}

// TestDryRunDecides: a dry run refuses what the real one would, and nothing is begun.
func TestDryRunDecides(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	c, free := code(), code()
	n, _ := strconv.Atoi(c)
	slug, bid, oid := "varattu-"+c, businessID(1234000+20*n), "1.2.246.562.99.9999999999"+c
	s.ok("tenant", "create", slug, "--name-fi", "Varattu", "--municipality-code", c, "--business-id", bid, "--organisation-oid", oid, "--host", slug+".example")
	for _, r := range []struct {
		words string
		args  []string
	}{
		{"municipality code " + c + " belongs to another tenant", []string{"toinen-" + c, "--municipality-code", c}},
		{"business id " + bid + " belongs to another tenant", []string{"toinen-" + c, "--municipality-code", free, "--business-id", bid}},
		{"organisation oid " + oid + " belongs to another tenant", []string{"toinen-" + c, "--municipality-code", free, "--organisation-oid", oid}},
		{"host " + slug + ".example belongs to another tenant", []string{"toinen-" + c, "--municipality-code", free, "--host", slug + ".example"}},
		{"host operator.localhost is the operators' own", []string{"toinen-" + c, "--municipality-code", free, "--host", "operator.localhost"}},
		{"host koti.localhost is the guardians' own", []string{"toinen-" + c, "--municipality-code", free, "--host", "koti.localhost"}},
		{"exists with another name_fi", []string{slug}},
	} {
		create := slices.Concat([]string{"tenant", "create", "--name-fi", "Toinen"}, r.args)
		s.refused(1, r.words, append(create, "--dry-run")...)
		s.refused(1, r.words, create...)
	}
	if list := s.ok("tenant", "list"); strings.Contains(list, "toinen-"+c) {
		t.Errorf("a refused tenant was begun: %s", list)
	}

	// Manifests are held against each other as well, and each in its turn.
	file := filepath.Join(t.TempDir(), "t.yaml")
	doc := func(slug, code, host string) string {
		return fmt.Sprintf("---\nslug: %s\nname_fi: X\nmunicipality_code: \"%s\"\nhosts: [%s]\n", slug, code, host)
	}
	apply := func(code int, words string) {
		t.Helper()
		for _, args := range [][]string{{"plan"}, {"apply", "--dry-run"}, {"apply"}} {
			if a := s.run(append(args, "-f", file)...); a.code != code || !strings.Contains(a.err, words) {
				t.Errorf("%v: want %d, %q: %s", args, code, words, a)
			}
		}
	}
	a, b := code(), code()
	write(t, file, []byte(doc("eka-"+a, a, "yhteinen-"+a+".example")+doc("toka-"+b, b, "yhteinen-"+a+".example")))
	apply(3, "toka-"+b+": host yhteinen-"+a+".example belongs to another tenant")
	if list := s.ok("tenant", "list"); !strings.Contains(list, "eka-"+a) || strings.Contains(list, "toka-"+b) {
		t.Errorf("of two with one host: %s", list)
	}
	// A host that the first gives away is the second's to take, in one run.
	write(t, file, []byte(doc("eka-"+a, a, "oma-"+a+".example")+doc("toka-"+b, b, "yhteinen-"+a+".example")))
	apply(0, "")
	write(t, file, []byte(doc("eka-"+a, a, "toka-"+b+".example, yhteinen-"+a+".example")))
	apply(1, "eka-"+a+": host yhteinen-"+a+".example belongs to another tenant")
	write(t, file, []byte(doc("eka-"+a, a, "oma-"+a+".example")+"cell: muualla\n"))
	apply(1, "a manifest does not move it")

	leaver := s.town("lahtija")
	s.ok("tenant", "leave", leaver, "--reason", "sopimus päättyi")
	for _, args := range [][]string{{"--dry-run"}, {}} {
		s.refused(1, "is leaving; it cannot become suspended", append([]string{"tenant", "suspend", leaver}, args...)...)
	}
}

func TestTenantStates(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("state")
	state := func() any { return object[fields](t, s.ok("tenant", "show", slug, "-o", "json"))["state"] }
	for _, c := range []struct{ verb, was, is string }{{"suspend", "active", "suspended"}, {"resume", "suspended", "active"}} {
		if o := object[fields](t, s.ok("tenant", c.verb, slug, "--dry-run", "-o", "json")); o["state"] != c.is || state() != c.was {
			t.Errorf("%s --dry-run: %v, then %v", c.verb, o["state"], state())
		}
		for range 2 { // twice changes nothing
			o := object[fields](t, s.ok("tenant", c.verb, slug, "-o", "json"))
			named(t, c.verb, o, tenantFields)
			if o["state"] != c.is || state() != c.is {
				t.Errorf("%s: %v, then %v", c.verb, o["state"], state())
			}
		}
		s.refused(1, `tenant "nosuch": no such tenant; see: tenantctl tenant list`, "tenant", c.verb, "nosuch")
	}
	o := object[fields](t, s.ok("tenant", "rotate-keys", slug, "-o", "json"))
	named(t, "rotate-keys", o, tenantFields)
	if got := s.ok("tenant", "list"); !strings.Contains(got, slug+"\tactive\tSTATE\t") {
		t.Errorf("list as a table: %s", got)
	}
	list := object[[]fields](t, s.ok("tenant", "list", "-o", "json"))
	i := slices.IndexFunc(list, func(o fields) bool { return o["slug"] == slug })
	if i < 0 {
		t.Fatalf("%s is not in the list", slug)
	}
	named(t, "an entry of the list", list[i], tenantFields)
}

// TestUnknownTenant: every command that takes a tenant says where to look.
func TestUnknownTenant(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	file := s.generated(60)
	for _, line := range []string{"tenant show", "tenant suspend", "tenant resume", "tenant rotate-keys", "doctor", "migrate up --tenant",
		"roster history", "roster show % imp_1", "roster plan % " + file, "roster import % " + file, "roster apply % pln_X",
		"roster rollback % imp_1", "roster export % --out " + filepath.Join(t.TempDir(), "x.zip"), "roster purge % --before 2020-01-01"} {
		if !strings.Contains(line, "%") {
			line += " %"
		}
		for _, slug := range []string{"nosuch", "no'such\"; drop schema control"} {
			args := strings.Fields(line)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "%", slug)
			}
			s.refused(1, "no such tenant; see: tenantctl tenant list", args...)
		}
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dir := t.TempDir()
	a, b, c := code(), code(), code()
	manifest := func(name, format string, args ...any) {
		write(t, filepath.Join(dir, name), fmt.Appendf(nil, format, args...))
	}
	manifest("two.yaml", `slug: one-%[1]s
name_fi: Yksi
municipality_code: "%[1]s"
settings:
  declared: {schools: 3, learners: 400}
---
slug: two-%[2]s
name_fi: Kaksi
name_sv: Två
municipality_code: "%[2]s"
hosts: [kaksi-%[2]s.test, toinen-%[2]s.test]
`, a, b)
	manifest("three.yml", "slug: three-%[1]s\nname_fi: Kolme\nmunicipality_code: \"%[1]s\"\nring: canary\n", c)
	manifest("README.txt", "no manifest")

	actions := func(args ...string) string {
		t.Helper()
		list := object[[]fields](t, s.ok(append([]string{"apply", "-f", dir, "-o", "json"}, args...)...))
		var out []string
		for _, o := range list {
			named(t, "apply", o, "tenant action changes error")
			slug, _, _ := strings.Cut(o["tenant"].(string), "-")
			out = append(out, fmt.Sprint(slug, " ", o["action"], " ", o["changes"]))
		}
		slices.Sort(out)
		return strings.Join(out, "; ")
	}
	const create = "one create []; three create []; two create []"
	const none = "one none []; three none []; two none []"
	if got := actions("--dry-run"); got != create {
		t.Errorf("dry run: %s", got)
	}
	if strings.Contains(s.ok("tenant", "list"), "one-"+a) {
		t.Error("a dry run has made a tenant")
	}
	if got := actions(); got != create {
		t.Errorf("apply: %s", got)
	}
	before := s.ok("tenant", "list", "-o", "json")
	for range 2 {
		if got := actions(); got != none {
			t.Errorf("apply again: %s", got)
		}
	}
	if o := object[fields](t, s.ok("tenant", "show", "two-"+b, "-o", "json")); fmt.Sprint(o["hosts"]) != fmt.Sprintf("[kaksi-%[1]s.test toinen-%[1]s.test]", b) || o["name_sv"] != "Två" {
		t.Errorf("two: %v", o)
	}
	if o := object[fields](t, s.ok("tenant", "show", "one-"+a, "-o", "json")); fmt.Sprint(o["settings"]) != "map[declared:map[learners:400 schools:3] roster:map[]]" {
		t.Errorf("settings of one: %v", o["settings"])
	}

	manifest("three.yml", "slug: three-%[1]s\nname_fi: Kolmonen %[1]s\nmunicipality_code: \"%[1]s\"\nring: early\n", c)
	update := fmt.Sprintf("one none []; three update [map[field:name_fi from:Kolme to:Kolmonen %s] map[field:ring from:canary to:early]]; two none []", c)
	if got := actions("--dry-run"); got != update {
		t.Errorf("dry run of an update: %s", got)
	}
	if got := actions(); got != update {
		t.Errorf("update: %s", got)
	}
	if got := actions(); got != none {
		t.Errorf("after the update: %s", got)
	}
	after := s.ok("tenant", "list", "-o", "json")
	if !strings.Contains(after, "Kolmonen "+c) || strings.Contains(before, "Kolmonen "+c) {
		t.Errorf("the update is not in the list")
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	good := "slug: goodone\nname_fi: G\nmunicipality_code: \"997\"\n"
	for name, c := range map[string]struct {
		files map[string]string
		words []string
	}{
		"an unknown key, in the second document": {map[string]string{"a.yaml": good + "---\nslug: other\nname_fi: O\nmunicipality_code: \"996\"\ncolour: red\n"},
			[]string{`a.yaml:8: unknown key "colour"`}},
		"unknown keys in the midst": {map[string]string{"a.yaml": "# ours\nslug: goodone\nnames: G\nname_fi: G\nsettings:\n  joining:\n    weves: []\nmunicipality_code: \"997\"\n"},
			[]string{`a.yaml:3: unknown key "names"`, `a.yaml:7: unknown key "weves"`}},
		"a value of another kind":  {map[string]string{"a.yaml": good + "hosts: 5\n"}, []string{"a.yaml:4: cannot unmarshal"}},
		"a slug twice in one file": {map[string]string{"a.yaml": good + "---\n" + good}, []string{"a.yaml", `tenant "goodone" stands in`, "a.yaml already"}},
		"a slug twice in two":      {map[string]string{"a.yaml": good, "b.yaml": good}, []string{"b.yaml", `tenant "goodone" stands in`, "a.yaml already"}},
		"all faults at once": {map[string]string{"a.yaml": "slug: X\nname_fi: G\nmunicipality_code: \"9\"\n", "b.yaml": "slug: y1\nbusiness_id: 0124610-8\n"},
			[]string{"a.yaml:1: slug", "a.yaml:1: municipality code", "b.yaml:1: name_fi is missing", "b.yaml:1: business id"}},
		"no YAML":         {map[string]string{"a.yaml": "slug: [\n"}, []string{"a.yaml"}},
		"nothing":         {map[string]string{"a.txt": good}, []string{"no manifest in", "one ends in .yaml"}},
		"an empty folder": {nil, []string{"no manifest in", "one ends in .yaml"}},
	} {
		dir := t.TempDir()
		for f, text := range c.files {
			write(t, filepath.Join(dir, f), []byte(text))
		}
		for _, dry := range [][]string{nil, {"--dry-run"}} {
			a := s.refused(5, "", append([]string{"apply", "-f", dir, "-o", "json"}, dry...)...)
			for _, w := range c.words {
				if !strings.Contains(a.err, w) {
					t.Errorf("%s: not told: %s: %s", name, w, a)
				}
			}
		}
	}
	s.refused(2, "-f is missing: name a manifest or a folder of manifests", "apply")
	s.refused(5, "no such file", "apply", "-f", filepath.Join(t.TempDir(), "none.yaml"))
	if strings.Contains(s.ok("tenant", "list"), "goodone") {
		t.Error("one of several manifests was applied though another was refused")
	}
}
