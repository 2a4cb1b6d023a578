package transfer

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// change turns the text of a cell into another.
type change func(string) (string, error)

// rewriter passes PostgreSQL's CSV on and changes some of its columns. What it
// does not change it leaves byte for byte: an empty cell is null, a quoted empty
// one is the empty text, which no general CSV reader would tell apart.
type rewriter struct {
	w       io.Writer
	changes map[int]change
	buf     []byte
	seen    int // of buf
	quoted  bool
	header  bool // has passed
}

func (r *rewriter) Write(p []byte) (int, error) {
	if len(r.changes) == 0 {
		return r.w.Write(p)
	}
	r.buf = append(r.buf, p...)
	begin := 0
	for ; r.seen < len(r.buf); r.seen++ {
		switch r.buf[r.seen] {
		case '"':
			r.quoted = !r.quoted
		case '\n':
			if r.quoted {
				continue
			}
			if err := r.line(r.buf[begin:r.seen]); err != nil {
				return 0, err
			}
			begin = r.seen + 1
		}
	}
	r.buf = append(r.buf[:0], r.buf[begin:]...)
	r.seen = len(r.buf)
	return len(p), nil
}

// end tells whether the last line was whole.
func (r *rewriter) end() error {
	if len(r.buf) > 0 {
		return fmt.Errorf("the last line is cut off")
	}
	return nil
}

func (r *rewriter) line(line []byte) error {
	if !r.header {
		r.header = true
		_, err := r.w.Write(append(line, '\n'))
		return err
	}
	var out []byte
	column := 0
	for rest, more := line, true; more; column++ {
		var cell []byte
		cell, rest, more = cut(rest)
		if column > 0 {
			out = append(out, ',')
		}
		f := r.changes[column]
		if f == nil || len(cell) == 0 {
			out = append(out, cell...)
			continue
		}
		text, err := f(plainCell(cell))
		if err != nil {
			return fmt.Errorf("column %d: %w", column+1, err)
		}
		out = append(out, quotedCell(text)...)
	}
	_, err := r.w.Write(append(out, '\n'))
	return err
}

// cut takes the first cell off a line.
func cut(line []byte) (cell, rest []byte, more bool) {
	quoted := false
	for i, c := range line {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return line[:i], line[i+1:], true
		}
	}
	return line, nil, false
}

func plainCell(cell []byte) string {
	if cell[0] != '"' {
		return string(cell)
	}
	return strings.ReplaceAll(string(bytes.TrimSuffix(cell[1:], []byte{'"'})), `""`, `"`)
}

func quotedCell(text string) string {
	if text != "" && text != `\.` && !strings.ContainsAny(text, ",\"\r\n") {
		return text
	}
	return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
}
