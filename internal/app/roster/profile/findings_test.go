package profile_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"digione/internal/app/roster/profile"
)

// TestFindings changes the pupil list in one place and looks for the code, line
// and column of the original file.
func TestFindings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		old, new string
		want     string // code line:column
		valid    bool
	}{
		{"wrong check character", aino, "010512A902X", "P204 2:5", false},
		{"impossible date in a hetu", aino, "310212A902X", "P204 2:5", false},
		{"no hetu at all in the column", aino, "ei ole", "P204 2:5", false},
		{"a date in another form", "5.3.2012", "2012-03-05", "P202 4:6", false},
		{"a date that does not exist", "5.3.2012", "31.2.2012", "P202 4:6", false},
		{"a word without meaning", ";;N;7B", ";;tyttö;7B", "P203 2:7", false},
		{"no family name", "102;Mäkelä", "102;", "P201 3:2", false},
		{"no school", "3A;Kivimäen koulu", "3A;", "P201 3:9", false},
		{"no key", "102;", ";", "P201 3:1", false},
		{"one key twice", "102;", "101;", "P301 3:1", false},
		{"one hetu twice", vaino, aino, "P302 3:5", false},
		{"keys that fall together", "102;", "101-;", "P306 3:1", false},
		{"hetu in the column of the key", "102;", petri + ";", "P209 3:1", false},
		{"a cell too few", "102;Mäkelä;", "102;", "P110 3:0", false},
		{"a quote not closed", "Åke; Nils\"", "Åke; Nils", "P109 4:0", false},
		{"a control character", "Väinö", "V\x01inö", "P210 3:3", false},
		{"a column away", "Sukunimi;", "Nimi;", "P106 1:0", false},
		{"a column twice", "Lisätieto", "Koulu", "P108 1:0", false},
		{"a class that tells no grade", ";3A;", ";Ketut;", "P206 3:8", true},
		{"hetu in a column that is kept", "kuljetus", petri, "P212 2:13", true},
		{"no class", ";3A;", ";;", "P207 3:8", true},
		{"birth date against the hetu", vaino + ";;", vaino + ";3.3.2016;", "P208 3:6", true},
		{"a guardian with two addresses", vaino + ";;M;3A;Kivimäen koulu;Mäkelä Leena;" + leena + ";leena@", vaino + ";;M;3A;Kivimäen koulu;Mäkelä Leena;" + leena + ";lm@", "P304 3:12", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(learnersCSV, tt.old) {
				t.Fatal("the list has no such place")
			}
			csv := cp1252(t, strings.Replace(learnersCSV, tt.old, tt.new, 1))
			report, zip := convert(t, load(t, learnersYAML), source("oppilaat.csv", csv))
			var got []string
			for _, f := range report.Findings {
				got = append(got, fmt.Sprintf("%s %d:%d", f.Code, f.Line, f.Column))
				if f.File != "oppilaat.csv" || f.Severity == "" || f.Message == "" {
					t.Errorf("not a whole finding: %+v", f)
				}
			}
			if len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), tt.want) {
				t.Errorf("found %v, want %s", got, tt.want)
			}
			if report.Valid != tt.valid {
				t.Errorf("valid %t", report.Valid)
			}
			if report.Valid {
				check(t, zip)
			}
			noPersons(t, report)
		})
	}
}

// noPersons: a report must be fit for a log.
func noPersons(t *testing.T, report *profile.Report) {
	t.Helper()
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"010512A", "020316A", "131080", "150375", "310212A", "Mäkelä", "Leena", "Väinö", "posti.example"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the report shows %q", secret)
		}
	}
}

func TestAllFindingsAtOnce(t *testing.T) {
	t.Parallel()
	csv := strings.NewReplacer(aino, "x", "5.3.2012", "y", "102;", ";").Replace(learnersCSV)
	report, _ := convert(t, load(t, learnersYAML), source("oppilaat.csv", cp1252(t, csv)))
	if report.Errors != 3 {
		t.Errorf("%d errors, want all 3: %+v", report.Errors, report.Findings)
	}
}

func TestFindingsAreBounded(t *testing.T) {
	t.Parallel()
	csv := header + strings.Repeat(";;;;;;;;;;;;x\r\n", 50)
	var b bytes.Buffer
	report, err := profile.Convert(context.Background(), load(t, learnersYAML),
		[]profile.Source{source("oppilaat.csv", cp1252(t, csv))}, &b, profile.Options{Key: key, MaxFindings: 7})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) != 7 || report.Errors < 50 || report.Totals[0].Count <= report.Totals[0].Listed {
		t.Errorf("%d listed of %d", len(report.Findings), report.Errors)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	list := func() profile.Source { return source("oppilaat.csv", cp1252(t, learnersCSV)) }
	for _, tt := range []struct {
		name  string
		files []profile.Source
		want  string
	}{
		{"none", nil, "P101"},
		{"a stranger", []profile.Source{list(), source("muu.csv", "a")}, "P102"},
		{"two for one input", []profile.Source{list(), source("oppilaat2.csv", "a")}, "P111"},
		{"empty", []profile.Source{source("oppilaat.csv", "")}, "P105"},
		{"header only", []profile.Source{source("oppilaat.csv", cp1252(t, header))}, "P105"},
		{"UTF-8 declared as Windows-1252", []profile.Source{source("oppilaat.csv", learnersCSV)}, "P103"},
		{"not a letter of Windows-1252", []profile.Source{source("oppilaat.csv", cp1252(t, header)+"\x81\n")}, "P103"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			report, _ := convert(t, load(t, learnersYAML), tt.files...)
			if report.Valid || report.Findings[0].Code != tt.want {
				t.Errorf("findings %+v, want %s", report.Findings, tt.want)
			}
		})
	}
}

func TestEncodings(t *testing.T) {
	t.Parallel()
	utf16LE := func(s string) string {
		b := []byte{0xFF, 0xFE}
		for _, u := range utf16.Encode([]rune(s)) {
			b = append(b, byte(u), byte(u>>8))
		}
		return string(b)
	}
	for _, tt := range []struct{ name, encoding, text string }{
		{"UTF-8", "utf-8", learnersCSV},
		{"UTF-8 with a mark", "utf-8", "\ufeff" + learnersCSV},
		{"UTF-16", "utf-16", utf16LE(learnersCSV)},
		{"Windows-1252", "windows-1252", cp1252(t, learnersCSV)},
		{"ISO-8859-1", "iso-8859-1", cp1252(t, learnersCSV)},
		{"ISO-8859-15", "iso-8859-15", cp1252(t, learnersCSV)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := load(t, strings.Replace(learnersYAML, "encoding: windows-1252", "encoding: "+tt.encoding, 1))
			report, zip := convert(t, p, source("oppilaat.csv", tt.text))
			if !report.Valid {
				t.Fatalf("findings %+v", report.Findings)
			}
			if got := check(t, zip)["users"][0].Get("familyName"); got != "Mäkelä" {
				t.Errorf("family name %q", got)
			}
		})
	}
}

func TestProtectionIsNeverLost(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(learnersYAML, "      Kutsumanimi: callName\n", "      Kutsumanimi: turvakielto\n", 1)
	for word, want := range map[string]string{"kyllä": "true", "K": "true", "x": "true", "Ei": "false", "": "", "ehkä": "P203"} {
		t.Run("word "+word, func(t *testing.T) {
			t.Parallel()
			csv := strings.NewReplacer("Maria;Maria", "Maria;"+word, "Nils\";Åke", "Nils\";").Replace(learnersCSV)
			report, zip := convert(t, load(t, yaml), source("oppilaat.csv", cp1252(t, csv)))
			if !report.Valid {
				if want != report.Findings[0].Code {
					t.Errorf("findings %+v", report.Findings)
				}
				return
			}
			if got := meta(check(t, zip)["users"][0], "turvakielto"); got != want {
				t.Errorf("%q became %q, want %q", word, got, want)
			}
		})
	}
}

func TestCodesArePublished(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range profile.Codes() {
		if seen[c.Code] || c.Code[0] != 'P' || c.Meaning == "" || c.Next == "" || c.Severity == "" {
			t.Errorf("not a whole entry of its own: %+v", c)
		}
		seen[c.Code] = true
	}
}
