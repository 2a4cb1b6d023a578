package oneroster

import (
	"archive/zip"
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"digione/internal/app/fault"
)

// Writer writes a conforming package of 1.2, file by file and row by row. What
// would not conform is refused, with the column's name and never its value.
type Writer struct {
	variant Variant
	modes   map[Type]Mode
	source  string
	create  func(name string) (io.Writer, error)
	finish  func() error

	t      *Table
	out    *bufio.Writer
	layout []Column
	meta   []string
	rows   map[Type]int64
	begun  map[Type]bool
	err    error
}

// NewWriter writes a zip to w. modes gives the mode of each type to come; source
// is the name of the system for the manifest, "" for none. The same rows give
// the same bytes.
//
// 1.1 is not written: its users rows merge what the model holds apart.
func NewWriter(w io.Writer, v Variant, modes map[Type]Mode, source string) *Writer {
	z := zip.NewWriter(w)
	return newWriter(v, modes, source, z.Close, func(name string) (io.Writer, error) { return z.Create(name) })
}

// NewFolderWriter writes the files into a folder that exists.
func NewFolderWriter(dir string, v Variant, modes map[Type]Mode, source string) *Writer {
	var open *os.File
	closeLast := func() error {
		if open == nil {
			return nil
		}
		err := open.Close()
		open = nil
		return err
	}
	return newWriter(v, modes, source, closeLast, func(name string) (io.Writer, error) {
		err := closeLast()
		if err == nil {
			open, err = os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
		if err != nil {
			return nil, err
		}
		return open, nil
	})
}

func newWriter(v Variant, modes map[Type]Mode, source string, finish func() error, create func(string) (io.Writer, error)) *Writer {
	return &Writer{variant: v, modes: modes, source: source, create: create, finish: finish,
		rows: map[Type]int64{}, begun: map[Type]bool{}}
}

// Begin starts the rows of a type; each type comes once, in any order.
// metaColumns are the names of its metadata columns, "metadata." included. The
// file appears with its first row: one without rows would not conform, and the
// manifest calls it absent.
func (w *Writer) Begin(t Type, metaColumns []string) error {
	if err := w.flush(); err != nil {
		return err
	}
	table := TableOf(t)
	switch {
	case w.variant == V11:
		return refuse("OneRoster 1.1 is not written; write 1.2")
	case table == nil:
		return refuse("OneRoster has no %s", t)
	case w.begun[t]:
		return refuse("%s was written already", t.FileName())
	case w.modes[t] != Bulk && w.modes[t] != Delta:
		return refuse("%s has no mode; say bulk or delta", t.FileName())
	}
	for i, m := range metaColumns {
		if !strings.HasPrefix(m, "metadata.") || m == "metadata." || strings.ContainsAny(m, "\r\n") || indexOf(metaColumns, m) < i {
			return refuse("metadata column %d of %s has no right name", i+1, t.FileName())
		}
	}
	w.begun[t], w.t, w.meta, w.layout = true, table, metaColumns, table.Layout(w.variant)
	return nil
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Invalid, "roster.package.unwritable", format, args...)
}

func indexOf(list []string, v string) int {
	for i, s := range list {
		if s == v {
			return i
		}
	}
	return -1
}

// Write adds a row of the type that was begun. In a bulk file status and
// LastModified are left out. Columns that the variant lacks must be empty.
func (w *Writer) Write(r *Record) error {
	if w.err != nil {
		return w.err
	}
	if w.t == nil || r.Table == nil || r.Table.Type != w.t.Type {
		return refuse("the row is not of the type that was begun")
	}
	if err := w.vet(r); err != nil {
		return err
	}
	if w.out == nil {
		if err := w.start(); err != nil {
			return err
		}
	}
	w.rows[w.t.Type]++
	w.row(r)
	return w.keep(nil)
}

// keep remembers the first fault of the output: what follows it is lost too.
func (w *Writer) keep(err error) error {
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("write package: %w", err)
	}
	return w.err
}

func (w *Writer) start() error {
	out, err := w.create(w.t.Type.FileName())
	if err != nil {
		return w.keep(err)
	}
	w.out = bufio.NewWriterSize(out, scanChunk)
	names := append([]string(nil), leading...)
	for i := range w.layout {
		names = append(names, w.layout[i].NameIn(w.variant))
	}
	w.line(append(names, w.meta...))
	return nil
}

// vet refuses a row that would make the package invalid.
func (w *Writer) vet(r *Record) error {
	if !isGUID(r.SourcedID) {
		return w.wrong(r, "sourcedId", "E302")
	}
	if w.modes[w.t.Type] == Delta && (r.Status != statusActive && r.Status != statusDeleted || r.LastModified.IsZero()) {
		return w.wrong(r, "status and dateLastModified", "E316")
	}
	if len(r.Fields) != len(w.t.Columns) || len(r.Meta) != len(w.meta) {
		return refuse("a row of %s has %d fields and %d of metadata, and %d and %d are needed",
			w.t.Type.FileName(), len(r.Fields), len(r.Meta), len(w.t.Columns), len(w.meta))
	}
	for i := range w.t.Columns {
		if code := w.cellFault(&w.t.Columns[i], r.Fields[i]); code != "" {
			return w.wrong(r, w.t.Columns[i].Name, code)
		}
	}
	for i, m := range r.Meta {
		if m.Name != w.meta[i] || !writable(m.Value) {
			return w.wrong(r, w.meta[i], "E203")
		}
	}
	return nil
}

func (w *Writer) cellFault(c *Column, v string) string {
	need := c.Need(w.variant)
	switch {
	case v == "" && need == Required:
		return "E301"
	case v == "":
		return ""
	case need == Missing:
		return "E208"
	case !writable(v):
		return "E203"
	}
	return c.fault(v, w.variant)
}

// writable text has no line breaks and nothing else that a field may not hold.
func writable(v string) bool {
	s := scanner{line: 1}
	s.inspect([]byte(v))
	return s.fault.code == "" && strings.IndexByte(v, '\n') < 0
}

func (w *Writer) wrong(r *Record, column, code string) error {
	return refuse("%s, sourcedId %s, %s: %s (%s)", w.t.Type.FileName(), excerpt(&idColumn, r.SourcedID), column,
		codes[codeIndex[code]][1], code)
}

func (w *Writer) row(r *Record) {
	w.cell(r.SourcedID)
	if w.modes[w.t.Type] == Delta {
		w.sep(r.Status)
		w.sep(r.LastModified.UTC().Format("2006-01-02T15:04:05.000Z"))
	} else {
		w.sep("")
		w.sep("")
	}
	for i := range w.t.Columns {
		if w.t.Columns[i].Need(w.variant) != Missing {
			w.sep(r.Fields[i])
		}
	}
	for _, m := range r.Meta {
		w.sep(m.Value)
	}
	_ = w.keep(w.out.WriteByte('\n'))
}

func (w *Writer) sep(v string) {
	_ = w.keep(w.out.WriteByte(','))
	w.cell(v)
}

// cell quotes only where it must; blanks at the ends too, since some readers
// trim them.
func (w *Writer) cell(v string) {
	if strings.ContainsAny(v, ",\"") || strings.TrimSpace(v) != v {
		v = `"` + strings.ReplaceAll(v, `"`, `""`) + `"`
	}
	_, err := w.out.WriteString(v)
	_ = w.keep(err)
}

func (w *Writer) line(cells []string) {
	w.cell(cells[0])
	for _, c := range cells[1:] {
		w.sep(c)
	}
	_ = w.keep(w.out.WriteByte('\n'))
}

func (w *Writer) flush() error {
	if w.out != nil {
		_ = w.keep(w.out.Flush())
	}
	w.t, w.out = nil, nil
	return w.err
}

// Close writes the manifest, last because only now it is known which files have
// rows, and ends the package. It does not close the underlying writer.
func (w *Writer) Close() error {
	if err := w.flush(); err != nil {
		return err
	}
	if w.variant == V11 {
		return refuse("OneRoster 1.1 is not written; write 1.2")
	}
	out, err := w.create(manifestFile)
	if err != nil {
		return w.keep(err)
	}
	w.out = bufio.NewWriter(out)
	w.manifest()
	if err := w.flush(); err != nil {
		return err
	}
	return w.keep(w.finish())
}

func (w *Writer) manifest() {
	w.line([]string{"propertyName", "value"})
	w.line([]string{"manifest.version", "1.0"})
	w.line([]string{"oneroster.version", declaredOf(w.variant)})
	for _, t := range Tables() {
		mode := Absent
		if w.rows[t.Type] > 0 {
			mode = w.modes[t.Type]
		}
		w.line([]string{"file." + string(t.Type), string(mode)})
	}
	if w.source != "" {
		w.line([]string{"source.systemName", w.source})
	}
}
