package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"digione/internal/app/roster/generate"
)

// rewritten changes the rows of one file of a package: f gives a line, or nothing.
func rewritten(t *testing.T, content []byte, file string, f func(n int, line string) string) []byte {
	t.Helper()
	in, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	ok(t, err)
	var b bytes.Buffer
	out := zip.NewWriter(&b)
	for _, entry := range in.File {
		r, err := entry.Open()
		ok(t, err)
		text, err := io.ReadAll(r)
		ok(t, err)
		if entry.Name == file {
			var kept []string
			for n, line := range strings.SplitAfter(string(text), "\n") {
				if n > 0 && line != "" {
					line = f(n, line)
				}
				kept = append(kept, line)
			}
			text = []byte(strings.Join(kept, ""))
		}
		w, err := out.Create(entry.Name)
		ok(t, err)
		_, err = w.Write(text)
		ok(t, err)
	}
	ok(t, out.Close())
	return b.Bytes()
}

// TestRosterBrowser takes two admins through an import by the keyboard: a package
// with errors, one that is held, its approval by the other, and its undoing.
func TestRosterBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	w.env.Exec(t, `insert into t_alpha.role_grant (id, person, role, unit, validity, source, date_last_modified)
		select gen_random_uuid(), r.person, 'systemAdministrator', (select id from t_alpha.unit where kind = 'provider' limit 1), '[2020-01-01,)', 'test', now()
		  from t_alpha.roster_user r where r.username = '`+w.cast.Principal.Username+`' limit 1`)
	spec := generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", NameSv: "Alfby", Learners: 300, Seed: 5, SchoolYear: schoolYear(time.Now()), Mutate: 0.03, Night: 1}
	var night bytes.Buffer
	_, err := generate.Write(context.Background(), &night, spec)
	ok(t, err)
	dir := t.TempDir()
	files := map[string][]byte{
		"virheellinen.zip": rewritten(t, night.Bytes(), "enrollments.csv", func(n int, line string) string {
			if n%7 == 0 {
				return strings.Replace(line, ",", ",x", 3)
			}
			return line
		}),
		"vajaa.zip": rewritten(t, night.Bytes(), "enrollments.csv", func(n int, line string) string {
			if n%4 == 0 {
				return ""
			}
			return line
		}),
	}
	for name, content := range files {
		ok(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	at := func(path string) string { return fmt.Sprintf("http://alpha.test:%d%s", w.port, path) }
	enter := func(who string) context.Context {
		b := browser(t)
		do(t, b, "open", chromedp.Navigate(at("/oppilastiedot")))
		do(t, b, "way in", chromedp.Click(`main a[href*="/alku"]`))
		do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, b, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, who)))
		do(t, b, "page", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
		do(t, b, "rosters", chromedp.Navigate(at("/oppilastiedot")))
		return b
	}
	send := func(b context.Context, name string) {
		do(t, b, "open", chromedp.Navigate(at("/oppilastiedot")))
		do(t, b, "file", chromedp.SetUploadFiles(`#file`, []string{filepath.Join(dir, name)}))
		press(t, b, `form[data-upload] button`)
	}

	one := enter(w.cast.Admin.Username)
	look(t, one, "roster-0")
	keyboard(t, one, "the overview")
	send(one, "virheellinen.zip")
	do(t, one, "findings", chromedp.WaitVisible(`main a[href$="/havainnot"]`))
	look(t, one, "roster-1-errors")
	press(t, one, `main a[href$="/havainnot"]`)
	do(t, one, "findings", chromedp.WaitVisible(`#saanto`))
	says(t, one, "findings", "enrollments.csv:")
	look(t, one, "roster-2-findings")
	keyboard(t, one, "findings")

	send(one, "vajaa.zip")
	do(t, one, "plan", chromedp.WaitVisible(`.matrix`))
	says(t, one, "the held plan", "poistettaisiin", "odottaa toista henkilöä")
	look(t, one, "roster-3-held")
	keyboard(t, one, "the held plan")
	path := do(t, one, "address", chromedp.Evaluate[string](`location.pathname`))
	for i, link := range []string{`.matrix a[href*="/users/update"]`, `.matrix a[href*="/enrollments/remove"]`, `.matrix a[href*="/users/insert"]`} {
		do(t, one, "plan", chromedp.Navigate(at(path)))
		press(t, one, link)
		do(t, one, "samples", chromedp.WaitVisible(`.diff`))
		look(t, one, fmt.Sprintf("roster-4-samples-%d", i))
	}
	for _, lang := range []string{"sv", "en", "fi"} {
		do(t, one, lang, chromedp.Navigate(at(path+"?kieli="+lang)))
		look(t, one, "roster-5-"+lang)
	}

	two := enter(w.cast.Principal.Username)
	look(t, two, "roster-6-waiting")
	press(t, two, `main a[href="`+path+`"]`)
	do(t, two, "approval", chromedp.WaitVisible(`#approve`))
	press(t, two, `#approve`)
	tab(t, two, `#reason`)
	do(t, two, "reason", chromedp.KeyEvent("Kevään ryhmät puuttuvat tarkoituksella"))
	look(t, two, "roster-7-approve")
	press(t, two, `form[action$="/tuo"] button`)
	do(t, two, "done", chromedp.WaitVisible(`form[action$="/peru"]`))
	says(t, two, "the import", "Tuotu", "voi perua", "Kevään ryhmät")
	look(t, two, "roster-8-done")
	press(t, two, `form[action$="/peru"] button`)
	do(t, two, "undo", chromedp.WaitVisible(`#reason`))
	says(t, two, "the undo", "Peruminen")
	look(t, two, "roster-9-undo")
	tab(t, two, `#reason`)
	do(t, two, "reason", chromedp.KeyEvent("Väärä paketti"))
	press(t, two, `form[action$="/tuo"] button`)
	do(t, two, "undone", chromedp.WaitVisible(`form[action$="/peru"]`))
	do(t, two, "first", chromedp.Navigate(at(path)))
	says(t, two, "the first import", "Tuonti on peruttu")
	do(t, two, "overview", chromedp.Navigate(at("/oppilastiedot")))
	says(t, two, "the overview", "imp_2", "imp_3", "Peruttu")
	look(t, two, "roster-10-history")
	do(t, two, "samples", chromedp.Navigate(at(path+"/muutokset/users/update")))
	press(t, two, `main th a[href^="/henkilot/"]`)
	do(t, two, "person", chromedp.WaitVisible(`a[href^="/oppilastiedot/henkilot/"]`))
	press(t, two, `a[href^="/oppilastiedot/henkilot/"]`)
	do(t, two, "history", chromedp.WaitVisible(`.diff`))
	look(t, two, "roster-11-person")
}

// tab moves on by the tab key until an element that matches has the focus.
func tab(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	for range 300 {
		if do(t, ctx, "focus", chromedp.Evaluate[bool](fmt.Sprintf(`document.activeElement.matches(%q)`, selector))) {
			return
		}
		do(t, ctx, "tab", chromedp.KeyEvent(kb.Tab))
	}
	t.Fatalf("the tab key never reaches %s", selector)
}

// press goes to an element by the tab key and uses it by another key.
func press(t *testing.T, ctx context.Context, selector string) {
	t.Helper()
	do(t, ctx, "shown", chromedp.WaitVisible(selector))
	tab(t, ctx, selector)
	key := kb.Enter
	if do(t, ctx, "what", chromedp.Evaluate[bool](`document.activeElement.type === "checkbox"`)) {
		key = " "
	}
	do(t, ctx, "press "+selector, chromedp.KeyEvent(key))
}

func says(t *testing.T, ctx context.Context, where string, words ...string) {
	t.Helper()
	text := do(t, ctx, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`))
	for _, want := range words {
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", where, want, text)
		}
	}
}
