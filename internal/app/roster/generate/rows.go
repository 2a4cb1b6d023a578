package generate

import (
	"strconv"

	"digione/internal/app/roster/oneroster"
)

// row is one record that is filled again and again.
type row struct {
	oneroster.Record
	put func(*oneroster.Record) error
}

func newRow(f file, put func(*oneroster.Record) error) *row {
	r := &row{put: put}
	r.Table = oneroster.TableOf(f.kind)
	r.Fields = make([]string, len(r.Table.Columns))
	for _, name := range f.meta {
		r.Meta = append(r.Meta, oneroster.Meta{Name: metaPrefix + name})
	}
	return r
}

func (r *row) metaColumns() []string {
	var names []string
	for _, m := range r.Meta {
		names = append(names, m.Name)
	}
	return names
}

const metaPrefix = "metadata."

// start empties the row for the next object.
func (r *row) start(id string) *row {
	r.SourcedID = id
	clear(r.Fields)
	for i := range r.Meta {
		r.Meta[i].Value = ""
	}
	return r
}

func (r *row) set(column, value string) *row {
	r.Fields[r.Table.Index(column)] = value
	return r
}

func (r *row) meta(name, value string) *row {
	for i := range r.Meta {
		if r.Meta[i].Name[len(metaPrefix):] == name {
			r.Meta[i].Value = value
		}
	}
	return r
}

func (r *row) write() error { return r.put(&r.Record) }

// The sourcedIds. Classes and courses are new every school year.
func (w *world) districtID() string        { return w.spec.Tenant + "-o-000" }
func (w *world) schoolID(i int) string     { return w.id("-o-", i+1, 3) }
func (w *world) personID(p *person) string { return w.id("-u-", p.no, 6) }
func (w *world) courseID(i int) string     { return w.yearly("-k-", i+1, 3) }
func (w *world) classID(i int) string      { return w.yearly("-c-", i+1, 5) }
func (w *world) yearID() string            { return w.id("-y-", w.spec.SchoolYear, 4) }
func (w *world) termID(n int) string       { return w.yearly("-t-", n, 1) }
func (w *world) enrolmentID(p *person, class int) string {
	return string(appendPadded(append(w.appendID("-e-", p.no, 6), '-'), class+1, 5))
}

// roleID tells a person's roles apart by place and kind.
func (w *world) roleID(p *person, school int, kind string) string {
	return string(append(appendPadded(append(w.appendID("-r-", p.no, 6), '-'), school+1, 3), kind...))
}

func (w *world) id(kind string, n, digits int) string { return string(w.appendID(kind, n, digits)) }

func (w *world) yearly(kind string, n, digits int) string {
	return w.id(kind, w.spec.SchoolYear, 4) + "-" + string(appendPadded(nil, n, digits))
}

func (w *world) appendID(kind string, n, digits int) []byte {
	b := make([]byte, 0, 40)
	return appendPadded(append(append(b, w.spec.Tenant...), kind...), n, digits)
}

func (w *world) writeOrgs(r *row) error {
	r.start(w.districtID()).set("name", w.spec.NameFi).set("type", "district").set("identifier", w.spec.MunicipalityCode)
	if err := r.meta("oid", organisationOID(w.root, 0)).meta("nameSv", w.spec.NameSv).write(); err != nil {
		return err
	}
	for i := range w.schools {
		s := &w.schools[i]
		r.start(w.schoolID(i)).set("name", s.name).set("type", "school").set("identifier", s.code).
			set("parentSourcedId", w.districtID())
		if err := r.meta("oid", s.oid).meta("language", s.medium).write(); err != nil {
			return err
		}
	}
	return nil
}

// session has its end exclusive, as OneRoster wants it.
type session struct{ id, title, kind, start, end, parent string }

func (w *world) sessions() []session {
	y := w.spec.SchoolYear
	first, newYear, end := dayOf(y-1, 8, 1).String(), dayOf(y, 1, 1).String(), dayOf(y, 8, 1).String()
	from, to := strconv.Itoa(y-1), strconv.Itoa(y)
	return []session{
		{w.yearID(), "Lukuvuosi " + from + "–" + to, "schoolYear", first, end, ""},
		{w.termID(1), "Syyslukukausi " + from, "term", first, newYear, w.yearID()},
		{w.termID(2), "Kevätlukukausi " + to, "term", newYear, end, w.yearID()},
	}
}

func (w *world) writeSessions(r *row) error {
	for _, s := range w.sessions() {
		r.start(s.id).set("title", s.title).set("type", s.kind).set("startDate", s.start).set("endDate", s.end)
		if err := r.set("parentSourcedId", s.parent).set("schoolYear", strconv.Itoa(w.spec.SchoolYear)).write(); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) writeCourses(r *row) error {
	for i, c := range w.courses {
		s := &subjects[c.subject]
		title, code, grades := s.courseName(c)
		r.start(w.courseID(i)).set("schoolYearSourcedId", w.yearID()).set("title", title).set("courseCode", code).
			set("grades", grades).set("orgSourcedId", w.districtID())
		r.setSubject(s, c.medium)
		if err := r.meta("credits", s.credits).meta("language", s.language).write(); err != nil {
			return err
		}
	}
	return nil
}

// setSubject leaves both lists empty for a homeroom, which has no subject.
func (r *row) setSubject(s *subject, medium string) {
	if name, ok := nationalSubjects[s.code]; ok {
		r.set("subjects", name[medium == "sv"]).set("subjectCodes", s.code)
	}
}

func (w *world) writeClasses(r *row) error {
	for i := range w.classes {
		c := &w.classes[i]
		s := &w.schools[c.school]
		kind := "scheduled"
		if c.homeroom {
			kind = "homeroom"
		}
		terms := w.termID(1) + "," + w.termID(2)
		if c.term > 0 {
			terms = w.termID(c.term)
		}
		r.start(w.classID(i)).set("title", c.title).set("grades", gradeWords(c.lo, c.hi)).
			set("courseSourcedId", w.courseID(c.course)).set("classCode", s.code+"/"+c.title).
			set("classType", kind).set("schoolSourcedId", w.schoolID(c.school)).set("termSourcedIds", terms)
		r.setSubject(&subjects[c.subject], s.medium)
		if err := r.write(); err != nil {
			return err
		}
	}
	return nil
}
