// Package peopletest seeds a tenant with what a test needs: persons, schools,
// groups and what ties them together, each with defaults for what the test does
// not care about. Ids follow from names, so that twin tenants hold the same ids;
// the mark at the end of every text tells them apart. It is imported by tests only.
package peopletest

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"digione/internal/tenancy"
)

// ID is the id of whatever a seed made under a name.
func ID(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// Seed adds to one tenant.
type Seed struct {
	t    testing.TB
	tx   tenancy.Write
	mark string
}

// In runs f with a seed for a tenant. mark ends every name and text.
func In(t testing.TB, db *tenancy.DB, id tenancy.ID, mark string, f func(Seed)) {
	t.Helper()
	err := db.Write(context.Background(), id, func(tx tenancy.Write) error {
		f(Seed{t, tx, mark})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Exec runs a statement of the test's own.
func (s Seed) Exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.tx.Exec(context.Background(), sql, args...); err != nil {
		s.t.Fatalf("seed: %v", err)
	}
}

// School adds a school below the provider, which it makes when it is missing.
func (s Seed) School(name string) uuid.UUID {
	s.t.Helper()
	s.Exec(`insert into unit (id, kind, name, source, date_last_modified) values ($1, 'provider', $2, 'test', now()) on conflict (id) do nothing`,
		ID("provider"), "Kunta"+s.mark)
	s.Exec(`insert into unit (id, parent, kind, name, name_sv, source, date_last_modified) values ($1, $2, 'school', $3, $4, 'test', now())`,
		ID(name), ID("provider"), name+s.mark, name+" skola"+s.mark)
	return ID(name)
}

// Person is somebody; the zero fields take defaults.
type Person struct {
	Given, Family, Born string
	Protected           bool
}

// Person adds a person under a short name.
func (s Seed) Person(name string, p Person) uuid.UUID {
	s.t.Helper()
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	def(&p.Given, name)
	def(&p.Family, "Testinen")
	def(&p.Born, "2014-05-06")
	s.Exec(`insert into person (id, given_names, call_name, family_name, birth_date, language, home_municipality, email, phone, oppijanumero, protected)
values ($1, $2, split_part($2, ' ', 1), $3, $4::text::date, 'fi', $5, $6, $7, $8, case when $9 then daterange('2020-01-01', null) end)`,
		ID(name), p.Given, p.Family+s.mark, p.Born, "Kotikunta"+s.mark, name+"@posti"+s.mark, "040 "+name+s.mark, "1.2.246.562.24."+ID(name).String()+s.mark, p.Protected)
	return ID(name)
}

// Grant gives a person a role at a unit, for ever.
func (s Seed) Grant(person uuid.UUID, role string, unit uuid.UUID) {
	s.t.Helper()
	s.Exec(`insert into role_grant (id, person, role, unit, validity, source, date_last_modified) values ($1, $2, $3, $4, daterange('2020-01-01', null), 'roster', now())`,
		uuid.New(), person, role, unit)
}

// Group adds a group of a school that runs this school year; kind is homeroom or
// scheduled.
func (s Seed) Group(name, kind string, unit uuid.UUID) uuid.UUID {
	s.t.Helper()
	course := ID("course of " + name)
	s.Exec(`insert into course (id, unit, title, source, date_last_modified) values ($1, $2, $3, 'test', now())`, course, unit, name+s.mark)
	s.Exec(`insert into teaching_group (id, unit, course, kind, title, validity, source, date_last_modified)
values ($1, $2, $3, $4, $5, daterange('2026-08-01', '2027-06-01'), 'test', now())`, ID(name), unit, course, kind, name+s.mark)
	return ID(name)
}

// Enrol puts a person into a group for the school year.
func (s Seed) Enrol(group, person uuid.UUID, role string) {
	s.t.Helper()
	s.Exec(`insert into enrolment (id, teaching_group, person, role, validity, source, date_last_modified)
values ($1, $2, $3, $4, daterange('2026-08-01', '2027-06-01'), 'test', now())`, uuid.New(), group, person, role)
}

// Learner enrols a person as a learner of a school, in a grade and a home class.
func (s Seed) Learner(person, school uuid.UUID, grade string, home uuid.UUID) {
	s.t.Helper()
	s.Grant(person, "student", school)
	s.Exec(`insert into grade_placement (id, learner, unit, grade, home_group, validity, source) values ($1, $2, $3, $4, $5, daterange('2026-08-01', null), 'roster')`,
		uuid.New(), person, school, grade, home)
	s.Enrol(home, person, "student")
}

// Guardian makes a person the guardian of a child, as the roster tells it.
func (s Seed) Guardian(guardian, child uuid.UUID) {
	s.t.Helper()
	s.Grant(guardian, "guardian", ID("provider"))
	s.Exec(`insert into guardianship (id, child, guardian, kind, source, validity) values ($1, $2, $3, 'agent', 'roster', daterange('2020-01-01', null))`,
		uuid.New(), child, guardian)
}
