package roster

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

func lower(s string) string { return strings.ToLower(s) }

var learnerForm = regexp.MustCompile(`^1\.2\.246\.562\.(24|98|198)\.[0-9]{11}$`)

// oppijanumero is the learner's national number that a users row delivers:
// userMasterIdentifier, or userIds as {oppijanumero:…}.
func oppijanumero(rec *oneroster.Record) string {
	if v := rec.Get("userMasterIdentifier"); learnerForm.MatchString(v) {
		return v
	}
	for _, pair := range rec.List("userIds") {
		kind, value, ok := strings.Cut(strings.Trim(pair, "{}"), ":")
		if ok && strings.EqualFold(kind, "oppijanumero") && learnerForm.MatchString(value) {
			return value
		}
	}
	return ""
}

// meet looks at a row that is about to change, or would if an edit did not stay: fields
// that were edited here are conflicts; a changed user is looked at by the reuse detector.
func (r *run) meet(rec *oneroster.Record, s *stored, what kind) {
	t := rec.Table.Type
	if t == oneroster.Users && what == update && r.write == nil {
		r.reused = append(r.reused, s.id)
	}
	r.eachEdit(rec, func(e edit, policy string) {
		r.conflicts = append(r.conflicts, Conflict{string(t), rec.SourcedID, e.field, policy})
	})
}

// eachEdit calls f with the local edits of a record which the source would change.
func (r *run) eachEdit(rec *oneroster.Record, f func(edit, string)) {
	r.editsOf(rec, func(e edit, policy string) {
		if rec.Get(e.field) != e.edited {
			f(e, policy)
		}
	})
}

// editsOf calls f with all local edits of a record, each with the policy that holds.
func (r *run) editsOf(rec *oneroster.Record, f func(edit, string)) {
	k := editKey{t: rec.Table.Type, k: keyOf(rec.SourcedID)}
	for ; ; k.n++ {
		e, ok := r.edits[k]
		if !ok {
			return
		}
		policy := e.policy
		if p := r.policies[string(k.t)+"."+e.field]; p != "" {
			policy = p
		}
		f(e, policy)
	}
}

// hashOf is the hash by which a record is compared. Whatever the source says of a field
// whose edit stays changes nothing in the row, so what it had said when the field was
// edited stands in for it. overruled tells that it says something else now.
func (r *run) hashOf(rec *oneroster.Record) (h rowHash, overruled bool) {
	if len(r.edits) == 0 {
		return r.hash.row(rec), false
	}
	as := rec
	r.editsOf(rec, func(e edit, policy string) {
		i := rec.Table.Index(e.field)
		// A hetu is never kept in an edit, only its placeholder, which hashes otherwise.
		if policy == "overwrite" || i < 0 || rec.Fields[i] == e.delivered || strings.Contains(e.delivered, placeholder) {
			return
		}
		if as == rec {
			as = rec.Clone()
		}
		as.Fields[i] = e.delivered
		overruled = overruled || rec.Fields[i] != e.edited
	})
	return r.hash.row(as), overruled
}

// thresholds are the shares that a plan may change without asking.
type thresholds struct {
	removals, updates, inserts, school float64
	floor, removalsCount               int
	least                              map[string]int
}

func thresholdsOf(s tenancy.RosterSettings) thresholds {
	t := thresholds{removals: 0.10, updates: 0.75, school: 0.25, floor: 10, inserts: s.Inserts,
		removalsCount: s.RemovalsCount, least: s.LeastRows}
	for _, set := range []struct {
		to   *float64
		from float64
	}{{&t.removals, s.Removals}, {&t.updates, s.Updates}, {&t.school, s.SchoolRemovals}} {
		if set.from > 0 {
			*set.to = set.from
		}
	}
	if s.Floor > 0 {
		t.floor = s.Floor
	}
	return t
}

// holds evaluates all rules that make a plan wait for a human.
func (r *run) holds(s tenancy.RosterSettings, now time.Time) ([]Hold, error) {
	out := []Hold{}
	if r.first {
		out = append(out, Hold{Rule: RuleInitial, Message: "First import of this tenant: there is nothing to compare with. Say --initial to apply."})
	}
	if w, ok := blackout(s, now); ok {
		out = append(out, Hold{Rule: RuleBlackout, Message: fmt.Sprintf("Imports wait from %s to %s. %s", w.From, w.To, w.Why)})
	}
	if r.first {
		return out, nil
	}
	limits := thresholdsOf(s)
	out = append(out, r.typeHolds(limits, r.counts, r.active)...)
	per, err := r.schoolHolds(limits)
	return append(out, per...), err
}

// typeHolds judges counts of changes by the rows that there were before.
func (r *run) typeHolds(l thresholds, counts map[oneroster.Type]*Counts, before func(oneroster.Type) int) []Hold {
	var out []Hold
	for _, table := range oneroster.Tables() {
		t := table.Type
		c := counts[t]
		if c == nil {
			continue
		}
		base := before(t)
		out = append(out, r.countHolds(t, c, base, l)...)
		if base < l.floor {
			continue
		}
		for _, rule := range []struct {
			name  string
			n     int
			share float64
			verb  string
		}{{RuleRemovals, c.Remove, l.removals, "remove"}, {RuleUpdates, c.Update, l.updates, "change"}, {RuleInserts, c.Insert, l.inserts, "add"}} {
			if rule.share > 0 && float64(rule.n) > rule.share*float64(base) {
				out = append(out, Hold{Rule: rule.name, Type: string(t), Count: rule.n, Of: base, Share: rule.share,
					Limit: int(math.Floor(rule.share * float64(base))),
					Message: fmt.Sprintf("%s %d of %d %s (%.1f %%, limit %.0f %%)", rule.verb, rule.n, base, t,
						100*float64(rule.n)/float64(base), 100*rule.share)})
			}
		}
	}
	return out
}

// countHolds are the limits in rows rather than shares, where a tenant has set any.
func (r *run) countHolds(t oneroster.Type, c *Counts, base int, l thresholds) []Hold {
	var out []Hold
	if l.removalsCount > 0 && c.Remove > l.removalsCount {
		out = append(out, Hold{Rule: RuleRemovals, Type: string(t), Count: c.Remove, Of: base, Limit: l.removalsCount,
			Message: fmt.Sprintf("remove %d %s (limit %d)", c.Remove, t, l.removalsCount)})
	}
	rows := c.Insert + c.Update + c.Reactivate + c.Unchanged
	if least := l.least[string(t)]; rows < least && r.src.Mode(t) == oneroster.Bulk {
		out = append(out, Hold{Rule: RuleLeastRows, Type: string(t), Count: rows, Of: base, Limit: least,
			Message: fmt.Sprintf("only %d rows of %s; at least %d are expected", rows, t, least)})
	}
	return out
}

// active counts the rows of a type that the tenant had before.
func (r *run) active(t oneroster.Type) int {
	c := r.counts[t]
	return c.Unchanged + c.Update + c.Remove + c.Stale + c.Spared
}

func (r *run) schoolHolds(l thresholds) ([]Hold, error) {
	var at []int32
	over := map[school]*tally{}
	for k, n := range r.schools {
		if n.active >= l.floor && float64(n.removed) > l.school*float64(n.active) && k.t != oneroster.Orgs {
			over[k] = n
			at = append(at, k.unit)
		}
	}
	if len(over) == 0 {
		return nil, nil
	}
	names, err := r.unitNames(at)
	if err != nil {
		return nil, err
	}
	var out []Hold
	for k, n := range over {
		name := names[k.unit]
		out = append(out, Hold{Rule: RuleSchoolRemovals, Type: string(k.t), School: name[0], SchoolName: name[1], Count: n.removed, Of: n.active,
			Share: l.school, Limit: int(math.Floor(l.school * float64(n.active))),
			Message: fmt.Sprintf("remove %d of %d %s at %s (%.1f %%, limit %.0f %% per school)", n.removed, n.active, k.t, name[1],
				100*float64(n.removed)/float64(n.active), 100*l.school)})
	}
	slices.SortFunc(out, func(a, b Hold) int { return strings.Compare(a.School+a.Type, b.School+b.Type) })
	return out, nil
}

// blackout tells whether a moment lies in a window of the settings.
func blackout(set tenancy.RosterSettings, now time.Time) (tenancy.Window, bool) {
	return set.Closed(now.In(helsinki))
}

// rekeyed finds removed users who come again under another sourcedId: a source
// that has changed its ids would otherwise double its whole roster.
func (r *run) rekeyed() ([]Rekey, []Hold, error) {
	out := []Rekey{}
	gone := r.gone[oneroster.Users]
	if len(gone) == 0 || len(r.newUsers) == 0 {
		return out, nil, nil
	}
	err := r.userTraits(gone, func(u traits) error {
		for _, c := range [][2]string{{"username", u.username}, {"identifier", lower(u.identifier)}, {"email", u.mail}} {
			if to := r.newUsers[c[0]+" "+c[1]]; to != "" && c[1] != "" {
				out = append(out, Rekey{string(oneroster.Users), u.sourcedID, to, c[0]})
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	slices.SortFunc(out, func(a, b Rekey) int { return strings.Compare(a.Old, b.Old) })
	if len(out) == 0 {
		return out, nil, nil
	}
	return out, []Hold{{Rule: RuleRekey, Type: string(oneroster.Users), Count: len(out), Of: len(gone),
		Message: fmt.Sprintf("%d of the %d users to remove come again under a new sourcedId (%s → %s by %s, …): has the source changed its ids? "+
			"Write the pairs with --mapping-out FILE and plan again with --mapping FILE.", len(out), len(gone), out[0].Old, out[0].New, out[0].By)}}, nil
}

// Codes of the findings that need the tenant's data, beside those of the package.
const (
	codeReuse    = "R201"
	codeStranded = "R202"
	codeStale    = "R203"
	codeUnpaired = "R204"
)

// Codes lists the codes of findings that a plan adds to those of the package.
func Codes() []oneroster.CodeInfo {
	return []oneroster.CodeInfo{
		{Code: codeReuse, Severity: "warning", Meaning: "a sourcedId has a new name, username and identifier", Next: "ask the source whether the id was given to another person"},
		{Code: codeStranded, Severity: "warning", Meaning: "active enrollments of users or classes that the package removes", Next: "remove the enrollments in the source too"},
		{Code: codeStale, Severity: "warning", Meaning: "delta rows older than what the tenant has", Next: "send the newest state of the rows"},
		{Code: codeUnpaired, Severity: "warning", Meaning: "pairs of the mapping whose old sourcedId the tenant does not have, or whose new one the package does not have", Next: "correct the pairs in the mapping file, or leave them out"},
	}
}

// warnings are findings that need what the tenant has.
func (r *run) warnings() ([]oneroster.Finding, error) {
	var out []oneroster.Finding
	before := map[string]traits{}
	if err := r.userTraits(r.reused, func(u traits) error { before[u.sourcedID] = u; return nil }); err != nil {
		return nil, err
	}
	if len(before) > 0 {
		err := r.altered().Each(func(rec *oneroster.Record) error {
			if u, ok := before[rec.SourcedID]; ok && isReuse(u, rec) && len(out) < 1000 {
				out = append(out, oneroster.Finding{Code: codeReuse, Severity: "warning", File: "users.csv", Line: rec.Line, Column: 1, Field: "sourcedId",
					Message: "this sourcedId has a new name, username and identifier: was it given to another person?", Excerpt: rec.SourcedID})
			}
			return nil
		}, oneroster.Users)
		if err != nil {
			return nil, err
		}
	}
	n, err := r.strandedEnrolments()
	if err != nil {
		return nil, err
	}
	if n > 0 {
		out = append(out, oneroster.Finding{Code: codeStranded, Severity: "warning", File: "enrollments.csv",
			Message: fmt.Sprintf("%d active enrollments are of users or classes that this package removes", n), Expected: "remove the enrollments too"})
	}
	for _, table := range oneroster.Tables() {
		if c := r.counts[table.Type]; c != nil && c.Stale > 0 {
			out = append(out, oneroster.Finding{Code: codeStale, Severity: "warning", File: table.Type.FileName(),
				Message: fmt.Sprintf("%d rows are older than what the tenant has and were skipped", c.Stale), Expected: "a dateLastModified not before the stored one"})
		}
	}
	if unused := len(r.opts.Mapping) - r.pairs; unused > 0 {
		out = append(out, oneroster.Finding{Code: codeUnpaired, Severity: "warning",
			Message: fmt.Sprintf("%d of the %d pairs of the mapping were not used: the tenant does not have the old sourcedId, or the package not the new one", unused, len(r.opts.Mapping))})
	}
	return out, nil
}

func isReuse(u traits, rec *oneroster.Record) bool {
	return u.name != rec.Get("givenName")+" "+rec.Get("familyName") && u.username != lower(rec.Get("username")) &&
		u.identifier != rec.Get("identifier") && u.identifier != placeholder
}

// nilIDs keeps empty id lists from reaching PostgreSQL as null.
func nilIDs(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}
