package app_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"digione/internal/app/web"
)

// parameter says what a route's parameter names.
type parameter struct {
	inside []string // ids in Kilteri, where it names something inside a municipality; see TestInsideAMunicipality
	word   bool     // it names no row: another's word is the same as one's own
}

// parameters are all that addresses may hold. A route with another one fails the
// tests below until it stands here and each side of a siege has a value for it.
// Without inside, a parameter names no person, group or school; who of a municipality
// may use it is tested with its feature.
var parameters = map[string]parameter{
	"person": {inside: []string{"aino", "adult"}}, "group": {inside: []string{"7B"}}, "school": {inside: []string{"Kilteri"}}, "unit": {inside: []string{"Kilteri"}},
	"guardianship": {inside: []string{"guardianship"}}, "guardian": {inside: []string{"guardian"}}, "disclosure": {inside: []string{"disclosure to welfare told"}},
	"right": {inside: []string{"right of substitute"}}, "other": {inside: []string{"other"}}, "merge": {inside: []string{"merge"}},
	"provider": {}, "token": {}, "hash": {}, "session": {}, "alarm": {}, "plan": {}, "upload": {}, "grant": {}, "link": {},
	"child":       {word: true}, // the guardians' host asks nobody about it: the municipality does, after the guardian came in
	"requirement": {word: true}, "type": {word: true}, "kind": {word: true}, "part": {word: true}, "slug": {word: true},
}

var paramForm = regexp.MustCompile(`:([a-z]+)`)

func paramsOf(route string) (names []string) {
	for _, m := range paramForm.FindAllStringSubmatch(route, -1) {
		names = append(names, m[1])
	}
	return names
}

// address fills a route's parameters in.
func address(route string, value func(i int, name string) string) string {
	i := -1
	return paramForm.ReplaceAllStringFunc(route, func(m string) string {
		i++
		return url.PathEscape(value(i, m[1:]))
	})
}

// random is an id of nothing.
const random = "5f0c3c1e-9d2b-4a57-8d43-0d6c1f9e7a11"

// malformed are no ids, or other writings of one.
func malformed(own string) []string {
	return []string{"x", "0", "-1", "null", "..", "../" + own, own + "/..", strings.ToUpper(own), "{" + own + "}", "urn:uuid:" + own, strings.ReplaceAll(own, "-", ""), own + " ", " " + own, own + "\x00",
		own + "%00", "' or '1'='1", own + "'; reset role; --", "\u202e" + own, "ａｉｎｏ", "\xff\xfe", own + "," + random, "*", "%", "[]", "t_beta.person", "tnt_beta"}
}

// huge is longer than any id, and short enough to come in.
var huge = strings.Repeat("a", 3000)

// target is an address, and whether something of the sender's own stands there.
type target struct {
	kind, path string
	own        bool
}

// targets are the addresses of a route that are tried at home: what is one's own (in
// the twin the same id is somebody else), what the twin alone has, and the rest.
func targets(t *testing.T, route string, home *side) (out []target) {
	t.Helper()
	names := paramsOf(route)
	own := func(_ int, name string) string { return home.values[name].own }
	add := func(kind string, mine bool, value func(int, string) string) {
		out = append(out, target{kind, address(route, value), mine})
	}
	for _, name := range names {
		if _, known := parameters[name]; !known {
			t.Fatalf("%s: nobody tried :%s; add it to parameters and give the sides of a siege a value for it", route, name)
		}
		if v := home.values[name]; v.own == "" && v.only == "" {
			t.Fatalf("%s: no value for :%s", route, name)
		}
	}
	if add("own", true, own); len(names) == 0 {
		return out
	}
	add("random", false, func(int, string) string { return random })
	add("huge", false, func(int, string) string { return huge })
	last := len(names) - 1
	for _, bad := range malformed(own(0, names[last])) {
		if bad == own(0, names[last]) {
			continue // a word of lower case
		}
		add("malformed", false, func(i int, name string) string {
			if i == last {
				return bad
			}
			return own(i, name)
		})
	}
	foreign := func(i int, name string) string {
		if v := home.twin.values[name]; v.only != "" {
			return v.only
		}
		return own(i, name)
	}
	rows := 0
	for _, name := range names {
		if !parameters[name].word {
			rows++
		}
	}
	if rows > 0 {
		add("twin's", false, foreign)
	}
	for n, name := range names {
		if rows < 2 || parameters[name].word {
			continue
		}
		for _, mixed := range []func(int, string) string{foreign, func(int, string) string { return random }} {
			add("nested", false, func(i int, name string) string {
				if i == n {
					return mixed(i, name)
				}
				return own(i, name)
			})
		}
	}
	return out
}

// fields is what forms hold that pass, by the name of the field. TestFormsAreFilled
// keeps it whole.
func fields(x, ids *side) url.Values {
	return url.Values{"syy": {"Sijaisuus on sovittu"}, "tunnus": {"guardian " + x.canary}, "rooli": {"substitute"}, "alkaa": {"2026-11-23"}, "viimeinen": {"2026-11-30"}, "paattyy": {"2027-11-30"},
		"laji": {"custodian"}, "kenelle": {ids.values["person"].only, ids.values["guardian"].only}, "ryhma": {ids.values["group"].only, ids.values["group"].own}, "sailyy": {ids.values["other"].own, ids.values["other"].only},
		"yhteystiedot": {"1"}, "nimi": {"zq"}, "selvitys": {"Selvitetty esimiehen kanssa"}, "reason": {"Sovittu kunnan kanssa"}, "requirement": {"rulebook"}, "kunta": {ids.Slug}, "tunnit": {"2"},
		"paluu": {"/"}, "vastaus": {"{}"}, "avain": {"AAAA"}, "initial": {"1"}, "approve": {"1"}, "day": {"2027-01-11"}, "lenient": {"1"}, "no_delete": {"1"}, "size": {"1000"}, "mark": {"mark"}, "name": {"a.zip"},
		"time": {"03:00"}, "each": {"1"}, "part": {"1"}, "tiiviste": {exportOf(ids)}, "katsottu": {"1"}}
}

// TestFormsAreFilled finds every field that a handler reads in what the attacks send.
func TestFormsAreFilled(t *testing.T) {
	t.Parallel()
	field := regexp.MustCompile(`rq\.(?:Form|Sentence|Day)\("([a-z_-]+)"`)
	sent := fields(&side{values: map[string]value{}}, &side{values: map[string]value{}})
	found := 0
	files, err := filepath.Glob("*/handlers*.go")
	ok(t, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		ok(t, err)
		for _, m := range field.FindAllStringSubmatch(string(b), -1) {
			if found++; !sent.Has(m[1]) && m[1] != "lomake" {
				t.Errorf("%s reads the field %s, which no attack fills: add it to fields", file, m[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("%d fields", found)
	}
}

// allRoutes are those of a router, from itself.
func allRoutes(t *testing.T, r *web.Router, least int) []web.Route {
	t.Helper()
	list := r.Routes()
	if len(list) < least {
		t.Fatalf("%d routes", len(list))
	}
	return list
}
