package profile

import (
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Encodings that can be declared.
const (
	utf8Name   = "utf-8"
	cp1252Name = "windows-1252"
	latin1Name = "iso-8859-1"
	latin9Name = "iso-8859-15"
	utf16Name  = "utf-16"
)

const (
	familyFirst = "family-first"
	givenFirst  = "given-first"
)

var encodings = []string{utf8Name, cp1252Name, latin1Name, latin9Name, utf16Name}

func (l *loader) input(path string, n *yaml.Node) Input {
	in := Input{
		Quote: '"', Header: 1, NameOrder: familyFirst,
		Values: map[string]map[string]string{}, Constants: map[string]string{}, Defaults: map[string]string{},
	}
	if kind := mappingValue(n, "kind"); kind != nil {
		in.Kind = Kind(kind.Value) // before the rest, which depends on it
	}
	var kind string
	l.keys(n, path, map[string]func(string, *yaml.Node){
		"name":       l.text(&in.Name),
		"file!":      l.pattern(&in.File),
		"kind!":      l.word(&kind, string(Learners), string(Staff), string(Schools)),
		"encoding!":  l.word(&in.Encoding, encodings...),
		"delimiter!": l.delimiter(&in.Delimiter),
		"quote":      l.quote(&in.Quote),
		"header":     l.header(&in.Header),
		"dates":      l.dates(&in.Dates),
		"nameOrder":  l.word(&in.NameOrder, familyFirst, givenFirst),
		"keep":       l.flag(&in.Keep),
		"key!":       l.textList(&in.Key),
		"columns!":   func(path string, n *yaml.Node) { l.columns(path, n, &in) },
		"values":     func(path string, n *yaml.Node) { l.values(path, n, &in) },
		"constants":  l.fieldTexts(&in, in.Constants),
		"defaults":   l.fieldTexts(&in, in.Defaults),
	})
	l.complete(path, n, &in)
	return in
}

func mappingValue(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (l *loader) pattern(into *string) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		l.text(into)(path, v)
		if !validPattern(v.Value) {
			l.fault(v, path, `write a file name, with * for the part that changes, such as "oppilaat*.csv"`, "not a pattern")
		}
	}
}

func (l *loader) delimiter(into *byte) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		s := v.Value
		if s == "tab" || s == `\t` {
			s = "\t"
		}
		if len(s) != 1 || s[0] >= 0x80 || s == `"` || s == "\n" {
			l.fault(v, path, `write one of ";" "," "tab" "|" in quotes`, "%q is not one character that can part fields", v.Value)
			return
		}
		*into = s[0]
	}
}

func (l *loader) quote(into *byte) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		switch {
		case v.Value == "none":
			*into = 0
		case len(v.Value) == 1 && v.Value[0] < 0x80:
			*into = v.Value[0]
		default:
			l.fault(v, path, `write '"', "'" or none`, "%q is not a quote character", v.Value)
		}
	}
}

func (l *loader) header(into *int) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		n, err := strconv.Atoi(v.Value)
		if err != nil || n < 0 || n > 100 {
			l.fault(v, path, "write the number of the line that has the names of the columns, 0 if none has", "%q is not such a number", v.Value)
			return
		}
		*into = n
	}
}

func (l *loader) dates(into *[]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		l.textList(into)(path, n)
		for _, p := range *into {
			if _, ok := layout(p); !ok {
				l.fault(n, path, "write it with d or dd, m or mm, yyyy: d.m.yyyy, yyyy-mm-dd, ddmmyyyy", "%q is not a form of dates", p)
			}
		}
	}
}

func (l *loader) columns(path string, n *yaml.Node, in *Input) {
	l.pairs(n, path, func(column string, k, v *yaml.Node) {
		m := Mapping{Column: column}
		l.textList(&m.Fields)(join(path, column), v)
		for _, f := range m.Fields {
			l.known(join(path, column), v, in, f)
			if in.columnOf(f) != "" && f != ignore {
				l.fault(v, join(path, column), "let one column fill the field", "%s is already filled by the column %q", f, in.columnOf(f))
			}
		}
		if num, err := strconv.Atoi(column); in.Header == 0 && (err != nil || num < 1) {
			l.fault(k, join(path, column), "with header: 0 name the columns by number, 1 for the first", "not the number of a column")
		}
		in.Columns = append(in.Columns, m)
	})
}

func (in *Input) columnOf(field string) string {
	for _, m := range in.Columns {
		if slices.Contains(m.Fields, field) {
			return m.Column
		}
	}
	return ""
}

func (l *loader) known(path string, v *yaml.Node, in *Input, name string) {
	if _, ok := fieldOf(in.Kind, name); !ok {
		l.fault(v, path, "fields of "+string(in.Kind)+" are "+fieldNames(in.Kind), "unknown field %q", name)
	}
}

func (l *loader) values(path string, n *yaml.Node, in *Input) {
	l.pairs(n, path, func(name string, k, v *yaml.Node) {
		l.known(join(path, name), k, in, name)
		words := map[string]string{}
		l.texts(words)(join(path, name), v)
		folded := map[string]string{}
		for _, found := range sortedKeys(words) {
			l.meant(join(path, name), v, in, name, words[found])
			folded[foldWord(found)] = words[found]
		}
		in.Values[name] = folded
	})
}

// meant checks the right side of a value map.
func (l *loader) meant(path string, v *yaml.Node, in *Input, name, word string) {
	f, _ := fieldOf(in.Kind, name)
	switch {
	case f.form == wordForm && !slices.Contains(f.words, word):
		l.fault(v, path, "write one of "+list(f.words), "%q is not a word of %s", word, name)
	case f.form == flagForm && word != "true" && word != "false":
		l.fault(v, path, "write true or false, in quotes", "%q is neither true nor false", word)
	case f.form == gradeForm:
		if _, ok := gradeOf(word); !ok {
			l.fault(v, path, "write 1 to 9, or 10 to 12 for the lukio", "%q is not a grade", word)
		}
	}
}

func (l *loader) fieldTexts(in *Input, into map[string]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		l.texts(into)(path, n)
		for _, name := range sortedKeys(into) {
			l.known(join(path, name), n, in, name)
			l.meant(join(path, name), n, in, name, into[name])
			switch f, _ := fieldOf(in.Kind, name); f.form {
			case gradeForm:
				into[name], _ = gradeOf(into[name])
			case dateForm, hetuForm, oidForm:
				l.fault(n, join(path, name), "map a column to it", "this cannot be the same for several people")
			}
		}
	}
}

// complete looks for what a kind cannot do without.
func (l *loader) complete(path string, n *yaml.Node, in *Input) {
	need := func(what string, fields ...string) {
		if len(in.Columns) > 0 && !in.mapsAny(fields...) {
			l.fault(n, path, "map a column to "+fields[0], "nothing says %s", what)
		}
	}
	switch in.Kind {
	case Learners:
		need("which school the learner goes to", "school", "schoolCode")
		need("what the family name is", "familyName", "name")
		need("what the given names are", "givenNames", "givenName", "name")
	case Staff:
		need("where the person works", "school", "schoolCode")
		need("what the person does", "role")
		need("what the family name is", "familyName", "name")
		need("what the given names are", "givenNames", "givenName", "name")
	case Schools:
		need("what the school is called", "school")
	}
	for _, k := range in.Key {
		if l.known(path+".key", n, in, k); in.columnOf(k) == "" && len(in.Columns) > 0 {
			l.fault(n, path+".key", "map a column to it", "the key %q has no column", k)
		}
	}
	for _, m := range in.Columns {
		for _, f := range m.Fields {
			if d, _ := fieldOf(in.Kind, f); d.form == dateForm && len(in.Dates) == 0 {
				l.fault(n, path+".dates", `say how dates are written, such as dates: [d.m.yyyy]`, "missing, and %s has dates", m.Column)
			}
		}
	}
}
