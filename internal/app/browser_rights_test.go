package app_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/uuid"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// TestRightsBrowser gives a right, blocks a guardian, discloses a pupil, merges two
// records and looks into one as the data-protection officer, with a real browser.
func TestRightsBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("needs Chromium")
	}
	w := newTown(t)
	ctx := context.Background()
	var school, learner, other, group uuid.UUID
	ok(t, w.env.DB.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error {
		err := tx.QueryRow(ctx, `select g.unit from role_grant g join roster_user u on u.id = g.source_user where u.username = $1 and g.role = 'principal' limit 1`, w.cast.Principal.Username).Scan(&school)
		if err != nil {
			return err
		}
		const learners = `select g.person from role_grant g where g.unit = $1 and g.role = 'student' and exists (select from guardianship s where s.child = g.person) order by g.person`
		if err := tx.QueryRow(ctx, learners+` limit 1`, school).Scan(&learner); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, learners+` offset 1 limit 1`, school).Scan(&other); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select id from teaching_group where unit = $1 and kind = 'homeroom' order by title limit 1`, school).Scan(&group)
	}))
	b := browser(t)
	at := func(path string) string { return fmt.Sprintf("http://alpha.test:%d%s", w.port, path) }
	enter := func(who string) {
		do(t, b, "open", chromedp.Navigate(at("/")))
		do(t, b, "way in", chromedp.Click(`main a[href*="/alku"]`))
		do(t, b, "login page", chromedp.WaitVisible(`input[name=username]`))
		do(t, b, "pick", chromedp.Evaluate[bool](fmt.Sprintf(pickUser, who)))
		do(t, b, "page", chromedp.WaitVisible(`form[action="/kirjaudu-ulos"]`))
	}
	leave := func() {
		do(t, b, "sign out", chromedp.Evaluate[bool](`(() => { document.querySelector('form[action="/kirjaudu-ulos"]').requestSubmit(); return true })()`))
		do(t, b, "signed out", chromedp.WaitVisible(`main a[href*="/alku"]`))
	}
	fill := func(form string, fields map[string]string) {
		t.Helper()
		var js strings.Builder
		fmt.Fprintf(&js, "(() => { const f = document.querySelector('form[action=%q]');", form)
		for name, value := range fields {
			fmt.Fprintf(&js, "{ const e = f.elements[%q]; if (e.type === 'checkbox') e.checked = true; else e.value = %q; }", name, value)
		}
		js.WriteString("f.requestSubmit(); return true })()")
		do(t, b, "send "+form, chromedp.Evaluate[bool](js.String()))
		do(t, b, "said", chromedp.WaitVisible(`.flash, .mend`))
	}
	says := func(where string, words ...string) {
		t.Helper()
		text := do(t, b, "text", chromedp.Evaluate[string](`document.querySelector('main').innerText`))
		for _, want := range words {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", where, want, text)
			}
		}
	}
	enter(w.cast.Admin.Username)
	do(t, b, "rights", chromedp.Navigate(at("/oikeudet")))
	look(t, b, "rights-units")
	do(t, b, "provider", chromedp.Click(`main tbody a`))
	do(t, b, "form", chromedp.WaitVisible(`#rooli`))
	provider := strings.TrimPrefix(do(t, b, "path", chromedp.Evaluate[string](`location.pathname`)), "")
	fill(provider, map[string]string{"tunnus": w.cast.Guardian.Username, "rooli": "dataprotection", "syy": "Nimetty tietosuojavastaavaksi 1.11.2026"})
	says("the provider's rights", "Oikeus annettiin", "Tietosuojavastaava")
	look(t, b, "rights-provider")
	unit := "/oikeudet/" + school.String()
	do(t, b, "school", chromedp.Navigate(at(unit)))
	fill(unit, map[string]string{"tunnus": w.cast.Teacher.Username, "rooli": "welfare", "syy": "Koulukuraattori, hyvinvointialueen sopimus"})
	pair := "/yhdistamiset/" + learner.String() + "/" + other.String()
	do(t, b, "pair", chromedp.Navigate(at(pair)))
	look(t, b, "merge-compare")
	do(t, b, "choose", chromedp.Evaluate[bool](`(() => { document.querySelector('#keep-0').checked = true; return true })()`))
	fill(pair, map[string]string{"syy": "Sama oppilas, tullut kahdesta järjestelmästä"})
	says("merges", "Tietueet yhdistettiin")
	look(t, b, "merge-list")
	undo := do(t, b, "undo form", chromedp.Evaluate[string](`document.querySelector('form[action$="/pura"]').getAttribute('action')`))
	fill(undo, map[string]string{"syy": "Olivatkin kaksi eri oppilasta"})
	says("merges", "Yhdistäminen purettiin", "Purettu")
	leave()

	enter(w.cast.Principal.Username)
	look(t, b, "rights-principal-home")
	do(t, b, "school", chromedp.Navigate(at(unit)))
	fill(unit, map[string]string{"tunnus": w.cast.Teacher.Username, "rooli": "substitute", "ryhma": group.String(), "viimeinen": "", "syy": "Luokanopettaja on sairauslomalla"})
	says("a substitute without an end", "tarvitsee viimeisen päivän")
	shoot(t, b, "rights-wrong")
	fill(unit, map[string]string{"tunnus": w.cast.Teacher.Username, "rooli": "substitute", "ryhma": group.String(), "viimeinen": "2099-12-31", "syy": "Luokanopettaja on sairauslomalla"})
	says("the school's rights", "Oikeus annettiin", "Sijaisopettaja")
	look(t, b, "rights-school")
	keyboard(t, b, "the school's rights")
	person := "/henkilot/" + learner.String()
	do(t, b, "person", chromedp.Navigate(at(person)))
	look(t, b, "rights-person")
	do(t, b, "guardians", chromedp.Navigate(at(person+"/huoltajat")))
	look(t, b, "guardians")
	block := do(t, b, "block form", chromedp.Evaluate[string](`document.querySelector('form[action$="/esta"]').getAttribute('action')`))
	fill(block, map[string]string{"syy": "Lähestymiskielto, päätös nähty"})
	fill(person+"/luovutukset", map[string]string{"viimeinen": do(t, b, "day", chromedp.Evaluate[string](`document.querySelector('#luovutus-viimeinen').min`)), "syy": "Huoltaja on suostunut tapaamiseen", "yhteystiedot": "1"})
	says("guardianship", "Estetty", "Tiedot luovutettiin")
	do(t, b, "unfold", chromedp.Evaluate[bool](`(() => { document.querySelector('.due details').open = true; return true })()`))
	look(t, b, "guardians-blocked")
	for _, lang := range []string{"sv", "en", "fi"} {
		for name, path := range map[string]string{"rights-school": unit, "guardians": person + "/huoltajat"} {
			do(t, b, lang, chromedp.Navigate(at(path+"?kieli="+lang)))
			look(t, b, name+"-"+lang)
		}
	}
	leave()

	enter(w.cast.Teacher.Username)
	says("welfare staff's front page", "Sinulle luovutetut oppilaat")
	look(t, b, "rights-welfare-home")
	leave()

	enter(w.cast.Guardian.Username)
	do(t, b, "privacy", chromedp.Navigate(at("/tietosuoja")))
	do(t, b, "ask", chromedp.Evaluate[bool](fmt.Sprintf(`(() => { const f = document.querySelector('form[action="/tietosuoja"]'); f.elements.nimi.value = %q; f.elements.syy.value = 'Rekisteröidyn pyyntö 12/2026'; f.requestSubmit(); return true })()`, w.cast.Learner.FamilyName)))
	do(t, b, "hits", chromedp.WaitVisible(`tbody form button`))
	look(t, b, "privacy-hits")
	do(t, b, "open", chromedp.Click(`tbody form button`))
	do(t, b, "views", chromedp.WaitVisible(`#views`))
	look(t, b, "privacy-person")
}
