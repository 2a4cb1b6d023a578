package roster

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"digione/internal/app/i18n"
)

// Every sentence that a finding expects is there in Finnish and Swedish; what is a form
// of the format stays as it is.
func TestExpectationsAreTranslated(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	var sources []string
	for _, pattern := range []string{"oneroster/*.go", "detect.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, files...)
	}
	literal := regexp.MustCompile(`(?:Expected: (?:fmt\.Sprintf\()?|f\.Expected = .*, |bad\.Expected = .*, |return |c\.r\.(?:status|modified), |, |^\t+)"([^"]*)"`)
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, "xpected") || strings.Contains(line, "c.lead(") || strings.Contains(line, "c.report(") || strings.Contains(line, "every file that") {
				for _, m := range literal.FindAllStringSubmatch(line, -1) {
					said[m[1]] = true
				}
			}
		}
	}
	b, err := os.ReadFile("oneroster/cell.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(b), ") expected(")
	body, _, _ = strings.Cut(body, "\n}\n")
	for _, m := range regexp.MustCompile(`return "([^"]+)"`).FindAllStringSubmatch(body, -1) {
		said[m[1]] = true
	}
	for _, must := range []string{"blank", "a tree", "a whole number", "active or tobedeleted", "every file that a bulk file refers to", "a sourcedId of ", "at most %d"} {
		if !said[must] {
			t.Errorf("%q was not found in the sources: this test looks in the wrong place", must)
		}
	}
	forms := regexp.MustCompile(`^$|^YYYY|^[0-9.]+$|^deflate|^propertyName|^metadata\.<|^[EW][0-9]|^,|^the (file|row) is|^the bulk|^what |^there is|^a metadata|^the metadata|^this is|^the column|^ext`)
	for s := range said {
		if forms.MatchString(s) {
			continue
		}
		s = strings.NewReplacer("%d", "7").Replace(s)
		if strings.HasSuffix(s, " ") {
			s += "x.csv"
		}
		for _, l := range []i18n.Lang{i18n.Fi, i18n.Sv} {
			if text, english := (viewer{l: l}).expected(s); english || text == s {
				t.Errorf("%s: %q has no translation", l, s)
			}
		}
	}
	for s, want := range map[string]string{"blank": "tyhjä", "a sourcedId of users.csv": "tiedoston users.csv jokin sourcedId", "true or false": "true tai false",
		"absent, bulk or delta": "absent, bulk tai delta", "a package of OneRoster 1.1 or 1.2": "OneRoster-paketti, versio 1.1 tai 1.2", "YYYY-MM-DD": "YYYY-MM-DD"} {
		if got, _ := (viewer{l: i18n.Fi}).expected(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
	if got, _ := (viewer{l: i18n.En}).expected("blank"); got != "blank" {
		t.Errorf("in English: %q", got)
	}
}

// What holds a plan says the share and the rows, each with its own limit.
func TestHoldsInWords(t *testing.T) {
	t.Parallel()
	v := viewer{l: i18n.Fi}
	h := Hold{Rule: RuleRemovals, Type: "users", Count: 3090, Of: 6360, Limit: 636, Share: 0.1}
	if s := v.hold(h); !strings.Contains(s, "48,6 %; raja on 10 % eli 636.") {
		t.Error(s)
	}
	h.Share = 0
	if s := v.hold(h); strings.Contains(s, "%") || !strings.Contains(s, "Raja on 636.") {
		t.Error(s)
	}
	for _, l := range i18n.Langs {
		for _, rule := range []string{RuleRemovals, RuleUpdates, RuleInserts, RuleSchoolRemovals} {
			s := viewer{l: l}.hold(Hold{Rule: rule, Type: "users", School: "s1", SchoolName: "Kilteri", Count: 3090, Of: 6360, Limit: 636, Share: 0.1})
			if strings.Count(s, "%") != 2 || !strings.Contains(s, "636") {
				t.Errorf("%s %s: %s", l, rule, s)
			}
		}
	}
}
