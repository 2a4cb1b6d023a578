package oneroster

import (
	"slices"
	"strconv"
	"strings"
)

// Where a field of the file goes, when not to a column of the layout.
const (
	toID = -1 - iota
	toStatus
	toModified
	toMeta
	toBlank // an empty column at the right
	toNobody
)

// header says what the fields of a file are. After faults it still maps what it
// can, so that the rows are checked in the same run.
type header struct {
	to     []int          // by field: a place in layout, or one of the constants
	layout []Column       // of the variant
	canon  []int          // by place in layout: the place in Record.Fields, -1 for mapped
	meta   []Meta         // the names, values empty
	at     map[string]int // by name in the file: the number of the field
	blanks int            // empty columns at the right

	swapped uint64 // canonical columns that stand in another's place
	moved   []bool // the same by place in layout
	ruined  bool   // so wrong that the rows would say nothing of their own
}

var leading = []string{"sourcedId", "status", "dateLastModified"}

func newHeader(t *Table, v Variant) *header {
	h := &header{layout: t.Layout(v), at: map[string]int{}}
	for _, c := range h.layout {
		h.canon = append(h.canon, t.Index(c.Name))
	}
	return h
}

// names returns the header that the variant wants.
func (h *header) names(v Variant) []string {
	names := slices.Clone(leading)
	for i := range h.layout {
		names = append(names, h.layout[i].NameIn(v))
	}
	return names
}

// read maps the fields of a header row and returns what is wrong with it.
func (h *header) read(t *Table, v Variant, fields []string) []Finding {
	want := h.names(v)
	if f, ok := notHeader(want, fields); ok {
		h.ruined = true
		f.File, f.Line, f.Column = t.Type.FileName(), 1, 1
		return []Finding{f}
	}
	h.blanks = trailingBlanks(fields)
	w := &headerReader{h: h, file: t.Type.FileName(), want: want, used: make([]bool, len(want)), blanks: h.blanks}
	for i, name := range fields {
		h.to = append(h.to, w.place(i, name, len(fields)))
	}
	for i, used := range w.used {
		if !used {
			w.find(Finding{Code: "E209", Field: want[i], Message: "the column " + want[i] + " is missing", Expected: w.after(i)})
		}
	}
	if w.disorder {
		h.misplace()
	}
	h.ruined = h.ruined || 2*known(want, fields) < len(want)
	return w.found
}

// separators are what other exports put where a comma belongs.
var separators = []string{";", "\t", "|"}

// notHeader says once what else each column would say: that another sign separates the
// fields, or that the first line is something else.
func notHeader(want, fields []string) (Finding, bool) {
	if known(want, fields) > 1 {
		return Finding{}, false
	}
	line := strings.Join(fields, ",")
	for _, sep := range separators {
		if known(want, strings.Split(line, sep)) > 1 {
			return Finding{Code: "E218", Message: "the fields are separated by " + strconv.Quote(sep), Expected: "commas"}, true
		}
	}
	return Finding{Code: "E219", Message: "the first line does not name the columns", Expected: strings.Join(want[:min(4, len(want))], ",") + ",…"}, true
}

// known counts the fields that are names of columns, in whatever case.
func known(want, fields []string) int {
	n := 0
	for _, f := range fields {
		if slices.ContainsFunc(want, func(s string) bool { return strings.EqualFold(s, f) }) {
			n++
		}
	}
	return n
}

// misplace finds the columns that stand in another's place among those that are there.
// Where one of the first three does, no row can be told.
func (h *header) misplace() {
	var is []int
	for _, to := range h.to {
		switch {
		case to >= 0:
			is = append(is, to+len(leading))
		case to >= toModified:
			is = append(is, toID-to)
		}
	}
	should := slices.Sorted(slices.Values(is))
	h.moved = make([]bool, len(h.layout))
	for i := range is {
		switch at := is[i] - len(leading); {
		case is[i] == should[i]:
		case at < 0:
			h.ruined = true
		default:
			h.moved[at] = true
			if to := h.canon[at]; to >= 0 {
				h.swapped |= 1 << to
			}
		}
	}
}

// misplaced tells whether a column of the layout stands in another's place.
func (h *header) misplaced(at int) bool { return h.moved != nil && h.moved[at] }

func trailingBlanks(fields []string) int {
	n := 0
	for n < len(fields) && fields[len(fields)-1-n] == "" {
		n++
	}
	return n
}

type headerReader struct {
	h        *header
	file     string
	want     []string
	used     []bool
	blanks   int
	last     int // place in want of the column before
	disorder bool
	found    []Finding
}

func (w *headerReader) find(f Finding) {
	f.File, f.Line = w.file, 1
	w.found = append(w.found, f)
}

// after says where a missing column belongs.
func (w *headerReader) after(i int) string {
	if i == 0 {
		return "first"
	}
	return "after " + w.want[i-1]
}

// place returns where field i of n goes.
func (w *headerReader) place(i int, name string, n int) int {
	f := Finding{Column: i + 1, Field: shorten(name)}
	switch {
	case name == "" && i >= n-w.blanks:
		if i == n-w.blanks {
			f.Code, f.Repair = "E214", repairTrailing
			f.Message = strconv.Itoa(w.blanks) + " empty columns stand at the right"
			w.find(f)
		}
		return toBlank
	case strings.HasPrefix(name, "metadata."):
		return w.placeMeta(name, f)
	}
	at := slices.Index(w.want, name)
	if at < 0 {
		if at = slices.IndexFunc(w.want, func(s string) bool { return strings.EqualFold(s, name) }); at < 0 {
			f.Code, f.Message = "E208", "OneRoster has no column "+strconv.Quote(shorten(name))+" in this file"
			w.find(f)
			return toNobody
		}
		f.Code, f.Message, f.Expected = "E211", "the column is written "+name, w.want[at]
		w.find(f)
	}
	return w.placeColumn(at, f)
}

func (w *headerReader) placeMeta(name string, f Finding) int {
	switch {
	case name == "metadata.":
		f.Code, f.Message, f.Expected = "E213", "the metadata column has no name", "metadata.<name>"
	case slices.ContainsFunc(w.h.meta, func(m Meta) bool { return m.Name == name }):
		f.Code, f.Message = "E212", "the column is there twice"
	default:
		w.h.meta = append(w.h.meta, Meta{Name: strings.Clone(name)})
		return toMeta
	}
	w.find(f)
	return toNobody
}

func (w *headerReader) placeColumn(at int, f Finding) int {
	if w.used[at] {
		f.Code, f.Message = "E212", "the column is there twice"
		w.find(f)
		return toNobody
	}
	w.used[at] = true
	w.h.at[w.want[at]] = f.Column
	switch {
	case len(w.h.meta) > 0:
		f.Code, f.Message, f.Expected = "E213", "a metadata column stands to the left of it", "metadata columns at the far right"
		w.find(f)
	case at < w.last && !w.disorder: // the first one tells it; the rest follows from it
		w.disorder = true
		f.Code, f.Message, f.Expected = "E210", "the column comes too late", w.after(at)
		w.find(f)
	}
	w.last = max(at, w.last)
	if at < len(leading) {
		return toID - at
	}
	return at - len(leading)
}

// has tells whether the file has the column; a missing one is said once.
func (h *header) has(at int, v Variant) bool { return h.at[h.layout[at].NameIn(v)] > 0 }
