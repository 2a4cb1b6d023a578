package htmlcheck

import (
	"html/template"
	"testing"

	"github.com/jba/templatecheck"
)

// Templates checks every page of a feature against all that its struct offers.
func Templates(t testing.TB, pages map[string]*template.Template, data map[string]any) {
	t.Helper()
	for name, page := range pages {
		if data[name] == nil {
			t.Errorf("%s has no struct here", name)
			continue
		}
		if err := templatecheck.CheckHTML(page, data[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
