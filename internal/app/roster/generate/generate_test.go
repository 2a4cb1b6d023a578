package generate_test

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"

	"digione/internal/app/fault"
	"digione/internal/app/people/hetu"
	"digione/internal/app/roster/generate"
	"digione/internal/app/roster/oneroster"
)

func spec(learners int) generate.Spec {
	return generate.Spec{
		Tenant: "vantaa", MunicipalityCode: "092", NameFi: "Vantaa", NameSv: "Vanda",
		Learners: learners, Seed: 7, SchoolYear: 2026, Mutate: .02, Version: oneroster.V121,
	}
}

// roster is a package that was read back.
type roster map[oneroster.Type][]*oneroster.Record

func write(t *testing.T, s generate.Spec) ([]byte, generate.Summary) {
	t.Helper()
	var b bytes.Buffer
	sum, err := generate.Write(context.Background(), &b, s)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), sum
}

// read checks the package and gives its rows.
func read(t *testing.T, zip []byte) roster {
	t.Helper()
	ctx := context.Background()
	p, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "test.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := p.Check(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Errors != 0 || report.Warnings != 0 {
		t.Fatalf("%d errors and %d warnings, first %+v", report.Errors, report.Warnings, report.Findings[0])
	}
	r := roster{}
	for _, tab := range oneroster.Tables() {
		if err := p.Each(ctx, tab.Type, func(rec *oneroster.Record) error {
			r[tab.Type] = append(r[tab.Type], rec.Clone())
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// town is a roster of 5,000 learners, made and checked once for the tests that
// only look at it.
func town(t *testing.T) (roster, generate.Summary) {
	t.Helper()
	townOnce.Do(func() {
		zip, sum := write(t, spec(5000))
		townRoster, townSummary = read(t, zip), sum
	})
	if townRoster == nil {
		t.Fatal("there is no town")
	}
	return townRoster, townSummary
}

var (
	townOnce    sync.Once
	townRoster  roster
	townSummary generate.Summary
)

func meta(r *oneroster.Record, name string) string {
	for _, m := range r.Meta {
		if m.Name == "metadata."+name {
			return m.Value
		}
	}
	return ""
}

func (r roster) byID(t oneroster.Type) map[string]*oneroster.Record {
	m := map[string]*oneroster.Record{}
	for _, rec := range r[t] {
		m[rec.SourcedID] = rec
	}
	return m
}

// having gives the users with a role.
func (r roster) having(role string) map[string]*oneroster.Record {
	users, m := r.byID(oneroster.Users), map[string]*oneroster.Record{}
	for _, rec := range r[oneroster.Roles] {
		if rec.Get("role") == role {
			m[rec.Get("userSourcedId")] = users[rec.Get("userSourcedId")]
		}
	}
	return m
}

func TestWritePassesCheck(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(*generate.Spec)
		schools int
	}{
		{"ten learners", func(s *generate.Spec) { s.Learners = 10 }, 1},
		{"one small school", func(s *generate.Spec) { s.Learners = 50 }, 1},
		{"small municipality", func(s *generate.Spec) { s.Learners = 620 }, 3},
		{"Finnish only", func(s *generate.Spec) { s.Learners, s.NameSv = 1500, "" }, 6},
		{"the header of 1.2 Final", func(s *generate.Spec) { s.Learners, s.Version = 620, oneroster.V12Final }, 3},
		{"after the first night", func(s *generate.Spec) { s.Learners, s.Night = 620, 1 }, 3},
		{"after a term of nights", func(s *generate.Spec) { s.Learners, s.Night = 620, 90 }, 3},
		{"half change every night", func(s *generate.Spec) { s.Learners, s.Night, s.Mutate = 300, 8, .5 }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := spec(0)
			tt.change(&s)
			zip, sum := write(t, s)
			r := read(t, zip)
			if sum.Schools < tt.schools-1 || sum.Schools > tt.schools+1 {
				t.Errorf("%d schools, want about %d", sum.Schools, tt.schools)
			}
			for kind, n := range sum.Rows {
				if int(n) != len(r[kind]) {
					t.Errorf("%s: the summary says %d rows, the package has %d", kind, n, len(r[kind]))
				}
			}
			if got := len(r.having("student")); s.Night == 0 && got != s.Learners {
				t.Errorf("%d learners, want %d", got, s.Learners)
			}
		})
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	t.Parallel()
	s := spec(620)
	first, _ := write(t, s)
	if again, _ := write(t, s); !bytes.Equal(first, again) {
		t.Error("the same spec gave other bytes")
	}
	s.Seed++
	if other, _ := write(t, s); bytes.Equal(first, other) {
		t.Error("another seed gave the same bytes")
	}
}

func TestWriteStops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := generate.Write(ctx, io.Discard, spec(5000)); err == nil {
		t.Error("a cancelled context did not stop it")
	}
}

func TestFinnishFacts(t *testing.T) {
	t.Parallel()
	r, _ := town(t)
	demographics := r.byID(oneroster.Demographics)
	seen := map[string]string{}
	without, hidden, languages := 0, 0, map[string]int{}
	for _, u := range r[oneroster.Users] {
		code := meta(u, "hetu")
		if code == "" {
			without++
			continue
		}
		h, err := hetu.Parse(code)
		if err != nil || !h.Synthetic() {
			t.Fatalf("%s: hetu is not one for tests: %v", u.SourcedID, err)
		}
		if other, twice := seen[code]; twice {
			t.Errorf("%s and %s share a hetu", u.SourcedID, other)
		}
		seen[code] = u.SourcedID
		d := demographics[u.SourcedID]
		if born := d.Get("birthDate"); h.BirthDate().Format("2006-01-02") != born {
			t.Errorf("%s: born %s, and the hetu says otherwise", u.SourcedID, born)
		}
		if male := (code[9]-'0')%2 == 1; male != (d.Get("sex") == "male") {
			t.Errorf("%s: sex and hetu disagree", u.SourcedID)
		}
	}
	for id, u := range r.having("student") {
		year, _ := strconv.Atoi(demographics[id].Get("birthDate")[:4])
		grade, _ := strconv.Atoi(u.Get("grades"))
		// Seven in the autumn of the first grade; some are a year older.
		if age := 2025 - year - grade; age != 6 && age != 7 {
			t.Errorf("%s: turns %d in the autumn of grade %d", id, 2025-year, grade)
		}
		if oid := u.Get("userMasterIdentifier"); !strings.HasPrefix(oid, "1.2.246.562.98.") || !checked(oid, 7, 3, 1) {
			t.Errorf("%s: not an oppijanumero of the test node: %s", id, oid)
		}
		if u.Get("agentSourcedIds") == "" {
			t.Errorf("%s has no guardian", id)
		}
		if meta(u, "turvakielto") == "true" {
			hidden++
		}
		languages[meta(u, "homeLanguage")]++
	}
	if hidden == 0 || hidden > 60 {
		t.Errorf("%d of 5000 under protected identity", hidden)
	}
	if without == 0 || without > 150 {
		t.Errorf("%d people without a hetu", without)
	}
	other := 5000 - languages["FI"] - languages["SV"]
	if languages["SV"] < 200 || languages["SV"] > 400 || other < 450 || other > 750 {
		t.Errorf("languages %v: want about 6 %% Swedish and 12 %% others", languages)
	}
}

// checked verifies a check digit by weights from the right.
func checked(oid string, weights ...int) bool {
	body := oid[strings.LastIndexByte(oid, '.')+1:]
	sum := 0
	for i := len(body) - 2; i >= 0; i-- {
		sum += int(body[i]-'0') * weights[(len(body)-2-i)%len(weights)]
	}
	return (10-sum%10)%10 == int(body[len(body)-1]-'0')
}

func TestOrganisationOIDs(t *testing.T) {
	t.Parallel()
	r, _ := town(t)
	codes := map[string]bool{}
	for _, o := range r[oneroster.Orgs] {
		oid := meta(o, "oid")
		body := oid[strings.LastIndexByte(oid, '.')+1:]
		sum := 0
		for i := range body {
			n := int(body[len(body)-1-i] - '0')
			if i%2 == 1 {
				n = n*2/10 + n*2%10
			}
			sum += n
		}
		if !strings.HasPrefix(oid, "1.2.246.562.199.") || len(body) != 11 || sum%10 != 0 {
			t.Errorf("%s: %s is not an OID of the test node by Luhn", o.SourcedID, oid)
		}
		if code := o.Get("identifier"); codes[code] || o.Get("type") == "school" && len(code) != 5 {
			t.Errorf("%s: school code %s is not one of its own with five digits", o.SourcedID, code)
		}
		codes[o.Get("identifier")] = true
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	err := generate.Spec{Tenant: "Vantaa!", Mutate: 3, Learners: 1, Version: oneroster.V11}.Validate()
	if fault.KindOf(err) != fault.Invalid {
		t.Fatalf("got %v, want an Invalid fault", err)
	}
	for _, want := range []string{"tenant", "municipality code", "Finnish name", "learners", "school year", "mutate", "version"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
}

// BenchmarkWrite tells rows a second for the largest tenants.
func BenchmarkWrite(b *testing.B) {
	b.ReportAllocs()
	rows := int64(0)
	for b.Loop() {
		sum, err := generate.Write(context.Background(), io.Discard, spec(28000))
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range sum.Rows {
			rows += n
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
