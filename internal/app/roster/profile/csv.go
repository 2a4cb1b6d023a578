package profile

import "strings"

// line is one row of a file: the physical line on which it begins, and its
// cells, trimmed.
type line struct {
	no    int
	cells []string
}

// csv takes a decoded file apart. encoding/csv does not know other quotes than
// ", and stops at the first fault.
type csv struct {
	text      string
	at        int
	no        int
	delimiter byte
	quote     byte
}

func newCSV(text []byte, in *Input) *csv {
	return &csv{text: string(text), no: 1, delimiter: in.Delimiter, quote: in.Quote}
}

// next returns the next row; done is true after the last. broken says that a
// quote was opened and never closed: the rest of the file is one cell.
func (c *csv) next() (l line, broken, done bool) {
	if c.at >= len(c.text) {
		return line{}, false, true
	}
	l.no = c.no
	for {
		cell, end, bad := c.cell()
		l.cells = append(l.cells, cell)
		if bad {
			return l, true, false
		}
		if end {
			return l, false, false
		}
	}
}

// cell reads up to the next delimiter or the end of the row.
func (c *csv) cell() (s string, endOfRow, broken bool) {
	if c.quote != 0 && c.at < len(c.text) && c.text[c.at] == c.quote {
		return c.quoted()
	}
	i := c.at
	for i < len(c.text) && c.text[i] != c.delimiter && c.text[i] != '\n' {
		i++
	}
	s = c.text[c.at:i]
	return tidy(s), c.stop(i), false
}

func (c *csv) quoted() (s string, endOfRow, broken bool) {
	var b strings.Builder
	i := c.at + 1
	for i < len(c.text) {
		switch ch := c.text[i]; {
		case ch == c.quote && i+1 < len(c.text) && c.text[i+1] == c.quote:
			b.WriteByte(ch)
			i += 2
			continue
		case ch == c.quote:
			i++
			// What stands between the quote and the delimiter is kept.
			j := i
			for j < len(c.text) && c.text[j] != c.delimiter && c.text[j] != '\n' {
				j++
			}
			b.WriteString(c.text[i:j])
			return tidy(b.String()), c.stop(j), false
		case ch == '\n':
			c.no++
			b.WriteByte(' ')
		default:
			b.WriteByte(ch)
		}
		i++
	}
	c.at = i
	return "", true, true
}

// stop passes the delimiter or the end of the row at i.
func (c *csv) stop(i int) (endOfRow bool) {
	if i >= len(c.text) {
		c.at = i
		return true
	}
	c.at = i + 1
	if c.text[i] == '\n' {
		c.no++
		return true
	}
	return false
}

// tidy leaves out blanks around a value, no-break ones too, and turns the line
// breaks and tabs in it to blanks: OneRoster has one line a row.
func tidy(s string) string {
	if strings.ContainsAny(s, "\r\t\u00a0") {
		s = strings.NewReplacer("\r", " ", "\t", " ", "\u00a0", " ").Replace(s)
	}
	return strings.TrimSpace(s)
}

func (l line) empty() bool {
	for _, c := range l.cells {
		if c != "" {
			return false
		}
	}
	return true
}
