package statement

import (
	"embed"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/web"
)

//go:embed templates/*.html
var files embed.FS

var pages = web.Pages(files)

// StatementPage is all that templates/statement.html may use.
type StatementPage struct {
	web.Page
	Results Results
	Gaps    []string // known by hand, in words
	Site    bool     // the operators' host
}

// gaps are known and not found by rules: keys of their sentences.
var gaps = []string{"statement.gap.people", "statement.gap.findings", "statement.gap.files"}

// Routes mounts the statement; everybody may read it.
func Routes(r *web.Router) {
	r.Get("/saavutettavuus", authz.Public, show)
}

func show(_ *fiber.Ctx, rq *web.Request) error {
	results, err := Load()
	if err != nil {
		return err
	}
	page := StatementPage{Page: rq.Page("statement.title"), Results: results, Site: rq.Tenant.ID == ""}
	for _, key := range gaps {
		page.Gaps = append(page.Gaps, page.T(key))
	}
	return rq.Render(pages["statement"], page)
}
