package people

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{
		"person":    PersonPage{},
		"search":    SearchPage{},
		"guardians": GuardiansPage{},
	}
	htmlcheck.Templates(t, pages, data)
}
