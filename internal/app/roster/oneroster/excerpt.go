package oneroster

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"digione/internal/app/people/hetu"
)

const excerptRunes = 40

// excerpt returns what a message may show of a value. Whatever looks like an
// identity code or an address is hidden even in a column that should hold none:
// a shifted row puts anything anywhere.
func excerpt(c *Column, v string) string {
	if v == "" {
		return ""
	}
	if c.Private || strings.Contains(v, "@") || HoldsHetu(strings.ToUpper(v)) {
		return mask(v)
	}
	return shorten(v)
}

// mask tells only how long the value was.
func mask(v string) string { return strings.Repeat("*", min(utf8.RuneCountInString(v), 8)) }

func shorten(v string) string {
	n := 0
	var b strings.Builder
	for _, r := range v {
		if n++; n > excerptRunes {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = '·'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// HoldsHetu finds an identity code anywhere in the value.
func HoldsHetu(v string) bool {
	const size = 11
	for i := 0; i+size <= len(v); i++ {
		if hetu.Looks(v[i : i+size]) {
			return true
		}
	}
	return false
}
