package oneroster

import "strings"

// Type is a kind of object: the name of its CSV file without ".csv".
type Type string

// The types, in the order in which Tables gives them: a type comes after those
// it refers to, but for references to its own kind and the few that go both ways.
const (
	Orgs                         Type = "orgs"
	AcademicSessions             Type = "academicSessions"
	Courses                      Type = "courses"
	Classes                      Type = "classes"
	Users                        Type = "users"
	UserProfiles                 Type = "userProfiles"
	Roles                        Type = "roles"
	Enrollments                  Type = "enrollments"
	Demographics                 Type = "demographics"
	Resources                    Type = "resources"
	ClassResources               Type = "classResources"
	CourseResources              Type = "courseResources"
	UserResources                Type = "userResources"
	Categories                   Type = "categories"
	LineItems                    Type = "lineItems"
	ScoreScales                  Type = "scoreScales"
	Results                      Type = "results"
	LineItemScoreScales          Type = "lineItemScoreScales"
	ResultScoreScales            Type = "resultScoreScales"
	LineItemLearningObjectiveIDs Type = "lineItemLearningObjectiveIds"
	ResultLearningObjectiveIDs   Type = "resultLearningObjectiveIds"
)

// Mode is what the manifest says of a file.
type Mode string

// The modes. Absent says nothing about the type: no change.
const (
	Absent Mode = "absent"
	Bulk   Mode = "bulk"
	Delta  Mode = "delta"
)

// Variant is the text that a package follows. Both texts of 1.2 declare "1.2";
// they differ in the header of users.csv.
type Variant string

// The variants that can be read.
const (
	V11      Variant = "1.1"
	V12Final Variant = "1.2 Final" // June 2022: users.csv has resourceSourcedIds
	V121     Variant = "1.2.1"     // 2023, the text of the certification
)

// Kind is the form of a cell.
type Kind uint8

// The kinds. UserIDs and ScalePairs are lists of {left:right}.
const (
	String Kind = iota
	GUID
	Date
	DateTime
	Year
	Bool
	Int
	Float
	Enum
	UserIDs
	ScalePairs
)

// Need is whether a version has a column, and whether it must be filled.
type Need uint8

// The needs.
const (
	Missing Need = iota // the version has no such column
	Optional
	Required
)

// Column describes one column of the canonical model and how the versions
// write it.
type Column struct {
	Name    string
	In11    Need
	In12    Need
	Kind    Kind
	List    bool     // comma separated in one cell, no blanks around the items
	Words11 []string // of an Enum in 1.1
	Words12 []string // of an Enum in 1.2
	Ext     bool     // 1.2 also takes "ext:<term>"
	Ref     Type     // the type that the cell refers to
	RefKind string   // and the kind the referred row must have, such as "school"
	Private bool     // never shown in a message or an excerpt

	name11    string // what 1.1 calls it, where that differs
	finalOnly bool   // in 1.2 only the Final text has it
	mapped    bool   // 1.1 only, and carried over to other columns or types
}

// Table is one type of object and its columns, without the three that every
// file begins with: sourcedId, status, dateLastModified.
type Table struct {
	Type    Type
	Columns []Column // the canonical order, which is that of 1.2
	In11    bool     // 1.1 has the file as well

	// OfUser says that the sourcedId is that of a user (demographics).
	OfUser bool

	ordinal  int
	declared []Column // Columns and the mapped ones, in file order
	index    map[string]int
}

var (
	tables   = declare()
	tablesBy = byType(tables)
)

// Tables returns every table, referred-to types first. Callers must not change
// what they get.
func Tables() []*Table { return tables }

// TableOf returns the table of a type, nil for an unknown one.
func TableOf(t Type) *Table { return tablesBy[t] }

// Index returns the place of a column in Record.Fields, -1 when there is none.
func (t *Table) Index(column string) int {
	if i, ok := t.index[column]; ok {
		return i
	}
	return -1
}

// In tells whether a variant has the file.
func (t *Table) In(v Variant) bool { return v != V11 || t.In11 }

// Layout returns the columns that a variant's file has after the first three,
// in file order. Name is the canonical one; NameIn gives the file's.
func (t *Table) Layout(v Variant) []Column {
	var cols []Column
	for _, c := range t.declared {
		if c.Need(v) != Missing {
			cols = append(cols, c)
		}
	}
	return cols
}

// Need returns whether a variant has the column and wants it filled.
func (c *Column) Need(v Variant) Need {
	switch {
	case v == V11:
		return c.In11
	case c.finalOnly && v != V12Final:
		return Missing
	}
	return c.In12
}

// NameIn returns what a variant calls the column.
func (c *Column) NameIn(v Variant) string {
	if v == V11 && c.name11 != "" {
		return c.name11
	}
	return c.Name
}

// Words returns the words of an Enum in a variant.
func (c *Column) Words(v Variant) []string {
	if v == V11 {
		return c.Words11
	}
	return c.Words12
}

// FileName is the type's name in a package.
func (t Type) FileName() string { return string(t) + ".csv" }

// typeOfFile is the reverse of FileName; it does not know whether the type exists.
func typeOfFile(name string) Type { return Type(strings.TrimSuffix(name, ".csv")) }

func byType(ts []*Table) map[Type]*Table {
	m := make(map[Type]*Table, len(ts))
	for i, t := range ts {
		t.ordinal = i
		t.index = map[string]int{}
		for _, c := range t.declared {
			if !c.mapped {
				t.index[c.Name] = len(t.Columns)
				t.Columns = append(t.Columns, c)
			}
		}
		m[t.Type] = t
	}
	return m
}
