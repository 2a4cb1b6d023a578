package statement

import (
	"testing"

	"github.com/jba/templatecheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	if err := templatecheck.CheckHTML(pages["statement"], StatementPage{}); err != nil {
		t.Error(err)
	}
}
