package oneroster

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// rows reads the rows of one file into one Record, canonical and repaired. Both
// Check and Each read through it, so that what was checked is what is given.
type rows struct {
	p      *Package
	t      *Table
	e      *entry
	sc     *scanner
	closer io.Closer
	head   *header
	rec    Record

	status, modified string   // as written, after repair
	values           []string // by place in the layout, after repair
	role             string   // of 1.1 users
	orgs             string

	repaired          func(key string) // nil: nobody counts
	org, org1, roleAt int              // places in the layout of mapped columns, -1 for none
}

// openRows reads the header too. found is what is wrong with it; an empty file
// gives io.EOF.
func (p *Package) openRows(t *Table) (r *rows, found []Finding, err error) {
	e := p.entries[t.Type.FileName()]
	sc, closer, err := e.scan()
	if err != nil {
		return nil, nil, err
	}
	r = &rows{p: p, t: t, e: e, sc: sc, closer: closer, head: newHeader(t, p.variant)}
	if !sc.next() {
		closer.Close()
		if sc.err != nil {
			return nil, nil, sc.err
		}
		return nil, nil, io.EOF
	}
	fields := sc.fields
	if sc.fault.code != "" {
		found, fields = append(found, formFinding(e.name, &sc.fault)), r.head.names(p.variant)
		r.head.ruined = true
	}
	found = append(found, r.head.read(t, p.variant, fields)...)
	r.rec = Record{Table: t, Fields: make([]string, len(t.Columns)), Meta: r.head.meta}
	r.values = make([]string, len(r.head.layout))
	r.org, r.roleAt, r.org1 = -1, -1, t.Index("primaryOrgSourcedId")
	for i, c := range r.head.layout {
		if c.mapped && c.Name == "role" {
			r.roleAt = i
		} else if c.mapped {
			r.org = i
		}
	}
	return r, found, nil
}

// width is the number of fields that a row must have.
func (r *rows) width() int { return len(r.head.to) }

// fill maps the fields of the scanner's row, which has the right width.
func (r *rows) fill() {
	r.rec.Line = r.sc.line
	meta := 0
	for i, to := range r.head.to {
		v := r.sc.fields[i]
		switch to {
		case toID:
			r.rec.SourcedID = v
		case toStatus:
			r.status = v
		case toModified:
			r.modified = v
		case toMeta:
			r.rec.Meta[meta].Value = v
			meta++
		case toBlank, toNobody:
		default:
			r.values[to] = v
		}
	}
	if r.p.opts.Lenient {
		r.mend()
	}
	r.takeOver()
}

// mend repairs what the lenient mode may.
func (r *rows) mend() {
	if v, key := repair(&modifiedColumn, r.modified); key != "" {
		r.modified = v
		r.count(key)
	}
	for i := range r.values {
		if r.values[i] == "" {
			continue
		}
		if v, key := repair(&r.head.layout[i], r.values[i]); key != "" {
			r.values[i] = v
			r.count(key)
		}
	}
}

func (r *rows) count(key string) {
	if r.repaired != nil {
		r.repaired(key)
	}
}

// takeOver writes the canonical record.
func (r *rows) takeOver() {
	for i, to := range r.head.canon {
		if to >= 0 {
			r.rec.Fields[to] = r.values[i]
		}
	}
	r.rec.Status, r.rec.LastModified = r.status, time.Time{}
	if r.modified != "" {
		r.rec.LastModified, _ = parseDateTime(r.modified)
	}
	if r.org >= 0 {
		r.role, r.orgs = "", r.values[r.org]
		if r.roleAt >= 0 {
			r.role = r.values[r.roleAt]
		}
		r.rec.Fields[r.org1], _, _ = strings.Cut(r.orgs, ",")
	}
}

// widthFinding never passes over extra empty fields: a comma that nobody quoted
// shifts a row whose last cells are empty in just that way.
func widthFinding(r *rows) Finding {
	f := Finding{Code: "E204", File: r.e.name, Line: r.sc.line, Column: min(len(r.sc.fields), r.width()+1),
		Message:  fmt.Sprintf("the row has %d fields", len(r.sc.fields)),
		Expected: fmt.Sprintf("%d, as the header", r.width())}
	if r.sc.cut && len(r.sc.fields) < r.width() {
		f.Code, f.Message = "E205", fmt.Sprintf("the file ends in the middle of a row, after %d fields", len(r.sc.fields))
	}
	return f
}

// metaColumn is the number of the field of a metadata column.
func (r *rows) metaColumn(i int) int {
	for at, to := range r.head.to {
		if to == toMeta {
			if i == 0 {
				return at + 1
			}
			i--
		}
	}
	return 0
}
