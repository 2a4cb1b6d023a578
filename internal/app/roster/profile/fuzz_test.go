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

// FuzzConvert: whatever a list of learners holds, it is refused with findings or
// becomes a package without errors, and it is the same the second time.
func FuzzConvert(f *testing.F) {
	f.Add(strings.TrimPrefix(learnersCSV, header))
	f.Add("1;A;B;;;;;1A;K;;;;\"a\nb\"\n")
	f.Add("1/2;A;B;;;;;1-2A;K/1;D;;;\n1.2;A;B;;;;;1-2A;K 1;D;;;\n")
	yaml := strings.Replace(learnersYAML, "windows-1252", "utf-8", 1)
	f.Fuzz(func(t *testing.T, rows string) {
		p, csv := load(t, yaml), header+rows
		report, zip := convert(t, p, source("oppilaat.csv", csv))
		if !report.Valid {
			return
		}
		x, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "x.zip", oneroster.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := x.Check(context.Background(), nil); err != nil || r.Errors > 0 {
			t.Fatalf("check: %v %+v", err, r.Findings)
		}
		if _, again := convert(t, p, source("oppilaat.csv", csv)); !bytes.Equal(zip, again) {
			t.Error("the same file gave other bytes")
		}
	})
}

// FuzzSuggest: a suggestion is refused, or is YAML whose only faults can be
// what the file did not have.
func FuzzSuggest(f *testing.F) {
	f.Add(learnersCSV)
	f.Add("Efternamn\tFörnamn\tKlass\tSkola\n\"a\tb")
	f.Fuzz(func(t *testing.T, csv string) {
		yaml, _, err := profile.Suggest(context.Background(), strings.NewReader(csv), "x.csv")
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatal(err)
			}
			return
		}
		_, err = profile.Load(bytes.NewReader(yaml), "x.yaml")
		if faults := profile.FaultsOf(err); faults != nil && strings.Contains(err.Error(), "not YAML") {
			t.Fatalf("%v\n%s", err, yaml)
		}
	})
}
