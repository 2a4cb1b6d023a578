package roster

import (
	"testing"

	"digione/internal/app/web/htmlcheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"roster": RosterPage{}, "upload": UploadPage{}, "plan": PlanPage{}, "findings": FindingsPage{},
		"samples": SamplesPage{}, "leavers": LeaversPage{}, "person": PersonPage{}, "rehearsal": RehearsalPage{}, "publish": PublishPage{}}
	htmlcheck.Templates(t, pages, data)
}
