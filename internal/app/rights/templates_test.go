package rights

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"units": UnitsPage{}, "unit": UnitPage{}, "privacy": PrivacyPage{}, "inspect": InspectPage{}}
	htmlcheck.Templates(t, pages, data)
}
