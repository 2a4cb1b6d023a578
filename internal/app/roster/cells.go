package roster

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// Cells of rows in PostgreSQL's text form, as tenancy.Bulk takes them.

func cellTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999Z") }

func cellBytes(b []byte) string {
	if b == nil {
		return tenancy.Null
	}
	return `\x` + hex.EncodeToString(b)
}

func cellOr(s, empty string) string {
	if s == "" {
		return empty
	}
	return s
}

func cellBool(s string) string {
	switch s {
	case "true":
		return "t"
	case "false":
		return "f"
	}
	return tenancy.Null
}

// cellRange writes a daterange, open where a side is empty. A range that ends
// before it begins (the check warns of it) is stored as empty; extra keeps the
// words.
func cellRange(from, to string) (cell string, odd bool) {
	if from != "" && to != "" && to <= from {
		return "empty", true
	}
	return "[" + from + "," + to + ")", false
}

// extra collects what a type delivers beyond the product's columns.
type extra map[string]string

func (e extra) put(column, value string) {
	if value != "" {
		e[column] = value
	}
}

func (e extra) meta(r *oneroster.Record) {
	for _, m := range r.Meta {
		e.put(m.Name, m.Value)
	}
}

// cell writes the JSON object, names in order: one content has one text.
func (e extra) cell(empty string) string {
	if len(e) == 0 {
		return empty
	}
	names := make([]string, 0, 16)
	for name := range e {
		names = append(names, name)
	}
	slices.Sort(names)
	b := make([]byte, 0, 256)
	for i, name := range names {
		b = append(b, "{,"[min(i, 1)])
		b = append(appendJSON(b, name), ':')
		b = appendJSON(b, e[name])
	}
	return string(append(b, '}'))
}

// appendJSON writes a string; the ordinary one, which needs no escapes, quickly.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // a string always marshals
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
