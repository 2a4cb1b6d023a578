package roster

import (
	"testing"

	"github.com/jba/templatecheck"
)

// Every page is checked against all that its struct offers.
func TestTemplates(t *testing.T) {
	t.Parallel()
	data := map[string]any{"roster": RosterPage{}, "upload": UploadPage{}, "plan": PlanPage{}, "findings": FindingsPage{},
		"samples": SamplesPage{}, "leavers": LeaversPage{}, "person": PersonPage{}, "rehearsal": RehearsalPage{}, "publish": PublishPage{}}
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
