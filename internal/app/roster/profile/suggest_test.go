package profile_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/roster/profile"
)

func suggest(t *testing.T, name, text string) (string, []profile.Note) {
	t.Helper()
	yaml, notes, err := profile.Suggest(context.Background(), strings.NewReader(text), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(yaml), notes
}

// TestSuggest takes exports as they come, and runs what is suggested through
// Load, Convert and the check of the package.
func TestSuggest(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, file, text string
		want             []string
		users            int
	}{
		{"the typical pupil list", "oppilaat.csv", cp1252(t, learnersCSV), []string{
			"kind: learners", "encoding: windows-1252", `delimiter: ";"`, "header: 1", "dates: [d.m.yyyy]", "key: [id]",
			`"Huoltaja 1": guardian1.name`, `"Huoltaja 1 hetu": guardian1.hetu`, `"Huoltaja 1 sähköposti": guardian1.email`,
			`# "Lisätieto": not known; kept as metadata.lisatieto`, `"M": male`, `"N": female`, "start: 2025-08-01",
		}, 4},
		{"a file name that is a pattern, odd headers", "oppilaat [1]*.csv", "Nro\x02;Sukunimi;Etunimet;Luokka;Koulu \"A\\\n1;Niemi;Petri;1A;K\n", []string{
			`"oppilaat \\[1]\\*.csv"`, `school: "Koulu"`,
		}, 1},
		{"Swedish, with tabs", "elever.txt", "Efternamn\tFörnamn\tTilltalsnamn\tPersonbeteckning\tKlass\tSkola\tVårdnadshavare 1 namn\tVårdnadshavare 1 e-post\tModersmål\n" +
			"Ström\tÅsa Maria\tÅsa\t" + aino + "\t7A\tSandviks skola\tStröm Eva\teva@posti.example\tsvenska\n", []string{
			"encoding: utf-8", `delimiter: "tab"`, "key: [hetu]", `"Klass": class`, `"svenska": SV`,
			`"Vårdnadshavare 1 namn": guardian1.name`, `"Vårdnadshavare 1 e-post": guardian1.email`,
		}, 2},
		{"English, with a title above", "pupils.csv", "Export of 1 October,,,,\n\nStudent number,Last name,First name,Grade,School,Date of birth\n7,Kallio,Eino,1,Kivimäki,2018-02-28\n", []string{
			"header: 3", "dates: [yyyy-mm-dd]", `"Grade": grade`, "key: [id]", "start: 2025-08-01",
		}, 1},
		{"staff, with titles for roles", "henkilosto.csv", "Henkilönumero;Sukunimi;Etunimi;Nimike;Koulu;Sähköposti\n1;Niemi;Petri;Lehtori;Kivimäen koulu;p@edu.example\n", []string{
			"kind: staff", "\"Nimike\": [role, title]", `"Lehtori": teacher`,
		}, 0},
		{"schools", "koulut.csv", "Koulun nimi;Oppilaitosnumero;Opetuskieli\nKivimäen koulu;93001;fi\n", []string{
			"kind: schools", "key: [schoolCode]", `"Opetuskieli": language`,
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			yaml, notes := suggest(t, tt.file, tt.text)
			for _, w := range tt.want {
				if !strings.Contains(yaml, w) {
					t.Errorf("the profile lacks %s:\n%s", w, yaml)
				}
			}
			if len(notes) == 0 || !strings.Contains(notes[0].Text, "encoding") {
				t.Errorf("the notes do not begin with the encoding: %+v", notes)
			}
			for _, secret := range []string{aino, leena, "Mäkelä", "Ström", "Kallio", "posti.example"} {
				if strings.Contains(yaml, secret) {
					t.Errorf("the profile shows %q", secret)
				}
			}
			p, err := profile.Load(strings.NewReader(yaml), "suggested.yaml")
			if tt.users == 0 {
				// The list of staff or schools alone makes no roster.
				if f := profile.FaultsOf(err); f == nil || len(f.List) != 1 || f.List[0].Path != "inputs" {
					t.Errorf("load: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("load: %v\n%s", err, yaml)
			}
			report, zip := convert(t, p, source(tt.file, tt.text))
			if !report.Valid {
				t.Fatalf("convert: %+v", report.Findings)
			}
			if got := len(check(t, zip)[oneroster.Users]); got != tt.users {
				t.Errorf("%d users, want %d", got, tt.users)
			}
		})
	}
}

func TestSuggestSaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	yaml, notes := suggest(t, "x.csv", "Sukunimi;Etunimet;Rooli;Koulu;Kenkä\nNiemi;Petri;Talonmies;K;42\n")
	var all []string
	for _, n := range notes {
		all = append(all, n.Text)
	}
	text := strings.Join(all, "\n")
	for _, w := range []string{`"Kenkä"`, `"Talonmies"`, "tells the rows apart"} {
		if !strings.Contains(text, w) {
			t.Errorf("no note says %s: %s", w, text)
		}
	}
	if !strings.Contains(yaml, "Talonmies") {
		t.Error("the word without a meaning is not in the profile")
	}
}

func TestSuggestRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"empty": "", "no header": "1;2;3\n", "no text": "\xff\xfe\x00"} {
		_, _, err := profile.Suggest(context.Background(), strings.NewReader(text), "x.csv")
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want an Invalid fault", name, err)
		}
	}
}

func TestSuggestIsStable(t *testing.T) {
	t.Parallel()
	first, _ := suggest(t, "oppilaat.csv", learnersCSV)
	for range 20 {
		if again, _ := suggest(t, "oppilaat.csv", learnersCSV); !bytes.Equal([]byte(first), []byte(again)) {
			t.Fatal("the same file gave another profile")
		}
	}
}
