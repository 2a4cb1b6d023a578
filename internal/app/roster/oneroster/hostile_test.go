package oneroster_test

import (
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"digione/internal/app/roster/oneroster"
)

// TestNaughtyNames: what may stand in a name is kept byte for byte, and the rest
// is refused where it stands.
func TestNaughtyNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		title string
		code  string // "" is kept
	}{
		"emoji": {title: "😀 koulu 👩🏽‍🏫"}, "right to left": {title: "\u202eulok\u202c"}, "zero width": {title: "kou\u200blu\u2060"},
		"a formula": {title: `=cmd|'/c calc'!A1`}, "combining": {title: "Ka\u0308rki\u0336"}, "markup": {title: "<script>alert(1)</script>"},
		"a mark in a cell": {title: "\ufeffkoulu"}, "SQL": {title: `'; drop table unit; --`}, "beyond the plane": {title: "𝔎𝔬𝔲𝔩𝔲"},
		"NUL": {"kou\x00lu", "E216"}, "escape": {"\x1b[31mkoulu", "E216"}, "half a letter": {"koul\xc3", "E201"}, "surrogate": {"\xed\xa0\x80", "E201"},
		"overlong": {"\xc0\xaf", "E201"}, "10 MB": {strings.Repeat("x", 10<<20), "E217"}, "64 KiB and one": {strings.Repeat("x", 64<<10+1), "E217"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := school()
			all.edit(t, "orgs.csv", "Rantakoulu", c.title)
			o := oneroster.Options{MaxFindings: 20, Limits: oneroster.Limits{Ratio: 100_000}}
			r := sound(t, all.zip(t), o)
			if c.code == "" {
				p, _ := checkFiles(t, all, o)
				if got := collect(t, p, oneroster.Orgs)[2].Get("name"); got != c.title {
					t.Errorf("%q came back as %q", c.title, got)
				}
				return
			}
			if len(r.Findings) == 0 || r.Findings[0].Code != c.code || r.Findings[0].File != "orgs.csv" || r.Findings[0].Line != 4 || r.Findings[0].Column == 0 {
				t.Errorf("findings %s", dump(r.Findings))
			}
		})
	}
}

// TestOtherEncodings: a file in another encoding than UTF-8 is refused and its
// encoding named; nothing is guessed into a name.
func TestOtherEncodings(t *testing.T) {
	t.Parallel()
	text := school()["users.csv"]
	wide := func(low, high int, mark string) string {
		b := []byte(mark)
		for _, u := range utf16.Encode([]rune(text)) {
			pair := [2]byte{byte(u >> 8), byte(u)}
			b = append(b, pair[low], pair[high])
		}
		return string(b)
	}
	latin := strings.NewReplacer("Aino", "\xc4in\xf6").Replace(text)
	for name, c := range map[string]struct{ text, code, says string }{
		"UTF-16, little end": {wide(1, 0, "\xff\xfe"), "E201", "UTF-16"},
		"UTF-16, big end":    {wide(0, 1, "\xfe\xff"), "E201", "UTF-16"},
		"UTF-16, no mark":    {wide(1, 0, ""), "E216", ""},
		"Latin-1":            {latin, "E201", "Windows-1252"},
		"half Latin-1":       {strings.Replace(text, "Matti", "M\xe4tti Mäkelä", 1), "E201", "Windows-1252"},
		"two marks":          {"\ufeff\ufeff" + text, "E208", ""},
	} {
		all := school()
		all["users.csv"] = c.text
		r := sound(t, all.zip(t), tight)
		found := false
		for _, f := range r.Findings {
			found = found || f.Code == c.code && f.Line > 0 && strings.Contains(f.Message, c.says)
		}
		if !found || r.Valid {
			t.Errorf("%s: want %s %q: %s", name, c.code, c.says, dump(r.Findings))
		}
	}
}

// TestBoundedMemory: a row without an end, 200 MB of it, is passed over with the
// memory of one row.
func TestBoundedMemory(t *testing.T) { // not parallel: it measures the process
	all := school()
	all["orgs.csv"] += strings.Repeat("x", 200<<20)
	data := all.zip(t)
	delete(all, "orgs.csv")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := open(t, data, oneroster.Options{Limits: oneroster.Limits{Ratio: 100_000}})
	r := check(t, p, nil)
	runtime.ReadMemStats(&after)
	if got := codesOf(r); !reflect.DeepEqual(got[:1], []string{"E217"}) {
		t.Errorf("got %v", got)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20 {
		t.Errorf("%d MB were taken", used>>20)
	}
}
