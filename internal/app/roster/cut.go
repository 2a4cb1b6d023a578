package roster

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"digione/internal/app/roster/oneroster"
)

// cut divides what a package changes into parts that are applied one after another,
// each in a transaction of its own: what every school needs, then school by school,
// then what nobody needs any more. Each change belongs to exactly one part, and which
// one is told by the package and by the row alone, never by what has been applied
// already: so a part's digest stays what was approved while others go ahead.
//
// The rules, docs/decisions.md says why:
//   - organisations, terms, courses, new and returning users: common;
//   - a class, a role and an enrolment: the school where the package puts them;
//   - a changed user: the school where the package has them;
//   - a role or an enrolment that goes: its own school, as long as the user has a role
//     there in the package; of one who changes school, the school that takes them in;
//   - what else goes, and files that belong to no school: the rest.
type cut struct {
	only    *key // the part that the run is for; nil plans them all
	schools map[key][2]string
	orgs    map[key]struct{}
	classes map[key]key       // their school
	homes   map[key]home      // of users
	at      map[[2]key]bool   // user and school: has a role there
	units   map[int32]key     // schools that the tenant has
	owners  map[uuid.UUID]key // users of stored roles and enrolments
	parts   map[key]*share
}

// home is the school of a user: of several the one with the stronger word.
type home struct {
	school key
	rank   int
}

// share is what belongs to one part.
type share struct {
	change  digest
	counts  map[oneroster.Type]*Counts
	leavers int
}

// The parts that are no school.
var commonPart, restPart = key{1}, key{2}

// readCut reads from a package who belongs where.
func readCut(ctx context.Context, pkg *oneroster.Package) (*cut, error) {
	c := &cut{schools: map[key][2]string{}, orgs: map[key]struct{}{}, classes: map[key]key{}, homes: map[key]home{}, at: map[[2]key]bool{},
		owners: map[uuid.UUID]key{}, parts: map[key]*share{}}
	for _, pass := range []struct {
		t   oneroster.Type
		row func(*oneroster.Record)
	}{
		{oneroster.Orgs, func(r *oneroster.Record) {
			k := keyOf(r.SourcedID)
			c.orgs[k] = struct{}{}
			if r.Get("type") == "school" {
				c.schools[k] = [2]string{strings.Clone(r.SourcedID), strings.Clone(r.Get("name"))}
			}
		}},
		{oneroster.Classes, func(r *oneroster.Record) { c.classes[keyOf(r.SourcedID)] = keyOf(r.Get("schoolSourcedId")) }},
		{oneroster.Users, func(r *oneroster.Record) { c.settle(keyOf(r.SourcedID), r.Get("primaryOrgSourcedId"), 1) }},
		{oneroster.Roles, c.role},
	} {
		if err := pkg.Each(ctx, pass.t, func(r *oneroster.Record) error { pass.row(r); return nil }); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *cut) role(r *oneroster.Record) {
	rank := 2
	if r.Get("roleType") == "primary" {
		rank++
	}
	if r.Get("role") == "student" {
		rank += 2
	}
	c.settle(keyOf(r.Get("userSourcedId")), r.Get("orgSourcedId"), rank)
}

func (c *cut) settle(user key, org string, rank int) {
	school := keyOf(org)
	if _, ok := c.schools[school]; !ok {
		return
	}
	if rank > 1 {
		c.at[[2]key{user, school}] = true
	}
	if c.homes[user].rank < rank {
		c.homes[user] = home{school, rank}
	}
}

// takes tells whether the run is for a part.
func (c *cut) takes(part key) bool { return c.only == nil || *c.only == part }

// ofRow says which part a row of the package belongs to.
func (c *cut) ofRow(rec *oneroster.Record, what kind) key {
	switch rec.Table.Type {
	case oneroster.Orgs, oneroster.AcademicSessions, oneroster.Courses, oneroster.Demographics, oneroster.UserProfiles:
		return commonPart
	case oneroster.Users:
		if h, ok := c.homes[keyOf(rec.SourcedID)]; ok && what != insert && what != reactivate {
			return h.school
		}
		return commonPart
	case oneroster.Classes:
		return c.school(keyOf(rec.Get("schoolSourcedId")))
	case oneroster.Roles:
		return c.school(keyOf(rec.Get("orgSourcedId")))
	case oneroster.Enrollments:
		return c.school(c.classes[keyOf(rec.Get("classSourcedId"))])
	}
	return restPart
}

func (c *cut) school(k key) key {
	if _, ok := c.schools[k]; ok {
		return k
	}
	return commonPart
}

// ofGone says which part the removal of a stored row belongs to.
func (c *cut) ofGone(r *run, t oneroster.Type, s *stored) key {
	if t != oneroster.Classes && t != oneroster.Roles && t != oneroster.Enrollments {
		return restPart
	}
	school, ok := c.schoolOf(r, s.unit)
	if !ok {
		return restPart
	}
	if t == oneroster.Classes {
		return school
	}
	user := c.owners[s.id]
	if h, ok := c.homes[user]; ok && h.rank > 1 && !c.at[[2]key{user, school}] {
		return h.school
	}
	return school
}

// schoolOf is the school that a stored unit is: one of the package, or one that the
// package has no longer.
func (c *cut) schoolOf(r *run, unit int32) (key, bool) {
	if c.units == nil {
		c.units = map[int32]key{}
		for k, s := range r.known[oneroster.Orgs] {
			_, school := c.schools[k]
			if _, known := c.orgs[k]; s.unit >= 0 && (school || !known) {
				c.units[s.unit] = k
			}
		}
	}
	k, ok := c.units[unit]
	return k, ok
}

func (c *cut) share(part key) *share {
	s := c.parts[part]
	if s == nil {
		s = &share{counts: map[oneroster.Type]*Counts{}}
		c.parts[part] = s
	}
	return s
}

// note counts a row of a part.
func (s *share) note(t oneroster.Type, what kind) {
	if s.counts[t] == nil {
		s.counts[t] = &Counts{}
	}
	s.counts[t].note(what)
}

// alter notes a change in the digests of the run and of the part.
func (r *run) alter(part key, words ...[]byte) {
	if r.cut == nil {
		r.change.add(words...)
		return
	}
	var d digest
	d.add(words...)
	r.change.sum(d)
	r.cut.share(part).change.sum(d)
}

// leave counts at each school the persons who lose their last role.
func (c *cut) leave(r *run, gone map[uuid.UUID]bool) {
	type place struct {
		person uuid.UUID
		part   key
	}
	seen := map[place]bool{}
	for _, s := range r.known[oneroster.Roles] {
		if s.aux < 0 || s.added || !s.active || !gone[r.persons[s.aux]] {
			continue
		}
		at := place{r.persons[s.aux], restPart}
		if school, ok := c.schoolOf(r, s.unit); ok {
			at.part = school
		}
		if !seen[at] {
			seen[at] = true
			c.share(at.part).leavers++
		}
	}
}
