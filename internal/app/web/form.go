package web

import (
	"html/template"
	"regexp"
	"slices"
	"strings"

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

// formField names the form that was sent, on pages with several of a kind: the ids
// of its fields begin with it.
const formField = "lomake"

// MendFault adds the sentence of an error, nothing without one. at says which field
// an error's key is about, by the field's name.
func (rq *Request) MendFault(p *Page, err error, at map[string]string) {
	if err == nil {
		return
	}
	key := fault.Key(err)
	field, form := at[key], rq.Form(formField)
	if field != "" && fieldID.MatchString(form) {
		field = form + "-" + field
	}
	p.Mend(field, rq.Lang.T(key))
}

// MendsIn says whether something is to be mended in the form whose ids begin so.
func (p Page) MendsIn(form string) bool {
	return slices.ContainsFunc(p.Errors, func(e FieldError) bool { return strings.HasPrefix(e.Field, form+"-") })
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
	//nolint:gosec // the ids are escaped
	return template.HTMLAttr(`aria-describedby="` + template.HTMLEscapeString(ids) + `"` + invalid)
}
