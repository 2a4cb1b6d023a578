package main

import (
	"archive/zip"
	"encoding/csv"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var rosters = struct {
	sync.Mutex
	made map[string]string
}{made: map[string]string{}}

// generated returns a made roster; the same flags give the same file.
func (s *shell) generated(learners int, flags ...string) string {
	s.Helper()
	rosters.Lock()
	defer rosters.Unlock()
	key := fmt.Sprint(learners, flags)
	if rosters.made[key] == "" {
		file := filepath.Join(house.open(s), fmt.Sprintf("made-%d.zip", len(rosters.made)))
		line := append([]string{"roster", "generate", "--tenant", "town", "--learners", fmt.Sprint(learners), "--seed", "7", "--school-year", "2027", "--out", file}, flags...)
		if learners < 1000 {
			s.ok(line...)
		} else {
			s.ran(line...) // without the race detector
		}
		rosters.made[key] = file
	}
	return rosters.made[key]
}

// exported returns a tenant's roster as contents does.
func (s *shell) exported(slug string) map[string][]string {
	s.Helper()
	out := filepath.Join(s.TempDir(), "export.zip")
	s.ok("roster", "export", slug, "--out", out)
	return contents(s, out)
}

// contents returns the rows of a package by file, each with the names of its
// columns: the order of rows and of metadata columns says nothing. The manifest
// is left out, it says who wrote the package.
func contents(t testing.TB, file string) map[string][]string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	all := map[string][]string{}
	for _, f := range z.File {
		if f.Name == "manifest.csv" {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(r).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			var cells []string
			for i, v := range row {
				if v != "" {
					cells = append(cells, rows[0][i]+"="+v)
				}
			}
			slices.Sort(cells)
			all[f.Name] = append(all[f.Name], strings.Join(cells, "|"))
		}
		slices.Sort(all[f.Name])
	}
	return all
}

// sums tells in short what a package holds: the checksums of its files.
func sums(t testing.TB, file string) map[string]uint32 {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	all := map[string]uint32{}
	for _, f := range z.File {
		all[f.Name] = f.CRC32
	}
	return all
}

func sameRoster(t testing.TB, what string, got, want map[string][]string) {
	t.Helper()
	for name, lines := range want {
		if !slices.Equal(got[name], lines) {
			t.Errorf("%s: %s has %d rows, want %d, or other ones", what, name, len(got[name]), len(lines))
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: files %v, want %v", what, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// unzipped lays the files of a package into a folder.
func unzipped(t testing.TB, file string) string {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = z.Close() }()
	dir := t.TempDir()
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	return dir
}

// edit rewrites a file of an unzipped package, line by line; line 1 is the
// header. change returns false for a line to leave out.
func edit(t testing.TB, dir, file string, change func(n int, line string) (string, bool)) {
	t.Helper()
	name := filepath.Join(dir, file)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i, line := range strings.Split(string(b), "\n") {
		if changed, keep := change(i+1, line); keep {
			out = append(out, changed)
		}
	}
	write(t, name, []byte(strings.Join(out, "\n")))
}

// every leaves out each n-th row of a file.
func every(t testing.TB, dir, file string, n int) {
	edit(t, dir, file, func(i int, line string) (string, bool) { return line, i == 1 || line == "" || i%n != 0 })
}

// discreet checks that nothing of the people of a package was said.
func (s *shell) discreet(dir string) {
	s.Helper()
	f, err := os.Open(filepath.Join(dir, "users.csv"))
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		s.Fatal(err)
	}
	said := s.said.String()
	col := func(row []string, name string) string { return row[slices.Index(rows[0], name)] }
	for _, r := range rows[1:] {
		for _, secret := range []string{col(r, "username"), col(r, "email"), col(r, "metadata.hetu"), col(r, "userMasterIdentifier"),
			col(r, "givenName") + " " + col(r, "familyName"), col(r, "familyName") + " " + col(r, "givenName")} {
			if len(secret) > 3 && strings.Contains(said, secret) {
				s.Fatalf("%q was said", secret)
			}
		}
	}
}
