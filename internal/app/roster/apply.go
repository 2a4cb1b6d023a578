package roster

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"digione/internal/app/org"
	"digione/internal/app/people"
	"digione/internal/app/roster/oneroster"
)

// spool bounds the changed rows kept in memory while the new ones stream by;
// what is beyond is read again.
const spool = 20000

// changed collects rows to change, with what kind of change each is.
type changed struct {
	rows  [][]string
	ids   []uuid.UUID
	kinds []string
}

func (c *changed) add(id uuid.UUID, k kind, row []string) {
	c.rows, c.ids, c.kinds = append(c.rows, row), append(c.ids, id), append(c.kinds, string(k))
}

// batch carries rows from the reader of the package to the writer.
const batch = 256

// pipe runs read, which sends rows, beside take, which pulls them: the package is
// parsed on one core while PostgreSQL writes on another.
func (r *run) pipe(read func(send func([]string) error) error, take func(next func() ([]string, error)) error) error {
	rows := make(chan [][]string, 8)
	stop := make(chan struct{})
	failed := make(chan error, 1)
	errStopped := errors.New("stopped")
	go func() {
		defer close(rows)
		buf := make([][]string, 0, batch)
		flush := func() error {
			select {
			case rows <- buf:
				buf = make([][]string, 0, batch)
				return nil
			case <-stop:
				return errStopped
			}
		}
		err := read(func(row []string) error {
			if buf = append(buf, row); len(buf) == batch {
				return flush()
			}
			return nil
		})
		if err == nil {
			err = flush()
		}
		failed <- err
	}()
	var cur [][]string
	var readErr error
	err := take(func() ([]string, error) {
		for len(cur) == 0 {
			var ok bool
			if cur, ok = <-rows; !ok {
				readErr = <-failed
				failed <- readErr
				return nil, readErr
			}
		}
		row := cur[0]
		cur = cur[1:]
		return row, nil
	})
	close(stop)
	for range rows { //nolint:revive // let the reader end
	}
	if ferr := <-failed; ferr != nil && !errors.Is(ferr, errStopped) {
		return ferr
	}
	return err
}

// applyType inserts new rows as they stream by, then changes the others.
func (r *run) applyType(t oneroster.Type, mode oneroster.Mode) error {
	if t == oneroster.Orgs || t == oneroster.AcademicSessions {
		if err := r.foresee(t); err != nil {
			return err
		}
	}
	var ch changed
	late := false
	err := r.pipe(func(send func([]string) error) error {
		return r.src.Each(func(rec *oneroster.Record) error {
			what, s, err := r.decide(rec, mode)
			if err != nil || what == nothing || what == stale {
				return err
			}
			r.place(rec, s)
			if what == remove && !r.src.Full() {
				ch.add(s.id, remove, nil)
				r.noteGone(t, s.id, s)
				return nil
			}
			if what != insert && len(ch.rows) >= spool {
				s.late, late = true, true
				return nil
			}
			row, err := r.rowOf(rec, s)
			if err != nil {
				return err
			}
			if what == insert {
				return send(row)
			}
			ch.add(s.id, what, row)
			return nil
		}, t)
	}, func(next func() ([]string, error)) error {
		_, err := bulkOf(t).Copy(r.ctx, *r.write, next)
		return err
	})
	if err != nil {
		return err
	}
	if err := r.flush(t, &ch); err != nil || !late {
		return err
	}
	return r.latecomers(t, &ch)
}

// foresee gives new rows of a type that refers to itself their ids: a parent may
// stand below its child.
func (r *run) foresee(t oneroster.Type) error {
	return r.src.Each(func(rec *oneroster.Record) error {
		k := keyOf(rec.SourcedID)
		if r.known[t][k] == nil && rec.Status != "tobedeleted" {
			r.place(rec, r.add(t, k))
		}
		return nil
	}, t)
}

// place notes what later types will ask of a new or changed row.
func (r *run) place(rec *oneroster.Record, s *stored) {
	switch rec.Table.Type {
	case oneroster.Orgs:
		if s.unit < 0 {
			s.unit = r.unitIndex(s.id)
		}
	case oneroster.AcademicSessions:
		sp := span{rec.Get("startDate"), rec.Get("endDate")}
		if s.aux < 0 {
			s.aux = int32(len(r.spans))
			r.spans = append(r.spans, sp)
			return
		}
		r.moved = r.moved || (!s.added && r.spans[s.aux] != sp)
		r.spans[s.aux] = sp
	case oneroster.Classes:
		if u := r.known[oneroster.Orgs][keyOf(rec.Get("schoolSourcedId"))]; u != nil {
			s.unit = u.unit
		}
	case oneroster.Roles, oneroster.Enrollments:
		if u := r.known[oneroster.Users][keyOf(rec.Get("userSourcedId"))]; u != nil {
			if s.aux >= 0 {
				r.touch(r.persons[s.aux])
			}
			s.aux = u.aux
			r.touch(r.persons[u.aux])
		}
	}
}

// rowOf makes the row of a record, local edits that are kept put over it.
func (r *run) rowOf(rec *oneroster.Record, s *stored) ([]string, error) {
	m := mark{id: s.id, status: "active", modified: r.modifiedAt(rec), hash: s.hash}
	if r.src.Full() && rec.Status != "" {
		m.status = rec.Status
	}
	var drop []uuid.UUID
	kept := rec
	r.eachEdit(rec, func(e edit, policy string) {
		i := rec.Table.Index(e.field)
		if policy == "overwrite" || i < 0 {
			drop = append(drop, e.id)
			return
		}
		if kept == rec {
			kept = rec.Clone()
		}
		kept.Fields[i] = e.edited
	})
	r.dropped = append(r.dropped, drop...)
	return r.row(kept, m)
}

// flush keeps the images of the collected rows, then changes them.
func (r *run) flush(t oneroster.Type, ch *changed) error {
	b := bulkOf(t)
	for from := 0; from < len(ch.rows); from += spool / 4 {
		to := min(from+spool/4, len(ch.rows))
		if err := r.keep(t, ch.ids[from:to], ch.kinds[from:to]); err != nil {
			return err
		}
		var rows [][]string
		var gone []uuid.UUID
		for i := from; i < to; i++ {
			if ch.rows[i] == nil {
				gone = append(gone, ch.ids[i])
			} else {
				rows = append(rows, ch.rows[i])
			}
		}
		if err := b.Change(r.ctx, *r.write, rows); err != nil {
			return err
		}
		if err := r.setRemoved(t, gone); err != nil {
			return err
		}
	}
	*ch = changed{}
	return nil
}

// latecomers reads the file again for changed rows that did not fit at first.
func (r *run) latecomers(t oneroster.Type, ch *changed) error {
	err := r.src.Each(func(rec *oneroster.Record) error {
		s := r.known[t][keyOf(rec.SourcedID)]
		if s == nil || !s.late {
			return nil
		}
		s.late = false
		var row []string
		var err error
		if t == oneroster.Users {
			row, err = r.changeUser(rec, s, ch)
		} else {
			row, err = r.rowOf(rec, s)
		}
		if err != nil {
			return err
		}
		ch.add(s.id, r.lateKind(s), row)
		if len(ch.rows) >= spool {
			return r.flushAny(t, ch)
		}
		return nil
	}, t)
	if err != nil {
		return err
	}
	return r.flushAny(t, ch)
}

func (r *run) lateKind(s *stored) kind {
	if s.active {
		return update
	}
	return reactivate
}

func (r *run) flushAny(t oneroster.Type, ch *changed) error {
	if t == oneroster.Users {
		if err := r.flushPersons(); err != nil {
			return err
		}
	}
	return r.flush(t, ch)
}

// applyUsers brings people in: first the persons of new rows, then the rows, then
// the changes of both.
func (r *run) applyUsers(mode oneroster.Mode) error {
	if err := r.prepareUsers(); err != nil {
		return err
	}
	var ch changed
	late := false
	fresh := 0
	err := r.pipe(func(send func([]string) error) error {
		return r.src.Each(func(rec *oneroster.Record) error {
			what, s, err := r.decide(rec, mode)
			switch {
			case err != nil || what == nothing || what == stale:
				return err
			case what == insert:
				fresh++
				return r.newUser(rec, s, send)
			case what == remove && !r.src.Full():
				ch.add(s.id, remove, nil)
				r.noteGone(oneroster.Users, s.id, s)
				return nil
			case len(ch.rows) >= spool:
				s.late, late = true, true
				return nil
			}
			row, err := r.changeUser(rec, s, &ch)
			ch.add(s.id, what, row)
			return err
		}, oneroster.Users)
	}, func(next func() ([]string, error)) error {
		_, err := people.Persons.Copy(r.ctx, *r.write, next)
		return err
	})
	if err != nil {
		return err
	}
	if fresh > 0 {
		if err := r.copyUsers(); err != nil {
			return err
		}
	}
	if err := r.flushAny(oneroster.Users, &ch); err != nil {
		return err
	}
	if late {
		if err := r.latecomers(oneroster.Users, &ch); err != nil {
			return err
		}
	}
	return r.noteDoubts()
}

// newUser finds or makes the person of a new row.
func (r *run) newUser(rec *oneroster.Record, s *stored, send func([]string) error) error {
	who, err := r.identityOf(rec)
	if err != nil {
		return err
	}
	person, isNew := r.people.find(rec.SourcedID, &who)
	s.aux = int32(len(r.persons))
	r.persons = append(r.persons, person)
	r.touch(person)
	if !isNew {
		return nil
	}
	row, err := r.personRow(rec, person, who, true)
	if err != nil {
		return err
	}
	return send(row)
}

// copyUsers reads users.csv once more for the rows themselves, now that their
// persons stand.
func (r *run) copyUsers() error {
	return r.pipe(func(send func([]string) error) error {
		return r.src.Each(func(rec *oneroster.Record) error {
			s := r.known[oneroster.Users][keyOf(rec.SourcedID)]
			if s == nil || !s.added {
				return nil
			}
			row, err := r.rowOf(rec, s)
			if err != nil {
				return err
			}
			return send(row)
		}, oneroster.Users)
	}, func(next func() ([]string, error)) error {
		_, err := users.Copy(r.ctx, *r.write, next)
		return err
	})
}

// changeUser makes the changed row and the changed person.
func (r *run) changeUser(rec *oneroster.Record, s *stored, _ *changed) ([]string, error) {
	who, err := r.identityOf(rec)
	if err != nil {
		return nil, err
	}
	person := r.persons[s.aux]
	r.people.settle(rec.SourcedID, person, &who)
	row, err := r.personRow(rec, person, who, false)
	if err != nil {
		return nil, err
	}
	r.personRows = append(r.personRows, row)
	r.touch(person)
	return r.rowOf(rec, s)
}

// flushPersons changes the golden records of changed rows, keeping the
// identifiers that are replaced.
func (r *run) flushPersons() error {
	rows := r.personRows
	r.personRows = nil
	if len(rows) == 0 {
		return nil
	}
	return r.changePersons(rows)
}

// derive brings to date what follows from the rows: guardianships, placements,
// proposals of study rights, groups' validity.
func (r *run) derive() error {
	persons := make([]uuid.UUID, 0, len(r.touched))
	for id := range r.touched {
		persons = append(persons, id)
	}
	day := today(r.at)
	if r.moved {
		if err := org.RebuildGroupValidity(r.ctx, *r.write); err != nil {
			return err
		}
	}
	r.progress.say("derive", "", r.rows)
	switch {
	case r.first:
		if err := people.DeriveAllGuardianships(r.ctx, *r.write); err != nil {
			return err
		}
		return org.DeriveAllPlacements(r.ctx, *r.write)
	case len(persons) == 0:
		return nil
	}
	if err := people.DeriveGuardianships(r.ctx, *r.write, len(persons) > many, persons, day); err != nil {
		return err
	}
	return org.DerivePlacements(r.ctx, *r.write, len(persons) > many, persons, day)
}

// many is from how many touched people on everyone's facts are derived at once:
// looking each of them up costs more, and the planner knows little of rows that
// this transaction has added.
const many = 3000

// birthDates reads demographics ahead of users, so that a new person is written
// once, whole.
func (r *run) birthDates() error {
	r.births = map[key]string{}
	if r.src.Mode(oneroster.Demographics) == oneroster.Absent {
		return nil
	}
	return r.src.Each(func(rec *oneroster.Record) error {
		if d := rec.Get("birthDate"); d != "" && rec.Status != "tobedeleted" {
			r.births[keyOf(rec.SourcedID)] = string(append([]byte(nil), d...))
		}
		return nil
	}, oneroster.Demographics)
}

// lateBirthDates sets the birth dates of people who stood before this run.
func (r *run) lateBirthDates() error {
	var ids []uuid.UUID
	var dates []string
	for _, k := range r.dated {
		d := r.births[k]
		if s := r.known[oneroster.Users][k]; s != nil && d != "" && !s.added && s.aux >= 0 {
			ids, dates = append(ids, r.persons[s.aux]), append(dates, d)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	if err := people.SetBirthDates(r.ctx, *r.write, ids, dates); err != nil {
		return fmt.Errorf("%s: %w", oneroster.Demographics, err)
	}
	return nil
}
