package oneroster

import (
	"cmp"
	"slices"
)

// Finding is one fault of a package, safe to log: it holds no names, addresses,
// identity codes or passwords.
type Finding struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	File     string `json:"file"`     // "users.csv"; empty for the package itself
	Line     int    `json:"line"`     // physical line, from 1
	Column   int    `json:"column"`   // number of the field in its row, from 1
	Field    string `json:"field"`    // name of the column
	Message  string `json:"message"`  // one sentence
	Expected string `json:"expected"` // what would be right
	Excerpt  string `json:"excerpt"`  // the value, shortened; masked where it may identify a person
	Repair   string `json:"repair"`   // the lenient repair that would mend it
	Folded   int    `json:"folded"`   // further findings that this one causes, not listed
}

// Total counts the findings of a code, those beyond the bound included.
type Total struct {
	Code     string `json:"code"`
	Severity string `json:"severity"`
	Count    int    `json:"count"`
	Listed   int    `json:"listed"`
	Folded   int    `json:"folded"`
}

// Report is the outcome of a check.
type Report struct {
	Valid    bool           `json:"valid"` // no errors; warnings may be there
	Version  string         `json:"version"`
	Rows     map[Type]int64 `json:"rows"`
	Findings []Finding      `json:"findings"` // by file, line and column
	Totals   []Total        `json:"totals"`
	Repairs  map[string]int `json:"repairs"`
	Errors   int            `json:"errors"`
	Warnings int            `json:"warnings"`
}

// collector keeps findings within the bound and counts all of them.
type collector struct {
	max     int
	perFile map[string]int
	list    []*Finding
	totals  []Total // by the place of the code in codes
	repairs map[string]int
}

func newCollector(max int) *collector {
	return &collector{
		max: max, perFile: map[string]int{}, totals: make([]Total, len(codes)), repairs: map[string]int{},
	}
}

// add returns the kept finding, nil when the bound of its file is reached.
func (c *collector) add(f Finding) *Finding {
	t := &c.totals[codeIndex[f.Code]]
	t.Count++
	t.Folded += f.Folded
	if c.perFile[f.File] >= c.max {
		return nil
	}
	c.perFile[f.File]++
	t.Listed++
	f.Severity = severityOf(f.Code)
	if f.Repair != "" {
		f.Message += "; --lenient repairs this"
	}
	c.list = append(c.list, &f)
	return &f
}

// fold counts a finding that another one causes. A nil root is one that fell
// to the bound.
func (c *collector) fold(root *Finding, code string) {
	c.totals[codeIndex[code]].Folded++
	if root != nil {
		root.Folded++
	}
}

func (c *collector) repaired(key string) { c.repairs[key]++ }

func (c *collector) count(severity string) int {
	n := 0
	for i, t := range c.totals {
		if severityOf(codes[i][0]) == severity {
			n += t.Count
		}
	}
	return n
}

func (c *collector) report() *Report {
	r := &Report{Findings: []Finding{}, Totals: []Total{}, Repairs: c.repairs, Rows: map[Type]int64{}}
	slices.SortStableFunc(c.list, func(a, b *Finding) int {
		return cmp.Or(fileOrder(a.File)-fileOrder(b.File), cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	for _, f := range c.list {
		r.Findings = append(r.Findings, *f)
	}
	for i, t := range c.totals {
		if t.Count > 0 || t.Folded > 0 {
			t.Code, t.Severity = codes[i][0], severityOf(codes[i][0])
			r.Totals = append(r.Totals, t)
		}
	}
	r.Errors, r.Warnings = c.count(SeverityError), c.count(SeverityWarning)
	r.Valid = r.Errors == 0
	return r
}

// fileOrder puts the package first, then the manifest, then the tables.
func fileOrder(name string) int {
	switch name {
	case "":
		return -3
	case manifestFile:
		return -2
	}
	if t := TableOf(typeOfFile(name)); t != nil {
		return t.ordinal
	}
	return -1
}
