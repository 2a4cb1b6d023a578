package generate

import (
	_ "embed"
	"strings"
)

//go:embed data/names.txt
var namesText string

//go:embed data/places.txt
var placesText string

var (
	names  = sections(namesText)
	places = sections(placesText)
)

// foreign are the home languages other than the two national ones, and how
// common each is.
var (
	foreign       = []string{"RU", "SO", "AR", "ET", "UK", "SQ", "FA", "VI"}
	foreignWeight = []int{24, 16, 16, 14, 8, 8, 7, 7}
)

// sections reads lists of words under headings in brackets.
func sections(text string) map[string][]string {
	m := map[string][]string{}
	var heading string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			heading = strings.Trim(line, "[]")
		default:
			m[heading] = append(m[heading], strings.Fields(line)...)
		}
	}
	return m
}

// givenNames returns the list for a person of this language, sex and age.
func givenNames(lang string, female, adult bool) []string {
	kind := " boy"
	switch {
	case female && adult:
		kind = " woman"
	case adult:
		kind = " man"
	case female:
		kind = " girl"
	}
	return names[lang+kind]
}

func familyNames(lang string) []string { return names[lang+" family"] }

var folds = strings.NewReplacer("å", "a", "ä", "a", "ö", "o", "ü", "u", "õ", "o", "é", "e", "š", "s", "ž", "z", "-", "")

// fold writes a name with the letters a user name may have.
func fold(name string) string { return folds.Replace(strings.ToLower(name)) }

// placeNames returns every place name of a language, in an order of its own for
// each roster.
func placeNames(lang string, d dice) []string {
	var all []string
	for _, a := range places[lang+" first"] {
		for _, b := range places[lang+" second"] {
			all = append(all, a+b)
		}
	}
	for i := len(all) - 1; i > 0; i-- {
		j := d.below(i + 1)
		all[i], all[j] = all[j], all[i]
	}
	return all
}
