package onboarding

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"digione/internal/app/i18n"
	"digione/internal/tenancy/joining"
)

// viewer puts the process into words of a language, on a day.
type viewer struct {
	l        i18n.Lang
	today    time.Time
	known    joining.Templates // names of what other versions ask stand in histories
	measured map[string]time.Time
}

// Tag is a word in a colour.
type Tag struct{ Text, Color string }

// Row is a requirement.
type Row struct {
	ID, Name, Help, Owner, Found, Reason string
	State                                Tag
	Due, At, Measured                    time.Time
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
	At                         time.Time
	Who, What, Why, File, Hash string
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
	r := Row{Measured: v.measured[st.ID], ID: st.ID, Name: st.Names.In(lang), Help: st.Help.In(lang), Owner: v.l.T("onboarding.owner." + st.Waits()), Reason: st.Reason,
		State: Tag{v.l.T("onboarding.status." + st.State), statusColors[st.State]}, Due: st.Due, At: st.At, Passed: st.Passed(),
		Late: v.late(st), By: v.signers(st), Files: st.Files, day: st.Due.Format(time.DateOnly),
		Mine: st.Waits() == joining.Municipality, Second: st.State == joining.Second}
	if st.Last != nil {
		r.Found = say(v.l, *st.Last)
	}
	r.MayAttest = r.Mine && attestable(st)
	r.NeedsReason = st.Kind == joining.Check
	r.NeedsFile = st.Evidence || st.Kind == joining.Check
	r.MayFile = !r.Second
	return r
}

// attestable tells whether somebody may say that a requirement is met.
func attestable(st *joining.Status) bool {
	absent := st.Last != nil && st.Last.Absent
	return !st.Passed() && (st.Kind == joining.Attestation || st.Kind == joining.Check && st.Attestable && absent)
}

// signers are who said that a requirement is met, or approved it.
func (v viewer) signers(st *joining.Status) string {
	var out []string
	for _, e := range st.Signed {
		out = append(out, v.who(e))
	}
	return strings.Join(out, ", ")
}

// who tells who answers for an event: the person whose word it is, and the operator
// who wrote it down where that is another.
func (v viewer) who(e joining.Event) string {
	switch {
	case e.Side == joining.System:
		return v.l.T("onboarding.owner.system")
	case e.Name == "":
		return e.Actor
	case strings.HasPrefix(e.Actor, ownAccount): // signed in themselves
		return e.Name
	}
	return v.l.T("onboarding.entered", "Name", e.Name, "Account", e.Actor)
}

// late tells whether the day of what is still open has passed.
func (v viewer) late(st *joining.Status) bool { return !st.Passed() && st.Due.Before(v.today) }

// stage is the name of the stage that a municipality is in.
func (v viewer) stage(s *joining.State) string {
	return v.stageName(s.Template, s.Stage)
}

func (v viewer) stages(s *joining.State) (out []StageView) {
	for _, stage := range s.Template.Stages {
		sv := StageView{Name: stage.Names.In(string(v.l)), Done: s.StageDone(stage.ID)}
		sv.Here = !sv.Done && (stage.ID == s.Stage || s.Lives())
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

// perPage is how many lines of the history a page shows.
const perPage = 50

// History is a part of the log, newest first.
type History struct {
	Lines         []Line
	Count         int // of all
	Older, Newest string
}

// history is the log at an address, from before an event on, or from the newest.
func (v viewer) history(s *joining.State, events []joining.Event, at string, before int64) History {
	h := History{Count: len(events)}
	if before > 0 {
		h.Newest = at + "#historia"
		events = slices.DeleteFunc(slices.Clone(events), func(e joining.Event) bool { return e.ID >= before })
	}
	if n := len(events) - perPage; n > 0 {
		events = events[n:]
		h.Older = at + "?" + olderThan + "=" + strconv.FormatInt(events[0].ID, 10) + "#historia"
	}
	for i := len(events) - 1; i >= 0; i-- {
		h.Lines = append(h.Lines, v.line(s, events[i]))
	}
	return h
}

func (v viewer) line(s *joining.State, e joining.Event) Line {
	line := Line{At: e.At, Who: v.who(e), What: v.l.T("onboarding.event." + string(e.Kind)), Why: e.Reason}
	for _, more := range []string{v.requirement(s.Template, e.Requirement), v.stageName(s.Template, e.Stage), e.Wave, e.Template} {
		if more != "" {
			line.What += ": " + more
		}
	}
	if !strings.Contains(line.What, e.Version) { // the template's name of it may have it
		line.What += ": " + e.Version
	}
	if e.Measurement != nil {
		line.Why = say(v.l, *e.Measurement)
	}
	if e.Evidence != nil {
		line.File, line.Hash = e.Evidence.Name, e.Evidence.SHA256
	}
	return line
}

// requirement is the name of what a version asks, or another version did.
func (v viewer) requirement(now joining.Template, id string) string {
	for _, tpl := range v.versions(now) {
		if r, _, ok := tpl.Find(id); ok {
			return r.Names.In(string(v.l))
		}
	}
	return id
}

func (v viewer) stageName(now joining.Template, id string) string {
	for _, tpl := range v.versions(now) {
		if i := tpl.StageAt(id); i >= 0 {
			return tpl.Stages[i].Names.In(string(v.l))
		}
	}
	return id
}

func (v viewer) versions(now joining.Template) []joining.Template {
	out := []joining.Template{now}
	for _, id := range slices.Sorted(maps.Keys(v.known)) {
		out = append(out, v.known[id])
	}
	return out
}
