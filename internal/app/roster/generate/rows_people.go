package generate

import "strings"

// everybody calls f for each person in tonight's file, in the order of the
// file; exactly one of the pointers is set.
func (w *world) everybody(f func(*learner, *guardian, *employee) error) error {
	for i := range w.learners {
		if l := &w.learners[i]; l.present {
			if err := f(l, nil, nil); err != nil {
				return err
			}
		}
	}
	for i := range w.guardians {
		if g := &w.guardians[i]; g.present {
			if err := f(nil, g, nil); err != nil {
				return err
			}
		}
	}
	for i := range w.staff {
		if w.staff[i].guardian < 0 {
			if err := f(nil, nil, &w.staff[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) writeUsers(r *row) error {
	return w.everybody(func(l *learner, g *guardian, e *employee) error {
		switch {
		case l != nil:
			w.setPerson(r, &l.person)
			w.setLearner(r, l)
		case g != nil:
			w.setPerson(r, &g.person)
			w.setGuardian(r, g)
		default:
			w.setPerson(r, &e.person)
			w.setEmployee(r, e, &e.person)
		}
		return r.write()
	})
}

func (w *world) setPerson(r *row, p *person) {
	r.start(w.personID(p)).set("enabledUser", "true").set("username", p.username()).
		set("givenName", p.given).set("middleName", p.middle).set("familyName", p.family).
		set("preferredGivenName", p.call).
		meta("hetu", p.hetu.String()).meta("homeLanguage", p.lang)
	if p.hidden {
		r.meta("turvakielto", "true")
	}
}

func (w *world) setLearner(r *row, l *learner) {
	var agents strings.Builder
	f := w.families[l.kin]
	for i := range f.guardians {
		if i > 0 {
			agents.WriteByte(',')
		}
		agents.WriteString(w.personID(&w.guardians[f.firstGuardian+i].person))
	}
	r.set("email", w.workMail(&l.person)).set("identifier", "O"+string(appendPadded(nil, l.no, 6))).
		set("agentSourcedIds", agents.String()).set("grades", gradeWord(l.grade)).
		set("userMasterIdentifier", w.oppijanumero(l.no)).set("primaryOrgSourcedId", w.schoolID(w.schoolOf(l)))
}

func (w *world) setGuardian(r *row, g *guardian) {
	if g.staff >= 0 {
		w.setEmployee(r, &w.staff[g.staff], &g.person)
	} else {
		r.set("email", homeMail(&g.person))
		w.kids(g.kin, func(l *learner) {
			if r.Get("primaryOrgSourcedId") == "" {
				r.set("primaryOrgSourcedId", w.schoolID(w.schoolOf(l)))
			}
		})
	}
	r.set("phone", w.phone(&g.person))
}

func (w *world) setEmployee(r *row, e *employee, p *person) {
	r.set("email", w.workMail(p)).set("identifier", "H"+string(appendPadded(nil, p.no, 6))).
		set("primaryOrgSourcedId", w.orgID(e.school)).meta("title", e.title)
}

func (w *world) orgID(school int) string {
	if school < 0 {
		return w.districtID()
	}
	return w.schoolID(school)
}

func (w *world) workMail(p *person) string {
	return p.username() + "@edu." + w.spec.Tenant + ".example"
}

// homeMail is a private address; who changes it goes to another provider.
func homeMail(p *person) string {
	provider := [...]string{"@posti.example", "@kirje.example", "@viesti.example"}[p.mails%3]
	return p.username() + provider
}

// phone is in 049 000, which is kept clear of the series that people have.
func (w *world) phone(p *person) string {
	d := roll(w.root, 't', uint64(p.no), uint64(p.phones))
	return string(appendPadded([]byte("+35849000"), d.below(100_000), 5))
}

func (w *world) writeDemographics(r *row) error {
	return w.everybody(func(l *learner, g *guardian, e *employee) error {
		p := personOf(l, g, e)
		sex := "male"
		if p.female {
			sex = "female"
		}
		return r.start(w.personID(p)).set("birthDate", p.born.String()).set("sex", sex).write()
	})
}

func personOf(l *learner, g *guardian, e *employee) *person {
	switch {
	case l != nil:
		return &l.person
	case g != nil:
		return &g.person
	}
	return &e.person
}

func (w *world) writeRoles(r *row) error {
	return w.everybody(func(l *learner, g *guardian, e *employee) error {
		b := roleBook{w: w, row: r, person: personOf(l, g, e)}
		switch {
		case l != nil:
			b.add("student", w.schoolOf(l))
		case g != nil:
			if g.staff >= 0 {
				b.employee(&w.staff[g.staff])
			}
			w.kids(g.kin, func(l *learner) { b.add("guardian", w.schoolOf(l)) })
		default:
			b.employee(e)
		}
		return b.err
	})
}

// roleBook writes one person's roles: the first at each school is primary, a
// role is not written twice.
type roleBook struct {
	w      *world
	row    *row
	person *person
	done   []string
	err    error
}

func (b *roleBook) employee(e *employee) {
	b.add(e.role, e.school)
	if e.teaches {
		b.add("teacher", e.school)
	}
	if e.also >= 0 {
		b.add(e.role, e.also)
	}
}

func (b *roleBook) add(role string, school int) {
	id, org, kind := b.w.roleID(b.person, school, role[:1]), b.w.orgID(school), "primary"
	for i := 0; i < len(b.done); i += 2 {
		if b.done[i] == id {
			return
		}
		if b.done[i+1] == org {
			kind = "secondary"
		}
	}
	b.done = append(b.done, id, org)
	b.row.start(id).set("userSourcedId", b.w.personID(b.person)).set("roleType", kind).set("role", role).
		set("orgSourcedId", org)
	if err := b.row.write(); b.err == nil {
		b.err = err
	}
}

func (w *world) writeEnrollments(r *row) error {
	for i := range w.learners {
		if l := &w.learners[i]; l.present {
			var err error
			w.classesOf(l, func(class int) {
				if err == nil {
					err = w.enrol(r, &l.person, class, "student").set("beginDate", w.begins(l, class)).write()
				}
			})
			if err != nil {
				return err
			}
		}
	}
	for i := range w.classes {
		c := &w.classes[i]
		if err := w.enrol(r, w.worker(c.teacher), i, "teacher").set("primary", "true").write(); err != nil {
			return err
		}
		if c.co >= 0 && c.co != c.teacher {
			if err := w.enrol(r, w.worker(c.co), i, "teacher").set("primary", "false").write(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) enrol(r *row, p *person, class int, role string) *row {
	return r.start(w.enrolmentID(p, class)).set("classSourcedId", w.classID(class)).
		set("schoolSourcedId", w.schoolID(w.classes[class].school)).set("userSourcedId", w.personID(p)).set("role", role)
}

// begins: with the class, or on the day a learner came to it.
func (w *world) begins(l *learner, class int) string {
	start := dayOf(w.spec.SchoolYear-1, 8, 1)
	if w.classes[class].term == 2 {
		start = dayOf(w.spec.SchoolYear, 1, 1)
	}
	c := &w.classes[class]
	if l.since > start && (c.home >= 0 || l.no > w.atStart) {
		start = l.since
	}
	return start.String()
}
