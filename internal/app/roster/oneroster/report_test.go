package oneroster_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"digione/internal/app/roster/oneroster"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestCodes: the list is an interface; a change shows in review.
func TestCodes(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for _, c := range oneroster.Codes() {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", c.Code, c.Severity, c.Meaning, c.Next)
	}
	for _, r := range oneroster.Repairs() {
		fmt.Fprintf(&b, "%s\t%s\n", r.Key, r.Meaning)
	}
	golden := filepath.Join("testdata", "codes.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the list changed; if it is meant, run with -update\n%s", b.String())
	}
}

func TestLenient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		repair string
		n      int
		edit   func(t *testing.T, f files)
		typ    oneroster.Type
		column string
		want   string
	}{
		{"bool-case", 2, func(t *testing.T, f files) {
			f.edit(t, "users.csv", "true", "TRUE")
			f.edit(t, "enrollments.csv", "false", "FALSE")
		}, oneroster.Users, "enabledUser", "true"},
		{"manifest-version", 1, edit("manifest.csv", "manifest.version,1.0", "manifest.version,1"), "", "", ""},
		{"trailing-blank-columns", 2, func(t *testing.T, f files) {
			f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,,\nca1,,,Kokeet,50,,\n"
			f.edit(t, "manifest.csv", "manifest.version,1.0", "manifest.version,1.0,,")
		}, oneroster.Categories, "weight", "50"},
		{"list-blanks", 2, func(t *testing.T, f files) {
			f.edit(t, "classes.csv", `"t1,t2"`, `" t1 , t2"`)
			f.edit(t, "scoreScales.csv", "},{", "} , {")
		}, oneroster.Classes, "termSourcedIds", "t1,t2"},
		{"manifest-asterisk", 1, edit("manifest.csv", "file.roles,", "file.roles*,"), "", "", ""},
		{"mac-files", 2, func(_ *testing.T, f files) { f["__MACOSX/._users.csv"], f[".DS_Store"] = "x", "x" }, "", "", ""},
		{"datetime-utc", 4, func(t *testing.T, f files) {
			d := delta(f)
			for name := range d {
				f[name] = d[name]
			}
			f.edit(t, "orgs.csv", stamp, "2026-09-01T10:20:30Z")
			f.edit(t, "orgs.csv", stamp, "2026-09-01T13:20:30+03:00")
			f.edit(t, "orgs.csv", stamp, "2026-09-01T13:20:30.456+03:00")
			f.edit(t, "users.csv", stamp, "2026-09-01T13:20:30+0300")
		}, "", "", ""},
	} {
		t.Run(c.repair, func(t *testing.T) {
			t.Parallel()
			f := school()
			c.edit(t, f)
			p, r := checkFiles(t, f, oneroster.Options{Lenient: true})
			wantClean(t, r)
			if !reflect.DeepEqual(r.Repairs, map[string]int{c.repair: c.n}) {
				t.Errorf("repairs %v", r.Repairs)
			}
			if c.typ != "" {
				if got := collect(t, p, c.typ)[0].Get(c.column); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
			}
			if _, strict := checkFiles(t, f, oneroster.Options{}); strict.Valid || !strings.Contains(dump(strict.Findings), c.repair) {
				t.Errorf("strict mode does not name the repair: %s", dump(strict.Findings))
			}
		})
	}
}

// TestLenientIsBounded: nothing beyond the list is repaired.
func TestLenientIsBounded(t *testing.T) {
	t.Parallel()
	for code, change := range map[string]func(*testing.T, files){
		"E306": edit("users.csv", "true", "True"),
		"E311": edit("classes.csv", `"t1,t2"`, `"t1,t2,"`),
		"E125": edit("manifest.csv", "manifest.version,1.0", "manifest.version,1.1"),
		"E201": edit("users.csv", "Virtanen", "V\xe4"),
		"E309": edit("orgs.csv", "district", "District"),
	} {
		f := school()
		change(t, f)
		if _, r := checkFiles(t, f, oneroster.Options{Lenient: true}); r.Valid || codesOf(r)[0] != code {
			t.Errorf("%s: %s", code, dump(r.Findings))
		}
	}
}

// TestFolding: one cause is one finding, and says how much hangs on it.
func TestFolding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		edit   func(t *testing.T, f files)
		code   string
		folded int
		count  int
	}{
		{"broken row", edit("users.csv", "opp,,,true,", "opp,,,true,extra,"), "E204", 5, 1},
		{"missing row", func(t *testing.T, f files) {
			f["users.csv"] = strings.Replace(f["users.csv"], "huo,,,", "huoltaja,,,", 1)
		}, "E402", 1, 1},
		{"missing file", func(_ *testing.T, f files) { delete(f, "users.csv") }, "E112", 10, 1},
		{"file in Latin 1", func(_ *testing.T, f files) {
			f["users.csv"] = strings.ReplaceAll(f["users.csv"], "a", "\xe4")
		}, "E201", 10, 1},
		{"UTF-16", func(_ *testing.T, f files) {
			var b strings.Builder
			b.WriteString("\xff\xfe")
			for _, r := range f["users.csv"] {
				b.WriteString(string([]byte{byte(r), byte(r >> 8)}))
			}
			f["users.csv"] = b.String()
		}, "E201", 10, 1},
		{"semicolons", func(_ *testing.T, f files) {
			f["users.csv"] = strings.ReplaceAll(f["users.csv"], ",", ";")
		}, "E218", 10, 1},
		{"no header", func(_ *testing.T, f files) { _, f["users.csv"], _ = strings.Cut(f["users.csv"], "\n") }, "E219", 10, 1},
		{"a school of another kind", func(t *testing.T, f files) {
			f.edit(t, "orgs.csv", "yläaste\",school", "yläaste\",department")
		}, "E404", 2, 1},
		{"the school of a class", func(t *testing.T, f files) {
			f.edit(t, "classes.csv", ",s1,", ",s2,")
		}, "W502", 1, 1},
		{"columns that changed places", func(t *testing.T, f files) {
			f.edit(t, "enrollments.csv", "userSourcedId,role", "role,userSourcedId")
		}, "E210", 2, 1},
		{"columns of 1.1 that changed places", func(t *testing.T, f files) {
			for name := range f {
				delete(f, name)
			}
			for name, text := range school11() {
				f[name] = text
			}
			f.edit(t, "users.csv", "orgSourcedIds,role", "role,orgSourcedIds")
		}, "E210", 4, 1},
		{"status that changed places", func(t *testing.T, f files) {
			f.edit(t, "enrollments.csv", "sourcedId,status", "status,sourcedId")
		}, "E210", 0, 1},
		{"the id of a user", func(t *testing.T, f files) { f.edit(t, "users.csv", "opp,,,", "o pp,,,") }, "E302", 0, 1},
		{"the user of a role", func(t *testing.T, f files) { f.edit(t, "roles.csv", "opp,primary", "nobody,primary") }, "E402", 1, 1},
		{"empty columns of the manifest", func(_ *testing.T, f files) {
			f["manifest.csv"] = strings.ReplaceAll(f["manifest.csv"], "\n", ",,\n")
		}, "E214", 24, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := school()
			c.edit(t, f)
			_, r := checkFiles(t, f, oneroster.Options{})
			var found, folded int
			for _, x := range r.Findings {
				if x.Code == c.code {
					found++
					folded += x.Folded
				} else if x.Severity == oneroster.SeverityError && c.folded > 0 {
					t.Errorf("came with %s", dump(x))
				}
			}
			if found != c.count || c.folded > 0 && folded != c.folded {
				t.Errorf("%d findings, %d folded, want %d and %d: %s", found, folded, c.count, c.folded, dump(r))
			}
		})
	}
}

func TestBound(t *testing.T) {
	t.Parallel()
	f := school()
	f["categories.csv"] += strings.Repeat("c x,,,Kokeet,50\n", 50)
	_, r := checkFiles(t, f, oneroster.Options{MaxFindings: 10})
	if len(r.Findings) != 10 || r.Errors != 99 {
		t.Errorf("%d listed of %d", len(r.Findings), r.Errors)
	}
	want := []oneroster.Total{{Code: "E302", Severity: "error", Count: 50, Listed: 6}, {Code: "E401", Severity: "error", Count: 49, Listed: 4}}
	if !reflect.DeepEqual(r.Totals, want) {
		t.Errorf("totals %s", dump(r.Totals))
	}
}

// TestManyFaults: nothing stops at the first error, and lines stay physical
// behind a field with line breaks.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	f := school()
	f.edit(t, "orgs.csv", "Koivula,", "\"Koi\nvula\",")
	f.edit(t, "orgs.csv", "Rantakoulu", "")
	f.edit(t, "enrollments.csv", "student", "pupil")
	f.edit(t, "enrollments.csv", "teacher", "Teacher")
	_, r := checkFiles(t, f, oneroster.Options{})
	var got []string
	for _, x := range r.Findings {
		got = append(got, fmt.Sprintf("%s %s:%d:%d", x.Code, x.File, x.Line, x.Column))
	}
	want := []string{"E203 orgs.csv:2:4", "E301 orgs.csv:5:4", "E309 enrollments.csv:2:7", "E309 enrollments.csv:3:7"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestNoPersonInReport puts secrets into every column that may hold one, each
// with a fault of its own or of its neighbour.
func TestNoPersonInReport(t *testing.T) {
	t.Parallel()
	f := school()
	f["users.csv"] = strings.SplitAfter(f["users.csv"], "\n")[0] +
		"opp,,,yes,Zsalainen,{hetu:131052-308A},Zsalainen,Zsalainen,Zsalainen\uFFFD,Zsalainen\uFFFD,Zsalainen@example.org\uFFFD,Zsalainen\uFFFD,Zsalainen\uFFFD,131052-308T x,07,Zsalainen\uFFFD,1.2.246.562.24.12345678900,Zsalainen\uFFFD,Zsalainen\uFFFD,Zsalainen\uFFFD,Zsalainen@example.org,Zsalainen\uFFFD\n" +
		"131052-308T,,,true,Zsalainen,{Hetu:Zsalainen},Zsalainen,Zsalainen,,,,,,,,,,,,,,\n"
	f["demographics.csv"] = strings.SplitAfter(f["demographics.csv"], "\n")[0] +
		"opp,,,Zsalainen,Zsalainen,Zsalainen,,,,,,,Zsalainen\uFFFD,,Zsalainen\uFFFD,\n"
	f["results.csv"] = strings.SplitAfter(f["results.csv"], "\n")[0] +
		"rs1,,,li1,opp,fully graded,Zsalainen,2026-09-12,Zsalainen\uFFFD,Zsalainen\uFFFD,c7a,,,,\n"
	_, r := checkFiles(t, f, oneroster.Options{})
	if len(r.Findings) < 25 {
		t.Fatalf("only %d findings", len(r.Findings))
	}
	for _, secret := range []string{"salainen", "131052", "308T", "308A", "12345678900", "example.org"} {
		if text := dump(r); strings.Contains(text, secret) {
			t.Errorf("%q is in the report: %s", secret, text)
		}
	}
}
