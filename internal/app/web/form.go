package web

import (
	"html/template"
	"regexp"

	"digione/internal/app/fault"
)

// FieldError says what is to be mended in a field of a form. Field is the id of the
// field on the page, empty for the form as a whole.
type FieldError struct{ Field, Text string }

var fieldID = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{0,80}$`)

// Mend adds what is to be mended, a sentence in the page's language. The layout sums
// it up on top of the page with a link to the field; beside the field the template
// shows it, by {{template "wrong" (.ErrorAt "field")}}, and marks the field by
// {{.Bad "field"}}.
func (p *Page) Mend(field, text string) {
	if !fieldID.MatchString(field) {
		field = ""
	}
	p.Errors = append(p.Errors, FieldError{field, text})
}

// MendFault adds the sentence of an error at the field that the error names. Where
// a page has several forms, prefix tells the one that was sent: see Form.
func (p *Page) MendFault(prefix string, err error) {
	field := fault.FieldOf(err)
	if field != "" && prefix != "" {
		field = prefix + "-" + field
	}
	p.Mend(field, p.Lang.T(fault.Key(err)))
}

// formField names the form that was sent, on pages with several of a kind.
const formField = "lomake"

// FormPrefix is the prefix of the ids of the fields in the form that was sent, as its
// hidden field lomake says it; empty where the page's forms have none.
func (rq *Request) FormPrefix() string {
	if p := rq.Form(formField); fieldID.MatchString(p) {
		return p
	}
	return ""
}

// ErrorAt is what is to be mended in a field, nil when nothing is.
func (p Page) ErrorAt(field string) *FieldError {
	for _, e := range p.Errors {
		if e.Field == field {
			return &e
		}
	}
	return nil
}

// Bad are the attributes that tie a field to what is wrong with it and to its other
// descriptions.
func (p Page) Bad(field string, described ...string) template.HTMLAttr {
	ids, invalid := "", ""
	if p.ErrorAt(field) != nil {
		ids, invalid = field+"-virhe", ` aria-invalid="true"`
	}
	for _, d := range described {
		if ids != "" {
			ids += " "
		}
		ids += d
	}
	if ids == "" {
		return ""
	}
	return template.HTMLAttr(`aria-describedby="` + template.HTMLEscapeString(ids) + `"` + invalid)
}
