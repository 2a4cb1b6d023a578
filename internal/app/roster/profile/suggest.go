package profile

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"unicode"

	"digione/internal/app/fault"
)

// Note is something that a reader of a suggested profile should look at. Line
// is that of the export, 0 when it is about the whole.
type Note struct {
	Line int    `json:"line,omitempty"`
	Text string `json:"text"`
}

// draft is a profile in the making.
type draft struct {
	in        Input
	delimiter string
	why       string // of the encoding
	header    []string
	fields    map[string]int // field: column
	values    [][]string     // by column, the values that are there
	notes     []Note
	unknown   []string
	words     map[string][]string // field: words found that need a meaning
	endYear   int
}

// Suggest reads an export and writes a first profile for it, with comments,
// that Load accepts; the notes say what was uncertain. Names of columns and the
// words of roles and languages are shown, nothing that is of a person.
func Suggest(ctx context.Context, r io.Reader, name string) (yaml []byte, notes []Note, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, mostFile+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	d := &draft{fields: map[string]int{}, words: map[string][]string{}, endYear: 2026}
	d.in = Input{Header: 1, Quote: '"', File: literal(path.Base(name))}
	d.in.Encoding, d.why = detectEncoding(raw)
	d.note(0, "encoding %s: %s", d.in.Encoding, d.why)
	text, bad := decode(raw, d.in.Encoding)
	if bad != nil || len(raw) > mostFile {
		return nil, nil, fault.New(fault.Invalid, "roster.profile.error.unreadable",
			"%s is not a text file that can be read; export it as CSV", name)
	}
	d.in.Delimiter, d.delimiter = detectDelimiter(string(text))
	d.in.Header, d.header = detectHeader(text, &d.in)
	if d.header == nil {
		return nil, nil, fault.New(fault.Invalid, "roster.profile.error.header",
			"%s has no line with names of columns that are known, such as Sukunimi or Efternamn; write the profile by hand", name)
	}
	if err := d.collect(ctx, text); err != nil {
		return nil, nil, err
	}
	d.decide()
	return d.yaml(), d.notes, nil
}

// literal writes a file name as a pattern that only it fits.
func literal(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

func (d *draft) note(line int, format string, args ...any) {
	d.notes = append(d.notes, Note{line, fmt.Sprintf(format, args...)})
}

// collect reads the values of every column.
func (d *draft) collect(ctx context.Context, text []byte) error {
	d.values = make([][]string, len(d.header))
	rows := newCSV(text, &d.in)
	for n := 0; ; n++ {
		l, broken, done := rows.next()
		switch {
		case done:
			return ctx.Err()
		case broken:
			d.note(l.no, "a quote is opened here and never closed")
			return nil
		case l.no <= d.in.Header || l.empty():
			continue
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for i, c := range l.cells[:min(len(l.cells), len(d.header))] {
			d.values[i] = append(d.values[i], c)
		}
	}
}

// decide maps the columns and settles what depends on the values.
func (d *draft) decide() {
	for i, h := range d.header {
		f, ok := fieldOfHeader(h)
		if _, taken := d.fields[f]; ok && !taken {
			d.fields[f] = i
			continue
		}
		d.unknown = append(d.unknown, h)
	}
	d.in.Kind = detectKind(d.fields)
	d.onlyKnown()
	d.in.Key = d.key()
	d.dates()
	for _, f := range []string{"sex", "role", "turvakielto", "homeLanguage"} {
		d.wordsOf(f)
	}
	d.year()
	if slices.ContainsFunc(sortedKeys(d.fields), guardianPrefix.MatchString) {
		d.note(0, "identifiers of guardians become keyed hashes, so a secret key is needed")
	}
	if d.in.Kind == Staff {
		d.noRole()
	}
}

// onlyKnown gives back columns whose field the kind does not have.
func (d *draft) onlyKnown() {
	for _, f := range sortedKeys(d.fields) {
		if _, ok := fieldOf(d.in.Kind, f); !ok {
			d.unknown = append(d.unknown, d.header[d.fields[f]])
			delete(d.fields, f)
		}
	}
	for _, h := range d.unknown {
		d.note(d.in.Header, "the column %q is not known; it is kept as %s", h, metadata+metaSlug(h))
	}
}

// key takes the first field that every row has and no two share.
func (d *draft) key() []string {
	if d.in.Kind == Schools {
		if _, ok := d.fields["schoolCode"]; ok {
			return []string{"schoolCode"}
		}
		return []string{"school"}
	}
	for _, f := range []string{"id", "oppijanumero", "hetu", "username", "email"} {
		if i, ok := d.fields[f]; ok && unique(d.values[i]) {
			if x, _ := fieldOf(d.in.Kind, f); x.private {
				d.note(0, "rows are told apart by %s; the identifiers become keyed hashes, so a secret key is needed", f)
			}
			return []string{f}
		}
	}
	d.note(0, "no column tells the rows apart; ask for one with the number of the learner")
	for _, f := range []string{"id", "oppijanumero", "hetu", "username", "email", "familyName", "name"} {
		if _, ok := d.fields[f]; ok {
			return []string{f}
		}
	}
	return []string{"id"}
}

func unique(values []string) bool {
	seen := map[string]bool{}
	for _, v := range values {
		if v == "" || seen[v] {
			return false
		}
		seen[v] = true
	}
	return len(values) > 0
}

func (d *draft) dates() {
	i, ok := d.fields["birthDate"]
	if !ok {
		return
	}
	values := slices.DeleteFunc(slices.Clone(d.values[i]), func(v string) bool { return v == "" })
	p, ok := detectDates(values)
	if !ok {
		p = "d.m.yyyy"
		d.note(0, "no one form reads every date; d.m.yyyy is put in, look at it")
	}
	d.in.Dates = []string{p}
}

// mostWords: what varies more than this may be anything, names too, and is not
// shown.
const mostWords = 40

// wordsOf lists the words of a column that are not plain already.
func (d *draft) wordsOf(field string) {
	i, ok := d.fields[field]
	if !ok {
		return
	}
	seen := map[string]bool{}
	def, _ := fieldOf(d.in.Kind, field)
	for _, v := range d.values[i] {
		if seen[v] || v == "" {
			continue
		}
		seen[v] = true
		if len(seen) > mostWords {
			d.words[field] = nil
			d.note(0, "the column for %s has too many different words to be one of words; look whether it is another column", field)
			return
		}
		_, plain := d.in.word(field, def, v)
		if !plain && (def.form != 0 || meanings[field][foldWord(v)] != "") {
			d.words[field] = append(d.words[field], v)
		}
	}
	slices.Sort(d.words[field])
}

// year tells the school year by the birth dates: a first grader turns seven in
// the autumn.
func (d *draft) year() {
	births, okB := d.fields["birthDate"]
	if !okB {
		births, okB = d.fields["hetu"]
	}
	classes, okC := d.fields["grade"]
	if !okC {
		classes, okC = d.fields["class"]
	}
	votes := map[int]int{}
	for i := 0; okB && okC && d.in.Kind == Learners && i < min(len(d.values[births]), len(d.values[classes])); i++ {
		if g, ok := gradeOf(d.values[classes][i]); ok {
			if born := d.birthYear(d.values[births][i]); born > 0 {
				votes[born+7+int(g[0]-'0')*10+int(g[1]-'0')]++
			}
		}
	}
	best := 0
	for y, n := range votes {
		if n > best || n == best && y > d.endYear {
			d.endYear, best = y, n
		}
	}
	if best == 0 {
		d.note(0, "nothing tells the school year; %d-%d is put in, look at it", d.endYear-1, d.endYear)
	}
}

func (d *draft) birthYear(v string) int {
	if h, err := identityCode(v); err == nil {
		return h.BirthDate().Year()
	}
	if day, ok := d.in.date(v); ok {
		return int(day[0]-'0')*1000 + int(day[1]-'0')*100 + int(day[2]-'0')*10 + int(day[3]-'0')
	}
	return 0
}

// noRole: staff lists often have a title only.
func (d *draft) noRole() {
	if _, ok := d.fields["role"]; ok {
		return
	}
	d.fields["role"] = d.fields["title"]
	d.wordsOf("role")
	d.note(d.in.Header, "no column says the role; the one with the title is used for both")
}

// quoted writes a text as YAML does within double quotes.
func quoted(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case !unicode.IsPrint(r): // line breaks that only YAML knows among them
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
