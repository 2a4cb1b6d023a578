package main

import (
	"context"
	"fmt"
	"html/template"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"digione/internal/app/identity"
)

// bareList is a page as a handler would make it that knows no tenants, no rights and
// no audit: the limit of what is asked of the product.
var bareList = template.Must(template.New("").Parse(`<!doctype html><title>{{.Title}}</title><h1>{{.Title}}</h1><ul>{{range .Names}}<li>{{.}}</li>{{end}}</ul>`))

// bare serves the largest tenant's groups by Fiber and pgx alone, and returns what to
// ask of it. It is a listener of this process: what it costs is counted with the load's
// own cost, in its favour.
func (l *load) bare(ctx context.Context) (vegeta.Targeter, error) {
	cfg, err := pgxpool.ParseConfig(l.in.DSN)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 16
	cfg.ConnConfig.RuntimeParams["search_path"] = l.tenants[0].Schema + ",ext"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Get("/:group", func(c *fiber.Ctx) error {
		var page struct {
			Title string
			Names []string
		}
		var person string
		b := &pgx.Batch{}
		b.Queue("select s.person::text from session s where s.token_hash = $1", identity.HashOf(c.Cookies("digione"))).QueryRow(func(r pgx.Row) error { return r.Scan(&person) })
		b.Queue("select g.title from teaching_group g where g.id = $1", c.Params("group")).QueryRow(func(r pgx.Row) error { return r.Scan(&page.Title) })
		b.Queue(`select p.call_name || ' ' || p.family_name from enrolment e join person p on p.id = e.person
where e.teaching_group = $1 and e.status = 'active' order by p.family_name, p.call_name`, c.Params("group")).Query(func(rows pgx.Rows) (err error) {
			page.Names, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		within, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := pool.SendBatch(within, b).Close(); err != nil {
			return err
		}
		var out strings.Builder
		if err := bareList.Execute(&out, page); err != nil {
			return err
		}
		return c.Type("html", "utf-8").SendString(out.String())
	})
	ln, err := net.Listen("tcp", bareAddr)
	if err != nil {
		return nil, err
	}
	go func() { _ = app.Listener(ln) }()
	teachers := l.town.crowds[0]["teacher"]
	if len(teachers) == 0 {
		return nil, fmt.Errorf("%s has no teacher", l.tenants[0].Slug)
	}
	return func(out *vegeta.Target) error {
		v := teachers[rand.IntN(len(teachers))] //nolint:gosec // no secret
		fill(out, bareAddr, v, request{method: "GET", path: strings.TrimPrefix(v.pages[1], "/ryhmat")})
		return nil
	}, nil
}
