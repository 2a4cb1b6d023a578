package profile

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"digione/internal/app/roster/oneroster"
)

// sheet is one file being read by the input that describes it.
type sheet struct {
	c      *converter
	in     *Input
	name   string
	no     int // in the report's files
	header []string
	slots  []slot
	at     map[string]int // number of the column that fills a field, from 1

	watched map[string]bool // metadata columns that were found to hold identity codes
	report  *InputReport
}

// slot is one use of a column.
type slot struct {
	column int
	name   string
	field  field
}

// record is one row: what it has for each field, checked and in its final form.
type record struct {
	s      *sheet
	line   int
	values map[string]string
	wrong  []string // fields whose value was wrong and is not here
}

func (r *record) get(name string) string { return r.values[name] }

func (r *record) place() place { return place{int32(r.s.no), int32(r.line)} }

// find reports something about a field of the row, without its value.
func (r *record) find(code, name, message, expected string) {
	col := r.s.at[name]
	f := oneroster.Finding{Code: code, File: r.s.name, Line: r.line, Column: col, Field: name, Message: message, Expected: expected}
	if col > 0 {
		f.Field = r.s.header[col-1]
	}
	if severityOf(code) == oneroster.SeverityError {
		r.wrong = append(r.wrong, name)
	}
	r.s.c.find.add(f)
}

// findAt reports something about the file itself.
func (s *sheet) findAt(code string, line int, message, expected string) {
	s.c.find.add(oneroster.Finding{Code: code, File: s.name, Line: line, Message: message, Expected: expected})
}

// match pairs the files with the inputs, in the order of the profile: the order
// in which they were given must not change the package.
func (c *converter) match(files []Source) []Source {
	matched := make([]Source, len(c.p.Inputs))
	for _, f := range files {
		name := path.Base(f.Name)
		fits := 0
		for i := range c.p.Inputs {
			if ok, _ := path.Match(strings.ToLower(c.p.Inputs[i].File), strings.ToLower(name)); !ok {
				continue
			}
			if fits++; fits > 1 || matched[i].Read != nil {
				c.find.add(oneroster.Finding{Code: "P111", File: name, Message: "the file fits an input that has one, or two inputs", Expected: "one file for each input"})
				continue
			}
			matched[i] = Source{name, f.Read}
		}
		if fits == 0 {
			c.find.add(oneroster.Finding{Code: "P102", File: name, Message: "the file fits no input of the profile", Expected: c.p.patterns()})
		}
	}
	return matched
}

func (p *Profile) patterns() string {
	var all []string
	for _, in := range p.Inputs {
		all = append(all, in.File)
	}
	return list(all)
}

// read takes a file row by row.
func (s *sheet) read(ctx context.Context, r io.Reader, f func(*record)) error {
	raw, err := io.ReadAll(io.LimitReader(r, mostFile+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	if len(raw) > mostFile {
		s.findAt("P104", 0, "the file is larger than is read", "at most 256 MiB")
		return nil
	}
	text, bad := decode(raw, s.in.Encoding)
	if bad != nil {
		s.findAt("P103", bad.line, bad.what, bad.expected)
		return nil
	}
	rows := newCSV(text, s.in)
	if !s.readHeader(rows) {
		return nil
	}
	for {
		l, broken, done := rows.next()
		switch {
		case done:
			if s.report.Rows == 0 {
				s.findAt("P105", 0, "the file has no rows", "at least one")
			}
			return ctx.Err()
		case broken:
			s.findAt("P109", l.no, "a quote is opened in this row and never closed", "")
			return nil
		case l.empty():
			continue
		}
		if s.report.Rows++; s.report.Rows%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s.row(l, f)
	}
}

const mostFile = 256 << 20

// readHeader finds the columns; without a header they are called 1, 2 ….
func (s *sheet) readHeader(rows *csv) bool {
	if s.in.Header == 0 {
		first := *rows
		l, _, _ := first.next()
		for i := range l.cells {
			s.header = append(s.header, strconv.Itoa(i+1))
		}
		return s.plan()
	}
	for {
		l, broken, done := rows.next()
		if done || broken || l.no > s.in.Header {
			s.findAt("P105", s.in.Header, "there is no header on this line", "")
			return false
		}
		if l.no == s.in.Header {
			s.header = l.cells
			for len(s.header) > 0 && s.header[len(s.header)-1] == "" {
				s.header = s.header[:len(s.header)-1] // a delimiter at the end of the line
			}
			return s.plan()
		}
	}
}

// plan decides where each column goes.
func (s *sheet) plan() bool {
	ok := true
	columns := map[string]int{}
	for i, h := range s.header {
		if _, twice := columns[h]; twice {
			s.findAt("P108", s.in.Header, fmt.Sprintf("the column %q is there twice", h), "")
			ok = false
		}
		columns[h] = i
	}
	used := map[int]bool{}
	for _, m := range s.in.Columns {
		i, found := columns[m.Column]
		if !found {
			s.findAt("P106", s.in.Header, fmt.Sprintf("the column %q is not in the header", m.Column), "the columns of the profile")
			ok = false
			continue
		}
		used[i] = true
		for _, name := range m.Fields {
			s.addSlot(i, name)
		}
	}
	for i, h := range s.header {
		if !used[i] {
			s.unmapped(i, h)
		}
	}
	return ok
}

func (s *sheet) addSlot(column int, name string) {
	if name == ignore {
		s.report.Ignored = append(s.report.Ignored, s.header[column])
		return
	}
	f, _ := fieldOf(s.in.Kind, name)
	s.c.addMeta(s.in.Kind, name)
	s.at[name] = column + 1
	s.slots = append(s.slots, slot{column, name, f})
}

func (s *sheet) unmapped(column int, header string) {
	if !s.in.Keep {
		s.findAt("P107", s.in.Header, fmt.Sprintf("the profile does not name the column %q; it is left out", header), "")
		s.report.Ignored = append(s.report.Ignored, header)
		return
	}
	own := ownMeta
	if s.in.Kind == Schools {
		own = ownOrgMeta
	}
	name := metadata + metaSlug(header)
	for i := 2; s.at[name] != 0 || slices.Contains(own, name); i++ {
		name = metadata + metaSlug(header) + strconv.Itoa(i)
	}
	s.report.Kept = append(s.report.Kept, header)
	s.addSlot(column, name)
}

// metaSlug makes "Äidin puhelin" to aidinPuhelin.
func metaSlug(header string) string {
	var b strings.Builder
	upper := false
	for _, r := range folds.Replace(strings.ToLower(header)) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			if upper && b.Len() > 0 {
				r = unicode.ToUpper(r)
			}
			b.WriteRune(r)
			upper = false
		default:
			upper = true
		}
	}
	if b.Len() == 0 || b.String()[0] <= '9' {
		return "column" + b.String()
	}
	return b.String()
}

func (s *sheet) row(l line, f func(*record)) {
	for len(l.cells) > len(s.header) && l.cells[len(l.cells)-1] == "" {
		l.cells = l.cells[:len(l.cells)-1]
	}
	if len(l.cells) != len(s.header) {
		s.findAt("P110", l.no, fmt.Sprintf("the row has %d cells", len(l.cells)), fmt.Sprintf("%d, as the header", len(s.header)))
		return
	}
	r := &record{s: s, line: l.no, values: make(map[string]string, len(s.slots)+4)}
	for _, sl := range s.slots {
		r.set(sl, l.cells[sl.column])
	}
	r.fill(s.in.Defaults)
	r.fill(s.in.Constants)
	f(r)
}

// fill puts in what the profile says where the row says nothing.
func (r *record) fill(from map[string]string) {
	for name, v := range from {
		if r.values[name] == "" {
			r.values[name] = v
		}
	}
}
