package tenancy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Null is a cell without a value. No text that PostgreSQL can hold equals it.
const Null = "\x00"

// Bulk is how a package lets others write many rows of a table of its own: the
// package keeps the columns and the statements, the caller brings rows. A row
// is a slice of cells in PostgreSQL's text form, in the order of Columns.
type Bulk struct {
	Table   string
	Columns []string
	// Update takes @rows, a JSON array of objects whose members are the cells as
	// strings, and changes the rows whose ids they name.
	Update string
	// Remove takes @ids and @at and marks rows as removed.
	Remove string
}

// chunk bounds the rows of one update statement.
const chunk = 2000

// Copy streams new rows in; next returns nil at the end. It returns their number.
func (b Bulk) Copy(ctx context.Context, tx Write, next func() ([]string, error)) (int64, error) {
	x := tx.x
	if err := x.ensure(ctx); err != nil {
		return 0, err
	}
	cols := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		cols[i] = ident(c)
	}
	sql := "copy " + ident(b.Table) + " (" + strings.Join(cols, ", ") + ") from stdin"
	tag, err := x.s.conn.PgConn().CopyFrom(ctx, &copyReader{next: next}, sql)
	if err != nil {
		return 0, fmt.Errorf("copy into %s: %w", b.Table, err)
	}
	return tag.RowsAffected(), nil
}

// Change writes new values over rows, each of which begins with its id.
func (b Bulk) Change(ctx context.Context, tx Write, rows [][]string) error {
	for len(rows) > 0 {
		n := min(chunk, len(rows))
		text, err := b.objects(rows[:n])
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, b.Update, pgx.StrictNamedArgs{"rows": text}); err != nil {
			return fmt.Errorf("update %s: %w", b.Table, err)
		}
		rows = rows[n:]
	}
	return nil
}

func (b Bulk) objects(rows [][]string) (string, error) {
	list := make([]map[string]*string, len(rows))
	for i, r := range rows {
		o := make(map[string]*string, len(r))
		for k, v := range r {
			if v == Null {
				o[b.Columns[k]] = nil
			} else {
				o[b.Columns[k]] = &v
			}
		}
		list[i] = o
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// copyReader turns rows into the text form of COPY.
type copyReader struct {
	next func() ([]string, error)
	buf  []byte
	off  int
	err  error
}

func (r *copyReader) Read(p []byte) (int, error) {
	for r.off == len(r.buf) {
		if r.err != nil {
			return 0, r.err
		}
		r.buf, r.off = r.buf[:0], 0
		r.fill()
	}
	n := copy(p, r.buf[r.off:])
	r.off += n
	return n, nil
}

func (r *copyReader) fill() {
	for len(r.buf) < 60<<10 {
		row, err := r.next()
		if err != nil {
			r.err = err
			return
		}
		if row == nil {
			r.err = io.EOF
			return
		}
		for i, cell := range row {
			if i > 0 {
				r.buf = append(r.buf, '\t')
			}
			r.buf = appendCell(r.buf, cell)
		}
		r.buf = append(r.buf, '\n')
	}
}

func appendCell(b []byte, cell string) []byte {
	if cell == Null {
		return append(b, `\N`...)
	}
	if strings.IndexByte(cell, '\\') < 0 && !strings.ContainsAny(cell, "\t\n\r") {
		return append(b, cell...)
	}
	for i := range len(cell) {
		switch c := cell[i]; c {
		case '\\', '\t', '\n', '\r':
			b = append(b, '\\', map[byte]byte{'\\': '\\', '\t': 't', '\n': 'n', '\r': 'r'}[c])
		default:
			b = append(b, c)
		}
	}
	return b
}

var arrayEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Array writes a text[] literal; every item is quoted.
func Array(items []string) string {
	if len(items) == 0 {
		return "{}"
	}
	var b strings.Builder
	for i, s := range items {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteByte('"')
		b.WriteString(arrayEscapes.Replace(s))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}
