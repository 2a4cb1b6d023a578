package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"digione/internal/app/fault"
	"digione/internal/app/roster/profile"
)

// TestLoadFaults changes a good profile in one place.
func TestLoadFaults(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, old, new string
		want           string // line: path
	}{
		{"unknown key at the top", "name: Primus", "nimi: Primus", "2: nimi"},
		{"unknown key of an input", "keep: true", "kepp: true", "16: inputs[0].kepp"},
		{"missing tenant", "tenant: vantaa\n", "", "1: tenant"},
		{"version to come", "profile: 1", "profile: 2", "1: profile"},
		{"slug", "tenant: vantaa", "tenant: Vantaan kaupunki", "3: tenant"},
		{"municipality", `"092"`, `"92"`, "5: municipality"},
		{"date", "start: 2025-08-01, end: 2026-07-31}", "start: 1.8.2025, end: 2026-07-31}", "6: schoolYear.start"},
		{"year that ends before it starts", "end: 2026-07-31}\nterms", "end: 2024-07-31}\nterms", "6: schoolYear"},
		{"term outside the year", "start: 2026-01-01, end: 2026-07-31", "start: 2026-01-01, end: 2026-12-31", "9: terms[1]"},
		{"kind", "kind: learners", "kind: pupils", "12: inputs[0].kind"},
		{"encoding", "windows-1252", "ansi", "13: inputs[0].encoding"},
		{"delimiter", `delimiter: ";"`, `delimiter: ";;"`, "14: inputs[0].delimiter"},
		{"form of dates", "[d.m.yyyy]", "[dd.kk.vvvv]", "15: inputs[0].dates"},
		{"no form of dates", "    dates: [d.m.yyyy]\n", "", "11: inputs[0].dates"},
		{"keep", "keep: true", "keep: maybe", "16: inputs[0].keep"},
		{"key without a column", "key: [id]", "key: [username]", "11: inputs[0].key"},
		{"unknown field", "Luokka: class", "Luokka: klasse", "26: inputs[0].columns.Luokka"},
		{"two columns for a field", "Kutsumanimi: callName", "Kutsumanimi: familyName", "22: inputs[0].columns.Kutsumanimi"},
		{"a column twice", "Kutsumanimi: callName", "Sukunimi: callName", "22: inputs[0].columns.Sukunimi"},
		{"no school", "      Koulu: school\n", "", "11: inputs[0]"},
		{"a guardian's field that is none", "guardian1.hetu", "guardian1.shoe", "29: inputs[0].columns.Huoltaja 1 hetu"},
		{"a meaning that is none", "M: male", "M: mies", "32: inputs[0].values.sex"},
		{"a constant for nothing", "homeLanguage: FI", "motherTongue: FI", "33: inputs[0].constants.motherTongue"},
		{"a constant that is not a grade", "homeLanguage: FI", "grade: eskari", "33: inputs[0].constants.grade"},
		{"a birth date for everybody", "homeLanguage: FI", "birthDate: 2012-01-01", "33: inputs[0].constants.birthDate"},
		{"a name of two lines", "name: Primus of Vantaa", `name: "Primus\nof Vantaa"`, "2: name"},
		{"pattern", `"oppilaat*.csv"`, `"[a"`, "11: inputs[0].file"},
		{"an alias", "name: Primus of Vantaa", "name: &x Primus", "2: "},
		{"not YAML", "terms:\n", "terms: [\n", "7: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(learnersYAML, tt.old) {
				t.Fatal("the profile has no such place")
			}
			_, err := profile.Load(strings.NewReader(strings.Replace(learnersYAML, tt.old, tt.new, 1)), "p.yaml")
			faults := profile.FaultsOf(err)
			if faults == nil || fault.KindOf(err) != fault.Invalid {
				t.Fatalf("got %v, want faults", err)
			}
			var got []string
			for _, f := range faults.List {
				got = append(got, fmt.Sprintf("%d: %s", f.Line, f.Path))
				if f.Next == "" || f.Message == "" {
					t.Errorf("no next step: %+v", f)
				}
			}
			if !strings.Contains("\n"+strings.Join(got, "\n")+"\n", "\n"+tt.want+"\n") {
				t.Errorf("faults %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLoadReportsAllFaults(t *testing.T) {
	t.Parallel()
	bad := strings.NewReplacer("tenant: vantaa", "tenant: V", "windows-1252", "ansi", "Luokka: class", "Luokka: klasse", "M: male", "M: mies").Replace(learnersYAML)
	_, err := profile.Load(strings.NewReader(bad), "p.yaml")
	faults := profile.FaultsOf(err)
	if faults == nil || len(faults.List) != 4 {
		t.Fatalf("got %v, want four faults", err)
	}
	for i := 1; i < len(faults.List); i++ {
		if faults.List[i].Line < faults.List[i-1].Line {
			t.Error("not in the order of the lines")
		}
	}
	if !strings.Contains(err.Error(), "p.yaml:3: tenant: ") {
		t.Errorf("the error does not point: %v", err)
	}
}

func TestLoadEmptyAndHuge(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "- a\n", strings.Repeat("#", 2<<20)} {
		if _, err := profile.Load(strings.NewReader(text), "p.yaml"); profile.FaultsOf(err) == nil {
			t.Errorf("%.10q: %v, want faults", text, err)
		}
	}
}
