package profile

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// tree reads YAML nodes and notes every fault with its line, where decoding
// into a struct would stop at the first.
type tree struct{ faults []Fault }

func (t *tree) fault(n *yaml.Node, path, next, format string, args ...any) {
	t.faults = append(t.faults, Fault{n.Line, path, fmt.Sprintf(format, args...), next})
}

// keys calls the handler of each key; unknown and repeated keys are faults, so
// are missing ones of those that end in "!".
func (t *tree) keys(n *yaml.Node, path string, handlers map[string]func(path string, v *yaml.Node)) {
	seen := map[string]bool{}
	t.pairs(n, path, func(key string, k, v *yaml.Node) {
		h := handlers[key]
		if h == nil {
			h = handlers[key+"!"]
		}
		if h == nil {
			t.fault(k, join(path, key), "correct the spelling or delete the line", "unknown key %q; known are %s", key, known(handlers))
			return
		}
		seen[key] = true
		h(join(path, key), v)
	})
	for _, k := range sortedKeys(handlers) {
		if name := k[:len(k)-1]; k[len(k)-1] == '!' && !seen[name] {
			t.fault(n, join(path, name), "add it", "missing")
		}
	}
}

// pairs calls f with every pair of a mapping; a key that comes twice is a fault.
func (t *tree) pairs(n *yaml.Node, path string, f func(key string, k, v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		t.fault(n, path, "write it as key: value lines", "not a mapping")
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if line, again := first[k.Value]; again {
			t.fault(k, join(path, k.Value), "keep one of them", "already on line %d", line)
			continue
		}
		first[k.Value] = k.Line
		f(k.Value, k, v)
	}
}

// items calls f with every item of a sequence.
func (t *tree) items(n *yaml.Node, path string, f func(path string, v *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		t.fault(n, path, "write each item on a line of its own that begins with a dash", "not a list")
		return
	}
	for i, v := range n.Content {
		f(path+"["+strconv.Itoa(i)+"]", v)
	}
}

// text stores a scalar.
func (t *tree) text(into *string) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		if v.Kind != yaml.ScalarNode || v.Tag == "!!null" {
			t.fault(v, path, "write one value after the colon", "not a text")
			return
		}
		if strings.ContainsFunc(v.Value, unicode.IsControl) {
			t.fault(v, path, "write it on one line", "a line break or another control character in it")
			return
		}
		*into = v.Value
	}
}

// word stores one of the words.
func (t *tree) word(into *string, words ...string) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		t.text(into)(path, v)
		for _, w := range words {
			if v.Value == w {
				return
			}
		}
		t.fault(v, path, "write one of "+list(words), "%q is not known here", v.Value)
	}
}

func (t *tree) flag(into *bool) func(string, *yaml.Node) {
	return func(path string, v *yaml.Node) {
		if v.Tag != "!!bool" {
			t.fault(v, path, "write true or false", "%q is neither true nor false", v.Value)
			return
		}
		*into = v.Value == "true"
	}
}

// texts stores a mapping of texts.
func (t *tree) texts(into map[string]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		t.pairs(n, path, func(key string, _, v *yaml.Node) {
			var s string
			t.text(&s)(join(path, key), v)
			into[key] = s
		})
	}
}

// textList stores a list of texts; a single text is a list of one.
func (t *tree) textList(into *[]string) func(string, *yaml.Node) {
	return func(path string, n *yaml.Node) {
		if n.Kind == yaml.ScalarNode {
			var s string
			t.text(&s)(path, n)
			*into = append(*into, s)
			return
		}
		t.items(n, path, func(path string, v *yaml.Node) {
			var s string
			t.text(&s)(path, v)
			*into = append(*into, s)
		})
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
