// Package htmlcheck asserts on pages in tests: what stands where, and that a page
// is sound for those who cannot see it. It is imported by tests only.
package htmlcheck

import (
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Doc is a parsed page.
type Doc struct {
	t    testing.TB
	root *html.Node
	raw  string
}

// Parse reads a page.
func Parse(t testing.TB, body string) Doc {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatalf("parse page: %v", err)
	}
	return Doc{t, root, body}
}

// Find returns the elements that match a selector: a tag, #id, .class or
// [attribute] or [attribute=value], joined without blanks ("td.num"), and with
// blanks for what lies below ("main h1").
func (d Doc) Find(selector string) []*html.Node {
	found := []*html.Node{d.root}
	for part := range strings.FieldsSeq(selector) {
		var next []*html.Node
		for _, n := range found {
			for c := range n.Descendants() {
				if c.Type == html.ElementNode && matches(c, part) {
					next = append(next, c)
				}
			}
		}
		found = next
	}
	return found
}

func matches(n *html.Node, part string) bool {
	for part != "" {
		end := strings.IndexAny(part[1:], "#.[")
		this := part
		if end >= 0 {
			this = part[:end+1]
		}
		part = part[len(this):]
		var ok bool
		switch this[0] {
		case '#':
			ok = Attr(n, "id") == this[1:]
		case '.':
			ok = strings.Contains(" "+Attr(n, "class")+" ", " "+this[1:]+" ")
		case '[':
			name, value, exact := strings.Cut(strings.Trim(this, "[]"), "=")
			ok = has(n, name) && (!exact || Attr(n, name) == value)
		default:
			ok = n.Data == this
		}
		if !ok {
			return false
		}
	}
	return true
}

// Attr returns an attribute's value, empty when it is absent.
func Attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// Text returns the text of a node, blanks folded.
func Text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Texts returns the texts of all that match.
func (d Doc) Texts(selector string) []string {
	var out []string
	for _, n := range d.Find(selector) {
		out = append(out, Text(n))
	}
	return out
}

// Count asserts how many elements match.
func (d Doc) Count(selector string, want int) {
	d.t.Helper()
	if got := len(d.Find(selector)); got != want {
		d.t.Errorf("%d of %q, want %d", got, selector, want)
	}
}

// Says asserts that an element which matches contains the text.
func (d Doc) Says(selector, want string) {
	d.t.Helper()
	for _, text := range d.Texts(selector) {
		if strings.Contains(text, want) {
			return
		}
	}
	d.t.Errorf("no %q says %q; they say %q", selector, want, d.Texts(selector))
}

// random is what a page holds by chance: a token may contain any two letters.
var random = regexp.MustCompile(`name="csrf" value="[^"]*"|<code>[0-9a-f]{20}</code>`)

// Lacks asserts that the page does not contain the texts anywhere, attributes
// included.
func (d Doc) Lacks(texts ...string) {
	d.t.Helper()
	for _, s := range texts {
		if strings.Contains(random.ReplaceAllString(d.raw, ""), s) {
			d.t.Errorf("the page contains %q", s)
		}
	}
}
