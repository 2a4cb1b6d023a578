package roster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// stored is a row that the tenant has, or that the run adds: what the diff
// needs of it, without pointers.
type stored struct {
	hash     rowHash
	id       uuid.UUID
	modified int64 // microseconds
	unit     int32 // index of its school in units, -1 for none
	aux      int32 // users: index in persons; terms: index in spans; roles: see owner
	active   bool
	seen     bool
	added    bool // by this run
	renamed  bool // found under its former sourcedId
	paired   bool // the mapping names this very row, and the package has not brought it yet
	old      bool // a delta that is older than it was about it
	late     bool // an update that did not fit in memory at first
	goes     bool // planned to be removed
	comes    bool // planned to be active again
}

type span struct{ from, to string }

type kind string

// What happens to a row. Nothing and stale leave it as it is.
const (
	nothing    kind = "unchanged"
	insert     kind = "insert"
	update     kind = "update"
	remove     kind = "remove"
	reactivate kind = "reactivate"
	stale      kind = "stale"
)

// run is one pass of a source over a tenant: for a plan it reads, for an import
// it also writes. Both decide by the same code, so that what was planned is what
// is applied.
type run struct {
	ctx     context.Context
	tx      tenancy.Read
	write   *tenancy.Write // nil: planning
	src     source
	opts    Options
	keys    *keys.Keyset
	at      time.Time
	atCell  string
	seq     int
	seqCell string
	first   bool // no import of the tenant had any rows before
	twice   bool // a second pass will write what this one has planned

	hash     hasher
	slab     slab
	spooled  *spooled
	known    map[oneroster.Type]map[key]*stored
	expected map[oneroster.Type]int // about how many rows the tenant has of a type, 0 where it is not known
	units    []uuid.UUID
	unitOf   map[uuid.UUID]int32
	persons  []uuid.UUID
	personOf map[uuid.UUID]int32 // where a stored person stands in persons
	pairs    int                 // of the mapping, that the tenant and the package have
	spans    []span
	owners   map[key][]key // roles by their user, for 1.1 deltas

	counts     map[oneroster.Type]*Counts
	schools    map[school]*tally
	had        map[oneroster.Type]int // active rows
	states     map[oneroster.Type]digest
	state      digest
	change     digest
	edits      map[editKey]edit
	policies   map[string]string // of the tenant, by "type.field"
	conflicts  []Conflict
	people     *matcher
	newUsers   userTraces
	dated      []key                          // users whose demographics have changed
	gone       map[oneroster.Type][]uuid.UUID // removed users and classes
	goneEnrol  map[uuid.UUID]struct{}
	reused     []uuid.UUID // ids of changed users, for the reuse detector
	touched    map[uuid.UUID]struct{}
	moved      bool // terms have changed
	births     map[key]string
	dropped    []uuid.UUID // local edits that the source overwrites
	personRows [][]string  // golden records to change with the next flush
	rows       int64
	progress   Progress
	watch      *watch // nil where no human will read the plan
	cut        *cut   // nil where a package is applied whole
}

type school struct {
	t    oneroster.Type
	unit int32
}

// tally counts a school's rows of a type: the active ones, and those to go.
type tally struct{ active, removed int }

func newRun(ctx context.Context, tx tenancy.Read, src source, o Options, k *keys.Keyset, at time.Time) (*run, error) {
	h, err := newHasher(k)
	return &run{ctx: ctx, tx: tx, src: src, opts: o, keys: k, at: at, atCell: cellTime(at), hash: h, spooled: newSpooled(src),
		known: map[oneroster.Type]map[key]*stored{}, expected: map[oneroster.Type]int{}, unitOf: map[uuid.UUID]int32{}, personOf: map[uuid.UUID]int32{}, owners: map[key][]key{},
		counts: map[oneroster.Type]*Counts{}, schools: map[school]*tally{}, had: map[oneroster.Type]int{}, seqCell: tenancy.Null,
		gone: map[oneroster.Type][]uuid.UUID{}, goneEnrol: map[uuid.UUID]struct{}{}, touched: map[uuid.UUID]struct{}{}, states: map[oneroster.Type]digest{}}, err
}

// slab gives out stored rows from large blocks: hundreds of thousands of small
// allocations cost more than what they hold.
type slab struct{ free []stored }

func (s *slab) take() *stored {
	if len(s.free) == 0 {
		s.free = make([]stored, 1024)
	}
	e := &s.free[0]
	s.free = s.free[1:]
	return e
}

// again makes the run ready to do what it has planned: what was read stays, what
// was counted begins anew. When the changed records are few they were kept, and
// the package is not read again.
func (r *run) again(tx *tenancy.Write, seq int) {
	r.write, r.twice = tx, false
	r.setSeq(seq)
	r.counts, r.change, r.state, r.rows = map[oneroster.Type]*Counts{}, digest{}, digest{}, 0
	r.conflicts, r.reused, r.newUsers = nil, nil, nil
	if r.cut != nil {
		r.cut.parts = map[key]*share{}
	}
	r.gone, r.goneEnrol = map[oneroster.Type][]uuid.UUID{}, map[uuid.UUID]struct{}{}
	for _, n := range r.schools {
		n.removed = 0
	}
	if r.spooled.whole() {
		r.src = r.spooled
		return // what was seen then counts as seen
	}
	r.spooled = newSpooled(r.src)
	for _, m := range r.known {
		for _, s := range m {
			s.seen = false
		}
	}
}

// referred are the types that others refer to: they are loaded even when the
// source says nothing of them.
var referred = []oneroster.Type{oneroster.Orgs, oneroster.AcademicSessions, oneroster.Courses, oneroster.Classes, oneroster.Users}

// all runs every type in the order of dependence.
func (r *run) all() error {
	for _, table := range oneroster.Tables() {
		t := table.Type
		mode := r.src.Mode(t)
		refers := slices.Contains(referred, t)
		if mode == oneroster.Absent && !refers {
			continue
		}
		if err := r.load(t); err != nil {
			return err
		}
		r.state.sum(r.states[t])
		if mode != oneroster.Absent {
			if err := r.one(table, mode); err != nil {
				return fmt.Errorf("%s: %w", t, err)
			}
		}
		if r.watching() && (t == oneroster.Users || t == oneroster.Roles) {
			r.watch.access(r)
		}
		if !refers && !r.twice {
			delete(r.known, t) // nothing asks for it again
		}
	}
	return nil
}

// one runs a type: its rows, then what is no longer among them.
func (r *run) one(table *oneroster.Table, mode oneroster.Mode) error {
	t := table.Type
	r.counts[t] = &Counts{}
	var err error
	switch {
	case r.write == nil:
		err = r.src.Each(func(rec *oneroster.Record) error { _, _, err := r.decide(rec, mode); return err }, t)
	case t == oneroster.Users:
		err = r.applyUsers(mode)
	default:
		err = r.applyType(t, mode)
	}
	if err != nil {
		return err
	}
	return r.removals(t, mode)
}

// watching tells whether somebody looks on: only a planning pass is looked at.
func (r *run) watching() bool { return r.watch != nil && r.write == nil }

// decide says what happens to a record, counts it and notes it in the digests.
func (r *run) decide(rec *oneroster.Record, mode oneroster.Mode) (kind, *stored, error) {
	t := rec.Table.Type
	k := keyOf(rec.SourcedID)
	h, overruled := r.hashOf(rec)
	s := r.known[t][k]
	what := r.classify(rec, s, h, mode)
	if s != nil {
		if s.paired {
			s.paired, r.pairs = false, r.pairs+1
		}
		s.old = r.outdated(rec, s, mode)
	}
	var part key
	if r.cut != nil {
		if part = r.cut.ofRow(rec, what); !r.cut.takes(part) {
			if s != nil {
				s.seen = true
			}
			return nothing, s, nil
		}
		r.cut.share(part).note(t, what)
	}
	c := r.counts[t]
	c.note(what)
	switch what {
	case insert:
		if s == nil {
			s = r.add(t, k)
		}
		r.trace(rec)
	case remove:
		r.tallyRemoval(t, s)
	}
	if r.watching() {
		r.watch.row(r, rec, s, what)
	}
	if s != nil {
		s.seen = true
		if r.write != nil && (what == update || what == reactivate || what == insert) {
			s.hash = h
		}
	}
	if r.rows++; r.rows%5000 == 0 {
		r.progress.say(r.stage(), t, r.rows)
	}
	if t == oneroster.Demographics && (what == insert || what == update || what == reactivate) && r.write != nil {
		r.dated = append(r.dated, k)
	}
	if what != nothing && what != stale {
		if r.twice {
			r.spooled.keep(rec)
		}
		r.alter(part, []byte(what), []byte(t), k[:], h[:])
	}
	if what == update || what == nothing && overruled {
		r.meet(rec, s, what)
	}
	return what, s, nil
}

func (r *run) stage() string {
	if r.write == nil {
		return "compare"
	}
	return "apply"
}

// classify says what a record does; one of a delta that is older than what it would
// change does nothing.
func (r *run) classify(rec *oneroster.Record, s *stored, h rowHash, mode oneroster.Mode) kind {
	what := r.compare(rec, s, h)
	if what != nothing && r.outdated(rec, s, mode) {
		return stale
	}
	return what
}

// outdated tells a row of a delta that says an older state than what is stored, whatever
// it says. A role that 1.1 makes out of a users row is as old as that row: what is not
// stored of it may have been taken away since.
func (r *run) outdated(rec *oneroster.Record, s *stored, mode oneroster.Mode) bool {
	if mode != oneroster.Delta || r.src.Full() {
		return false
	}
	if s != nil && !s.added {
		return rec.LastModified.UnixMicro() < s.modified
	}
	if rec.Table.Type != oneroster.Roles || !r.src.RolesFromUsers() {
		return false
	}
	u := r.known[oneroster.Users][keyOf(rec.Get("userSourcedId"))]
	return u != nil && u.old
}

func (r *run) compare(rec *oneroster.Record, s *stored, h rowHash) kind {
	gone := rec.Status == "tobedeleted"
	fresh := s == nil || s.added
	switch {
	case fresh && gone:
		return nothing // it never was here
	case fresh:
		return insert
	case r.src.Full():
		switch {
		case s.active && gone:
			return remove
		case !s.active && !gone:
			return reactivate
		case s.hash == h:
			return nothing
		}
		return update
	case gone && s.active:
		return remove
	case gone:
		return nothing
	case !s.active:
		return reactivate
	case s.hash == h && !s.renamed:
		return nothing
	}
	return update
}

// add makes room for a row that the run inserts.
func (r *run) add(t oneroster.Type, k key) *stored {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New() // the clock's bits are for locality only
	}
	s := r.slab.take()
	s.id, s.unit, s.aux, s.added, s.active = id, -1, -1, true, true
	if r.known[t] == nil {
		r.known[t] = map[key]*stored{}
	}
	r.known[t][k] = s
	return s
}

func (r *run) unitAt(i int32) uuid.UUID {
	if i < 0 {
		return uuid.Nil
	}
	return r.units[i]
}

func (r *run) unitIndex(id uuid.UUID) int32 {
	if id == uuid.Nil {
		return -1
	}
	i, ok := r.unitOf[id]
	if !ok {
		i = int32(len(r.units))
		r.units = append(r.units, id)
		r.unitOf[id] = i
	}
	return i
}

func (r *run) tallyRemoval(t oneroster.Type, s *stored) {
	if s.unit >= 0 {
		r.tallyOf(t, s.unit).removed++
	}
}

func (r *run) tallyOf(t oneroster.Type, unit int32) *tally {
	k := school{t, unit}
	if r.schools[k] == nil {
		r.schools[k] = &tally{}
	}
	return r.schools[k]
}

// removals finds the stored rows that a bulk file no longer holds, and the roles
// that a 1.1 delta of users no longer gives to a user whom it names.
func (r *run) removals(t oneroster.Type, mode oneroster.Mode) error {
	var ids []uuid.UUID
	var sids []key
	take := func(k key, s *stored) {
		if s.active && !s.seen && !s.added && (r.cut == nil || r.cut.takes(r.cut.ofGone(r, t, s))) {
			ids, sids = append(ids, s.id), append(sids, k)
		}
	}
	switch {
	case r.src.Full():
	case mode == oneroster.Bulk:
		for k, s := range r.known[t] {
			take(k, s)
		}
	case t == oneroster.Roles && r.src.RolesFromUsers():
		for user, roles := range r.owners {
			if u := r.known[oneroster.Users][user]; u != nil && u.seen && !u.old {
				for _, k := range roles {
					take(k, r.known[t][k])
				}
			}
		}
	}
	c := r.counts[t]
	if r.opts.NoDelete {
		c.Spared = len(ids)
		return nil
	}
	c.Remove += len(ids)
	for i, k := range sids {
		var part key
		if r.cut != nil {
			part = r.cut.ofGone(r, t, r.known[t][k])
			r.cut.share(part).note(t, remove)
		}
		r.alter(part, []byte(remove), []byte(t), k[:])
		r.tallyRemoval(t, r.known[t][k])
		if r.watching() {
			r.watch.gone(t, r.known[t][k])
		}
		r.noteGone(t, ids[i], r.known[t][k])
	}
	if r.write == nil || len(ids) == 0 {
		return nil
	}
	if t == oneroster.AcademicSessions {
		r.moved = true
	}
	return r.markRemoved(t, ids)
}

// noteGone remembers removals that others may hang on.
func (r *run) noteGone(t oneroster.Type, id uuid.UUID, s *stored) {
	switch t {
	case oneroster.Users:
		r.gone[t] = append(r.gone[t], id)
		r.touch(r.persons[s.aux])
	case oneroster.Classes:
		r.gone[t] = append(r.gone[t], id)
	case oneroster.Enrollments:
		if r.write == nil {
			r.goneEnrol[id] = struct{}{}
		}
	}
	if (t == oneroster.Roles || t == oneroster.Enrollments) && s.aux >= 0 {
		r.touch(r.persons[s.aux])
	}
}

// touch notes a person whose derived facts must be looked at.
func (r *run) touch(person uuid.UUID) {
	if r.write != nil && !r.first {
		r.touched[person] = struct{}{}
	}
}

func (r *run) setSeq(n int) {
	r.seq, r.seqCell = n, strconv.Itoa(n)
}

// modifiedAt is what dateLastModified becomes: the row's own in a delta, the time
// of the import otherwise.
func (r *run) modifiedAt(rec *oneroster.Record) string {
	if r.src.Full() || rec.LastModified.IsZero() {
		return r.atCell
	}
	return cellTime(rec.LastModified)
}
