package profile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"digione/internal/app/fault"
)

const mostBytes = 1 << 20 // of a profile

var (
	slug     = regexp.MustCompile(`^[a-z][a-z0-9-]{1,40}$`)
	kuntaNro = regexp.MustCompile(`^[0-9]{3}$`)
	yamlLine = regexp.MustCompile(`line (\d+)`)
)

// Load reads a profile. The error is *Faults, with every fault there is, or one
// of reading; name is for messages.
func Load(r io.Reader, name string) (*Profile, error) {
	text, err := io.ReadAll(io.LimitReader(r, mostBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", name, err)
	}
	if len(text) > mostBytes {
		return nil, refuse(&Faults{name, []Fault{{1, "", "longer than 1 MiB", "give the profile, not the data"}}})
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, refuse(&Faults{name, []Fault{syntaxFault(err)}})
	}
	l := &loader{}
	p := l.profile(&doc)
	if len(l.faults) > 0 {
		slices.SortStableFunc(l.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
		return nil, refuse(&Faults{name, l.faults})
	}
	return p, nil
}

func refuse(f *Faults) error {
	return fault.New(fault.Invalid, "roster.profile.error.faults", "%w", f)
}

func syntaxFault(err error) Fault {
	f := Fault{1, "", "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "), "look at the indentation and quotes near this line"}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
	}
	return f
}

// FaultsOf returns the faults in an error of Load, nil when it has none.
func FaultsOf(err error) *Faults {
	var f *Faults
	errors.As(err, &f)
	return f
}

type loader struct{ tree }

func (l *loader) profile(doc *yaml.Node) *Profile {
	p := &Profile{}
	if len(doc.Content) == 0 {
		l.fault(&yaml.Node{Line: 1}, "", "write a profile; roster profile suggest makes a first one", "empty")
		return p
	}
	l.noAliases(doc)
	var version string
	root := doc.Content[0]
	l.keys(root, "", map[string]func(string, *yaml.Node){
		"profile!":      l.word(&version, "1"),
		"name":          l.text(&p.Name),
		"tenant!":       l.matching(&p.Tenant, slug, "write small letters, digits and hyphens, such as vantaa"),
		"organisation!": l.text(&p.Organisation),
		"municipality":  l.matching(&p.Municipality, kuntaNro, `write three digits in quotes, such as "092"`),
		"schoolYear!":   func(path string, n *yaml.Node) { l.term(path, n, &p.Year) },
		"terms": func(path string, n *yaml.Node) {
			l.items(n, path, func(path string, n *yaml.Node) {
				var t Term
				l.term(path, n, &t)
				l.within(path, n, t, p.Year)
				p.Terms = append(p.Terms, t)
			})
		},
		"inputs!": func(path string, n *yaml.Node) {
			l.items(n, path, func(path string, n *yaml.Node) { p.Inputs = append(p.Inputs, l.input(path, n)) })
		},
	})
	l.whole(root, p)
	return p
}

// noAliases: an alias would make one line mean two places, and can be made to
// grow without bound.
func (l *loader) noAliases(n *yaml.Node) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		l.fault(n, "", "write the value out", "anchors and aliases are not read")
	}
	for _, c := range n.Content {
		l.noAliases(c)
	}
}

func (l *loader) matching(into *string, re *regexp.Regexp, next string) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		l.text(into)(path, v)
		if v.Kind == yaml.ScalarNode && !re.MatchString(v.Value) {
			l.fault(v, path, next, "%q is not in the form wanted", v.Value)
		}
	}
}

func (l *loader) term(path string, n *yaml.Node, t *Term) {
	l.keys(n, path, map[string]func(string, *yaml.Node){
		"title": l.text(&t.Title), "start!": l.day(&t.Start), "end!": l.day(&t.End),
	})
	if t.Start != "" && t.End != "" && t.End <= t.Start {
		l.fault(n, path, "correct the dates; end is the last day", "the end is not after the start")
	}
}

func (l *loader) day(into *string) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		if _, err := time.Parse(time.DateOnly, v.Value); err != nil {
			l.fault(v, path, "write it as 2025-08-01", "%q is not a date", v.Value)
			return
		}
		*into = v.Value
	}
}

func (l *loader) within(path string, n *yaml.Node, t, year Term) {
	if year.Start != "" && t.Start != "" && (t.Start < year.Start || t.End > year.End) {
		l.fault(n, path, "write schoolYear above terms, and terms within it", "not within the school year")
	}
}

// whole looks at what only the profile as a whole can have wrong.
func (l *loader) whole(root *yaml.Node, p *Profile) {
	learners := false
	for i, in := range p.Inputs {
		learners = learners || in.Kind == Learners
		for _, other := range p.Inputs[:i] {
			if other.File == in.File {
				l.fault(root, fmt.Sprintf("inputs[%d].file", i), "give each input a pattern of its own", "two inputs take the file %q", in.File)
			}
		}
	}
	if !learners {
		l.fault(root, "inputs", "add an input with kind: learners", "no input lists learners")
	}
}

func validPattern(p string) bool {
	_, err := path.Match(p, "x")
	return err == nil && p != ""
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func known(m map[string]func(string, *yaml.Node)) string {
	var all []string
	for _, k := range sortedKeys(m) {
		all = append(all, strings.TrimSuffix(k, "!"))
	}
	return list(all)
}

func list(words []string) string { return strings.Join(words, ", ") }
