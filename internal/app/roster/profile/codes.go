package profile

import "digione/internal/app/roster/oneroster"

const (
	nextProfile = "correct the profile"
	nextSource  = "correct the row in the source system and export again"
	nextLook    = "look whether the source system means this"
)

// Codes returns the published list of what a conversion can find. The codes of
// the package that comes out are those of oneroster; these are of the original
// file and begin with P.
func Codes() []oneroster.CodeInfo {
	list := make([]oneroster.CodeInfo, len(codes))
	for i, c := range codes {
		list[i] = oneroster.CodeInfo{Code: c[0], Severity: c[1], Meaning: c[2], Next: c[3]}
	}
	return list
}

// codes holds code, severity, meaning and next step.
var codes = [][4]string{
	{"P101", oneroster.SeverityError, "an input has no file", "give a file whose name fits its pattern"},
	{"P102", oneroster.SeverityError, "a file fits no input", "leave it out, or add an input for it"},
	{"P103", oneroster.SeverityError, "the file is not in the declared encoding", nextProfile},
	{"P104", oneroster.SeverityError, "the file is larger than is read", "give the export in parts"},
	{"P105", oneroster.SeverityError, "the file has no header where the profile says, or no rows", "export again, or correct header in the profile"},
	{"P106", oneroster.SeverityError, "the file lacks a column of the profile", "correct the name in the profile, or export the column"},
	{"P107", oneroster.SeverityWarning, "the file has a column that the profile does not name", "map it, ignore it, or write keep: true"},
	{"P108", oneroster.SeverityError, "two columns have one name", "give them names of their own in the export"},
	{"P109", oneroster.SeverityError, "a quote is opened and not closed", "correct the row, or quote in the profile"},
	{"P110", oneroster.SeverityError, "the row has another number of cells than the header", nextSource},
	{"P111", oneroster.SeverityError, "a file fits two inputs", "make the patterns of the profile stricter"},

	{"P201", oneroster.SeverityError, "a required value is missing", nextSource},
	{"P202", oneroster.SeverityError, "not a date in a declared form", "correct the row, or dates in the profile"},
	{"P203", oneroster.SeverityError, "a word without a meaning in the profile", "add it to values in the profile"},
	{"P204", oneroster.SeverityError, "a Finnish personal identity code that is wrong", nextSource},
	{"P205", oneroster.SeverityWarning, "an oppijanumero with a wrong check digit", nextSource},
	{"P206", oneroster.SeverityWarning, "the class does not tell the grade", "map a column to grade, or add values for grade"},
	{"P207", oneroster.SeverityWarning, "a learner without a class", nextLook},
	{"P208", oneroster.SeverityWarning, "birth date and identity code do not agree", nextSource},
	{"P209", oneroster.SeverityError, "the key would put an identity code into an identifier", "map the column to hetu; identifiers made of it are keyed hashes"},
	{"P210", oneroster.SeverityError, "a control character in a value", nextSource},
	{"P211", oneroster.SeverityError, "not a grade", "correct the row, or add values for grade"},
	{"P212", oneroster.SeverityWarning, "a column that goes to metadata holds identity codes", "map it to hetu or a guardian's hetu, or ignore it"},

	{"P301", oneroster.SeverityError, "two rows have one key", nextSource},
	{"P302", oneroster.SeverityError, "two learners have one identity code", nextSource},
	{"P303", oneroster.SeverityError, "a school that the list of schools does not have", "correct the row, or complete the list of schools"},
	{"P304", oneroster.SeverityWarning, "rows of one person differ; the first one is taken", nextLook},
	{"P305", oneroster.SeverityWarning, "a class has several teachers; the first one is primary", nextLook},
	{"P306", oneroster.SeverityError, "two keys give one identifier", "add a field to key in the profile"},
	{"P307", oneroster.SeverityError, "a school is there with two codes", nextSource},
}

func severityOf(code string) string {
	for _, c := range codes {
		if c[0] == code {
			return c[1]
		}
	}
	return oneroster.SeverityError
}
