package oneroster

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	scanChunk = 64 << 10
	maxField  = 64 << 10
	maxRow    = 1 << 20
)

// scanner reads RFC 4180 rows. encoding/csv is no use here: it joins lines in
// silence, forgives quotes and cannot say which byte was bad.
//
// After a fault it goes on at the next line, so that one fault is one finding.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int // what is read and not yet used
	eof      bool
	err      error // of the reader, not of the form
	nextLine int

	line   int       // where the row begins
	fields []string  // valid until the next call
	fault  scanFault // fields may be incomplete when there is one
	cut    bool      // no line end behind the row: the last of the file

	out  []byte // the row without its quoting
	ends []int
}

// scanFault is what is wrong with the form of a row; code is empty for a good one.
type scanFault struct {
	code    string
	line    int
	field   int // from 1
	message string
	next    int // of a broken quote: where to go on, from the start of the row
}

func newScanner(r io.Reader) *scanner {
	s := &scanner{r: r, buf: make([]byte, scanChunk), nextLine: 1}
	for s.end < 3 && s.read() {
	}
	if bytes.HasPrefix(s.buf[:s.end], []byte("\xef\xbb\xbf")) {
		s.pos = 3
	}
	return s
}

// next moves to the next row, false at the end or at a fault of the reader.
func (s *scanner) next() bool {
	s.fields, s.fault, s.cut, s.line = s.fields[:0], scanFault{}, false, s.nextLine
	n, ok := s.fillLine()
	if !ok {
		return false
	}
	if n > maxRow {
		return s.skipLong()
	}
	line := s.buf[s.pos : s.pos+n]
	if bytes.IndexByte(line, '"') >= 0 {
		s.quotedRow()
		return s.err == nil
	}
	s.use(n)
	line = s.trimEnd(line)
	if s.inspect(line); s.fault.code == "" || s.fault.code == "E217" {
		s.split(string(line))
	}
	return true
}

// use steps over n bytes and the line end behind them.
func (s *scanner) use(n int) {
	s.pos += n
	s.nextLine++
	if s.pos < s.end {
		s.pos++
	} else {
		s.cut = true
	}
}

// trimEnd leaves out the CR of a CR LF.
func (s *scanner) trimEnd(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' && !s.cut {
		return line[:n-1]
	}
	return line
}

func (s *scanner) split(line string) {
	for {
		i := strings.IndexByte(line, ',')
		if i < 0 {
			s.fields = append(s.fields, line)
			return
		}
		s.fields = append(s.fields, line[:i])
		line = line[i+1:]
	}
}

// fillLine returns the length of the next line without its LF.
func (s *scanner) fillLine() (int, bool) {
	from := 0
	for {
		if i := bytes.IndexByte(s.buf[s.pos+from:s.end], '\n'); i >= 0 {
			return from + i, true
		}
		from = s.end - s.pos
		if from > maxRow {
			return from, true
		}
		if !s.read() {
			return from, from > 0 && s.err == nil
		}
	}
}

// read gets more bytes behind those not yet used; false at the end.
func (s *scanner) read() bool {
	if s.eof || s.err != nil {
		return false
	}
	if s.pos > 0 {
		copy(s.buf, s.buf[s.pos:s.end])
		s.end -= s.pos
		s.pos = 0
	}
	if s.end == len(s.buf) {
		s.buf = append(s.buf, make([]byte, len(s.buf))...)
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if err == io.EOF {
			s.eof = true
		} else if err != nil {
			s.err = err
		}
		if n > 0 || err != nil {
			return n > 0
		}
	}
	s.err = io.ErrNoProgress
	return false
}

// skipLong passes over a line that is longer than any row may be.
func (s *scanner) skipLong() bool {
	s.fault = scanFault{code: "E217", line: s.line, field: 1, message: "the row is longer than 1 MiB"}
	for {
		if i := bytes.IndexByte(s.buf[s.pos:s.end], '\n'); i >= 0 {
			s.use(i)
			return true
		}
		s.pos = s.end
		if !s.read() {
			s.cut = true
			s.nextLine++
			return s.err == nil
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// inspect looks for what no row may hold: control characters, a CR alone, bytes
// that are not UTF-8, a field beyond the limit. Eight bytes at a time, since
// nearly every row is plain ASCII.
func (s *scanner) inspect(row []byte) {
	i, special, ascii := 0, false, true
	for ; i+8 <= len(row); i += 8 {
		x := binary.LittleEndian.Uint64(row[i:])
		special = special || (x-ones*0x20)&^x&highs != 0
		ascii = ascii && x&highs == 0
	}
	for ; i < len(row); i++ {
		special = special || row[i] < 0x20
		ascii = ascii && row[i] < utf8.RuneSelf
	}
	if !ascii && !utf8.Valid(row) {
		s.fault = badUTF8(row, s.line)
		return
	}
	if special {
		s.findControl(row)
	}
	if len(row) > maxField && s.fault.code == "" {
		s.findLong(row)
	}
}

func (s *scanner) findControl(row []byte) {
	for i, b := range row {
		if b == '\r' {
			s.fault = faultAt(row, i, s.line, "E215", "a carriage return stands without its line feed")
			return
		}
		if b < 0x20 && b != '\t' && b != '\n' {
			s.fault = faultAt(row, i, s.line, "E216", "the field has the control character "+hexByte(b))
			if b == 0 && s.line == 1 {
				s.fault.message += "; the file is probably UTF-16"
			}
			return
		}
	}
}

func (s *scanner) findLong(row []byte) {
	start, quoted := 0, false
	for i := 0; i <= len(row); i++ {
		switch {
		case i < len(row) && row[i] == '"':
			quoted = !quoted
		case i == len(row) || row[i] == ',' && !quoted:
			if i-start > maxField {
				s.fault = faultAt(row, start, s.line, "E217", "the field is longer than 64 KiB")
				return
			}
			start = i + 1
		}
	}
}

// faultAt places a fault at a byte of a row.
func faultAt(row []byte, at, line int, code, message string) scanFault {
	f := scanFault{code: code, line: line, field: 1, message: message}
	quoted := false
	for _, b := range row[:at] {
		switch {
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			f.field++
		case b == '\n':
			f.line++
		}
	}
	return f
}
