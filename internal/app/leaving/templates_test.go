package leaving

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// The page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	htmlcheck.Templates(t, pages, map[string]any{"leaving": LeavingPage{}})
}
