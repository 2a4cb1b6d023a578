package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"digione/internal/app/objects/objectstest"
)

func TestRosterFromS3(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	srv := objectstest.Start(t)
	srv.Bucket(t, "rosters")
	slug, file := s.town("bucket"), s.generated(60)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(srv.Dir, "rosters", "night.zip"), b)
	there := []string{"--s3-endpoint", srv.Endpoint}
	with := func(args ...string) []string { return append(args, there...) }

	a := s.run(with("roster", "validate", "s3://rosters/night.zip", "-o", "json")...)
	if o := verdicts(t, a.out); a.code != 0 || o[0]["file"] != "s3://rosters/night.zip" || a.err != "" {
		t.Errorf("validate: %s", a)
	}
	p := s.imported(slug, "s3://rosters/night.zip", with("--initial")...)
	if q := s.imported(slug, file); q.SHA256 != p.SHA256 || q.changed() != 0 || p.changed() == 0 {
		t.Errorf("from the bucket %+v, from disk %+v", p, q)
	}
	s.refused(1, "there is no such object; see what there is: aws s3 ls s3://rosters", with("roster", "import", slug, "s3://rosters/none.zip")...)
	s.refused(1, "there is no bucket nosuch", with("roster", "plan", slug, "s3://nosuch/x.zip")...)
	s.refused(1, "want s3://bucket/key", with("roster", "plan", slug, "s3://rosters")...)
	s.refused(1, "check --s3-endpoint", "roster", "plan", slug, "s3://rosters/night.zip", "--s3-endpoint", "http://127.0.0.1:1")

	// Tenants' files in a bucket: begun with a bucket that is not there, finished
	// when it is; the kept package is what apply uses.
	c := code()
	kept := "kept-" + c
	inBucket := with("--objects-bucket", "digione")
	begun := s.run(append([]string{"tenant", "create", kept, "--name-fi", "Kept", "--municipality-code", c}, inBucket...)...)
	if begun.code != 1 || !strings.Contains(begun.err, "objects ✗") || !strings.Contains(begun.err, "there is no bucket digione") || !strings.Contains(begun.err, "run the command again") {
		t.Errorf("without the bucket: %s", begun)
	}
	srv.Bucket(t, "digione")
	s.ok(append([]string{"tenant", "create", kept}, inBucket...)...)
	held := s.run(append([]string{"roster", "plan", kept, file, "-o", "json"}, inBucket...)...)
	id := object[plan](t, held.out).Plan
	if found, _ := filepath.Glob(filepath.Join(srv.Dir, "digione", "tnt_*", "rosters", p.SHA256+".zip")); len(found) != 1 {
		t.Errorf("kept in the bucket: %v", found)
	}
	s.refused(1, "read object rosters/", "roster", "apply", kept, id, "--initial") // the folder does not have it
	if d := object[plan](t, s.ok(append([]string{"roster", "apply", kept, id, "--initial", "-o", "json"}, inBucket...)...)); !d.Applied {
		t.Errorf("applied from the bucket: %+v", d)
	}
}

func TestRosterGenerate(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.data = ""
	dir := t.TempDir()
	made := func(name string, flags ...string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		out := s.ok(append([]string{"roster", "generate", "--tenant", "vantaa", "--learners", "80", "--out", file, "-o", "json"}, flags...)...)
		named(t, "generate", object[fields](t, out), "file rows schools changes")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	one := made("one.zip", "--seed", "7")
	if made("two.zip", "--seed", "7") != one {
		t.Error("the same flags gave another file")
	}
	if made("three.zip", "--seed", "8") == one {
		t.Error("another seed gave the same file")
	}
	night := made("night.zip", "--seed", "7", "--mutate", "5%")
	if night == one || made("night2.zip", "--seed", "7", "--mutate", "0.05") != night {
		t.Error("--mutate 5% is not --mutate 0.05, or changes nothing")
	}
	if made("later.zip", "--seed", "7", "--mutate", "5%", "--night", "2") == night {
		t.Error("the second night is the first")
	}
	all, _ := filepath.Glob(filepath.Join(dir, "*.zip"))
	if a := s.run(append([]string{"roster", "validate", "-o", "json"}, all...)...); a.code != 0 || len(verdicts(t, a.out)) != len(all) {
		t.Errorf("what is generated is valid: %s", a)
	}
	before, after := contents(t, filepath.Join(dir, "one.zip")), contents(t, filepath.Join(dir, "night.zip"))
	if !slices.Equal(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after))) || slices.Equal(before["users.csv"], after["users.csv"]) {
		t.Error("the night has other files, or the same people")
	}
	s.refused(2, "--tenant and --out are needed", "roster", "generate")
	s.refused(2, `--mutate "much": use a share such as 2%`, "roster", "generate", "--tenant", "x", "--out", filepath.Join(dir, "x.zip"), "--mutate", "much")
	s.refused(5, "learners", "roster", "generate", "--tenant", "x", "--out", filepath.Join(dir, "x.zip"), "--learners", "-1")
	if left, _ := filepath.Glob(filepath.Join(dir, "*part*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRosterCodesAndPurge(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	o := object[fields](t, s.ok("roster", "codes", "-o", "json"))
	named(t, "codes", o, "codes repairs")
	if list := o["codes"].([]any); len(list) < 80 {
		t.Errorf("%d codes", len(list))
	} else {
		named(t, "a code", list[0].(fields), "code severity meaning next")
	}
	named(t, "a repair", o["repairs"].([]any)[0].(fields), "key meaning")

	slug := s.town("purge")
	s.imported(slug, s.generated(60), "--initial")
	for _, flags := range [][]string{{"--dry-run"}, nil} {
		o := object[fields](t, s.ok(append([]string{"roster", "purge", slug, "--before", "2020-01-01", "-o", "json"}, flags...)...))
		named(t, "purge", o, "tenant deleted dry_run")
		for table, n := range o["deleted"].(fields) {
			if n != 0.0 || (o["dry_run"] == true) != (flags != nil) {
				t.Errorf("purge of what was never removed: %s %v", table, n)
			}
		}
	}
	if a := s.run("roster", "purge", slug, "--before", time.Now().Format(time.DateOnly)); a.code == 0 || !strings.Contains(a.err, "30 days") {
		t.Errorf("purge of what was removed today: %s", a)
	}
}
