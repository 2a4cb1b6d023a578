package app_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"digione/internal/app"
	"digione/internal/app/authz"
)

var update = flag.Bool("update", false, "rewrite routes.golden")

// TestRoutes keeps the table of all routes and their actions: a new route, or
// another action, shows in review.
func TestRoutes(t *testing.T) {
	t.Parallel()
	r := app.New(app.Config{}).Router
	var b strings.Builder
	for _, route := range r.Routes() {
		fmt.Fprintf(&b, "%-6s%-28s%s\n", route.Method, route.Path, route.Action)
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
