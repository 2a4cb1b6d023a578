package app_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"digione/internal/app/authz"
	"digione/internal/app/home"
	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/web"
)

var update = flag.Bool("update", false, "rewrite routes.golden")

// TestRoutes keeps the table of all routes and their actions: a new route, or
// another action, shows in review.
func TestRoutes(t *testing.T) {
	t.Parallel()
	r := web.New(web.Config{})
	home.Routes(r, nil)
	org.Routes(r, nil)
	people.Routes(r, nil)
	var b strings.Builder
	for _, route := range r.Routes() {
		fmt.Fprintf(&b, "%-6s%-24s%s\n", route.Method, route.Path, route.Action)
		if route.Action == authz.Public {
			t.Logf("public: %s %s", route.Method, route.Path)
		}
	}
	if *update {
		if err := os.WriteFile("routes.golden", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("routes.golden")
	if err != nil || b.String() != string(want) {
		t.Errorf("the routes are not those of routes.golden (rewrite it with -update):\n%s%v", b.String(), err)
	}
}
