package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What validate says in words and in CSV is as complete as its JSON.
func TestRosterValidateSaysAll(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	offline := []string{"--data", filepath.Join(t.TempDir(), "none")}
	run := func(args ...string) answer {
		t.Helper()
		return s.run(append(offline, append([]string{"roster", "validate"}, args...)...)...)
	}
	good := s.offline(600)
	many, mendable, none := unzipped(t, good), unzipped(t, good), filepath.Join(t.TempDir(), "none.zip")
	edit(t, many, "enrollments.csv", func(n int, line string) (string, bool) {
		if n > 1 {
			line = strings.Replace(line, ",student,", ",pupil,", 1)
		}
		return line, true
	})
	edit(t, mendable, "users.csv", func(n int, line string) (string, bool) {
		return strings.Replace(line, "true", "TRUE", min(1, max(0, 4-n))), true
	})

	a := run(many, "-o", "json")
	total := 0
	for _, x := range verdicts(t, a.out)[0]["totals"].([]any) {
		total += int(x.(fields)["count"].(float64))
	}
	if total <= 1000 {
		t.Fatalf("%d findings, the case wants more than are listed", total)
	}
	if a := run(many); !strings.Contains(a.out, fmt.Sprint(total)) || !strings.Contains(a.err, fmt.Sprintf("… and %d more", total-1000)) || !strings.Contains(a.err, "found pupil") {
		t.Errorf("more than are listed: %s %.500s", a.out, a.err)
	}
	if a := run(good, many); !strings.Contains(a.err, many+"  enrollments.csv:2:7") {
		t.Errorf("several files: %.500s", a.err)
	}
	if a := run(mendable, "--lenient"); a.code != 0 || !strings.Contains(a.err, "repaired 2 × bool-case") {
		t.Errorf("repairs: %s", a)
	}
	a = run(many, none, "--csv")
	if a.code != 1 || !strings.Contains(a.out, "expected,excerpt,folded\n") || !strings.Contains(a.out, ",pupil,0\n") || !strings.Contains(a.out, none+",,error,") || !strings.Contains(a.err, "more") {
		t.Errorf("CSV: %.600s %.300s", a.out, a.err)
	}
	if a := run(many, "--csv", "-o", "json"); a.code != 2 || a.out != "" {
		t.Errorf("CSV and JSON at once: %.300s", a)
	}
}

// A mapping file is input like any other.
func TestRosterMappingIsChecked(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("mapping")
	file := s.generated(60)
	s.imported(slug, file, "--initial")
	pairs := func(text string) string { return write(t, filepath.Join(t.TempDir(), "pairs.csv"), []byte(text)) }
	for text, want := range map[string]string{
		"":                                     "1: EOF",
		"users,a,b\n":                          "1: want the header type,old,new",
		"type,old,new\nfoo,a,b\n":              `2: "foo" is no type`,
		"type,old,new\nusers,a\n":              "2: want the header",
		"type,old,new\nusers,a,\n":             "2: a sourcedId is missing",
		"type,old,new\n\"users,a,b\n":          "quote",
		"type,old,new\nusers,a,b\nusers,a,c\n": "3: a is there twice",
	} {
		p := pairs(text)
		if a := s.run("roster", "plan", slug, file, "--mapping", p); a.code != 5 || !strings.Contains(a.err, p+":") || !strings.Contains(a.err, want) {
			t.Errorf("%q: %s", text, a)
		}
	}
	if a := s.run("roster", "plan", slug, file, "--mapping", pairs("type,old,new\nusers,nosuch,x\n")); a.code != 0 || !strings.Contains(a.err, "1 of the 1 pairs of the mapping were not used") {
		t.Errorf("a pair that fits nothing: %s", a)
	}
}

// An ordinary delta is valid offline; what it refers to is told as not looked at.
func TestRosterValidateDeltaOffline(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.data = ""
	dir := t.TempDir()
	manifest := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.2\n"
	for _, name := range strings.Fields("academicSessions categories classes classResources courses courseResources demographics enrollments lineItemLearningObjectiveIds lineItems lineItemScoreScales orgs resources resultLearningObjectiveIds results resultScoreScales roles scoreScales userProfiles userResources users") {
		mode := "absent"
		if name == "enrollments" {
			mode = "delta"
		}
		manifest += "file." + name + "," + mode + "\n"
	}
	write(t, filepath.Join(dir, "manifest.csv"), []byte(manifest))
	write(t, filepath.Join(dir, "enrollments.csv"), []byte("sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"+
		"e1,active,2026-11-24T06:00:00.000Z,c1,s1,u1,student,,,\ne2,active,2026-11-24T06:00:00.000Z,c1,s1,u2,student,,,\n"))
	a := s.run("--data", filepath.Join(dir, "none"), "roster", "validate", dir)
	if a.code != 0 || strings.Count(a.err, "W404") != 1 || !strings.Contains(a.err, "cannot be checked offline") || !strings.Contains(a.err, "5 more follow from it") {
		t.Errorf("a delta: %s", a)
	}
}
