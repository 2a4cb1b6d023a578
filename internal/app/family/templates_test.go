package family

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"front": FrontPage{}, "towns": TownsPage{}, "step": StepPage{}}
	htmlcheck.Templates(t, pages, data)
}
