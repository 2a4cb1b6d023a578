package oversight

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"looks": LooksPage{}, "overseen": OverseenPage{}}
	htmlcheck.Templates(t, pages, data)
}
