package roster

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// Rehearsal says how schools, groups and pupils would stand on a day to come by the
// package of a plan, beside how they stand now. It is made from the package alone:
// nothing of the tenant is changed, and the plan stays what it was.
type Rehearsal struct {
	Day     time.Time         `json:"-"`
	MadeBy  string            `json:"-"`
	MadeAt  time.Time         `json:"-"`
	Schools []RehearsedSchool `json:"schools"`
}

// RehearsedSchool is one school then and now. Loose pupils are those without a home
// group, or without any group where the school has no home groups.
type RehearsedSchool struct {
	ID        string           `json:"id"`
	Name      string           `json:"name"`
	Pupils    int              `json:"pupils"`
	PupilsNow int              `json:"pupils_now"`
	GroupsNow int              `json:"groups_now"`
	Loose     int              `json:"loose"`
	Untaught  int              `json:"untaught"` // groups without a teacher
	Comes     int              `json:"comes"`    // from another school
	Goes      int              `json:"goes"`     // to another school
	Leaves    int              `json:"leaves"`
	New       int              `json:"new"`
	Groups    []RehearsedGroup `json:"groups"`
	People    []RehearsedPupil `json:"people"` // some of those who are counted above
}

// RehearsedGroup is a group that runs on that day.
type RehearsedGroup struct {
	Title  string `json:"title"`
	Home   bool   `json:"home"`
	Pupils int    `json:"pupils"`
	Taught bool   `json:"taught"`
}

// What a pupil is listed for.
const (
	pupilLoose  = "loose"
	pupilGoes   = "goes"
	pupilLeaves = "leaves"
)

// RehearsedPupil is a pupil whom somebody should look at. Person is the zero id for
// one who is not known here yet.
type RehearsedPupil struct {
	Kind   string    `json:"kind"`
	Person uuid.UUID `json:"person"`
	Name   string    `json:"name"` // of one who is not known here yet
	To     string    `json:"to"`   // the other school
}

// rehearsedMost is how many pupils of a kind and school are listed.
const rehearsedMost = 50

// enrolled is a pupil as the tenant has them now.
type enrolled struct {
	school string
	person uuid.UUID
}

// present is how the tenant stands now, by sourcedId.
type present struct {
	pupils map[string]enrolled
	groups map[string]int // by school
	names  map[string]string
}

// Rehearse works a package out for a day and keeps the result with its plan.
func (s *Service) Rehearse(ctx context.Context, t tenancy.Tenant, id string, day time.Time, who string, progress Progress) (*Rehearsal, error) {
	plan, err := s.Show(ctx, t, id)
	if err != nil {
		return nil, err
	}
	pkg, done, err := s.openWhole(ctx, t, plan, progress)
	if err != nil {
		return nil, err
	}
	defer done()
	report, err := pkg.Check(ctx, nil)
	if err != nil {
		return nil, err
	}
	if !report.Valid {
		return nil, &InvalidError{plan.SourceName, report}
	}
	var is present
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		is, err = readPresent(ctx, tx, today(s.Now()))
		return err
	}, within)
	if err != nil {
		return nil, err
	}
	f := newFuture(day)
	if err := f.read(ctx, pkg); err != nil {
		return nil, err
	}
	r := f.compare(is)
	r.Day, r.MadeBy, r.MadeAt = day, who, s.Now()
	return r, s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return keepRehearsal(ctx, tx, plan.ID, r) })
}

// openWhole opens the package of a plan, when it says all there is.
func (s *Service) openWhole(ctx context.Context, t tenancy.Tenant, plan *Plan, progress Progress) (pkg *oneroster.Package, done func(), err error) {
	if err := plan.mayRehearse(); err != nil {
		return nil, nil, err
	}
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, nil, err
	}
	p, err := s.kept(ctx, t, ks, plan)
	if err != nil {
		return nil, nil, err
	}
	f := p.Content.(*os.File)
	if pkg, err = s.open(*p, plan.Options, progress); err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	done = func() { _, _ = pkg.Close(), f.Close() }
	for _, ty := range []oneroster.Type{oneroster.Orgs, oneroster.AcademicSessions, oneroster.Classes, oneroster.Users, oneroster.Roles, oneroster.Enrollments} {
		if pkg.Mode(ty) != oneroster.Bulk {
			done()
			return nil, nil, fault.New(fault.Invalid, "roster.error.rehearse", "%s says %s of %s; a rehearsal needs all of them: bulk", plan.ID, pkg.Mode(ty), ty)
		}
	}
	return pkg, done, nil
}

// mayRehearse tells whether there is a package to rehearse with.
func (p *Plan) mayRehearse() error {
	if p.Kind != "package" || p.PrunedAt != nil {
		return fault.New(fault.Invalid, "roster.error.rehearse", "%s has no package any more to rehearse with", p.ID)
	}
	return nil
}

// future is a package as it stands on a day.
type future struct {
	day     string
	schools map[string]string // names
	spans   map[string]span   // of terms
	groups  map[string]*futureGroup
	pupils  map[string]*futurePupil
	homes   map[string]bool // schools with home groups
}

type futureGroup struct {
	RehearsedGroup
	school string
}

type futurePupil struct {
	school, name string
	home, any    bool
}

func newFuture(day time.Time) *future {
	return &future{day: day.Format(time.DateOnly), schools: map[string]string{}, spans: map[string]span{}, groups: map[string]*futureGroup{},
		pupils: map[string]*futurePupil{}, homes: map[string]bool{}}
}

// holds tells whether a span, whose end is not part of it, holds the day; an empty
// date is no bound.
func (f *future) holds(from, until string) bool {
	return (from == "" || from <= f.day) && (until == "" || f.day < until)
}

// read takes what runs on the day out of the package. Values are cloned: a record is
// used again for the next row.
func (f *future) read(ctx context.Context, pkg *oneroster.Package) error {
	for _, pass := range []struct {
		t   oneroster.Type
		row func(*oneroster.Record)
	}{
		{oneroster.Orgs, func(r *oneroster.Record) {
			if r.Get("type") == "school" {
				f.schools[strings.Clone(r.SourcedID)] = strings.Clone(r.Get("name"))
			}
		}},
		{oneroster.AcademicSessions, func(r *oneroster.Record) {
			f.spans[strings.Clone(r.SourcedID)] = span{strings.Clone(r.Get("startDate")), strings.Clone(r.Get("endDate"))}
		}},
		{oneroster.Classes, f.group},
		{oneroster.Roles, f.pupil},
		{oneroster.Users, func(r *oneroster.Record) {
			if p := f.pupils[r.SourcedID]; p != nil {
				p.name = strings.Clone(r.Get("familyName") + " " + r.Get("givenName"))
			}
		}},
		{oneroster.Enrollments, f.enrol},
	} {
		if err := pkg.Each(ctx, pass.t, func(r *oneroster.Record) error { pass.row(r); return nil }); err != nil {
			return err
		}
	}
	return nil
}

func (f *future) group(r *oneroster.Record) {
	runs := slices.ContainsFunc(r.List("termSourcedIds"), func(id string) bool {
		s, ok := f.spans[id]
		return ok && f.holds(s.from, s.to)
	})
	if !runs {
		return
	}
	g := &futureGroup{RehearsedGroup{Title: strings.Clone(r.Get("title")), Home: r.Get("classType") == "homeroom"}, strings.Clone(r.Get("schoolSourcedId"))}
	f.groups[strings.Clone(r.SourcedID)] = g
	if g.Home {
		f.homes[g.school] = true
	}
}

func (f *future) pupil(r *oneroster.Record) {
	if r.Get("role") != "student" || !f.holds(r.Get("beginDate"), r.Get("endDate")) {
		return
	}
	id := r.Get("userSourcedId")
	if f.pupils[id] == nil || r.Get("roleType") == "primary" {
		f.pupils[strings.Clone(id)] = &futurePupil{school: strings.Clone(r.Get("orgSourcedId"))}
	}
}

func (f *future) enrol(r *oneroster.Record) {
	g := f.groups[r.Get("classSourcedId")]
	if g == nil || !f.holds(r.Get("beginDate"), r.Get("endDate")) {
		return
	}
	switch r.Get("role") {
	case "teacher":
		g.Taught = true
	case "student":
		g.Pupils++
		if p := f.pupils[r.Get("userSourcedId")]; p != nil {
			p.any = true
			p.home = p.home || g.Home
		}
	}
}

// compare puts the day beside what is now.
func (f *future) compare(is present) *Rehearsal {
	by := map[string]*RehearsedSchool{}
	at := func(id string) *RehearsedSchool {
		if by[id] == nil {
			by[id] = &RehearsedSchool{ID: id, Name: cmp.Or(f.schools[id], is.names[id]), GroupsNow: is.groups[id], Groups: []RehearsedGroup{}, People: []RehearsedPupil{}}
		}
		return by[id]
	}
	for id := range f.schools {
		at(id)
	}
	for id := range is.groups {
		at(id)
	}
	for _, g := range f.groups {
		s := at(g.school)
		s.Groups = append(s.Groups, g.RehearsedGroup)
		if !g.Taught {
			s.Untaught++
		}
	}
	for id, p := range f.pupils {
		f.arrival(at, id, p, is)
	}
	for id, was := range is.pupils {
		from := at(was.school)
		from.PupilsNow++
		switch then := f.pupils[id]; {
		case then == nil:
			from.Leaves++
			from.People = append(from.People, RehearsedPupil{Kind: pupilLeaves, Person: was.person})
		case then.school != was.school:
			from.Goes++
			from.People = append(from.People, RehearsedPupil{Kind: pupilGoes, Person: was.person, To: at(then.school).Name})
		}
	}
	r := &Rehearsal{Schools: []RehearsedSchool{}}
	for _, s := range by {
		s.bound()
		r.Schools = append(r.Schools, *s)
	}
	slices.SortFunc(r.Schools, func(a, b RehearsedSchool) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return r
}

func (f *future) arrival(at func(string) *RehearsedSchool, id string, p *futurePupil, is present) {
	s, was := at(p.school), is.pupils[id]
	s.Pupils++
	switch {
	case was.school == "":
		s.New++
	case was.school != p.school:
		s.Comes++
	}
	if p.home || !f.homes[p.school] && p.any {
		return
	}
	s.Loose++
	one := RehearsedPupil{Kind: pupilLoose, Person: was.person}
	if was.person == uuid.Nil {
		one.Name = p.name
	}
	s.People = append(s.People, one)
}

// bound puts what is listed in an order that does not change, and keeps the begin.
func (s *RehearsedSchool) bound() {
	slices.SortFunc(s.Groups, func(a, b RehearsedGroup) int {
		return cmp.Or(-cmp.Compare(b2i(a.Home), b2i(b.Home)), cmp.Compare(a.Title, b.Title), cmp.Compare(a.Pupils, b.Pupils))
	})
	slices.SortFunc(s.People, func(a, b RehearsedPupil) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), strings.Compare(a.Person.String(), b.Person.String()))
	})
	n := map[string]int{}
	s.People = slices.DeleteFunc(s.People, func(p RehearsedPupil) bool { n[p.Kind]++; return n[p.Kind] > rehearsedMost })
}
