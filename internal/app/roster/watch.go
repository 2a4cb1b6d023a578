package roster

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"digione/internal/app/roster/oneroster"
)

// Bounds of what a plan keeps for a human to look at.
const (
	samplesOf    = 20   // of a type and kind in one school
	samplesBound = 2000 // of a type and kind in all
)

// SchoolCounts are the changes of one school.
type SchoolCounts struct {
	ID      string                    `json:"id"` // sourcedId
	Name    string                    `json:"name"`
	Changes map[oneroster.Type]Counts `json:"changes"`
}

// Leavers counts the persons who would have no role left, and those who would lose one
// of several or a school.
type Leavers struct {
	Count int `json:"count"`
	Part  int `json:"part"`
}

// held is a role of a person at a unit.
type held struct {
	person uuid.UUID
	role   string
	unit   uuid.UUID
}

// loss is a role that a plan would take; without one the person would be here no longer.
type loss struct {
	held
	bare bool // nothing would be left
}

type pickKey struct {
	t    oneroster.Type
	k    kind
	unit int32
}

// picked is a changed row that a human may look at: rec is what comes, nil for a
// removal; id is the stored row, the zero id for a new one.
type picked struct {
	pickKey
	id  uuid.UUID
	rec *oneroster.Record
}

// watch looks on while a run plans, for the humans who will read the plan: counts
// by school, samples, and who loses access.
type watch struct {
	schools map[int32]map[oneroster.Type]*Counts
	added   map[int32][2]string // schools that the run adds: sourcedId and name
	n       map[pickKey]int
	picks   []picked
	stays   map[int32]bool     // persons, by index, who get a new role
	without map[uuid.UUID]bool // persons with no role left
	lost    map[uuid.UUID]bool // stored roles that go
	turned  map[uuid.UUID]held // stored roles that become others
	gained  map[held]bool
}

func newWatch() *watch {
	return &watch{schools: map[int32]map[oneroster.Type]*Counts{}, added: map[int32][2]string{}, n: map[pickKey]int{}, stays: map[int32]bool{},
		without: map[uuid.UUID]bool{}, lost: map[uuid.UUID]bool{}, turned: map[uuid.UUID]held{}, gained: map[held]bool{}}
}

// schoolColumns name the column that says which school a new row belongs to.
var schoolColumns = map[oneroster.Type]string{oneroster.Courses: "orgSourcedId", oneroster.Classes: "schoolSourcedId",
	oneroster.Users: "primaryOrgSourcedId", oneroster.Roles: "orgSourcedId", oneroster.Enrollments: "schoolSourcedId"}

// row notes what a record would do.
func (w *watch) row(r *run, rec *oneroster.Record, s *stored, what kind) {
	if s == nil {
		return
	}
	t := rec.Table.Type
	unit := s.unit
	if unit < 0 && t == oneroster.Orgs {
		s.unit = r.unitIndex(s.id)
		unit = s.unit
		w.added[unit] = [2]string{rec.SourcedID, rec.Get("name")}
	} else if c := schoolColumns[t]; unit < 0 && c != "" {
		if o := r.known[oneroster.Orgs][keyOf(rec.Get(c))]; o != nil {
			unit = o.unit
		}
	}
	w.count(unit, t, what)
	if t == oneroster.Roles {
		w.role(r, rec, s, what)
	}
	switch what {
	case nothing, stale:
		return
	case remove:
		s.goes = true
	case reactivate:
		s.comes = true
	case insert:
		if t == oneroster.Roles {
			if u := r.known[oneroster.Users][keyOf(rec.Get("userSourcedId"))]; u != nil && u.aux >= 0 {
				w.stays[u.aux] = true
			}
		}
	}
	p := picked{pickKey: pickKey{t, what, unit}, rec: rec}
	if !s.added {
		p.id = s.id
	}
	w.pick(p)
}

// role notes which role somebody who is here already gains or loses.
func (w *watch) role(r *run, rec *oneroster.Record, s *stored, what kind) {
	u := r.known[oneroster.Users][keyOf(rec.Get("userSourcedId"))]
	if what == remove {
		w.lost[s.id] = true
	}
	if u == nil || u.aux < 0 || what != insert && what != update && what != reactivate {
		return
	}
	at := held{person: r.persons[u.aux], role: strings.Clone(rec.Get("role"))}
	if o := r.known[oneroster.Orgs][keyOf(rec.Get("orgSourcedId"))]; o != nil {
		at.unit = r.unitAt(o.unit)
	}
	w.gained[at] = true
	if what == update {
		w.turned[s.id] = at
	}
}

// gone notes a stored row that the source no longer has.
func (w *watch) gone(t oneroster.Type, s *stored) {
	s.goes = true
	if t == oneroster.Roles {
		w.lost[s.id] = true
	}
	w.count(s.unit, t, remove)
	w.pick(picked{pickKey: pickKey{t, remove, s.unit}, id: s.id})
}

func (w *watch) count(unit int32, t oneroster.Type, what kind) {
	if unit < 0 {
		return
	}
	if w.schools[unit] == nil {
		w.schools[unit] = map[oneroster.Type]*Counts{}
	}
	c := w.schools[unit][t]
	if c == nil {
		c = &Counts{}
		w.schools[unit][t] = c
	}
	c.note(what)
}

// note counts one row.
func (c *Counts) note(what kind) {
	switch what {
	case insert:
		c.Insert++
	case update:
		c.Update++
	case reactivate:
		c.Reactivate++
	case remove:
		c.Remove++
	case stale:
		c.Stale++
	case nothing:
		c.Unchanged++
	}
}

func (w *watch) pick(p picked) {
	all := pickKey{p.t, p.k, -2}
	if w.n[p.pickKey] >= samplesOf || w.n[all] >= samplesBound {
		return
	}
	w.n[p.pickKey]++
	w.n[all]++
	if p.rec != nil && p.k != remove {
		p.rec = p.rec.Clone()
	} else {
		p.rec = nil
	}
	w.picks = append(w.picks, p)
}

// What is known of a person's access, as bits.
const (
	hadRole = 1 << iota
	keepsRole
	keepsUser
)

// access finds who would have no role left, when users and roles have been looked
// at: every role of theirs goes, or every row that says they are here. Where the
// source says nothing of roles, it is the rows alone.
func (w *watch) access(r *run) {
	byRoles := r.counts[oneroster.Roles] != nil
	known := map[uuid.UUID]uint8{}
	for _, s := range r.known[oneroster.Users] {
		if s.aux < 0 || s.added {
			continue
		}
		p := r.persons[s.aux]
		if s.remains() {
			known[p] |= keepsUser
		}
		if !byRoles && s.active {
			known[p] |= hadRole | keepsRole
		}
	}
	if byRoles {
		for _, s := range r.known[oneroster.Roles] {
			if s.aux < 0 || s.added {
				continue
			}
			if s.active {
				known[r.persons[s.aux]] |= hadRole
			}
			if s.remains() {
				known[r.persons[s.aux]] |= keepsRole
			}
		}
		for i := range w.stays {
			known[r.persons[i]] |= keepsRole
		}
	}
	w.without = map[uuid.UUID]bool{}
	for p, k := range known {
		if k&hadRole != 0 && k&(keepsRole|keepsUser) != keepsRole|keepsUser {
			w.without[p] = true
		}
	}
	if r.cut != nil && byRoles {
		r.cut.leave(r, w.without)
	}
}

// undone notes rows that what is taken back had added: persons who were not here before,
// and roles.
func (w *watch) undone(t oneroster.Type, ids, persons []uuid.UUID) {
	for _, id := range ids {
		if t == oneroster.Roles {
			w.lost[id] = true
		}
	}
	for _, p := range persons {
		if t == oneroster.Users {
			w.without[p] = true
		}
	}
}

// losses says who would lose which role. One that comes again, under another sourcedId or
// out of another row, is not lost.
func (r *run) losses() ([]loss, error) {
	w := r.watch
	var out []loss
	named := map[uuid.UUID]bool{}
	said := map[held]bool{}
	err := r.heldRoles(slices.AppendSeq(slices.Collect(maps.Keys(w.lost)), maps.Keys(w.turned)), func(id uuid.UUID, is held) {
		if to, turned := w.turned[id]; turned && to == is || w.gained[is] || said[is] {
			return
		}
		said[is], named[is.person] = true, true
		out = append(out, loss{is, w.without[is.person]})
	})
	if err != nil {
		return nil, err
	}
	for p := range w.without {
		if !named[p] {
			out = append(out, loss{held{person: p}, true})
		}
	}
	return out, nil
}

// show writes what a human will look at into a plan.
func (r *run) show(p *Plan) (err error) {
	if p.Schools, err = r.watch.bySchool(r); err != nil {
		return err
	}
	if p.losses, err = r.losses(); err != nil {
		return err
	}
	p.Leavers = countLosses(p.losses)
	p.samples, err = r.watch.samples(r)
	return err
}

func countLosses(list []loss) (n Leavers) {
	seen := map[uuid.UUID]bool{}
	for _, l := range list {
		if seen[l.person] {
			continue
		}
		seen[l.person] = true
		if l.bare {
			n.Count++
		} else {
			n.Part++
		}
	}
	return n
}

// remains tells whether a stored row would be active after the run.
func (s *stored) remains() bool { return s.active && !s.goes || s.comes }

// bySchool names the schools that were counted.
func (w *watch) bySchool(r *run) ([]SchoolCounts, error) {
	var at []int32
	for unit := range w.schools {
		if _, added := w.added[unit]; !added {
			at = append(at, unit)
		}
	}
	names, err := r.unitNames(at)
	if err != nil {
		return nil, err
	}
	out := make([]SchoolCounts, 0, len(w.schools))
	for unit, counts := range w.schools {
		name := w.nameOf(names, unit)
		s := SchoolCounts{ID: name[0], Name: name[1], Changes: map[oneroster.Type]Counts{}}
		for t, c := range counts {
			s.Changes[t] = *c
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b SchoolCounts) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

func (w *watch) nameOf(names map[int32][2]string, unit int32) [2]string {
	if n, added := w.added[unit]; added {
		return n
	}
	return names[unit]
}
