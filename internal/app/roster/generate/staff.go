package generate

// employee is somebody who works for the municipality. A teacher who is also a
// guardian here is one person: guardian says which, and that person counts.
type employee struct {
	person
	role     string // of OneRoster
	title    string
	school   int // -1 is the municipality itself
	also     int // a second school, or -1
	teaches  bool
	guardian int // or -1
}

const (
	learnersPerTeacher = 13
	learnersPerAide    = 60
	secretaryFrom      = 120 // pupils
	teachingPrincipal  = 80  // below this the principal has a class
	sharedTeacherBelow = 150 // a smaller school borrows its language teacher
	guardianStaffShare = .06
)

// faculty is the teachers of one school, by index of the staff.
type faculty struct {
	class   []int // each with a homeroom of grades 1-6
	subject []int
	special int // the special-needs teacher, or -1
}

func (w *world) hire() {
	for i := range w.schools {
		w.faculties = append(w.faculties, w.hireSchool(i))
	}
	for i := range w.schools {
		w.assign(i)
	}
	for range 1 + min(1, w.spec.Learners/5000) {
		w.employ(employee{role: "districtAdministrator", title: "opetustoimen hallinto", school: -1})
	}
}

func (w *world) hireSchool(i int) faculty {
	s := &w.schools[i]
	pupils, lower := s.pupils(), w.lowerHomes(i)
	f := faculty{special: -1}
	boss := w.employ(employee{role: "principal", title: "rehtori", school: i, teaches: pupils < teachingPrincipal})
	if pupils < teachingPrincipal {
		f.class = append(f.class, boss)
	}
	for len(f.class) < lower {
		f.class = append(f.class, w.employ(employee{role: "teacher", title: "luokanopettaja", school: i}))
	}
	least := 0
	if s.hi > 6 {
		least = 3
	}
	for len(f.subject) < max(least, pupils/learnersPerTeacher-len(f.class)-1) {
		title := map[bool]string{false: "tuntiopettaja", true: "lehtori"}[s.hi > 6]
		f.subject = append(f.subject, w.employ(employee{role: "teacher", title: title, school: i}))
	}
	if pupils >= secretaryFrom {
		f.special = w.employ(employee{role: "teacher", title: "erityisopettaja", school: i})
		w.employ(employee{role: "aide", title: "koulusihteeri", school: i})
	}
	for range pupils / learnersPerAide {
		w.employ(employee{role: "aide", title: "koulunkäynninohjaaja", school: i})
	}
	return f
}

func (w *world) lowerHomes(school int) int {
	n := 0
	for _, b := range w.schools[school].bands {
		if w.bands[b].lo <= 6 {
			n += w.bands[b].homes.n
		}
	}
	return n
}

// employ adds a person to the staff; at times it is one of the guardians.
func (w *world) employ(e employee) int {
	e.also, e.guardian = -1, -1
	d := roll(w.root, 's', uint64(len(w.staff)))
	e.lang = "FI"
	if e.school >= 0 && w.schools[e.school].medium == "sv" {
		e.lang = "SV"
	}
	e.female, e.present = d.chance(.75), true
	e.family = d.pick(familyNames(e.lang))
	w.drawNames(&e.person, true, &d)
	e.born = someDay(w.spec.SchoolYear-1-25-d.below(39), &d)
	if e.role == "teacher" && d.chance(guardianStaffShare) {
		if g := d.below(len(w.guardians)); w.mayTeach(g, e.lang) {
			e.guardian, w.guardians[g].staff = g, len(w.staff)
		}
	}
	w.staff = append(w.staff, e)
	return len(w.staff) - 1
}

func (w *world) mayTeach(guardian int, lang string) bool {
	g := &w.guardians[guardian]
	return g.staff < 0 && !g.hidden && g.lang == lang && w.spec.SchoolYear-g.born.year() > 24
}

// assign gives every class of a school its teacher.
func (w *world) assign(school int) {
	f := &w.faculties[school]
	groups := make(map[int]int) // how many of a subject are given out
	lower := 0
	for i := w.firstClass(school); i < len(w.classes) && w.classes[i].school == school; i++ {
		c := &w.classes[i]
		switch {
		case c.homeroom && c.lo <= 6:
			c.teacher = f.class[lower%len(f.class)]
			lower++
		case len(f.subject) == 0:
			c.teacher = w.withoutSubjectTeacher(school, c)
		default:
			// A teacher has some five groups of a subject before the next one has any.
			c.teacher = f.subject[(c.subject*3+groups[c.subject]/5)%len(f.subject)]
			groups[c.subject]++
		}
		if f.special >= 0 && !c.homeroom && c.home >= 0 && c.home%4 == 0 {
			c.co = f.special
		}
	}
}

func (w *world) firstClass(school int) int {
	return w.homes[w.bands[w.schools[school].bands[0]].homes.first].class
}

// withoutSubjectTeacher lends one from the biggest school of the area to a
// small school; without such a school the class teacher takes the group.
func (w *world) withoutSubjectTeacher(school int, c *class) int {
	if lender := w.lender(school); lender >= 0 && subjects[c.subject].language != "" {
		t := w.faculties[lender].subject[0]
		if also := w.staff[t].also; also < 0 || also == school {
			w.staff[t].also = school
			return t
		}
	}
	if c.home >= 0 {
		return w.classes[w.homes[c.home].class].teacher
	}
	class := w.faculties[school].class
	return class[c.lo%len(class)]
}

func (w *world) lender(school int) int {
	best := -1
	for i := range w.schools {
		if i == school || w.schools[i].area != w.schools[school].area || len(w.faculties[i].subject) == 0 {
			continue
		}
		if best < 0 || w.schools[i].pupils() > w.schools[best].pupils() {
			best = i
		}
	}
	if w.schools[school].pupils() >= sharedTeacherBelow {
		return -1
	}
	return best
}

// worker returns the person behind a post.
func (w *world) worker(i int) *person {
	if g := w.staff[i].guardian; g >= 0 {
		return &w.guardians[g].person
	}
	return &w.staff[i].person
}
