package roster

import "digione/internal/app/roster/oneroster"

// spooled keeps the records that a planning pass found changed, as long as they
// are few: then the writing pass needs no second look at the package. On an
// ordinary night that is the whole import.
type spooled struct {
	source
	records map[oneroster.Type][]*oneroster.Record
	n       int
}

func newSpooled(src source) *spooled {
	return &spooled{source: src, records: map[oneroster.Type][]*oneroster.Record{}}
}

func (s *spooled) keep(rec *oneroster.Record) {
	if s.n++; s.n <= spool {
		s.records[rec.Table.Type] = append(s.records[rec.Table.Type], rec.Clone())
	} else {
		s.records = nil
	}
}

// whole tells that nothing was left out, and that there was something to keep.
func (s *spooled) whole() bool { return s.n > 0 && s.n <= spool }

// Each gives the kept records alone, in the order of the package.
func (s *spooled) Each(f func(*oneroster.Record) error, t oneroster.Type) error {
	for _, rec := range s.records[t] {
		if err := f(rec); err != nil {
			return err
		}
	}
	return nil
}
