package app_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"digione/internal/app"
	"digione/internal/app/authz"
	"digione/internal/app/web"
)

var update = flag.Bool("update", false, "rewrite routes.golden")

// TestRoutes keeps the table of all routes and their actions: a new route, or
// another action, shows in review.
func TestRoutes(t *testing.T) {
	t.Parallel()
	a := app.New(app.Config{})
	var b strings.Builder
	list := func(routes []web.Route) {
		for _, route := range routes {
			fmt.Fprintf(&b, "%-6s%-28s%s\n", route.Method, route.Path, route.Action)
			if route.Action == authz.Public {
				t.Logf("public: %s %s", route.Method, route.Path)
			}
		}
	}
	list(a.Router.Routes())
	fmt.Fprintf(&b, "\nat the operators' host\n")
	list(a.Operators.Router.Routes())
	fmt.Fprintf(&b, "\nat the guardians' host\n")
	list(a.Family.Router.Routes())
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
