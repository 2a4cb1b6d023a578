package app_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"digione/internal/app/statement"
	"digione/internal/app/web"
)

// TestWithoutScripts signs in, searches and sends a form that has to be mended in a
// browser that runs no script, by the keyboard and the mouse as people do.
func TestWithoutScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := &world{town: newTown(t)}
	b := browser(t)
	do(t, b, "open", chromedp.Navigate(w.at("alpha", "/")))
	_, err := chromedp.Call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	ok(t, err)
	do(t, b, "way in", chromedp.Click(`main a[href*="/alku"]`))
	do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
	do(t, b, "name", chromedp.SendKeys(`input[name=username]`, w.cast.Admin.Username+kb.Enter))
	do(t, b, "inside", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
	do(t, b, "search", chromedp.SendKeys(`#nimi`, w.cast.Learner.FamilyName+kb.Enter))
	do(t, b, "hits", chromedp.WaitVisible(`main .rows caption`))
	do(t, b, "person", chromedp.Click(`main .rows tbody a`))
	do(t, b, "person shown", chromedp.WaitVisible(`main dl.facts`))
	do(t, b, "rights", chromedp.Navigate(w.at("alpha", "/oikeudet")))
	do(t, b, "unit", chromedp.Click(`main tbody a`))
	do(t, b, "username", chromedp.SendKeys(`#tunnus`, "eiketaan"))
	do(t, b, "reason", chromedp.SendKeys(`#syy`, "Sijainen keväälle"+kb.Enter))
	do(t, b, "summed up", chromedp.WaitVisible(`.mend a[href="#tunnus"]`))
	do(t, b, "beside the field", chromedp.WaitVisible(`#tunnus-virhe`))
	do(t, b, "to the field", chromedp.Click(`.mend a[href="#tunnus"]`))
	do(t, b, "there", chromedp.WaitVisible(`#tunnus:focus`))
}

// follow asks for what a page's links lead to, besides itself, of each kind of address
// once for each person: none leads nowhere.
func follow(t *testing.T, b context.Context, s scene, followed map[string]bool) {
	t.Helper()
	const links = `[...document.querySelectorAll('a[href]')].map(a => a.href.split('#')[0]).filter(h => h.startsWith(location.origin) && !h.includes('kieli=') && h !== location.href.split('#')[0])`
	for _, link := range do(t, b, "links", chromedp.Evaluate[[]string](links)) {
		kind := s.who + " " + anID.ReplaceAllString(link, ":id")
		if followed[kind] {
			continue
		}
		followed[kind] = true
		// What leads elsewhere is not followed: a status of 0.
		status := do(t, b, link, chromedp.Evaluate[int](fmt.Sprintf(`fetch(%q, {redirect: 'manual'}).then(r => r.status)`, link), chromedp.EvalAwaitPromise))
		if status >= 400 {
			t.Errorf("%s as %s: the link %s answers %d", s.name, s.who, anID.ReplaceAllString(link, ":id"), status)
		}
	}
}

var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// heaviest is what a page may take on the wire at its first load, in bytes.
const heaviest = 100 << 10

// TestWeight loads every page as a browser that has nothing yet, and counts what
// comes over the wire: page, styles, scripts, font. Then it follows the page's links.
func TestWeight(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newWorld(t)
	b := browser(t)
	_, err := chromedp.Call(b, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	ok(t, err)
	followed := map[string]bool{}
	w.walk(t, b, func(s scene) {
		w.open(t, b, s, "fi")
		const sum = `performance.getEntriesByType('navigation').concat(performance.getEntriesByType('resource')).reduce((n, e) => n + e.transferSize, 0)`
		if n := do(t, b, "weight", chromedp.Evaluate[int](sum)); n == 0 || n > heaviest {
			t.Errorf("%s takes %d bytes at its first load, allowed are %d", s.name, n, heaviest)
		}
		follow(t, b, s, followed)
	})
}

// TestKeyboardPaths goes through the ways that people go most, by the tab key alone:
// all that can be used is met in the order of the page, and nothing holds the focus.
// Imports and approvals are gone through in TestRosterBrowser.
func TestKeyboardPaths(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := &world{town: newTown(t)}
	b := browser(t)
	do(t, b, "size", chromedp.EmulateViewport(1280, 900))
	do(t, b, "open", chromedp.Navigate(w.at("alpha", "/")))
	keyboard(t, b, "sign-in")
	press(t, b, `main a[href*="/alku"]`)
	do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
	tab(t, b, `input[name=username]`)
	do(t, b, "name", chromedp.KeyEvent(w.cast.Admin.Username+kb.Enter))
	do(t, b, "inside", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
	keyboard(t, b, "front page")
	tab(t, b, `#nimi`)
	do(t, b, "search", chromedp.KeyEvent(w.cast.Learner.FamilyName+kb.Enter))
	do(t, b, "hits", chromedp.WaitVisible(`main .rows caption`))
	keyboard(t, b, "search")
	do(t, b, "phone", chromedp.EmulateViewport(390, 800))
	press(t, b, `.menu`)
	do(t, b, "menu", chromedp.WaitVisible(`.side:popover-open`))
	tab(t, b, `.side a[href="/koulut"]`)
	do(t, b, "escape", chromedp.KeyEvent(kb.Escape))
	if open := do(t, b, "closed", chromedp.Evaluate[bool](`document.querySelector('.side').matches(':popover-open')`)); open {
		t.Error("the menu does not close by Escape")
	}
	top := do(t, b, "top", chromedp.Evaluate[int](`Math.round(document.querySelector('main h1').getBoundingClientRect().top + window.scrollY)`))
	if top > 200 {
		t.Errorf("on a phone the page begins at %d px: the navigation eats the first screen", top)
	}
}

// walk calls f for every scene, signed in as its person.
func (w *world) walk(t *testing.T, b context.Context, f func(scene)) {
	t.Helper()
	at, joined := "nowhere", false
	only := os.Getenv("DIGIONE_SCENES")
	for _, s := range w.inOrder() {
		if only != "" && !strings.Contains(","+only+",", ","+s.name+",") {
			continue
		}
		host, _ := w.place(t, s)
		if s.who == "admin" && !joined {
			w.joins(t)
			joined = true
		}
		if who := host + s.who; who != at {
			w.enter(t, b, host, w.people[s.who])
			at = who
		}
		if s.goes {
			w.going(t, func() { f(s) })
			continue
		}
		f(s)
	}
}

// TestTour writes docs/tour.md with a picture of every page (make tour). Without
// DIGIONE_TOUR it checks that the tour has all of them.
func TestTour(t *testing.T) {
	dir := os.Getenv("DIGIONE_TOUR")
	if dir == "" {
		have, err := os.ReadFile("../../docs/tour.md")
		ok(t, err)
		if tourText(scenes(&world{town: &town{}})) != string(have) {
			t.Error("docs/tour.md is not that of the scenes; run make tour")
		}
		return
	}
	w := newWorld(t)
	b := browserFor(t, 15*time.Minute)
	ok(t, os.MkdirAll(dir+"/tour", 0o755))
	w.walk(t, b, func(s scene) {
		for _, width := range []int64{1280, 390} {
			if width == 390 && !s.main {
				continue
			}
			show(t, b, view{"fi", width, false})
			w.open(t, b, s, "fi")
			height := do(t, b, "height", chromedp.Evaluate[int64](`Math.min(document.documentElement.scrollHeight, innerWidth < 400 ? 1100 : 1000)`))
			do(t, b, "size", chromedp.EmulateViewport(width, height))
			quality := int64(45)
			shot, err := chromedp.Call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatWebp, Quality: &quality})
			ok(t, err)
			ok(t, os.WriteFile(fmt.Sprintf("%s/tour/%s-%d.webp", dir, s.name, width), shot.Data, 0o644))
		}
	})
	ok(t, os.WriteFile(dir+"/tour.md", []byte(tourText(scenes(w))), 0o644))
}

func tourText(all []scene) string {
	var b strings.Builder
	b.WriteString("# The pages\n\nEvery page, as a browser shows it in Finnish to invented people. Written by `make tour`: the sentences stand in\n`internal/app/scenes_test.go`.\n")
	for _, s := range all {
		fmt.Fprintf(&b, "\n## %s\n\n%s `%s`\n\n![%s](tour/%s-1280.webp)\n", strings.ReplaceAll(s.name, "-", " "), s.says, s.route, s.says, s.name)
		if s.main {
			fmt.Fprintf(&b, "\n<img src=\"tour/%s-390.webp\" width=\"260\" alt=\"The same on a phone\">\n", s.name)
		}
	}
	return b.String()
}

// TestStatement fails when the accessibility statement tells of other pages, another
// look or other rules than there are now.
func TestStatement(t *testing.T) {
	t.Parallel()
	r, err := statement.Load()
	ok(t, err)
	if r.Day().IsZero() || r.Axe != axeVersion || r.Look != web.Look() || strings.Join(r.Pages, " ") != strings.Join(pageRoutes(), " ") {
		t.Error("internal/app/statement/results.json is stale; run make accessibility")
	}
}
