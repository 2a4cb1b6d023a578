package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every mutant still finds its place, and its test is there: so that a change of a
// control is noticed by make test, not by the next run of the mutants.
func TestMutantsApply(t *testing.T) {
	t.Parallel()
	all, err := parse(list)
	if err != nil {
		t.Fatal(err)
	}
	const root = "../../.."
	for _, m := range all {
		b, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		broken, err := m.apply(string(b))
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
		} else if broken == string(b) {
			t.Errorf("%s changes nothing", m.Name)
		}
		if !hasTest(t, filepath.Join(root, m.Package), m.Test) {
			t.Errorf("%s: no %s in %s", m.Name, m.Test, m.Package)
		}
	}
}

func hasTest(t *testing.T, dir, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "\nfunc "+name+"(t *testing.T) {") {
			return true
		}
	}
	return false
}
