package operators

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"tenants": TenantsPage{}, "tenant": TenantPage{}, "log": LogPage{}, "operators": OperatorsPage{}, "entry": EntryPage{}, "key": KeyPage{}, "keys": KeysPage{}}
	htmlcheck.Templates(t, pages, data)
}
