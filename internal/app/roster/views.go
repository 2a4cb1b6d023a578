package roster

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/i18n"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// viewer puts what the engine knows into words of a language.
type viewer struct {
	l     i18n.Lang
	names map[string]string // of persons, by account
}

// Tag is a state in words.
type Tag struct{ Text, Color string }

// WorkView is what runs.
type WorkView struct {
	Text, Mark string
	Rows       int
}

func (w *Work) mark() string {
	if w == nil {
		return "-"
	}
	return fmt.Sprintf("%s %s %s %d", w.ID, w.Stage, w.Type, w.Rows)
}

func workView(l i18n.Lang, w *Work) *WorkView {
	if w == nil {
		return nil
	}
	return &WorkView{l.T("roster.stage." + w.Stage), w.mark(), int(w.Rows)}
}

// of is the work when it is on the plan, else nil.
func (w *Work) of(plan string) *Work {
	if w == nil || w.Plan != plan {
		return nil
	}
	return w
}

// who is the name behind an account; a name from the command line is an operator's.
func (v viewer) who(account string) string {
	if account == "" {
		return ""
	}
	if account == InboxAccount {
		return v.l.T("roster.inbox.who")
	}
	if _, ok := PersonOf(account); !ok {
		return account + " (Tiera)"
	}
	if n := v.names[account]; n != "" {
		return n
	}
	return v.l.T("roster.former")
}

// PlanLine is a plan or an import on one line.
type PlanLine struct {
	ID, Name, Import, Planner, Approver, Applier, Closer, Reason string
	Kind                                                         string
	State                                                        Tag
	At                                                           time.Time
	Rows                                                         int
	Add, Change, Remove, Return                                  int
	Seconds                                                      string
	Applied, RolledBack, Closed                                  bool
}

var stateColors = map[State]string{Planned: "info", Held: "warning", Applied: "success", Failed: "danger", RolledBack: "neutral", Closed: "neutral"}

func (v viewer) line(p *Plan, last int) PlanLine {
	state := p.State
	l := PlanLine{ID: p.ID, Name: v.source(p.SourceName), Import: p.Import, Planner: v.who(p.PlannedBy), Approver: v.who(p.ApprovedBy), Applier: v.who(p.AppliedBy),
		Closer: v.who(p.ClosedBy), Reason: p.Reason, Kind: v.l.T("roster.kind." + p.Kind), At: p.PlannedAt, Rows: int(p.Rows),
		Seconds: v.decimal(p.Seconds), Applied: p.State == Applied, RolledBack: p.State == RolledBack, Closed: p.State == Closed}
	l.State = Tag{v.l.T("roster.state." + string(state)), stateColors[state]}
	if (state == Planned || state == Held) && p.baseSeq != last {
		l.State = Tag{v.l.T("roster.state.stale"), "neutral"}
	}
	if p.AppliedAt != nil {
		l.At = *p.AppliedAt
	}
	for _, c := range p.Changes {
		l.Add, l.Change, l.Remove, l.Return = l.Add+c.Insert, l.Change+c.Update, l.Remove+c.Remove, l.Return+c.Reactivate
	}
	return l
}

// decimal writes seconds or percents with one digit.
func (v viewer) decimal(f float64) string {
	s := fmt.Sprintf("%.1f", f)
	if v.l != i18n.En {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// UploadLine is a package on its way in.
type UploadLine struct {
	ID, Name, Sender string
	State            Tag
	At               time.Time
	Share            int
	Size             string
	Mine             bool // of whoever reads
	Receiving        bool
	Received         bool
	Invalid          bool
	Failed           string // why
	Again            bool   // its parts are here, and can be checked again
	Errors           int
}

func (v viewer) upload(u *Upload, reader string) UploadLine {
	l := UploadLine{ID: u.ID.String(), Name: u.Name, Sender: v.who(u.SentBy), At: u.SentAt, Share: int(100 * u.Here() / u.Size), Size: v.size(u.Size),
		Mine: u.SentBy == reader, Receiving: u.State == Receiving, Received: u.State == Received, Invalid: u.State == Faulty}
	l.State = Tag{v.l.T("roster.upload." + string(u.State)), map[UploadState]string{Receiving: "info", Received: "info", Checked: "success", Faulty: "danger", Broken: "danger"}[u.State]}
	if u.State == Broken {
		l.Failed = v.l.T(u.Failure)
	}
	l.Again = u.again()
	for _, t := range u.Totals {
		if t.Severity == oneroster.SeverityError {
			l.Errors += t.Count
		}
	}
	return l
}

func (v viewer) size(n int64) string {
	if n < 1<<20 {
		return v.l.Number(int((n+1023)>>10)) + "\u00a0" + map[bool]string{true: "kB", false: "kt"}[v.l != i18n.Fi]
	}
	return v.decimal(float64(n)/(1<<20)) + "\u00a0" + map[bool]string{true: "MB", false: "Mt"}[v.l != i18n.Fi]
}

// PlanFacts are the facts of a package.
type PlanFacts struct {
	File, Version, SHA256 string
	Options               []string
	PlannedAt             time.Time
}

// MatrixRow is a type and what would become of its rows.
type MatrixRow struct {
	Label string
	Cells []Figure
	Same  int
}

// Figure is a number with its sample.
type Figure struct {
	N           int
	Label, Link string
	Name        string // for those who do not see the table
}

// SchoolChoice is a school to filter by.
type SchoolChoice struct {
	ID, Name string
	Chosen   bool
}

// ConflictView is a field that was edited here.
type ConflictView struct{ What, ID, Field, Policy string }

var shownKinds = []struct {
	k   kind
	of  func(Counts) int
	key string
}{
	{insert, func(c Counts) int { return c.Insert }, "roster.change.insert"},
	{update, func(c Counts) int { return c.Update }, "roster.change.update"},
	{remove, func(c Counts) int { return c.Remove }, "roster.change.remove"},
	{reactivate, func(c Counts) int { return c.Reactivate }, "roster.change.reactivate"},
}

func (v viewer) typeName(t oneroster.Type) string { return v.l.T("roster.type." + string(t)) }

// matrix says what would become of the rows of each type.
func (v viewer) matrix(p *Plan, changes map[oneroster.Type]Counts, school string, sampled map[string]bool) (out []MatrixRow) {
	for _, table := range oneroster.Tables() {
		c, ok := changes[table.Type]
		if !ok {
			continue
		}
		row := MatrixRow{Label: v.typeName(table.Type), Same: c.Unchanged + c.Stale + c.Spared}
		for _, k := range shownKinds {
			f := Figure{N: k.of(c), Label: v.l.T(k.key)}
			if f.N > 0 && sampled[string(table.Type)+" "+string(k.k)] {
				f.Link = own + "/" + p.ID + "/muutokset/" + string(table.Type) + "/" + string(k.k)
				if school != "" {
					f.Link += "?koulu=" + url.QueryEscape(school)
				}
				f.Name = row.Label
			}
			row.Cells = append(row.Cells, f)
		}
		out = append(out, row)
	}
	return out
}

// fill puts a plan on its page.
func (v viewer) fill(page *PlanPage, t tenancy.Tenant, p *Plan, last int, schools []SchoolCounts, sampled map[string]bool) {
	page.Plan = v.line(p, last)
	page.Facts = PlanFacts{File: p.SourceName, Version: p.Version, SHA256: p.SourceSHA256, PlannedAt: p.PlannedAt}
	if p.Options.Lenient {
		page.Facts.Options = append(page.Facts.Options, v.l.T("roster.lenient"))
	}
	if p.Options.NoDelete {
		page.Facts.Options = append(page.Facts.Options, v.l.T("roster.nodelete"))
	}
	page.Groups = v.groups(p.Totals)
	for _, g := range page.Groups {
		page.Warnings += g.Count
	}
	page.Open = (p.State == Planned || p.State == Held) && p.baseSeq == last
	page.Stale = (p.State == Planned || p.State == Held) && p.baseSeq != last
	if p.Failure != "" {
		page.Failure, page.Broken = v.l.T(p.Failure), p.State != Planned && p.State != Held
	}
	if p.seq == 0 {
		for _, h := range p.Holds {
			page.Holds = append(page.Holds, v.hold(h))
		}
	}
	page.First, page.Reason = p.asks()
	page.Leavers, page.Losers, page.Rest, page.Undone = p.Leavers.Count, p.Leavers.Part, p.Spared(), p.Undoes
	for _, c := range p.Conflicts[:min(50, len(p.Conflicts))] {
		page.Conflicts = append(page.Conflicts, ConflictView{v.typeName(oneroster.Type(c.Type)), c.SourcedID, v.field(c.Field), v.l.T("roster.policy." + c.Policy)})
	}
	changes := p.Changes
	if p.Kind != "rollback" {
		for _, s := range schools {
			chosen := s.ID == page.School && s.ID != ""
			page.Schools = append(page.Schools, SchoolChoice{s.ID, s.Name, chosen})
			if chosen {
				changes = s.Changes
			}
		}
	}
	if !slices.ContainsFunc(page.Schools, func(s SchoolChoice) bool { return s.Chosen }) {
		page.School = ""
	}
	page.Matrix = v.matrix(p, changes, page.School, sampled)
	if p.State == Applied && p.AppliedAt != nil {
		page.Until = v.l.Date(KeptUntil(t, *p.AppliedAt))
		page.MayUndo = p.PrunedAt == nil
	}
}

// hold says why a plan waits.
func (v viewer) hold(h Hold) string {
	what := v.l.T("roster.part.rows")
	if key := "roster.part." + h.Type; i18n.Has(key) {
		what = v.l.T(key)
	}
	share := 0.0
	if h.Of > 0 {
		share = 100 * float64(h.Count) / float64(h.Of)
	}
	rule := h.Rule
	if rule == RuleRemovals && h.Share == 0 {
		rule += ".rows"
	}
	return v.l.T("roster.hold."+rule, "School", h.SchoolName, "N", h.Count, "Of", h.Of, "What", what, "Share", v.decimal(share),
		"Limit", int(100*h.Share+.5), "Most", h.Limit, "Type", v.typeName(oneroster.Type(h.Type)))
}

// field is what a column is called.
func (v viewer) field(column string) string {
	if key := "roster.field." + strings.ToLower(strings.TrimPrefix(column, "metadata.")); i18n.Has(key) {
		return v.l.T(key)
	}
	return column
}

// GroupView is a rule and how often it was broken.
type GroupView struct {
	Code, Meaning, Next string
	English             bool // the words have no translation
	Severity            Tag
	Count, Listed       int
}

var severityColors = map[string]string{oneroster.SeverityError: "danger", oneroster.SeverityWarning: "warning", oneroster.SeverityInfo: "info"}

func (v viewer) severity(s string) Tag { return Tag{v.l.T("roster.severity." + s), severityColors[s]} }

func (v viewer) groups(totals []oneroster.Total) []GroupView {
	out := make([]GroupView, 0, len(totals))
	for _, t := range totals {
		g := GroupView{Code: t.Code, Severity: v.severity(t.Severity), Count: t.Count, Listed: t.Listed}
		g.Meaning, g.English = v.meaning(t.Code)
		out = append(out, g)
	}
	order := map[string]int{"E": 0, "P": 0, "W": 1, "R": 1, "I": 2}
	slices.SortStableFunc(out, func(a, b GroupView) int {
		return cmp.Or(cmp.Compare(order[a.Code[:1]], order[b.Code[:1]]), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code))
	})
	return out
}

// meaning says what a code means: in the reader's language, else as published.
func (v viewer) meaning(code string) (text string, english bool) {
	if key := "roster.code." + strings.ToLower(code); i18n.Has(key) {
		return v.l.T(key), false
	}
	return publishedMeaning(code), v.l != i18n.En
}

// accountsOf are the accounts that pages name.
func accountsOf(plans []*Plan, ups []*Upload) (out []string) {
	for _, p := range plans {
		out = append(out, p.PlannedBy, p.ApprovedBy, p.AppliedBy, p.ClosedBy)
	}
	for _, u := range ups {
		out = append(out, u.SentBy)
	}
	return out
}

// Value is a field and what it says.
type Value struct{ Field, Text string }

// SampleView is a changed row: the fields that differ; where a row comes or goes, all
// of them.
type SampleView struct {
	Label, ID, Kind string
	Person          *uuid.UUID
	Before, After   []Value
}

func (v viewer) sample(s Sample) SampleView {
	out := SampleView{Label: s.Doc.Label, ID: s.SourcedID, Person: s.Person}
	before, after := s.Doc.Before, s.Doc.After
	both := before != nil && after != nil
	names := map[string]bool{}
	for _, m := range []map[string]string{before, after} {
		for c := range m {
			names[c] = true
		}
	}
	for _, c := range slices.Sorted(maps.Keys(names)) {
		if both && before[c] == after[c] {
			continue
		}
		if both || before[c] != "" {
			out.Before = append(out.Before, Value{v.field(c), cmp.Or(before[c], "–")})
		}
		if both || after[c] != "" {
			out.After = append(out.After, Value{v.field(c), cmp.Or(after[c], "–")})
		}
	}
	return out
}

// source is the name of a package, or of what is taken back.
func (v viewer) source(name string) string {
	if what, ok := strings.CutPrefix(name, "undo of "); ok {
		return v.l.T("roster.undoes", "What", what)
	}
	return name
}
