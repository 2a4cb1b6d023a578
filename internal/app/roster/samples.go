package roster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"digione/internal/app/roster/oneroster"
)

// Sample is a row that a plan would change, before and after.
type Sample struct {
	Type      oneroster.Type
	Kind      string
	SourcedID string
	School    string     // sourcedId, empty where none is known
	Person    *uuid.UUID // whom it is about, nil for what is not about one and for who is not here yet
	Doc       SampleDoc
}

// SampleDoc is a row in words that a human reads: what it refers to by its name,
// nothing that is sealed.
type SampleDoc struct {
	Label  string            `json:"label"`
	Before map[string]string `json:"before,omitempty"`
	After  map[string]string `json:"after,omitempty"`
}

// hidden stands for what is never shown; that it changes may be told.
const hidden = "•••"

// samples makes what was picked readable.
func (w *watch) samples(r *run) ([]Sample, error) {
	names, err := r.unitNames(w.units())
	if err != nil {
		return nil, err
	}
	out := make([]Sample, 0, len(w.picks))
	for _, table := range oneroster.Tables() {
		t := table.Type
		var ids []uuid.UUID
		for _, p := range w.picks {
			if p.t == t && p.id != uuid.Nil {
				ids = append(ids, p.id)
			}
		}
		before, err := r.docsByID(t, ids)
		if err != nil {
			return nil, err
		}
		for _, p := range w.picks {
			if p.t != t {
				continue
			}
			s := Sample{Type: t, Kind: string(p.k), School: w.nameOf(names, p.unit)[0]}
			if b, ok := before[p.id]; ok {
				s.SourcedID, s.Doc.Before, s.Person = b.sourcedID, readable(b.Fields), b.person
			}
			if p.rec != nil {
				s.SourcedID, s.Doc.After = p.rec.SourcedID, readable(fieldsOf(p.rec))
			}
			out = append(out, s)
		}
	}
	return out, nameReferences(out, r.namesOf)
}

func (w *watch) units() []int32 {
	var at []int32
	seen := map[int32]bool{}
	for _, p := range w.picks {
		if _, added := w.added[p.unit]; !added && p.unit >= 0 && !seen[p.unit] {
			seen[p.unit], at = true, append(at, p.unit)
		}
	}
	return at
}

// fieldsOf gives a record's values by their columns.
func fieldsOf(rec *oneroster.Record) map[string]string {
	x := extra{}
	x.meta(rec)
	_, userIDs, identifier := hiddenHetu(rec, x)
	for i, c := range rec.Table.Columns {
		x.put(c.Name, rec.Fields[i])
	}
	if rec.Table.Type == oneroster.Users {
		delete(x, "userIds")
		delete(x, "identifier")
		x.put("userIds", userIDs)
		x.put("identifier", identifier)
	}
	return x
}

// readable leaves out what nobody may read.
func readable(fields map[string]string) map[string]string {
	out := maps.Clone(fields)
	for c, v := range out {
		if c == "password" {
			out[c] = hidden
		} else if strings.Contains(v, placeholder) {
			out[c] = strings.ReplaceAll(v, placeholder, hidden)
		}
	}
	return out
}

// nameReferences puts names in the place of the sourcedIds that rows refer to, and
// labels each row with what a human calls it. namesOf fills in names by sourcedId.
func nameReferences(list []Sample, namesOf func(oneroster.Type, map[string]string) error) error {
	wanted := map[oneroster.Type]map[string]string{}
	eachReference(list, func(t oneroster.Type, id string) string {
		if wanted[t] == nil {
			wanted[t] = map[string]string{}
		}
		wanted[t][id] = ""
		return id
	})
	for t, names := range wanted {
		if err := namesOf(t, names); err != nil {
			return err
		}
	}
	eachReference(list, func(t oneroster.Type, id string) string {
		if n := wanted[t][id]; n != "" {
			return n
		}
		return id
	})
	for i := range list {
		list[i].Doc.Label = labelOf(list[i])
	}
	return nil
}

// eachReference replaces every sourcedId that a sample refers to by what f says.
func eachReference(list []Sample, f func(oneroster.Type, string) string) {
	for _, s := range list {
		refs := referencesOf(s.Type)
		for _, fields := range []map[string]string{s.Doc.Before, s.Doc.After} {
			for c, to := range refs {
				if v := fields[c]; v != "" {
					parts := strings.Split(v, ",")
					for i := range parts {
						parts[i] = f(to, strings.TrimSpace(parts[i]))
					}
					fields[c] = strings.Join(parts, ", ")
				}
			}
		}
	}
}

func referencesOf(t oneroster.Type) map[string]oneroster.Type {
	out := map[string]oneroster.Type{}
	for _, c := range oneroster.TableOf(t).Columns {
		if c.Ref != "" && slices.Contains(referred, c.Ref) {
			out[c.Name] = c.Ref
		}
	}
	return out
}

// altered gives at least what the run has found new or changed: what was kept of it when
// that is all, or else the whole source once more.
func (r *run) altered() source {
	if r.twice && r.spooled.whole() {
		return r.spooled
	}
	return r.src
}

// namesOf fills in names by sourcedId: from the tenant's rows, and from the source
// for what the tenant does not have yet.
func (r *run) namesOf(t oneroster.Type, names map[string]string) error {
	if err := storedNames(r.ctx, r.tx, t, names); err != nil {
		return err
	}
	missing := 0
	for _, n := range names {
		if n == "" {
			missing++
		}
	}
	if missing == 0 || r.src.Mode(t) == oneroster.Absent {
		return nil
	}
	err := r.altered().Each(func(rec *oneroster.Record) error {
		if n, ok := names[rec.SourcedID]; ok && n == "" {
			names[strings.Clone(rec.SourcedID)] = nameOf(t, rec.Get)
		}
		return nil
	}, t)
	if err != nil {
		return fmt.Errorf("name %s: %w", t, err)
	}
	return nil
}

// nameOf is what a human calls a row that others refer to.
func nameOf(t oneroster.Type, get func(column string) string) string {
	switch t {
	case oneroster.Users:
		given := get("preferredGivenName")
		if given == "" {
			given = get("givenName")
		}
		return strings.TrimSpace(given + " " + get("familyName"))
	case oneroster.Orgs:
		return get("name")
	}
	return get("title")
}

// labelOf is what a human calls a changed row: its own name, or those of what it
// joins.
func labelOf(s Sample) string {
	fields := s.Doc.After
	if fields == nil {
		fields = s.Doc.Before
	}
	get := func(c string) string { return fields[c] }
	if n := nameOf(s.Type, get); n != "" {
		return n
	}
	var parts []string
	for _, c := range []string{"userSourcedId", "studentSourcedId", "classSourcedId", "orgSourcedId"} {
		if v := get(c); v != "" {
			parts = append(parts, v)
		}
	}
	if len(parts) == 0 {
		return s.SourcedID
	}
	return strings.Join(parts, ", ")
}
