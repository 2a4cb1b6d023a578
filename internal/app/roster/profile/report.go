package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"digione/internal/app/roster/oneroster"
)

// Report is the outcome of a conversion. Nothing was written unless Valid.
type Report struct {
	Valid    bool                     `json:"valid"`
	Inputs   []InputReport            `json:"inputs"`
	Rows     map[oneroster.Type]int64 `json:"rows"` // of the package
	Findings []oneroster.Finding      `json:"findings"`
	Totals   []oneroster.Total        `json:"totals"`
	Notes    []string                 `json:"notes"` // what the reader should know, such as how ids are made
	Errors   int                      `json:"errors"`
	Warnings int                      `json:"warnings"`

	files   []string
	origins map[oneroster.Type][]place
}

// InputReport is what came of one file.
type InputReport struct {
	Input   string   `json:"input"`
	File    string   `json:"file"`
	Rows    int64    `json:"rows"`
	Kept    []string `json:"kept,omitempty"`    // columns that went to metadata unmapped
	Ignored []string `json:"ignored,omitempty"` // columns that came to nothing
}

// Origin is a row of an original file.
type Origin struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

// place is an Origin in eight bytes; a package has hundreds of thousands.
type place struct{ file, line int32 }

// Origin returns the row that a line of the package was made of. ok is false for
// what comes from the profile itself, such as the school year.
func (r *Report) Origin(t oneroster.Type, line int) (o Origin, ok bool) {
	places := r.origins[t]
	if i := line - 2; i >= 0 && i < len(places) && places[i].line > 0 { // line 1 is the header
		return Origin{r.files[places[i].file], int(places[i].line)}, true
	}
	return Origin{}, false
}

// Trace turns a finding of the package's Check into one of the original file,
// where it has an origin.
func (r *Report) Trace(f oneroster.Finding) oneroster.Finding {
	t := oneroster.Type(strings.TrimSuffix(f.File, ".csv"))
	if o, ok := r.Origin(t, f.Line); ok {
		f.Message = fmt.Sprintf("%s (%s, line %d)", f.Message, f.File, f.Line)
		f.File, f.Line, f.Column = o.File, o.Line, 0
	}
	return f
}

// finder keeps findings, so many for each file, and counts all.
type finder struct {
	max     int
	perFile map[string]int
	list    []oneroster.Finding
	totals  map[string]*oneroster.Total
	errors  int
}

func (f *finder) add(x oneroster.Finding) {
	if x.Severity = severityOf(x.Code); x.Severity == oneroster.SeverityError {
		f.errors++
	}
	t := f.totals[x.Code]
	if t == nil {
		t = &oneroster.Total{Code: x.Code, Severity: x.Severity}
		f.totals[x.Code] = t
	}
	t.Count++
	if f.perFile[x.File]++; f.perFile[x.File] <= f.max {
		t.Listed++
		f.list = append(f.list, x)
	}
}

func (f *finder) finish(r *Report) {
	slices.SortStableFunc(f.list, func(a, b oneroster.Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	r.Findings = append([]oneroster.Finding{}, f.list...)
	for _, code := range sortedKeys(f.totals) {
		t := f.totals[code]
		r.Totals = append(r.Totals, *t)
		r.Warnings += t.Count
	}
	r.Errors = f.errors
	r.Warnings -= f.errors
	r.Valid = r.Errors == 0
}
