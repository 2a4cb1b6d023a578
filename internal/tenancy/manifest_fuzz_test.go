package tenancy_test

import (
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"digione/internal/tenancy"
)

// FuzzReadManifest: what is accepted is a description that may be created, and
// written out it is read as the same; what is not is refused with its place.
func FuzzReadManifest(f *testing.F) {
	f.Add("slug: alfa\nkind: private\nname_fi: Alfa\nhosts: [alfa.test]\nring: all\n")
	f.Add("slug: alfa\n---\nslug: beta\nsettings:\n  joining:\n    waves: []\n")
	f.Add("slug: alfa\nproviders:\n- name: opas\n  issuer: https://idp.test\n  client_id: x\n  secret_file: ../../x\n")
	f.Add("a: &a [*a]\n")
	f.Add("slug: &s alfa\ncell: *s\nunknown: 1\n")
	f.Add("{slug: alfa\n")
	place := regexp.MustCompile(`^m\.yaml(:\d+)?: `)
	f.Fuzz(func(t *testing.T, text string) {
		specs, err := tenancy.ReadManifest(strings.NewReader(text), "m.yaml")
		if err != nil {
			if !place.MatchString(err.Error()) {
				t.Errorf("%q is refused without its place: %v", text, err)
			}
			return
		}
		for _, s := range specs {
			if err := s.Check(); err != nil {
				t.Fatalf("accepted, and not right: %v", err)
			}
			out, err := yaml.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			back, err := tenancy.ReadManifest(strings.NewReader(string(out)), "m.yaml")
			if err != nil || len(back) != 1 {
				t.Fatalf("written out it is refused: %v\n%s", err, out)
			}
			if changed, _ := yaml.Marshal(back[0]); string(changed) != string(out) {
				t.Errorf("%s\nis read as\n%s", out, changed)
			}
		}
	})
}
