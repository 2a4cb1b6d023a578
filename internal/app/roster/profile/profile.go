// Package profile turns a municipality's own export into a OneRoster package.
// A profile is a YAML file that says which column is what, how dates are
// written and in which encoding the file is; nothing is guessed at conversion.
// The package that comes out goes the way of every other one: check, plan,
// apply. It writes no table and knows no tenant's data.
package profile

import (
	"fmt"
	"strings"
)

// Profile says how the files of one source become OneRoster. Load gives one
// that is valid.
type Profile struct {
	Name         string
	Tenant       string // begins every sourcedId
	Organisation string // name of the district
	Municipality string // three digits, may be empty
	Year         Term   // the school year
	Terms        []Term // may be empty: classes then last the whole year
	Inputs       []Input
}

// Term is a stretch of days, the last one included.
type Term struct{ Title, Start, End string }

// Kind is what a file lists, one in each row.
type Kind string

// The kinds of files.
const (
	Learners Kind = "learners"
	Staff    Kind = "staff"
	Schools  Kind = "schools"
)

// Input is one file of the source.
type Input struct {
	Name      string
	File      string // pattern of the file's name, such as "oppilaat*.csv"
	Kind      Kind
	Encoding  string
	Delimiter byte
	Quote     byte // 0 is none
	Header    int  // line of the header; 0 is none, columns are then named 1, 2 …
	Dates     []string
	NameOrder string   // of fields that hold a whole name: family-first or given-first
	Keep      bool     // columns that are not mapped go to metadata
	Key       []string // fields that make the sourcedId
	Columns   []Mapping
	Values    map[string]map[string]string // field, then the word found, then the one meant
	Constants map[string]string            // the same in every row
	Defaults  map[string]string            // where the cell is empty
}

// Mapping says what a column is; several fields may come from one.
type Mapping struct {
	Column string
	Fields []string
}

// Fault is one thing that is wrong with a profile.
type Fault struct {
	Line    int    `json:"line"`
	Path    string `json:"path"` // such as inputs[0].columns.Luokka
	Message string `json:"message"`
	Next    string `json:"next"`
}

// Faults is every fault of a profile, in the order of its lines.
type Faults struct {
	Name string  `json:"name"`
	List []Fault `json:"faults"`
}

// Error lists the faults, one a line.
func (f *Faults) Error() string {
	lines := make([]string, len(f.List))
	for i, x := range f.List {
		where := x.Path + ": "
		if x.Path == "" { // of the whole file
			where = ""
		}
		lines[i] = fmt.Sprintf("%s:%d: %s%s; %s", f.Name, x.Line, where, x.Message, x.Next)
	}
	return strings.Join(lines, "\n")
}

// maps tells whether a row can have a value for the field.
func (in *Input) maps(field string) bool {
	for _, m := range in.Columns {
		for _, f := range m.Fields {
			if f == field {
				return true
			}
		}
	}
	return in.Constants[field] != "" || in.Defaults[field] != ""
}

// mapsAny is maps for the first field that is there.
func (in *Input) mapsAny(fields ...string) bool {
	for _, f := range fields {
		if in.maps(f) {
			return true
		}
	}
	return false
}
