package app_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"digione/internal/app/roster/generate"
)

// TestRehearsalBrowser takes an admin from a package to next autumn's schools, and
// looks at what says how fresh the lists are.
func TestRehearsalBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	w.env.Exec(t, `insert into t_alpha.roster_delivery (id, name, tag, size, modified_at, state, seen_at, ended_at, moved_at)
		values (gen_random_uuid(), 'yo-2026-11-22.zip', '1', 81000, now() - interval '1 day', 'done', now() - interval '1 day', now() - interval '1 day', now()),
		       (gen_random_uuid(), 'yo-2026-11-24.zip', '2', 81000, now(), 'arriving', now(), null, null)`)
	w.env.Exec(t, `with u as (insert into t_alpha.roster_upload (id, name, size, part_size, state, failure, sent_by, touched_at)
		values (gen_random_uuid(), 'yo-2026-11-23.zip', 12000, 100, 'failed', 'roster.failed.slow', 'inbox', now()) returning id)
		insert into t_alpha.roster_delivery (id, name, tag, size, modified_at, state, upload, failure, seen_at, ended_at, moved_at)
		select gen_random_uuid(), 'yo-2026-11-23.zip', '3', 12000, now(), 'failed', id, 'roster.failed.slow', now(), now() + interval '1 minute', now() from u`)
	var night bytes.Buffer
	_, err := generate.Write(context.Background(), &night, generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", NameSv: "Alfby",
		Learners: 300, Seed: 5, SchoolYear: schoolYear(time.Now()), Mutate: 0.03, Night: 1})
	ok(t, err)
	name := filepath.Join(t.TempDir(), "elokuu.zip")
	ok(t, os.WriteFile(name, night.Bytes(), 0o600))
	at := func(path string) string { return fmt.Sprintf("http://alpha.test:%d%s", w.port, path) }
	enter := func(who, to string) context.Context {
		b := browser(t)
		do(t, b, "open", chromedp.Navigate(at(to)))
		do(t, b, "way in", chromedp.Click(`main a[href*="/alku"]`))
		do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, b, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, who)))
		do(t, b, "page", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
		do(t, b, "there", chromedp.Navigate(at(to)))
		return b
	}
	one := enter(w.cast.Admin.Username, "/oppilastiedot")
	says(t, one, "the overview", "Automaattinen tuonti ei onnistunut", "yo-2026-11-23.zip")
	look(t, one, "inbox-0")
	keyboard(t, one, "the overview with deliveries")
	press(t, one, `.ds-alert a[href*="/paketti/"]`)
	do(t, one, "the delivery", chromedp.WaitVisible(`form[action$="/poista"]`))
	look(t, one, "inbox-1-failed")
	do(t, one, "back", chromedp.Navigate(at("/oppilastiedot")))
	do(t, one, "file", chromedp.SetUploadFiles(`#file`, []string{name}))
	press(t, one, `form[data-upload] button`)
	do(t, one, "plan", chromedp.WaitVisible(`.matrix`))
	press(t, one, `main a[href$="/harjoitus"]`)
	do(t, one, "form", chromedp.WaitVisible(`#day`))
	look(t, one, "rehearsal-0")
	do(t, one, "day", chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector("#day").value = %q`, time.Now().Format(time.DateOnly))))
	press(t, one, `form[action$="/harjoitus"] button`)
	do(t, one, "result", chromedp.WaitVisible(`tbody a[href*="koulu="]`))
	says(t, one, "the rehearsal", "Ilman luokkaa", "Mitään ei ole tuotu")
	look(t, one, "rehearsal-1")
	keyboard(t, one, "the rehearsal")
	press(t, one, `tbody a[href*="koulu="]`)
	do(t, one, "school", chromedp.WaitVisible(`.tiles`))
	look(t, one, "rehearsal-2-school")
	press(t, one, `.eyebrow a[href$="/harjoitus"]`)
	do(t, one, "rehearsal", chromedp.WaitVisible(`main a[href$="/julkaisu"]`))
	press(t, one, `main a[href$="/julkaisu"]`)
	do(t, one, "moment", chromedp.WaitVisible(`#time`))
	look(t, one, "publish-0")
	press(t, one, `form[action$="/julkaisu"] button`)
	do(t, one, "scheduled", chromedp.WaitVisible(`form[action$="/nyt"]`))
	says(t, one, "the publication", "Ajoitettu", "Mitä tapahtuu")
	look(t, one, "publish-1-scheduled")
	keyboard(t, one, "the publication")
	press(t, one, `form[action$="/nyt"] button`)
	do(t, one, "published", chromedp.WaitVisible(`main .lead .ds-tag[data-color="success"]`))
	look(t, one, "publish-2-done")
	for _, lang := range []string{"sv", "en", "fi"} {
		do(t, one, lang, chromedp.Navigate(at("/oppilastiedot?kieli="+lang)))
		look(t, one, "inbox-2-"+lang)
	}
	for role, who := range map[string]string{"admin": w.cast.Admin.Username, "teacher": w.cast.Teacher.Username, "principal": w.cast.Principal.Username} {
		b := enter(who, "/")
		says(t, b, role, "Luettelo päivitetty")
		look(t, b, "fresh-"+role)
	}
}
