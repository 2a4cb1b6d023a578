// Package app_test checks that imports point the way the house wants.
package app_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// layers of the packages below internal/app: a package imports lower ones only.
// What is not named here is a feature, on the layer of features.
var layers = map[string]int{
	"fault": 1, "i18n": 1,
	"authz": 20, "audit": 20, "jobs": 20, "objects": 20, "mail": 20,
	"web":    25,
	"people": 30, "org": 30, "identity": 30,
	"onboarding": 40, // it measures what all features hold, and adds to the operators' pages
}

const features = 35

// forTests are the folders of helpers that only tests import.
var forTests = []string{"webtest", "htmlcheck", "peopletest", "identitytest", "rostertest", "objectstest", "dbtest", "wiretest"}

// mayImport: an import that begins with key is for these files only.
var mayImport = map[string]func(file string) bool{
	"github.com/gofiber/fiber": func(f string) bool {
		return in(f, "internal/app/web") || strings.HasPrefix(path.Base(f), "handlers") || in(f, "cmd/digione") || in(f, "cmd/internal/proving")
	},
	"github.com/jackc/pgx": func(f string) bool {
		return in(f, "internal/tenancy") || strings.HasSuffix(f, "store.go") || in(f, "internal/app/audit") || in(f, "internal/app/jobs") || in(f, "cmd/internal/proving")
	},
	"github.com/spf13/viper":          func(f string) bool { return in(f, "cmd") },
	"github.com/spf13/cobra":          func(f string) bool { return in(f, "cmd") },
	"digione/internal/app":            func(f string) bool { return !in(f, "internal/tenancy") && !in(f, "schemas") },
	"digione/internal/tenancy/dbtest": isForTests,
}

func in(file, folder string) bool { return strings.HasPrefix(file, folder+"/") }

func isForTests(file string) bool {
	if strings.HasSuffix(file, "_test.go") {
		return true
	}
	for _, dir := range forTests {
		if strings.Contains("/"+path.Dir(file)+"/", "/"+dir+"/") {
			return true
		}
	}
	return false
}

// owner returns the package of internal/app that a file or an import path lies in.
func owner(p string) string {
	_, rest, ok := strings.Cut(p, "internal/app/")
	name, _, _ := strings.Cut(rest, "/")
	if !ok || strings.HasSuffix(name, ".go") {
		return ""
	}
	return name
}

func layer(name string) int {
	if l, ok := layers[name]; ok {
		return l
	}
	return features
}

func TestImports(t *testing.T) {
	t.Parallel()
	eachFile(t, func(file string, imports []string, src string) {
		for _, im := range imports {
			for prefix, may := range mayImport {
				if strings.HasPrefix(im, prefix) && !may(file) && !isForTests(file) {
					t.Errorf("%s imports %s", file, im)
				}
			}
			from, to := owner(file), owner(im)
			if from != "" && to != "" && from != to && layer(from) <= layer(to) && !isForTests(file) {
				t.Errorf("%s: %s (layer %d) imports %s (layer %d)", file, from, layer(from), to, layer(to))
			}
			if isForTests(im+"/x.go") && !isForTests(file) {
				t.Errorf("%s imports %s, which is for tests", file, im)
			}
		}
		if strings.Contains(src, "os.Get"+"env(") && !in(file, "cmd") && !isForTests(file) {
			t.Errorf("%s reads the environment", file)
		}
	})
}

// TestSQLStyle: no statement takes what it did not name, and none changes from a
// variable text.
func TestSQLStyle(t *testing.T) {
	t.Parallel()
	eachFile(t, func(file string, _ []string, src string) {
		if !strings.HasSuffix(file, "store.go") || !in(file, "internal/app") {
			return
		}
		for line := range strings.SplitSeq(src, "\n") {
			low := strings.ToLower(line)
			if strings.Contains(low, "select *") || strings.Contains(low, ".* ") && strings.Contains(low, "select") {
				t.Errorf("%s: %s", file, strings.TrimSpace(line))
			}
		}
	})
}

func eachFile(t *testing.T, f func(file string, imports []string, src string)) {
	t.Helper()
	root, n := "../..", 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var imports []string
		for _, im := range parsed.Imports {
			imports = append(imports, strings.Trim(im.Path.Value, `"`))
		}
		rel, err := filepath.Rel(root, p)
		n++
		f(filepath.ToSlash(rel), imports, string(src))
		return err
	})
	if err != nil || n < 20 {
		t.Fatalf("%d files, %v", n, err)
	}
}
