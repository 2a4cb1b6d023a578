package profile_test

import (
	"reflect"
	"strings"
	"testing"

	"digione/internal/app/roster/profile"
)

// FuzzLoad: a profile is read the same twice, or each of its faults names a line
// that there is and what to do.
func FuzzLoad(f *testing.F) {
	f.Add(learnersYAML)
	f.Add("profile: 1\ntenant: &a alfa\norganisation: *a\n")
	f.Add("profile: 1\nprofile: 2\ninputs: [{}]\n? [a, b]\n: c\n")
	f.Add("\xef\xbb\xbfprofile: 1\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := profile.Load(strings.NewReader(text), "x.yaml")
		if err == nil {
			if q, err := profile.Load(strings.NewReader(text), "x.yaml"); err != nil || !reflect.DeepEqual(p, q) {
				t.Errorf("read again it is another: %v", err)
			}
			return
		}
		faults := profile.FaultsOf(err)
		if faults == nil || len(faults.List) == 0 {
			t.Fatalf("no faults in %v", err)
		}
		ends := 2 + strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029")
		for _, x := range faults.List {
			if x.Line < 1 || x.Line > ends || x.Next == "" || x.Message == "" {
				t.Errorf("of %q: %+v", text, x)
			}
		}
	})
}
