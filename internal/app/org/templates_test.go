package org

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{
		"schools": SchoolsPage{},
		"school":  SchoolPage{},
		"group":   GroupPage{},
	}
	htmlcheck.Templates(t, pages, data)
}
