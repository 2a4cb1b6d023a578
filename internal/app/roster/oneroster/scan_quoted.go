package oneroster

import "bytes"

// quotedRow reads a row that has a quote in it. It may need more than the first
// line: a quoted field with line breaks is wrong in OneRoster, but has to be
// told apart from a quote that nobody closed.
func (s *scanner) quotedRow() {
	for {
		n, done := s.parse(s.buf[s.pos:s.end], s.eof || s.end-s.pos > maxRow)
		if done {
			s.finish(n)
			return
		}
		if !s.read() && s.err != nil {
			return
		}
	}
}

// finish takes over a parsed row of n bytes, line end included.
func (s *scanner) finish(n int) {
	row := s.buf[s.pos : s.pos+n]
	s.pos += n
	s.nextLine += bytes.Count(row, []byte{'\n'})
	if n == 0 || row[n-1] != '\n' {
		s.cut = true
		s.nextLine++
	}
	text := string(s.out)
	start := 0
	for _, end := range s.ends {
		s.fields = append(s.fields, text[start:end])
		start = end
	}
	form := s.fault
	row = bytes.TrimSuffix(row, []byte{'\n'})
	s.inspectQuoted(s.trimEnd(row), form)
}

// inspectQuoted keeps a fault of the form before those of the bytes.
func (s *scanner) inspectQuoted(row []byte, form scanFault) {
	s.fault = scanFault{}
	if s.inspect(row); form.code != "" {
		s.fault = form
	}
}

// parse takes one row off b. It is not done when b ends too early and atEnd
// says that more may come. On a broken quote the row ends with the line on which
// that quote stands, so that the rows after it are still read.
func (s *scanner) parse(b []byte, atEnd bool) (n int, done bool) {
	s.out, s.ends, s.fault = s.out[:0], s.ends[:0], scanFault{}
	i := 0
	for {
		if i < len(b) && b[i] == '"' {
			i, done = s.quotedField(b, i, atEnd)
		} else {
			i, done = s.plainField(b, i, atEnd)
		}
		if !done {
			return 0, false
		}
		if s.fault.code == "E202" {
			return s.fault.next, true
		}
		s.ends = append(s.ends, len(s.out))
		if i == len(b) {
			return i, true
		}
		if b[i] != ',' {
			return i + bytes.IndexByte(b[i:], '\n') + 1, true
		}
		i++
	}
}

// plainField returns where the field ends: at a comma, a line end or the end.
func (s *scanner) plainField(b []byte, from int, atEnd bool) (int, bool) {
	for i := from; i < len(b); i++ {
		switch b[i] {
		case '"':
			return s.broken(b, i, i, "a quote stands inside a field that is not quoted", atEnd)
		case ',':
			s.out = append(s.out, b[from:i]...)
			return i, true
		case '\n':
			end := i
			if end > from && b[end-1] == '\r' {
				end--
			}
			s.out = append(s.out, b[from:end]...)
			return end, true
		}
	}
	s.out = append(s.out, b[from:]...)
	return len(b), atEnd
}

// quotedField returns where the field ends, behind its closing quote.
func (s *scanner) quotedField(b []byte, open int, atEnd bool) (int, bool) {
	i, breaks := open+1, false
	for {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			if !atEnd {
				return 0, false
			}
			return s.broken(b, open, open, "a quote is opened and not closed", atEnd)
		}
		breaks = breaks || bytes.IndexByte(b[i:i+j], '\n') >= 0
		s.out = append(s.out, b[i:i+j]...)
		if i += j + 1; i < len(b) && b[i] == '"' {
			s.out = append(s.out, '"')
			i++
			continue
		}
		break
	}
	if i+1 >= len(b) && !atEnd { // the next two bytes tell whether it is closed
		return 0, false
	}
	ends := i == len(b) || b[i] == ',' || b[i] == '\n' || b[i] == '\r' && i+1 < len(b) && b[i+1] == '\n'
	switch {
	case !ends && breaks:
		return s.broken(b, open, open, "a quote is opened and not closed on its line", atEnd)
	case !ends:
		return s.broken(b, i, open, "something stands between a closing quote and the comma", atEnd)
	case breaks && s.fault.code == "":
		s.fault = faultAt(b, open, s.line, "E203", "the field has a line break in it")
	}
	return i, true
}

// broken notes a fault at b[at]; the scan goes on after the line of b[from].
func (s *scanner) broken(b []byte, at, from int, message string, atEnd bool) (int, bool) {
	n := bytes.IndexByte(b[from:], '\n')
	if n < 0 && !atEnd {
		return 0, false
	}
	s.fault = faultAt(b, at, s.line, "E202", message)
	if s.fault.next = len(b); n >= 0 {
		s.fault.next = from + n + 1
	}
	return at, true
}
