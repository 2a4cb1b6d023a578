package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"
)

// pupil is a row of a municipality's own export.
type pupil struct{ family, given, hetu, class, school string }

// pupils are invented, with identity codes of the test range.
func pupils(n int) (list []pupil) {
	families, schools := []string{"Ylä-Häkkälä", "Öhströmsson", "Äyräväinen"}, []string{"Kivimäen koulu", "Åkerby skola"}
	for i := range n {
		grade := 1 + i%9
		list = append(list, pupil{families[i%3], fmt.Sprintf("Åsa-Väinö%d Yrjänä", i),
			identityCode(1+i%28, 1+i%12, 2019-grade, 900+i), fmt.Sprintf("%d%c", grade, 'A'+i%2), schools[i%2]})
	}
	return list
}

func identityCode(day, month, year, n int) string {
	number := (day*10000+month*100+year%100)*1000 + n
	return fmt.Sprintf("%02d%02d%02dA%03d%c", day, month, year%100, n, "0123456789ABCDEFHJKLMNPRSTUVWXY"[number%31])
}

// export writes the list as such a system does: semicolons, Windows-1252, CR LF.
func export(t testing.TB, name string, list []pupil) string {
	t.Helper()
	b := strings.Builder{}
	b.WriteString("Sukunimi;Etunimet;Hetu;Luokka;Koulu\r\n")
	for _, p := range list {
		b.WriteString(strings.Join([]string{p.family, p.given, p.hetu, p.class, p.school}, ";") + "\r\n")
	}
	text, err := charmap.Windows1252.NewEncoder().String(b.String())
	if err != nil {
		t.Fatal(err)
	}
	return write(t, name, []byte(text))
}

func TestOwnCSV(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug := s.town("csv")
	dir := t.TempDir()
	list := pupils(40)
	file := export(t, filepath.Join(dir, "oppilaat.csv"), list)

	a := s.run("roster", "profile", "suggest", file)
	if a.code != 0 || !strings.Contains(a.err, "encoding windows-1252") {
		t.Fatalf("suggest: %s", a)
	}
	for _, w := range []string{"encoding: windows-1252", `delimiter: ";"`, "key: [hetu]", `"Sukunimi": familyName`, `"Luokka": class`} {
		if !strings.Contains(a.out, w) {
			t.Errorf("the profile lacks %s:\n%s", w, a.out)
		}
	}
	o := object[fields](t, s.ok("roster", "profile", "suggest", file, "-o", "json"))
	named(t, "suggest", o, "profile notes")
	if o["profile"] != a.out || len(o["notes"].([]any)) == 0 {
		t.Errorf("as JSON: %v", o)
	}
	// The lines that the profile asks to look at.
	text := strings.NewReplacer("tenant: kunta #", "tenant: "+slug+" #", "organisation: Kunta #", "organisation: Csv #").Replace(a.out)
	if text == a.out {
		t.Fatal("nothing to edit in the profile")
	}
	profile := write(t, filepath.Join(dir, "profile.yaml"), []byte(text))
	named(t, "check", object[fields](t, s.ok("roster", "profile", "check", profile, "-o", "json")), "profile valid inputs")

	with := []string{"--profile", profile}
	if a := s.run(append([]string{"roster", "plan", slug, file}, with...)...); a.code != 8 {
		t.Errorf("plan: %s", a)
	}
	first := s.imported(slug, file, append(with, "--initial")...)
	if first.Changes["users"]["insert"] != 40 || first.Changes["orgs"]["insert"] != 3 || first.Changes["enrollments"]["insert"] != 40 {
		t.Errorf("first: %v", first.Changes)
	}
	if again := s.imported(slug, file, with...); again.changed() != 0 || again.total("unchanged") != first.total("insert") {
		t.Errorf("twice: %v", again.Changes)
	}
	shuffled := append(append([]pupil{}, list[20:]...), list[:20]...)
	if again := s.imported(slug, export(t, filepath.Join(dir, "oppilaat.csv"), shuffled), with...); again.changed() != 0 {
		t.Errorf("in another order: %v", again.Changes)
	}
	s.ok("tenant", "rotate-keys", slug)
	list[7].class, list[8].given = "9B", list[8].given+" Olavi"
	night := s.imported(slug, export(t, filepath.Join(dir, "oppilaat.csv"), list), with...)
	if night.Changes["users"]["update"] < 1 || night.Changes["users"]["insert"]+night.Changes["users"]["remove"] != 0 {
		t.Errorf("after a rotation of keys, two pupils changed: %v", night.Changes)
	}

	// A wrong identity code is named by its place, and by nothing else.
	good := list[11].hetu
	wrong := good[:10] + string("0123456789ABCDEFHJKLMNPRSTUVWXY"[(strings.IndexByte("0123456789ABCDEFHJKLMNPRSTUVWXY", good[10])+1)%31])
	list[11].hetu = wrong
	bad := export(t, filepath.Join(dir, "oppilaat.csv"), list)
	for _, verb := range []string{"plan", "import"} {
		a := s.run(append([]string{"roster", verb, slug, bad}, with...)...)
		if a.code != 5 || !strings.Contains(a.err, "oppilaat.csv:13:3") || !strings.Contains(a.err, "Hetu") || !strings.Contains(a.err, "Nothing was changed.") || a.out != "" {
			t.Errorf("%s: %s", verb, a)
		}
		a = s.run(append([]string{"roster", verb, slug, bad, "-o", "json"}, with...)...)
		f := verdicts(t, a.out)[0]["errors"].([]any)[0].(fields)
		if a.code != 5 || f["file"] != "oppilaat.csv" || f["line"] != 13.0 || f["column"] != 3.0 || f["field"] != "Hetu" || f["excerpt"] != "" {
			t.Errorf("%s as JSON: %v", verb, f)
		}
	}
	s.refused(1, "make one with: tenantctl roster profile suggest FILE", "roster", "plan", slug, bad, "--profile", filepath.Join(dir, "none.yaml"))
	broken := write(t, filepath.Join(dir, "broken.yaml"), []byte(strings.Replace(text, "kind: learners", "kind: pupils", 1)))
	s.refused(5, "broken.yaml:", "roster", "plan", slug, bad, "--profile", broken)
	s.refused(5, "broken.yaml:", "roster", "profile", "check", broken)
	s.refused(5, "is not", "roster", "profile", "suggest", write(t, filepath.Join(dir, "noise"), []byte{0xff, 0xfe, 0}))
	s.refused(1, "no such file", "roster", "profile", "suggest", filepath.Join(dir, "none.csv"))

	s.ok("roster", "history", slug, "-o", "json")
	s.ok("roster", "show", slug, "imp_1", "-o", "json")
	s.ok("audit", "--tenant", slug, "-o", "json")
	said := s.said.String()
	for _, p := range append(list, pupil{hetu: good}) {
		for _, secret := range []string{p.family, p.hetu, strings.Fields(p.given + " x")[0]} {
			if len(secret) > 3 && strings.Contains(said, secret) {
				t.Fatalf("%q was said", secret)
			}
		}
	}
}
