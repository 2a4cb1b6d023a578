package roster

import (
	"regexp"

	"digione/internal/app/i18n"
)

// expectations are what findings say would be right, as words of ours; what is a form or
// a word of the format stands in every language as it is. A group is put into the
// sentence as What.
var expectations = func() (list []expectation) {
	for _, e := range [][2]string{
		{`blank`, "roster.expected.blank"},
		{`commas`, "roster.expected.commas"},
		{`first`, "roster.expected.first"},
		{`after (.+)`, "roster.expected.after"},
		{`a tree`, "roster.expected.tree"},
		{`a whole number`, "roster.expected.whole"},
		{`a number such as (.+)`, "roster.expected.number"},
		{`up to 255 of (.+)`, "roster.expected.id"},
		{`(.+), separated by commas`, "roster.expected.list"},
		{`a sourcedId of (.+)`, "roster.expected.sourcedid"},
		{`the type (.+)`, "roster.expected.type"},
		{`at most (.+) times`, "roster.expected.times"},
		{`at most (.+)`, "roster.expected.most"},
		{`(.+), as the header`, "roster.expected.header"},
		{`at least one row`, "roster.expected.row"},
		{`a header and rows`, "roster.expected.rows"},
		{`files at the root`, "roster.expected.root"},
		{`a package of OneRoster (.+) or (.+)`, "roster.expected.package"},
		{`metadata columns at the far right`, "roster.expected.metadata"},
		{`every file that a bulk file refers to`, "roster.expected.files"},
		{`an organisation of one of the user's roles`, "roster.expected.organisation"},
		{`a dateLastModified not before the stored one`, "roster.expected.newer"},
		{`remove the enrollments too`, "roster.expected.enrollments"},
		{`(.+) or (.+)`, "roster.expected.or"},
	} {
		list = append(list, expectation{regexp.MustCompile(`^` + e[0] + `$`), e[1]})
	}
	return list
}()

type expectation struct {
	form *regexp.Regexp
	key  string
}

// expected says what would be right in the reader's language; english tells words that
// have no translation.
func (v viewer) expected(s string) (text string, english bool) {
	if v.l == i18n.En || s == "" {
		return s, false
	}
	best := ""
	var args []any
	for _, e := range expectations {
		if m := e.form.FindStringSubmatch(s); m != nil && best == "" {
			best = e.key
			for i, name := range []string{"What", "Other"} {
				if i+1 < len(m) {
					args = append(args, name, m[i+1])
				}
			}
		}
	}
	if best == "" {
		return s, spoken.MatchString(s)
	}
	return v.l.T(best, args...), false
}

// spoken tells a sentence from a word or a form of the format.
var spoken = regexp.MustCompile(`[a-z]+ [a-z]+ `)
