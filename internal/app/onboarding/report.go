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
	Stages                                                  []reportStage
	Events                                                  []reportEvent
}

type reportStage struct {
	Name string
	Rows []reportRow
}

type reportRow struct{ Name, State, When, By, Found string }

type reportEvent struct{ At, Who, What, Why, File, Hash string }

// Report is the whole history as one printable page that needs nothing else.
func Report(t tenancy.Tenant, s *joining.State, events []joining.Event, lang string, now time.Time) ([]byte, error) {
	l, ok := i18n.Parse(lang)
	if !ok {
		return nil, fmt.Errorf("--lang %s: use fi, sv or en", lang)
	}
	clock := func(at time.Time) string { return at.In(i18n.Zone).Format("2.1.2006 15.04") }
	v := reportView{Lang: string(l), Title: s.Template.Names.In(lang), Tenant: t.Name(lang), Code: t.MunicipalityCode, Template: s.Template.ID,
		State: l.T("onboarding.state." + s.State), Made: clock(now), L: func(k string) string { return l.T(k) }}
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
			if !st.At.IsZero() {
				row.When = clock(st.At)
			}
			for i, by := range st.By {
				if i > 0 {
					row.By += ", "
				}
				row.By += by
			}
			if st.Last != nil {
				row.Found = say(l, *st.Last)
			}
			rs.Rows = append(rs.Rows, row)
		}
		v.Stages = append(v.Stages, rs)
	}
	for _, e := range events {
		v.Events = append(v.Events, reportLine(e, s.Template, l, clock))
	}
	var b bytes.Buffer
	if err := reportPage.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return b.Bytes(), nil
}

func reportLine(e joining.Event, tpl joining.Template, l i18n.Lang, clock func(time.Time) string) reportEvent {
	row := reportEvent{At: clock(e.At), Who: e.Actor, What: l.T("onboarding.event." + string(e.Kind)), Why: e.Reason}
	if e.Name != "" {
		row.Who = e.Name + " (" + e.Actor + ")"
	}
	if r, _, ok := tpl.Find(e.Requirement); ok {
		row.What += ": " + r.Names.In(string(l))
	}
	for _, more := range []string{e.Stage, e.Wave, e.Template} {
		if more != "" {
			row.What += " " + more
		}
	}
	if e.Measurement != nil {
		row.Why = say(l, *e.Measurement)
	}
	if e.Evidence != nil {
		row.File, row.Hash = e.Evidence.Name, e.Evidence.SHA256
	}
	return row
}
