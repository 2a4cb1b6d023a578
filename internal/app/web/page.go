package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"digione/internal/app/authz"
	"digione/internal/app/i18n"
)

//go:embed templates/*.html
var coreFiles embed.FS

var corePages = Pages(coreFiles)

// Pages parses a feature's templates/*.html. Each file is one page and defines
// "content"; files named part_*.html are shared by all of them. It panics on a
// broken template: the files are part of the program. more are shared parts that
// other features lend.
func Pages(files fs.FS, more ...fs.FS) map[string]*template.Template {
	layout := template.Must(template.ParseFS(coreFiles, "templates/layout.html", "templates/part_form.html"))
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic(err)
	}
	for _, lent := range more {
		template.Must(layout.ParseFS(lent, "templates/part_*.html"))
	}
	for _, name := range names {
		if strings.HasPrefix(path.Base(name), "part_") {
			template.Must(layout.ParseFS(files, name))
		}
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || strings.HasPrefix(base, "part_") {
			continue
		}
		pages[base] = escaped(template.Must(template.Must(layout.Clone()).ParseFS(files, name)).Lookup("layout.html"))
	}
	return pages
}

// escaped has a template escape itself now. Left alone it would do so at its first
// rendering, and a context that cannot be escaped would show only there.
func escaped(t *template.Template) *template.Template {
	bad := (*template.Error)(nil)
	if err := t.Execute(io.Discard, nil); errors.As(err, &bad) { // other errors are about the missing data
		panic(err)
	}
	return t
}

// NavItem is a place in the main navigation, shown to whoever may do its action.
type NavItem struct {
	Key    string // of its label
	Path   string
	Action authz.Action
	Order  int
	When   func(*Request) bool // nil is always
}

// Nav adds places to the main navigation.
func (r *Router) Nav(items ...NavItem) {
	r.nav = append(r.nav, items...)
	slices.SortStableFunc(r.nav, func(a, b NavItem) int { return a.Order - b.Order })
}

// Link is a named address; Current marks where the reader is.
type Link struct {
	Label, Path, Lang string
	Current           bool
}

// Page is what every page has; a feature's page struct embeds it.
type Page struct {
	Lang      i18n.Lang
	Title     string
	Tenant    string // the municipality, empty where there is none
	Who       string // who is signed in, empty when nobody is
	Role      string // what they are here, in words
	Nav       []Link
	Langs     []Link
	CSRF      string       // for the hidden field of forms
	Visit     string       // who is on a support visit, why and until when, in words
	Flash     string       // what just happened, in words
	FlashTone string       // success, or info where nothing was done
	Errors    []FieldError // what is to be mended in a form, see Mend
	RequestID string
	Status    int // 0 on ordinary pages
	assets    *assets
}

// Page returns the frame of a page with a translated title.
func (rq *Request) Page(titleKey string, args ...any) Page {
	p := Page{
		Lang: rq.Lang, Title: rq.Lang.T(titleKey, args...), RequestID: rq.ID, assets: rq.router.assets,
		Tenant: rq.Tenant.Name(string(rq.Lang)),
	}
	if site := rq.router.cfg.Site; site != nil {
		p.Tenant = rq.Lang.T(site.Name)
	}
	p.Langs = rq.langLinks()
	if rq.Actor.SignedIn() {
		p.Who, p.CSRF = rq.Session.Name, Masked(rq.Session.CSRF)
		if site := rq.router.cfg.Site; p.Who == "" && site != nil {
			p.Who = rq.Lang.T(site.Who)
		}
		p.Role, p.Nav = rq.roleWords(), rq.navLinks()
	}
	if s := rq.Session.Support; s != nil {
		p.Visit = rq.Lang.T("layout.visit", "Who", rq.Session.Name, "Why", s.Reason, "At", rq.Lang.Clock(s.Until))
	}
	p.Flash, p.FlashTone = rq.takeFlash()
	return p
}

func (rq *Request) roleWords() string {
	var words []string
	for _, r := range rq.Actor.Roles() {
		words = append(words, rq.Lang.T("role."+string(r)))
	}
	return strings.Join(words, " · ")
}

func (rq *Request) navLinks() []Link {
	var out []Link
	for _, item := range rq.router.nav {
		if rq.Actor.May(item.Action) && (item.When == nil || item.When(rq)) {
			at := rq.c.Path()
			here := at == item.Path || item.Path != "/" && strings.HasPrefix(at, item.Path+"/")
			out = append(out, Link{Label: rq.Lang.T(item.Key), Path: item.Path, Current: here})
		}
	}
	return out
}

// langLinks lead to this page in the other languages. An answer to a form has no
// address of its own, so from there they lead to the form.
func (rq *Request) langLinks() []Link {
	var out []Link
	for _, l := range i18n.Langs {
		q := "?" + langParam + "=" + string(l)
		if back := rq.c.Query(returnKey); back != "" {
			q += "&" + returnKey + "=" + template.URLQueryEscaper(LocalPath(back))
		}
		out = append(out, Link{Label: l.Name(), Path: LocalPath(rq.c.Path()) + q, Lang: string(l), Current: l == rq.Lang})
	}
	return out
}

// T returns the sentence of a key in the page's language.
func (p Page) T(key string, args ...any) string { return p.Lang.T(key, args...) }

// N writes a number.
func (p Page) N(n int) string { return p.Lang.Number(n) }

// Date writes a day in figures.
func (p Page) Date(t time.Time) string { return p.Lang.Date(t) }

// DateTime writes a moment.
func (p Page) DateTime(t time.Time) string { return p.Lang.DateTime(t) }

// Asset returns the address of a static file.
func (p Page) Asset(name string) string { return p.assets.path(name) }

// Render sends a page.
func (rq *Request) Render(t *template.Template, page any) error {
	return rq.RenderStatus(fiber.StatusOK, t, page)
}

// RenderStatus sends a page with a status. The page is whole before the first
// byte leaves: a reader gets all of it or an error page.
func (rq *Request) RenderStatus(status int, t *template.Template, page any) error {
	if t == nil {
		return fmt.Errorf("render: no such template")
	}
	var b bytes.Buffer
	if err := t.Execute(&b, page); err != nil {
		return fmt.Errorf("render %s: %w", t.Name(), err)
	}
	return rq.c.Status(status).Type("html", "utf-8").Send(b.Bytes())
}

const flashCookie = "flash"

// Flash keeps a sentence, by its key, for the next page.
func (rq *Request) Flash(key string) {
	rq.c.Cookie(rq.cookie(flashCookie, key, rq.Now.Add(time.Minute)))
}

// takeFlash shows a sentence once. Only keys of our own are taken from a cookie.
func (rq *Request) takeFlash() (sentence, tone string) {
	key := rq.c.Cookies(flashCookie)
	if key == "" {
		return "", ""
	}
	rq.c.Cookie(rq.cookie(flashCookie, "", time.Unix(1, 0)))
	if !strings.HasPrefix(key, "flash.") || !i18n.Has(key) {
		return "", ""
	}
	if key == endedFlash {
		return rq.Lang.T(key), "info"
	}
	return rq.Lang.T(key), "success"
}

// Cell is a number in a table, with the label that it carries on a phone.
type Cell struct {
	Label, Text string
	Zero        bool
}

// Cell returns a table's cell with a number.
func (p Page) Cell(labelKey string, n int) Cell { return Cell{p.T(labelKey), p.N(n), n == 0} }
