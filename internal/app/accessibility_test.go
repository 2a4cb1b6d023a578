package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"digione/internal/app"
	"digione/internal/app/statement"
	"digione/internal/app/web"
)

const (
	axeVersion = "4.14.1"
	axeFile    = "../../.tools/axe-core-" + axeVersion + ".min.js"
)

func newApp() *app.App { return app.New(app.Config{}) }

// axeRun has axe-core judge the page by WCAG 2.2 A and AA and its own best
// practices, and returns a line for each element that it finds fault with.
const axeRun = `(async () => {
  const r = await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'], rules: {'target-size': {enabled: true}}, resultTypes: ['violations']});
  return r.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.target.join(' ') + ' — ' + (n.any.concat(n.all, n.none)[0] || {message: v.help}).message));
})()`

// Rules of ours that axe-core has not: the page fits its width, at 320 px and with
// wide text too, and on a phone a finger meets what it aims at.
const (
	tooWide   = `Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)`
	wideText  = `(() => { const s = new CSSStyleSheet(); s.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important } p { margin-bottom: 2em !important }'); window.spaced = s; document.adoptedStyleSheets = [s]; return ` + tooWide + ` })()`
	plainText = `(() => { document.adoptedStyleSheets = []; return true })()`
	small     = `[...document.querySelectorAll('button, select, textarea, summary, input:not([type=hidden]), .ds-button, header a, nav a, footer a, tbody th a')].filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('.ds-skip-link') && !e.disabled).map(e => [e, (e.closest('label.tick, .tick') || e).getBoundingClientRect()]).filter(([e, r]) => r.width > 0 && (r.height < 43.5 || r.width < 23.5)).map(([e, r]) => Math.round(r.width) + '×' + Math.round(r.height) + ' ' + e.outerHTML.slice(0, 90))`
)

// view is how a page is looked at.
type view struct {
	Lang  string
	Width int64
	Dark  bool
}

func (v view) String() string {
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	return fmt.Sprintf("%s %d %s", v.Lang, v.Width, scheme)
}

var views = func() (out []view) {
	for _, lang := range []string{"fi", "sv", "en"} {
		for _, width := range []int64{1280, 390} {
			out = append(out, view{lang, width, false}, view{lang, width, true})
		}
	}
	return out
}()

// findings are what is wrong, by the rule.
type findings map[string]int

// TestAccessibility looks at every page with the rules of WCAG 2.2 AA: in one view
// each, another one from page to page, so that all come up; with
// DIGIONE_ACCESSIBILITY=full in all of them (make accessibility), and then it writes
// the results that the statement is made from.
func TestAccessibility(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatalf("%v; run make tools", err)
	}
	full := os.Getenv("DIGIONE_ACCESSIBILITY") == "full"
	w := newWorld(t)
	b := browserFor(t, 40*time.Minute)
	met := findings{}
	i, looked := 0, 0
	w.walk(t, b, func(s scene) {
		some := views
		if !full {
			some = views[i*5%len(views):][:1]
		}
		i, looked = i+1, looked+len(some)
		w.judge(t, b, s, some, string(axe), met)
	})
	if full && os.Getenv("DIGIONE_SCENES") == "" {
		writeResults(t, met, looked)
	}
}

// inOrder are the scenes by who meets them, so that each signs in once. Admins and
// operators come last: once a municipality joins, only open schools let others in.
func (w *world) inOrder() []scene {
	last := func(s scene) bool { return s.who == "admin" || strings.HasPrefix(s.route, "ops:") }
	key := func(s scene) string { return fmt.Sprint(last(s), strings.HasPrefix(s.route, "ops:"), s.who) }
	out := scenes(w)
	slices.SortStableFunc(out, func(a, b scene) int { return strings.Compare(key(a), key(b)) })
	return out
}

func (w *world) judge(t *testing.T, b context.Context, s scene, some []view, axe string, met findings) {
	t.Helper()
	lang := ""
	for _, v := range some {
		show(t, b, v)
		if v.Lang != lang {
			lang = v.Lang
			w.open(t, b, s, lang)
			do(t, b, "axe", chromedp.Evaluate[bool](axe+"; true"))
		}
		for _, f := range do(t, b, "axe on "+s.name, chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise)) {
			rule, _, _ := strings.Cut(f, ":")
			met[rule]++
			t.Errorf("%s (%s): %s", s.name, v, f)
		}
		fits(t, b, s.name, v, met)
		if dir := os.Getenv("DIGIONE_SHOTS"); dir != "" {
			shot := do(t, b, "picture", chromedp.FullScreenshot(100))
			ok(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.png", s.name, strings.ReplaceAll(v.String(), " ", "-"))), shot, 0o644))
		}
	}
}

// fits looks at the page by the rules of our own.
func fits(t *testing.T, b context.Context, name string, v view, met findings) {
	t.Helper()
	bad := func(rule, format string, args ...any) {
		met[rule]++
		t.Errorf("%s (%s): %s", name, v, fmt.Sprintf(format, args...))
	}
	if over := do(t, b, "width", chromedp.Evaluate[int](tooWide)); over > 0 {
		bad("reflow", "%d px too wide", over)
	}
	if v.Width > 400 {
		return
	}
	for _, target := range do(t, b, "targets", chromedp.Evaluate[[]string](small)) {
		bad("target-44", "target %s", target)
	}
	do(t, b, "narrow", chromedp.EmulateViewport(320, 900))
	if over := do(t, b, "width", chromedp.Evaluate[int](tooWide)); over > 0 {
		bad("reflow", "%d px too wide at 320 px", over)
	}
	if over := do(t, b, "spaced", chromedp.Evaluate[int](wideText)); over > 0 {
		who := do(t, b, "who", chromedp.Evaluate[string](`[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(-1).map(e => e.outerHTML.slice(0, 120)).join('')`))
		bad("text-spacing", "%d px too wide at 320 px with wide text: %s", over, who)
	}
	do(t, b, "plain", chromedp.Evaluate[bool](plainText))
	show(t, b, v)
}

// show sets a browser's width and colours.
func show(t *testing.T, b context.Context, v view) {
	t.Helper()
	scheme := "light"
	if v.Dark {
		scheme = "dark"
	}
	do(t, b, "resize", chromedp.EmulateViewport(v.Width, 900))
	_, err := chromedp.Call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
	ok(t, err)
}

func writeResults(t *testing.T, met findings, looked int) {
	t.Helper()
	b, err := json.MarshalIndent(statement.Results{
		Made: time.Now().Format(time.DateOnly), Axe: axeVersion, Look: web.Look(), Languages: []string{"fi", "sv", "en"}, Widths: []int64{1280, 390},
		Schemes: []string{"light", "dark"}, Views: looked, Pages: pageRoutes(), Findings: met}, "", "  ")
	ok(t, err)
	ok(t, os.WriteFile("statement/results.json", append(b, '\n'), 0o644))
}
