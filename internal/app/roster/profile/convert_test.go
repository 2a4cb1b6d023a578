package profile_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/roster/profile"
)

const learnersYAML = `profile: 1
name: Primus of Vantaa
tenant: vantaa
organisation: Vantaa
municipality: "092"
schoolYear: {start: 2025-08-01, end: 2026-07-31}
terms:
  - {title: Syyslukukausi, start: 2025-08-01, end: 2025-12-31}
  - {title: Kevätlukukausi, start: 2026-01-01, end: 2026-07-31}
inputs:
  - file: "oppilaat*.csv"
    kind: learners
    encoding: windows-1252
    delimiter: ";"
    dates: [d.m.yyyy]
    keep: true
    key: [id]
    columns:
      Oppilasnumero: id
      Sukunimi: familyName
      Etunimet: givenNames
      Kutsumanimi: callName
      Hetu: hetu
      Syntymäaika: birthDate
      Sukupuoli: sex
      Luokka: class
      Koulu: school
      Huoltaja 1: guardian1.name
      Huoltaja 1 hetu: guardian1.hetu
      Huoltaja 1 sähköposti: guardian1.email
    values:
      sex: {M: male, N: female}
    constants: {homeLanguage: FI}
`

const staffYAML = `  - file: "henkilosto.csv"
    kind: staff
    encoding: utf-8
    delimiter: ","
    key: [hetu]
    columns: {Nimi: name, Hetu: hetu, Tehtävä: role, Koulu: school, Luokat: class, Nimike: title}
    values:
      role: {opettaja: teacher, rehtori: principal}
  - file: "koulut.csv"
    kind: schools
    encoding: utf-8
    delimiter: tab
    keep: true
    key: [schoolCode]
    columns: {Koulu: school, Numero: schoolCode, OID: oid}
`

const header = "Oppilasnumero;Sukunimi;Etunimet;Kutsumanimi;Hetu;Syntymäaika;Sukupuoli;Luokka;Koulu;Huoltaja 1;Huoltaja 1 hetu;Huoltaja 1 sähköposti;Lisätieto\r\n"

const learnersCSV = header +
	"101;Mäkelä;Aino Maria;Maria;" + aino + ";;N;7B;Kivimäen koulu;Mäkelä Leena;" + leena + ";leena@posti.example;kuljetus\r\n" +
	"102;Mäkelä;Väinö;;" + vaino + ";;M;3A;Kivimäen koulu;Mäkelä Leena;" + leena + ";leena@posti.example;\r\n" +
	"103;Öhman;\"Åke; Nils\";Åke;;5.3.2012;M;7B;Kivimäen koulu;;;;\r\n"

// Identity codes of the test range.
const (
	aino  = "010512A902V"
	vaino = "020316A901W"
	leena = "131080-9004"
	petri = "150375-999N"
)

var key = []byte(strings.Repeat("k", 32))

func TestCodesAreValid(t *testing.T) {
	t.Parallel()
	for _, c := range []string{aino, vaino, leena, petri} {
		if c[10] != "0123456789ABCDEFHJKLMNPRSTUVWXY"[atoi(c[:6]+c[7:10])%31] {
			t.Errorf("%s should end in %c", c, "0123456789ABCDEFHJKLMNPRSTUVWXY"[atoi(c[:6]+c[7:10])%31])
		}
	}
}

func atoi(s string) int {
	n := 0
	for _, r := range s {
		n = n*10 + int(r-'0')
	}
	return n
}

func cp1252(t *testing.T, s string) string {
	t.Helper()
	out, err := charmap.Windows1252.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func load(t *testing.T, yaml string) *profile.Profile {
	t.Helper()
	p, err := profile.Load(strings.NewReader(yaml), "p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func source(name, text string) profile.Source {
	return profile.Source{Name: name, Read: strings.NewReader(text)}
}

func convert(t *testing.T, p *profile.Profile, files ...profile.Source) (*profile.Report, []byte) {
	t.Helper()
	var b bytes.Buffer
	r, err := profile.Convert(context.Background(), p, files, &b, profile.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if r.Valid != (b.Len() > 0) {
		t.Errorf("valid %t, and %d bytes written", r.Valid, b.Len())
	}
	return r, b.Bytes()
}

// check reads the package and fails on any finding.
func check(t *testing.T, zip []byte) map[oneroster.Type][]*oneroster.Record {
	t.Helper()
	ctx := context.Background()
	p, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "out.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := p.Check(ctx, nil)
	if err != nil || report.Errors+report.Warnings > 0 {
		t.Fatalf("check: %v %+v", err, report)
	}
	rows := map[oneroster.Type][]*oneroster.Record{}
	for _, tab := range oneroster.Tables() {
		if err := p.Each(ctx, tab.Type, func(r *oneroster.Record) error {
			rows[tab.Type] = append(rows[tab.Type], r.Clone())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return rows
}

func meta(r *oneroster.Record, name string) string {
	for _, m := range r.Meta {
		if m.Name == "metadata."+name {
			return m.Value
		}
	}
	return ""
}

func TestConvertPupilList(t *testing.T) {
	t.Parallel()
	report, zip := convert(t, load(t, learnersYAML), source("/tmp/Oppilaat 2025.csv", cp1252(t, learnersCSV)))
	if !report.Valid || len(report.Findings) > 0 {
		t.Fatalf("findings: %+v", report.Findings)
	}
	rows := check(t, zip)
	users := rows[oneroster.Users]
	if len(users) != 4 {
		t.Fatalf("%d users, want three learners and their one guardian", len(users))
	}
	first, guardian, third := users[0], users[1], users[3]
	for _, tt := range []struct{ what, got, want string }{
		{"id", first.SourcedID, "vantaa-l-101"},
		{"family name", first.Get("familyName"), "Mäkelä"},
		{"given name", first.Get("givenName"), "Aino"},
		{"middle name", first.Get("middleName"), "Maria"},
		{"call name", first.Get("preferredGivenName"), "Maria"},
		{"grade", first.Get("grades"), "07"},
		{"hetu", meta(first, "hetu"), aino},
		{"constant", meta(first, "homeLanguage"), "FI"},
		{"kept column", meta(first, "lisatieto"), "kuljetus"},
		{"agent", first.Get("agentSourcedIds"), guardian.SourcedID},
		{"guardian", guardian.Get("givenName"), "Leena"},
		{"guardian's hetu", meta(guardian, "hetu"), leena},
		{"quoted cell", third.Get("givenName") + third.Get("middleName"), "Åke;Nils"},
		{"birth date of the hetu", rows[oneroster.Demographics][0].Get("birthDate"), "2012-05-01"},
		{"sex by the value map", rows[oneroster.Demographics][0].Get("sex"), "female"},
		{"birth date of the column", rows[oneroster.Demographics][3].Get("birthDate"), "2012-03-05"},
		{"class", rows[oneroster.Classes][0].SourcedID, "vantaa-c-2026-kivimaen-koulu-7b"},
		{"end, exclusive", rows[oneroster.AcademicSessions][0].Get("endDate"), "2026-08-01"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if n := len(rows[oneroster.Enrollments]); n != 3 {
		t.Errorf("%d enrollments, want 3", n)
	}
	if len(report.Notes) == 0 || !strings.Contains(report.Notes[0], "keyed hashes") {
		t.Errorf("the notes do not say how ids are made: %v", report.Notes)
	}
}

func TestConvertSeveralFiles(t *testing.T) {
	t.Parallel()
	p := load(t, learnersYAML+staffYAML)
	// The list of schools comes last in the profile; rows above it may name them.
	files := func() []profile.Source {
		return []profile.Source{
			source("koulut.csv", "Koulu\tNumero\tOID\tRehtori\nKivimäen koulu\t93001\t1.2.246.562.199.12345678903\tx\n"),
			source("oppilaat.csv", cp1252(t, learnersCSV)),
			source("henkilosto.csv", "Nimi,Hetu,Tehtävä,Koulu,Luokat,Nimike\n\"Niemi, Petri\","+petri+",Opettaja,Kivimäen koulu,\"7B, 3A\",lehtori\n"),
		}
	}
	report, zip := convert(t, p, files()...)
	if !report.Valid {
		t.Fatalf("findings: %+v", report.Findings)
	}
	rows := check(t, zip)
	if s := rows[oneroster.Orgs][1]; s.SourcedID != "vantaa-s-93001" || meta(s, "rehtori") != "x" || meta(s, "oid") == "" {
		t.Errorf("school: %+v", s)
	}
	taught := 0
	for _, e := range rows[oneroster.Enrollments] {
		if e.Get("role") == "teacher" && e.Get("primary") == "true" {
			taught++
		}
	}
	if taught != 2 {
		t.Errorf("the teacher has %d classes, want 2", taught)
	}
	other := files()
	other[0], other[2] = other[2], other[0]
	if _, again := convert(t, p, other...); !bytes.Equal(zip, again) {
		t.Error("another order of the files gave other bytes")
	}
}

func TestIdentifiersHideIdentityCodes(t *testing.T) {
	t.Parallel()
	yaml := strings.Replace(learnersYAML, "key: [id]", "key: [hetu]", 1)
	csv := cp1252(t, strings.Join(strings.SplitAfter(learnersCSV, "\r\n")[:3], ""))
	p := load(t, yaml)
	_, zip := convert(t, p, source("oppilaat.csv", csv))
	rows := check(t, zip)
	for kind, list := range rows {
		for _, r := range list {
			for _, text := range append([]string{r.SourcedID}, r.Fields...) {
				for _, code := range []string{aino, vaino, leena} {
					if strings.Contains(text, code) {
						t.Errorf("%s: a field holds an identity code", kind)
					}
				}
			}
		}
	}
	var b bytes.Buffer
	o := profile.Options{Key: []byte(strings.Repeat("x", 32))}
	if _, err := profile.Convert(context.Background(), p, []profile.Source{source("oppilaat.csv", csv)}, &b, o); err != nil {
		t.Fatal(err)
	}
	if other := check(t, b.Bytes()); other[oneroster.Users][0].SourcedID == rows[oneroster.Users][0].SourcedID {
		t.Error("another key gave the same identifier: it is not keyed")
	}
	_, err := profile.Convert(context.Background(), p, nil, &b, profile.Options{Key: []byte("short")})
	if fault.KindOf(err) != fault.Invalid {
		t.Errorf("a short key: %v", err)
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	report, zip := convert(t, load(t, learnersYAML), source("oppilaat.csv", cp1252(t, learnersCSV)))
	rows := check(t, zip)
	want := []int{2, 2, 3, 4} // Aino, her mother, Väinö, Åke
	for i, u := range rows[oneroster.Users] {
		if o, ok := report.Origin(oneroster.Users, u.Line); !ok || o.File != "oppilaat.csv" || o.Line != want[i] {
			t.Errorf("user %d: %+v %t, want line %d", i, o, ok, want[i])
		}
	}
	if _, ok := report.Origin(oneroster.AcademicSessions, 2); ok {
		t.Error("the school year has no origin")
	}
	f := report.Trace(oneroster.Finding{File: "users.csv", Line: 5, Message: "two"})
	if f.File != "oppilaat.csv" || f.Line != 4 || !strings.Contains(f.Message, "users.csv, line 5") {
		t.Errorf("traced to %+v", f)
	}
}

func TestConvertIsStable(t *testing.T) {
	t.Parallel()
	p := load(t, learnersYAML)
	_, first := convert(t, p, source("oppilaat.csv", cp1252(t, learnersCSV)))
	_, again := convert(t, p, source("oppilaat 2.csv", cp1252(t, learnersCSV)))
	if !bytes.Equal(first, again) {
		t.Error("the same rows gave other bytes")
	}
}

func TestConvertMany(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(header)
	for i := range 5000 {
		fmt.Fprintf(&b, "%d;Salo;Eero;;;%d.%d.2014;M;%d%c;Koulu %d;Salo Kai;;kai%d@posti.example;\r\n", i, i%28+1, i%12+1, i%9+1, 'A'+i%4, i%11, i/2)
	}
	report, zip := convert(t, load(t, learnersYAML), source("oppilaat.csv", cp1252(t, b.String())))
	if rows := check(t, zip); len(rows[oneroster.Users]) != 7500 || report.Rows[oneroster.Users] != 7500 {
		t.Errorf("%d users, want 5000 learners and 2500 guardians", len(rows[oneroster.Users]))
	}
}
