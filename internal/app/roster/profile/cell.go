package profile

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"digione/internal/app/people/hetu"
)

// set reads a cell into its field. A wrong value is reported and left out; the
// row then makes nothing, since half a person is worse than none.
func (r *record) set(sl slot, cell string) {
	if cell == "" {
		return
	}
	if strings.ContainsFunc(cell, unicode.IsControl) {
		r.find("P210", sl.name, "the value has a control character in it", "")
		return
	}
	v, ok := cell, true
	switch sl.field.form {
	case dateForm:
		if v, ok = r.s.in.date(cell); !ok {
			r.find("P202", sl.name, "this is not a date in a form of the profile", list(r.s.in.Dates))
		}
	case hetuForm:
		v, ok = r.hetu(sl.name, cell)
	case oidForm:
		if !wellFormedOID(cell) {
			r.find("P205", sl.name, "this is not an oppijanumero, or its check digit is wrong", "1.2.246.562.24. and eleven digits")
		}
	case wordForm, flagForm:
		if v, ok = r.s.in.word(sl.name, sl.field, cell); !ok {
			r.find("P203", sl.name, "the profile gives this word no meaning", wanted(sl.field))
		}
	case gradeForm:
		v, ok = r.grade(sl.name, cell)
	default:
		if w, mapped := r.s.in.Values[sl.name][foldWord(cell)]; mapped {
			v = w
		}
		r.watch(sl.name, v)
	}
	if ok {
		r.values[sl.name] = v
	}
}

// watch says once of a column of metadata that it holds identity codes: there
// they would be kept in clear, as nobody knows what the column is.
func (r *record) watch(name, v string) {
	if metaName.MatchString(name) && hetu.Looks(strings.ToUpper(v)) && !r.s.watched[name] {
		r.s.watched[name] = true
		r.find("P212", name, "the column goes to metadata and holds identity codes", "a column that is mapped to hetu")
	}
}

func wanted(f field) string {
	if f.form == flagForm {
		return "true, false"
	}
	return list(f.words)
}

func (r *record) hetu(name, cell string) (string, bool) {
	h, err := identityCode(cell)
	switch {
	case err == nil:
		return h.Reveal(), true
	case errors.Is(err, hetu.ErrCheck):
		r.find("P204", name, "the check character of the identity code is wrong", "a valid hetu, or an empty cell")
	case errors.Is(err, hetu.ErrDate):
		r.find("P204", name, "the identity code has a date that does not exist", "a valid hetu, or an empty cell")
	default:
		r.find("P204", name, "this is not in the form of an identity code", "ddmmyy, separator, three digits and a check character, or an empty cell")
	}
	return "", false
}

func (r *record) grade(name, cell string) (string, bool) {
	if w, mapped := r.s.in.Values[name][foldWord(cell)]; mapped {
		cell = w
	}
	g, ok := gradeOf(cell)
	if !ok {
		r.find("P211", name, "this is not a grade", "1 … 9, or 10 … 12 for the lukio")
	}
	return g, ok
}

// require reports the first of the fields when none has a value.
func (r *record) require(names ...string) bool {
	reported := false
	for _, n := range names {
		if r.values[n] != "" {
			return true
		}
		reported = reported || slices.Contains(r.wrong, n)
	}
	if !reported {
		r.find("P201", names[0], "a value is required here", "")
	}
	return false
}
