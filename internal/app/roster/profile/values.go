package profile

import (
	"strings"
	"time"

	"digione/internal/app/people/hetu"
)

// layout turns d.m.yyyy into the layout of package time. A one-letter d or m
// takes one digit or two.
func layout(pattern string) (string, bool) {
	var b strings.Builder
	parts := map[string]string{"yyyy": "2006", "mm": "01", "m": "1", "dd": "02", "d": "2"}
	seen := map[byte]bool{}
	for p := pattern; p != ""; {
		c := p[0]
		n := len(p) - len(strings.TrimLeft(p, string(c)))
		if part, ok := parts[p[:n]]; ok && !seen[c] {
			b.WriteString(part)
			seen[c] = true
		} else if strings.IndexByte(".-/ ", c) >= 0 {
			b.WriteString(p[:n])
		} else {
			return "", false
		}
		p = p[n:]
	}
	return b.String(), seen['d'] && seen['m'] && seen['y']
}

// date reads a date in one of the forms of the input.
func (in *Input) date(s string) (string, bool) {
	for _, p := range in.Dates {
		l, _ := layout(p)
		if t, err := time.Parse(l, s); err == nil && t.Year() > 1850 && t.Year() < 2200 {
			return t.Format(time.DateOnly), true
		}
	}
	return "", false
}

// flags are words for yes and no that need no value map.
var flags = map[string]string{
	"true": "true", "kyllä": "true", "k": "true", "x": "true", "1": "true", "ja": "true", "j": "true", "yes": "true", "y": "true", "on": "true",
	"false": "false", "ei": "false", "e": "false", "0": "false", "nej": "false", "n": "false", "no": "false",
}

// word reads a word of a list by the value map of the input, or as it is when
// it is a word of the list already.
func (in *Input) word(name string, f field, s string) (string, bool) {
	if w, ok := in.Values[name][foldWord(s)]; ok {
		return w, true
	}
	if f.form == flagForm {
		w, ok := flags[foldWord(s)]
		return w, ok
	}
	for _, w := range f.words {
		if foldWord(w) == foldWord(s) {
			return w, true
		}
	}
	return "", false
}

// foldWord makes words equal that differ only in case and blanks around.
func foldWord(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// identityCode reads a hetu; small letters are taken, the separator is never
// touched.
func identityCode(s string) (hetu.Hetu, error) { return hetu.Parse(strings.ToUpper(s)) }

// gradeOf reads "7", "07", "7B", "7. lk" as "07", and the years of the lukio as
// "10" to "12". A class of several grades, "1-2A", has no single one.
func gradeOf(s string) (string, bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n := strings.TrimLeft(s[:i], "0")
	rest := strings.TrimSpace(s[i:])
	if strings.ContainsAny(rest, "0123456789") || len(n) > 2 || n == "" {
		return "", false
	}
	if len(n) == 1 {
		return "0" + n, true
	}
	return n, n == "10" || n == "11" || n == "12"
}

// splitName takes a whole name apart: at its comma when there is one, else by
// the order that the profile declares.
func splitName(s, order string) (family, given string) {
	if f, g, ok := strings.Cut(s, ","); ok {
		return strings.TrimSpace(f), strings.TrimSpace(g)
	}
	words := strings.Fields(s)
	if len(words) < 2 {
		return strings.Join(words, ""), ""
	}
	if order == givenFirst {
		return words[len(words)-1], strings.Join(words[:len(words)-1], " ")
	}
	return words[0], strings.Join(words[1:], " ")
}

// wellFormedOID checks the form of an oppijanumero, and its check digit by the
// weights 7, 3, 1 from the right where the node is that of real people: the test
// nodes make theirs by other rules.
func wellFormedOID(s string) bool {
	node, body, ok := strings.Cut(strings.TrimPrefix(s, "1.2.246.562."), ".")
	if !ok || len(body) != 11 || strings.Trim(body, "0123456789") != "" || !strings.HasPrefix(s, "1.2.246.562.") {
		return false
	}
	sum := 0
	for i := range 10 {
		sum += int(body[9-i]-'0') * [3]int{7, 3, 1}[i%3]
	}
	return node == "98" || node == "198" || node == "24" && int(body[10]-'0') == (10-sum%10)%10
}

// slugOf writes a text with the letters that an identifier may have; ok is false
// when nothing is left.
func slugOf(s string) string {
	s = folds.Replace(strings.ToLower(s))
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_' {
			return r
		}
		return '-'
	}, s), "-")
}

var folds = strings.NewReplacer("å", "a", "ä", "a", "ö", "o", "ü", "u", "é", "e", "š", "s", "ž", "z", "õ", "o", "ø", "o", "æ", "ae", "è", "e")
