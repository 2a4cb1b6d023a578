package oneroster

import (
	"strings"
	"time"
)

// Record is one row in the canonical model.
type Record struct {
	Table        *Table
	Line         int // the physical line in the file on which the row begins
	SourcedID    string
	Status       string    // "active" or "tobedeleted"; empty in bulk
	LastModified time.Time // zero in bulk
	Fields       []string  // in the order of Table.Columns; empty is no value
	Meta         []Meta    // the metadata columns, in file order
}

// Meta is the value of an extension column.
type Meta struct {
	Name  string // with its "metadata." prefix
	Value string
}

// Get returns the value of a column, empty when the type has no such column.
func (r *Record) Get(column string) string {
	if i := r.Table.Index(column); i >= 0 {
		return r.Fields[i]
	}
	return ""
}

// List returns the items of a list column, nil when it is empty. A {left:right}
// pair is one item, with its braces.
func (r *Record) List(column string) []string {
	i := r.Table.Index(column)
	if i < 0 || r.Fields[i] == "" {
		return nil
	}
	if k := r.Table.Columns[i].Kind; k == UserIDs || k == ScalePairs {
		return splitPairs(r.Fields[i])
	}
	return strings.Split(r.Fields[i], ",")
}

// Clone returns a copy that stays after the callback of Each has ended.
func (r *Record) Clone() *Record {
	c := *r
	c.Fields = append([]string(nil), r.Fields...)
	c.Meta = append([]Meta(nil), r.Meta...)
	return &c
}

// splitPairs cuts at the commas between pairs; a comma inside braces belongs to
// its pair.
func splitPairs(s string) []string {
	var items []string
	for {
		i := strings.Index(s, "},")
		if i < 0 {
			return append(items, s)
		}
		items = append(items, s[:i+1])
		s = s[i+2:]
	}
}
