package profile

import (
	"regexp"
	"slices"
	"strings"
)

// What a field holds, and so how its cells are read.
type form uint8

const (
	plain form = iota
	dateForm
	hetuForm
	oidForm  // oppijanumero
	flagForm // true or false
	wordForm // one of a list
	gradeForm
)

// field describes something a column can be.
type field struct {
	form    form
	private bool // never in a message; ids made of it are keyed hashes
	words   []string
}

var (
	sexes = []string{"male", "female", "other", "unspecified"}
	posts = []string{"aide", "counselor", "districtAdministrator", "principal", "siteAdministrator", "teacher"}
)

// person has the fields that learners and staff share.
var personFields = map[string]field{
	"id": {}, "hetu": {form: hetuForm, private: true}, "name": {private: true},
	"familyName": {private: true}, "givenNames": {private: true}, "givenName": {private: true},
	"middleNames": {private: true}, "callName": {private: true},
	"birthDate": {form: dateForm, private: true}, "sex": {form: wordForm, private: true, words: sexes},
	"homeLanguage": {private: true}, "email": {private: true}, "phone": {private: true}, "username": {private: true},
	"turvakielto": {form: flagForm, private: true}, "school": {}, "schoolCode": {}, "class": {},
}

var learnerFields = with(personFields, map[string]field{
	"oppijanumero": {form: oidForm, private: true}, "grade": {form: gradeForm},
})

var staffFields = with(personFields, map[string]field{"role": {form: wordForm, words: posts}, "title": {}})

var schoolFields = map[string]field{"school": {}, "schoolCode": {}, "oid": {}, "language": {}}

// guardianFields follow "guardian1." … "guardian9.".
var guardianFields = map[string]field{
	"id": {}, "hetu": {form: hetuForm, private: true}, "name": {private: true}, "familyName": {private: true},
	"givenNames": {private: true}, "email": {private: true}, "phone": {private: true},
	"homeLanguage": {private: true}, "turvakielto": {form: flagForm, private: true},
}

var (
	guardianPrefix = regexp.MustCompile(`^guardian([1-9])\.(.+)$`)
	metaName       = regexp.MustCompile(`^metadata\.[A-Za-z][A-Za-z0-9]*$`)
)

const (
	ignore   = "ignore" // the column is left out, and the profile says so
	metadata = "metadata."
)

func with(a, b map[string]field) map[string]field {
	m := make(map[string]field, len(a)+len(b))
	for k, v := range a {
		m[k] = v
	}
	for k, v := range b {
		m[k] = v
	}
	return m
}

// fieldOf looks a field of a kind up. Whatever goes to metadata is private: we
// do not know what the municipality keeps there.
func fieldOf(k Kind, name string) (field, bool) {
	switch {
	case name == ignore:
		return field{}, true
	case metaName.MatchString(name):
		return field{private: true}, true
	}
	if m := guardianPrefix.FindStringSubmatch(name); m != nil && k == Learners {
		f, ok := guardianFields[m[2]]
		return f, ok
	}
	f, ok := fieldsOf(k)[name]
	return f, ok
}

func fieldsOf(k Kind) map[string]field {
	switch k {
	case Learners:
		return learnerFields
	case Staff:
		return staffFields
	}
	return schoolFields
}

// fieldNames lists the fields of a kind for a message.
func fieldNames(k Kind) string {
	var all []string
	for n := range fieldsOf(k) {
		all = append(all, n)
	}
	slices.Sort(all)
	if k == Learners {
		all = append(all, "guardian1.name", "guardian1.hetu", "guardian1.email", "…")
	}
	return strings.Join(append(all, "metadata.<name>", ignore), ", ")
}
