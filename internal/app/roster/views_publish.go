package roster

import (
	"cmp"

	"digione/internal/app/web"
)

var publicationColors = map[PublicationState]string{Scheduled: "info", Publishing: "info", Published: "success", Cancelled: "neutral", Stopped: "warning"}

// publication puts a publication on its page.
func (v viewer) publication(page *PublishPage, pub *Publication, rehearsal *Rehearsal) {
	page.Made, page.When, page.Begun, page.Ended = true, pub.At, pub.BegunAt, pub.EndedAt
	page.Asker, page.Ender = v.who(pub.AskedBy), v.who(pub.EndedBy)
	page.State = Tag{v.l.T("roster.publish.state." + string(pub.State)), publicationColors[pub.State]}
	page.Scheduled, page.Open, page.Done = pub.State == Scheduled, pub.Open(), pub.State == Published
	schools := map[string]RehearsedSchool{}
	for _, s := range rehearsal.Schools {
		schools[s.ID] = s
	}
	n := map[string]int{}
	for _, p := range pub.Parts {
		l := v.part(p, pub, schools[p.School])
		page.Rows = append(page.Rows, l)
		if p.State == PartHeld {
			page.Held = append(page.Held, l)
		}
		if p.Kind == partSchool {
			n[l.Label]++
		}
	}
	for _, s := range []string{string(PartWaiting), string(PartDone), string(PartHeld), string(PartFailed)} {
		page.Figures = append(page.Figures, web.Cell{Label: v.l.T("roster.publish.figure." + s), Text: v.l.Number(n[s]), Zero: n[s] == 0})
	}
}

func (v viewer) part(p *Part, pub *Publication, s RehearsedSchool) PartLine {
	l := PartLine{N: p.N, Name: p.Name, School: p.School, At: p.EndedAt, IsSchool: p.Kind == partSchool, Pupils: s.Pupils, PupilsNow: s.PupilsNow,
		Groups: len(s.Groups), GroupsNow: s.GroupsNow, New: s.New, Comes: s.Comes, Goes: s.Goes, Leaves: s.Leaves, Leavers: p.Leavers,
		Import: p.Import, Approver: v.who(p.ApprovedBy), Reason: p.Reason, Label: string(p.State)}
	if !l.IsSchool {
		l.Name = v.l.T("roster.publish.part." + p.Kind)
	}
	colors := map[PartState]string{PartWaiting: "neutral", PartHeld: "warning", PartDone: "success", PartFailed: "danger"}
	l.State = Tag{v.l.T("roster.publish.part." + string(p.State)), colors[p.State]}
	switch {
	case p.State == PartDone && p.Undone:
		l.State, l.Label = Tag{v.l.T("roster.publish.part.undone"), "neutral"}, string(PartWaiting)
	case p.State == PartHeld && !pub.Open(), p.State == PartWaiting && !pub.Open():
		l.State = Tag{v.l.T("roster.publish.part.left"), "neutral"}
	}
	l.Again = (p.State == PartFailed && pub.Open()) || (p.State == PartDone && p.Undone)
	if p.State == PartHeld {
		for _, h := range p.Holds {
			l.Why = append(l.Why, v.hold(h))
		}
	}
	if p.Why != "" {
		l.Why = append([]string{v.l.T(p.Why)}, l.Why...)
	}
	for _, c := range p.Changes {
		l.Add, l.Change, l.Remove, l.Return = l.Add+c.Insert, l.Change+c.Update, l.Remove+c.Remove, l.Return+c.Reactivate
	}
	l.Arrive, l.Depart, l.All = l.New+l.Comes, l.Leaves+l.Goes, l.Add+l.Change+l.Remove+l.Return
	l.Seen = p.seen()
	l.ImportName = cmp.Or(p.importName, p.Import)
	return l
}
