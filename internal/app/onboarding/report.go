package onboarding

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

//go:embed report/report.html
var reportHTML string

var reportPage = template.Must(template.New("report").Parse(reportHTML))

type reportView struct {
	Lang, Title, Tenant, Code, Template, Stage, State, Made string
	L                                                       func(string) string
	Clock                                                   func(time.Time) string
	Stages                                                  []reportStage
	Events                                                  []Line
}

type reportStage struct {
	Name string
	Rows []reportRow
}

type reportRow struct{ Name, State, When, By, Found string }

// Report is the whole history as one printable page that needs nothing else.
func Report(t tenancy.Tenant, ts joining.Templates, s *joining.State, events []joining.Event, lang string, now time.Time) ([]byte, error) {
	l, ok := i18n.Parse(lang)
	if !ok {
		return nil, fmt.Errorf("--lang %s: use fi, sv or en", lang)
	}
	w := viewer{l: l, known: ts}
	v := reportView{Lang: string(l), Title: s.Template.Names.In(lang), Tenant: t.Name(lang), Code: t.MunicipalityCode, Template: s.Template.ID,
		State: l.T("onboarding.state." + s.State), Made: l.DateTime(now), L: func(k string) string { return l.T(k) }, Clock: l.DateTime}
	for _, stage := range s.Template.Stages {
		if stage.ID == s.Stage {
			v.Stage = stage.Names.In(lang)
		}
		rs := reportStage{Name: stage.Names.In(lang)}
		for _, st := range s.Status {
			if st.Stage != stage.ID {
				continue
			}
			row := reportRow{Name: st.Names.In(lang), State: l.T("onboarding.status." + st.State), Found: st.Reason}
			row.When, row.By = l.DateTime(st.At), w.signers(&st)
			if st.Last != nil {
				row.Found = say(l, *st.Last)
			}
			rs.Rows = append(rs.Rows, row)
		}
		v.Stages = append(v.Stages, rs)
	}
	for _, e := range events {
		v.Events = append(v.Events, w.line(s, e))
	}
	var b bytes.Buffer
	if err := reportPage.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}
