package profile

import (
	"fmt"
	"slices"
	"strings"
)

// yaml writes the draft, each line with what the reader should know of it.
func (d *draft) yaml() []byte {
	var b strings.Builder
	line := func(indent int, format string, args ...any) {
		b.WriteString(strings.Repeat("  ", indent))
		fmt.Fprintf(&b, format+"\n", args...)
	}
	line(0, "# A first profile, made from %s. Look at every line with a # before it is used.", oneLine(d.in.File))
	line(0, "profile: 1")
	line(0, "name: %s", quoted("Profile of "+d.in.File))
	line(0, "tenant: kunta # the tenant's short name")
	line(0, "organisation: Kunta # the municipality's name")
	line(0, "schoolYear: # end is the last day")
	line(1, "start: %d-08-01", d.endYear-1)
	line(1, "end: %d-07-31", d.endYear)
	line(0, "inputs:")
	line(1, "- file: %s # * stands for the part that changes", quoted(d.in.File))
	line(2, "kind: %s # learners, staff or schools", d.in.Kind)
	line(2, "encoding: %s # %s", d.in.Encoding, d.why)
	line(2, "delimiter: %s", quoted(d.delimiter))
	line(2, "header: %d", d.in.Header)
	if len(d.in.Dates) > 0 {
		line(2, "dates: [%s]", strings.Join(d.in.Dates, ", "))
	}
	if d.hasWholeName() {
		line(2, "nameOrder: %s # or given-first; a comma in the name settles it", familyFirst)
	}
	line(2, "keep: true # columns that are not mapped go to metadata")
	line(2, "key: [%s] # makes the identifiers; must never change for a person", strings.Join(d.in.Key, ", "))
	d.missing(line)
	line(2, "columns:")
	d.writeColumns(line)
	d.writeValues(line)
	return []byte(b.String())
}

func (d *draft) hasWholeName() bool {
	for f := range d.fields {
		if f == "name" || strings.HasSuffix(f, ".name") {
			return true
		}
	}
	return false
}

// missing puts a constant where the kind needs a column that is not there.
func (d *draft) missing(line func(int, string, ...any)) {
	has := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { _, ok := d.fields[n]; return ok })
	}
	lacks := [][2]string{}
	if !has("school", "schoolCode") {
		lacks = append(lacks, [2]string{"school", "Koulu"})
	}
	if d.in.Kind != Schools && !has("familyName", "name") {
		lacks = append(lacks, [2]string{"familyName", "?"})
	}
	if d.in.Kind != Schools && !has("givenNames", "givenName", "name") {
		lacks = append(lacks, [2]string{"givenNames", "?"})
	}
	if len(lacks) == 0 {
		return
	}
	line(2, "constants: # no column of the file says this")
	for _, l := range lacks {
		line(3, "%s: %s # put in the right value, or map a column", l[0], quoted(l[1]))
		d.note(d.in.Header, "no column gives %s; a constant is put in, look at it", l[0])
	}
}

func (d *draft) writeColumns(line func(int, string, ...any)) {
	for i, h := range d.header {
		var fields []string
		for _, f := range sortedKeys(d.fields) {
			if d.fields[f] == i {
				fields = append(fields, f)
			}
		}
		switch {
		case len(fields) == 1:
			line(3, "%s: %s", quoted(h), fields[0])
		case len(fields) > 1:
			line(3, "%s: [%s]", quoted(h), strings.Join(fields, ", "))
		default:
			line(3, "# %s: not known; kept as %s", oneLine(quoted(h)), metadata+metaSlug(h))
		}
	}
}

// writeValues writes what each word found is taken to mean. A word without a
// known meaning is a comment: a conversion will stop at it.
func (d *draft) writeValues(line func(int, string, ...any)) {
	begun := false
	for _, f := range sortedKeys(d.words) {
		known, unknown := d.meant(f)
		if len(known) > 0 {
			if !begun {
				line(2, "values:")
				begun = true
			}
			line(3, "%s:", f)
		}
		for _, w := range known {
			line(4, "%s: %s", quoted(w), meanings[f][foldWord(w)])
		}
		for _, w := range unknown {
			line(2, "# values: %s: %s: what does this mean?", f, oneLine(quoted(w)))
			d.note(0, "the word %q in the column for %s has no known meaning; add it to values", w, f)
		}
	}
}

func (d *draft) meant(field string) (known, unknown []string) {
	for _, w := range d.words[field] {
		if meanings[field][foldWord(w)] != "" {
			known = append(known, w)
		} else {
			unknown = append(unknown, w)
		}
	}
	return known, unknown
}

// oneLine keeps a comment from ending early.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
