package onboarding

import (
	"strings"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/tenancy/joining"
)

// viewer puts the process into words of a language, on a day.
type viewer struct {
	l     i18n.Lang
	today time.Time
}

// Tag is a word in a colour.
type Tag struct{ Text, Color string }

// Row is a requirement.
type Row struct {
	ID, Name, Help, Owner, Found, Reason string
	State                                Tag
	Due, At                              time.Time
	Late, Passed, Mine                   bool
	NeedsFile, MayFile, NeedsReason      bool // what its form asks for
	MayAttest                            bool // there is a form
	Second                               bool // it waits for a second person
	By                                   string
	Files                                []joining.Evidence

	day string
}

// StageView is a stage with what it asks for.
type StageView struct {
	Name       string
	Done, Here bool
	Count, Of  int
	Rows       []Row
}

// WaveView is a wave of schools.
type WaveView struct {
	Name    string
	Opens   time.Time
	Schools int
	Open    bool
}

// Line is an event.
type Line struct {
	At                   time.Time
	Who, What, Why, File string
}

var (
	stateColors  = map[string]string{joining.UnderWay: "info", joining.Halted: "danger", joining.Live: "success"}
	statusColors = map[string]string{joining.Open: "neutral", joining.Second: "warning", joining.Red: "danger", joining.Done: "success", joining.Skipped: "warning"}
)

func (v viewer) state(s *joining.State) Tag {
	return Tag{v.l.T("onboarding.state." + s.State), stateColors[s.State]}
}

func (v viewer) row(st *joining.Status) Row {
	lang := string(v.l)
	r := Row{ID: st.ID, Name: st.Names.In(lang), Help: st.Help.In(lang), Owner: v.l.T("onboarding.owner." + st.Waits()), Reason: st.Reason,
		State: Tag{v.l.T("onboarding.status." + st.State), statusColors[st.State]}, Due: st.Due, At: st.At, Passed: st.Passed(),
		Late: v.late(st), By: strings.Join(names(st.By), ", "), Files: st.Files, day: st.Due.Format(time.DateOnly),
		Mine: st.Waits() == joining.Municipality, Second: st.State == joining.Second}
	if st.Last != nil {
		r.Found = say(v.l, *st.Last)
	}
	silent := st.Last == nil || !st.Last.Measurable
	r.MayAttest = r.Mine && !r.Passed && (st.Kind == joining.Attestation || (st.Kind == joining.Check && st.Attestable && silent))
	r.NeedsReason = st.Kind == joining.Check
	r.NeedsFile = st.Evidence || st.Kind == joining.Check
	r.MayFile = !r.Second
	return r
}

// names leaves out for which side a person spoke: the row says it.
func names(by []string) []string {
	out := make([]string, len(by))
	for i, b := range by {
		_, name, ok := strings.Cut(b, ":")
		if out[i] = b; ok {
			out[i] = name
		}
	}
	return out
}

// late tells whether the day of what is still open has passed.
func (v viewer) late(st *joining.Status) bool { return !st.Passed() && st.Due.Before(v.today) }

// stage is the name of the stage that a municipality is in.
func (v viewer) stage(s *joining.State) string {
	for _, stage := range s.Template.Stages {
		if stage.ID == s.Stage {
			return stage.Names.In(string(v.l))
		}
	}
	return s.Stage
}

func (v viewer) stages(s *joining.State) (out []StageView) {
	for _, stage := range s.Template.Stages {
		sv := StageView{Name: stage.Names.In(string(v.l)), Here: stage.ID == s.Stage && s.State != joining.Live, Done: s.StageDone(stage.ID)}
		for i := range s.Status {
			st := &s.Status[i]
			if st.Stage != stage.ID {
				continue
			}
			sv.Of++
			if st.Passed() {
				sv.Count++
			}
			sv.Rows = append(sv.Rows, v.row(st))
		}
		out = append(out, sv)
	}
	return out
}

func (v viewer) waves(s *joining.State) (out []WaveView) {
	open := map[string]bool{}
	for _, w := range s.OpenWaves {
		open[w] = true
	}
	for _, w := range s.Waves {
		day, err := time.Parse(time.DateOnly, w.Opens)
		if err != nil {
			day = time.Time{} // Plan has checked it
		}
		out = append(out, WaveView{w.Name, day, len(w.Schools), open[w.Name]})
	}
	return out
}

// history is the log, newest first, without the measurements that only repeat.
func (v viewer) history(s *joining.State, events []joining.Event) (out []Line) {
	for i := len(events) - 1; i >= 0 && len(out) < 100; i-- {
		e := events[i]
		line := Line{At: e.At, Who: e.Actor, What: v.l.T("onboarding.event." + string(e.Kind)), Why: e.Reason}
		if e.Name != "" {
			line.Who = e.Name
		}
		if r, _, ok := s.Template.Find(e.Requirement); ok {
			line.What += ": " + r.Names.In(string(v.l))
		}
		for _, more := range []string{e.Stage, e.Wave} {
			if more != "" {
				line.What += " " + more
			}
		}
		if e.Measurement != nil {
			line.Why = say(v.l, *e.Measurement)
		}
		if e.Evidence != nil {
			line.File = e.Evidence.Name
		}
		out = append(out, line)
	}
	return out
}
