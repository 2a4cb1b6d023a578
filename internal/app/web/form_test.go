package web

import "testing"

// What is to be mended stands at its field; a field that no page could have had is
// summed up without a link, and nothing of it reaches an attribute.
func TestMend(t *testing.T) {
	t.Parallel()
	var p Page
	p.Mend("e-1-syy", "Kirjoita perustelu")
	p.Mend(`x" onfocus="y`, "Vieras kenttä")
	if e := p.ErrorAt("e-1-syy"); e == nil || e.Text != "Kirjoita perustelu" || !p.MendsIn("e-1") || p.MendsIn("e-2") {
		t.Errorf("at the field: %v", e)
	}
	if p.Errors[1].Field != "" || p.Errors[1].Text != "Vieras kenttä" {
		t.Errorf("a field that is none: %+v", p.Errors[1])
	}
	for _, c := range []struct {
		field, help, want string
	}{
		{"e-1-syy", "", `aria-describedby="e-1-syy-virhe" aria-invalid="true"`},
		{"e-1-syy", "ohje", `aria-describedby="e-1-syy-virhe ohje" aria-invalid="true"`},
		{"tunnus", "ohje", `aria-describedby="ohje"`},
		{"tunnus", "", ""},
	} {
		var more []string
		if c.help != "" {
			more = append(more, c.help)
		}
		if got := string(p.Bad(c.field, more...)); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.field, c.help, got, c.want)
		}
	}
}
