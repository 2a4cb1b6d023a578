package app_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage finds every test that docs/security.md names where it names it: a
// claim whose test is gone is no claim.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	ok(t, err)
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`( \\(([a-z/]+)\\))?").FindAllStringSubmatch(string(page), -1)
	if len(named) < 60 {
		t.Errorf("%d tests are named", len(named))
	}
	for _, m := range named {
		if m[1] == t.Name() {
			continue
		}
		dir := m[3]
		files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
		ok(t, err)
		if dir == "cmd/tenantctl" { // the commands lie below
			more, err := filepath.Glob("../../cmd/tenantctl/*/*_test.go")
			ok(t, err)
			files = append(files, more...)
		}
		found := false
		for _, file := range files {
			b, err := os.ReadFile(file)
			ok(t, err)
			found = found || strings.Contains(string(b), "\nfunc "+m[1]+"(")
		}
		if dir == "" || !found {
			t.Errorf("%s is not in %q", m[1], dir)
		}
	}
}
