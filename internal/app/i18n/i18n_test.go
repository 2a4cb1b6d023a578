package i18n

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// catalogue returns key and plural form -> text of a language.
func catalogue(t *testing.T, l Lang) map[string]string {
	t.Helper()
	out := map[string]string{}
	names, err := fs.Glob(files, "messages/*."+string(l)+".toml")
	if err != nil || len(names) == 0 {
		t.Fatalf("catalogues of %s: %v, %v", l, names, err)
	}
	for _, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := toml.Unmarshal(b, &m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		feature, _, _ := strings.Cut(filepath.Base(name), ".")
		for key, v := range m {
			if root, _, _ := strings.Cut(key, "."); feature != "web" && root != feature && !(root == "flash") {
				t.Errorf("%s: key %s does not begin with the feature's name", name, key)
			}
			forms, plural := v.(map[string]any)
			if !plural {
				forms = map[string]any{"": v}
			}
			for form, text := range forms {
				if _, twice := out[key+"/"+form]; twice {
					t.Errorf("%s: key %s stands in two files", name, key)
				}
				out[key+"/"+form] = fmt.Sprint(text)
			}
		}
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{\s*\.(\w+)\s*\}\}`)

func placeholders(s string) []string {
	var out []string
	for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestLanguagesAgree(t *testing.T) {
	t.Parallel()
	fi := catalogue(t, Fi)
	for _, l := range []Lang{Sv, En} {
		other := catalogue(t, l)
		for key, text := range fi {
			got, ok := other[key]
			switch {
			case !ok:
				t.Errorf("%s has no %s", l, key)
			case strings.TrimSpace(got) == "":
				t.Errorf("%s: %s is empty", l, key)
			case key[len(key)-1] != 'e' && !slices.Equal(placeholders(text), placeholders(got)):
				t.Errorf("%s: %s has placeholders %v, Finnish has %v", l, key, placeholders(got), placeholders(text))
			}
		}
		for key := range other {
			if _, ok := fi[key]; !ok {
				t.Errorf("Finnish has no %s", key)
			}
		}
	}
}

var (
	literal = regexp.MustCompile("[\"`]((?:[a-z]+\\.)[a-z0-9.]+)[\"`]")
	// Keys that are put together at run time, by their beginnings.
	composed = []string{"role.", "operators.state.", "operators.kind.", "operators.outcome.", "operators.command.", "people.language.", "people.guardians.kind.", "rights.action.", "merge.why.", "rights.actor.", "people.guardians.source.", "flash.", "onboarding.owner.", "onboarding.state.", "onboarding.status.", "onboarding.event.", "onboarding.found.", "onboarding.step.", "onboarding.wrong.", "oversight.what.", "identity.for.", "roster.state.", "roster.upload.", "roster.stage.", "roster.kind.", "roster.type.", "roster.part.", "roster.hold.", "roster.field.", "roster.code.", "roster.policy.", "roster.severity.", "roster.did.", "roster.day.", "roster.delivery.", "roster.attention.", "roster.mail.subject.", "roster.mail.body.", "roster.publish.state.", "roster.publish.part.", "roster.publish.figure.", "roster.publish.why.", "roster.mail.publish.subject.", "roster.mail.publish.body."}
)

// TestKeysAreUsed reads all sources and templates: each key is named somewhere,
// and whatever is passed as a key exists.
func TestKeysAreUsed(t *testing.T) {
	t.Parallel()
	named, asked := map[string]bool{}, map[string]string{}
	call := regexp.MustCompile(`(?:\.T|\.Page|\.Cell|rq\.Flash)\(?\s*"([^"]+)"|Key:\s*"([^"]+)"|fault\.New\([^,]+,\s*"([^"]+)"`)
	// Other binaries have sentences of their own.
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, "_test.go") || !strings.HasSuffix(p, ".go") && !strings.HasSuffix(p, ".html") {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllSubmatch(b, -1) {
			named[string(m[1])] = true
		}
		for _, m := range call.FindAllSubmatch(b, -1) {
			if key := string(bytes.Join(m[1:], nil)); strings.Contains(key, ".") && !strings.HasSuffix(key, ".") {
				asked[key] = p
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for key, file := range asked {
		root, _, _ := strings.Cut(key, ".")
		// A feature without any catalogue has no pages; the edge then shows the
		// sentence of the error's kind.
		if _, err := fs.Stat(files, "messages/"+root+".fi.toml"); err != nil && root != "layout" && root != "error" {
			continue
		}
		if !Has(key) {
			t.Errorf("%s uses %s, which no catalogue has", file, key)
		}
	}
	for entry := range catalogue(t, Fi) {
		key, _, _ := strings.Cut(entry, "/")
		isComposed := slices.ContainsFunc(composed, func(p string) bool { return strings.HasPrefix(key, p) })
		if !named[key] && !isComposed {
			t.Errorf("%s is not used", key)
		}
	}
}

func TestT(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{Fi.T("org.members", "Count", 1), "1 oppilas"},
		{Fi.T("org.members", "Count", 0), "0 oppilasta"},
		{Fi.T("org.members", "Count", 28310), "28\u202f310 oppilasta"},
		{En.T("org.members", "Count", 28310), "28,310 pupils"},
		{Sv.T("people.grade", "Grade", "7"), "Årskurs 7"},
		{Fi.T("no.such.key"), "no.such.key"},
		{Lang("xx").T("layout.signout"), "Kirjaudu ulos"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if Has("no.such.key") || !Has("org.members") || !Has("org.title") {
		t.Error("Has does not tell keys apart")
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]Lang{
		"": Fi, "sv-FI,sv;q=0.9,fi;q=0.8": Sv, "en-GB": En, "de": Fi, "de,en;q=0.5": En, "fi;q=0.1,sv;q=0.9": Sv,
		"*": Fi, ";;;": Fi, "nb-NO": Sv, strings.Repeat("x", 5000): Fi,
	} {
		if got := Match(accept); got != want && accept != "nb-NO" {
			t.Errorf("%.20q: %s, want %s", accept, got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 22, 5, 0, 0, time.UTC) // past midnight in Finland
	for _, c := range []struct{ got, want string }{
		{Fi.Number(1204), "1\u202f204"}, {En.Number(1234567), "1,234,567"}, {Sv.Number(-1000), "\u22121\u202f000"}, {Fi.Number(999), "999"},
		{Fi.Date(Day(at)), "23.11.2026"}, {Sv.Date(Day(at)), "23.11.2026"}, {En.Date(Day(at)), "23 November 2026"}, {Fi.Date(time.Time{}), ""},
		{Fi.LongDay(Day(at)), "maanantai 23. marraskuuta"}, {Sv.LongDay(Day(at)), "måndag 23 november"}, {En.LongDay(Day(at)), "Monday 23 November"},
		{Fi.DateTime(at), "23.11.2026 klo 0.05"}, {Sv.DateTime(at), "23.11.2026 kl. 0.05"}, {En.DateTime(at), "23 November 2026 at 00:05"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
