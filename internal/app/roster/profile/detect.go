package profile

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// detectEncoding goes by evidence, and says which.
func detectEncoding(b []byte) (encoding, why string) {
	switch {
	case bytes.HasPrefix(b, utf8BOM):
		return utf8Name, "the file begins with the byte order mark of UTF-8"
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}), bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		return utf16Name, "the file begins with the byte order mark of UTF-16"
	case len(b) > 1 && bytes.Count(b[:min(len(b), 4096)], []byte{0}) > min(len(b), 4096)/4:
		return utf16Name, "every second byte is zero, as in UTF-16 without a mark"
	case utf8.Valid(b) && firstWide(b) > 0:
		return utf8Name, "letters beyond ASCII are valid UTF-8"
	case utf8.Valid(b):
		return utf8Name, "there are no letters beyond ASCII; any encoding would read the file, UTF-8 is what a new one should be"
	}
	nordic, controls := 0, 0
	for _, c := range b {
		switch {
		case bytes.IndexByte([]byte{0xE4, 0xF6, 0xE5, 0xC4, 0xD6, 0xC5}, c) >= 0:
			nordic++
		case c >= 0x80 && c <= 0x9F:
			controls++
		}
	}
	why = fmt.Sprintf("not UTF-8 (first on line %d); %d bytes would be å, ä or ö in Windows-1252, as Excel writes it", firstBad(b), nordic)
	if controls == 0 {
		why += "; ISO-8859-1 would read the same, and nothing tells them apart"
	}
	return cp1252Name, why
}

func firstBad(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return lineOf(b, i)
		}
		i += n
	}
	return 1
}

// detectDelimiter takes the character that parts most of the first lines into
// the same number of cells, more than one.
func detectDelimiter(text string) (byte, string) {
	var lines []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" && len(lines) < 50 {
			lines = append(lines, l)
		}
	}
	best, most := byte(';'), 0
	for _, d := range []byte{';', '\t', ',', '|'} {
		counts := map[int]int{}
		for _, l := range lines {
			if n := strings.Count(l, string(d)); n > 0 {
				counts[n]++
			}
		}
		for _, n := range slices.Sorted(maps.Keys(counts)) {
			if score := counts[n]*100 + n; score > most {
				best, most = d, score
			}
		}
	}
	name := string(best)
	if best == '\t' {
		name = "tab"
	}
	return best, name
}

// detectHeader finds the line that has most names we know; a file may have a
// title above it.
func detectHeader(text []byte, in *Input) (no int, header []string) {
	rows, most := newCSV(text, in), 0
	for range 10 {
		l, broken, done := rows.next()
		if broken || done {
			break
		}
		known := 0
		for _, c := range l.cells {
			if _, ok := fieldOfHeader(c); ok {
				known++
			}
		}
		if known > max(most, 1) { // one such word may stand in any row
			no, header, most = l.no, l.cells, known
		}
	}
	for len(header) > 0 && header[len(header)-1] == "" {
		header = header[:len(header)-1]
	}
	return no, header
}

// detectKind: titles and roles are of staff, guardians and grades of learners.
func detectKind(fields map[string]int) Kind {
	has := func(name string) bool { _, ok := fields[name]; return ok }
	for f := range fields {
		if guardianPrefix.MatchString(f) {
			return Learners
		}
	}
	person := has("familyName") || has("name") || has("hetu")
	switch {
	case person && (has("role") || has("title")):
		return Staff
	case person:
		return Learners
	}
	return Schools
}

// datePatterns are tried in this order; the first that reads every value is
// taken.
var datePatterns = []string{"yyyy-mm-dd", "d.m.yyyy", "d/m/yyyy", "yyyy/m/d", "yyyymmdd", "ddmmyyyy"}

func detectDates(values []string) (string, bool) {
	for _, p := range datePatterns {
		in := Input{Dates: []string{p}}
		all := len(values) > 0
		for _, v := range values {
			if _, ok := in.date(v); !ok {
				all = false
				break
			}
		}
		if all {
			return p, true
		}
	}
	return "", false
}

// meanings are the words that exports use for the lists that we have.
var meanings = map[string]map[string]string{
	"sex": {"m": "male", "mies": "male", "poika": "male", "man": "male", "pojke": "male", "boy": "male", "1": "male",
		"n": "female", "nainen": "female", "tyttö": "female", "k": "female", "kvinna": "female", "flicka": "female", "f": "female", "girl": "female", "2": "female",
		"muu": "other", "annat": "other", "ei tiedossa": "unspecified", "okänt": "unspecified"},
	"role": {"opettaja": "teacher", "luokanopettaja": "teacher", "aineenopettaja": "teacher", "erityisopettaja": "teacher", "lehtori": "teacher", "tuntiopettaja": "teacher",
		"sijaisopettaja": "teacher", "lärare": "teacher", "klasslärare": "teacher", "ämneslärare": "teacher", "speciallärare": "teacher", "lektor": "teacher",
		"rehtori": "principal", "apulaisrehtori": "principal", "rektor": "principal", "biträdande rektor": "principal", "koulunjohtaja": "principal",
		"ohjaaja": "aide", "koulunkäynninohjaaja": "aide", "avustaja": "aide", "skolgångshandledare": "aide", "skolgångsbiträde": "aide",
		"koulusihteeri": "aide", "skolsekreterare": "aide",
		"opinto-ohjaaja": "counselor", "opo": "counselor", "studiehandledare": "counselor",
		"hallinto": "siteAdministrator", "pääkäyttäjä": "siteAdministrator"},
	"homeLanguage": {"suomi": "FI", "finska": "FI", "ruotsi": "SV", "svenska": "SV", "venäjä": "RU", "ryska": "RU", "viro": "ET", "estniska": "ET",
		"somali": "SO", "somaliska": "SO", "arabia": "AR", "arabiska": "AR", "englanti": "EN", "engelska": "EN", "ukraina": "UK", "ukrainska": "UK",
		"vietnam": "VI", "vietnamesiska": "VI", "albania": "SQ", "albanska": "SQ", "kurdi": "KU", "kurdiska": "KU", "persia": "FA", "persiska": "FA",
		"saame": "SE", "samiska": "SE"},
}
