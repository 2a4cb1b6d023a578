package roster

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/google/uuid"

	"digione/internal/app/roster/oneroster"
)

// Bounds of what a plan keeps for a human to look at.
const (
	samplesOf    = 20   // of a type and kind in one school
	samplesBound = 2000 // of a type and kind in all
	leaversShown = 20
)

// SchoolCounts are the changes of one school.
type SchoolCounts struct {
	ID      string                    `json:"id"` // sourcedId
	Name    string                    `json:"name"`
	Changes map[oneroster.Type]Counts `json:"changes"`
}

// Leavers are the persons who would have no role left.
type Leavers struct {
	Count int         `json:"count"`
	First []uuid.UUID `json:"first"`
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
	stays   map[int32]bool // persons, by index, who get a new role
	leavers Leavers
}

func newWatch() *watch {
	return &watch{schools: map[int32]map[oneroster.Type]*Counts{}, added: map[int32][2]string{}, n: map[pickKey]int{}, stays: map[int32]bool{}}
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

// gone notes a stored row that the source no longer has.
func (w *watch) gone(t oneroster.Type, s *stored) {
	s.goes = true
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
	w.leavers = Leavers{}
	gone := map[uuid.UUID]bool{}
	for p, k := range known {
		if k&hadRole != 0 && k&(keepsRole|keepsUser) != keepsRole|keepsUser {
			w.leavers.Count++
			w.leavers.First = append(w.leavers.First, p)
			gone[p] = true
		}
	}
	if r.cut != nil && byRoles {
		r.cut.leave(r, gone)
	}
	slices.SortFunc(w.leavers.First, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	w.leavers.First = slices.Clip(w.leavers.First[:min(leaversShown, len(w.leavers.First))])
}

// leave notes persons who were not here before what is taken back.
func (w *watch) leave(persons []uuid.UUID) {
	seen := map[uuid.UUID]bool{}
	for _, p := range persons {
		if !seen[p] {
			seen[p] = true
			w.leavers.Count++
			if len(w.leavers.First) < leaversShown {
				w.leavers.First = append(w.leavers.First, p)
			}
		}
	}
}

// show writes what a human will look at into a plan.
func (r *run) show(p *Plan) (err error) {
	if p.Schools, err = r.watch.bySchool(r); err != nil {
		return err
	}
	p.Leavers = r.watch.leavers
	p.samples, err = r.watch.samples(r)
	return err
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
