package generate

// Member is one person of a roster, for scripts of demonstrations and tests.
type Member struct {
	SourcedID  string   `json:"sourcedId"`
	Username   string   `json:"username"`
	GivenName  string   `json:"givenName"`
	FamilyName string   `json:"familyName"`
	Role       string   `json:"role"`
	OrgID      string   `json:"orgSourcedId"`
	Org        string   `json:"org"`
	ClassID    string   `json:"classSourcedId,omitempty"` // the homeroom
	Class      string   `json:"class,omitempty"`
	Related    []string `json:"related,omitempty"` // guardians of a learner, children of a guardian
}

// Cast is a few people of a roster who belong together where they can.
type Cast struct {
	Admin          Member `json:"admin"`
	Principal      Member `json:"principal"`      // of the teacher's school
	Teacher        Member `json:"teacher"`        // has a homeroom
	Learner        Member `json:"learner"`        // in that homeroom, with a guardian
	Guardian       Member `json:"guardian"`       // of the learner
	Parent         Member `json:"parent"`         // with children in at least two grades
	SwedishTeacher Member `json:"swedishTeacher"` // zero where there is no Swedish-medium school
}

// FindCast returns the cast of the roster that Write makes of the same spec. No
// member is under protected identity.
func FindCast(spec Spec) (Cast, error) {
	if err := spec.Validate(); err != nil {
		return Cast{}, err
	}
	w := newWorld(spec)
	var c Cast
	for i := range w.staff {
		if w.staff[i].role == "districtAdministrator" {
			c.Admin = w.memberOfStaff(i)
			break
		}
	}
	if l := w.leading(); l != nil {
		class := &w.classes[w.homes[l.home].class]
		c.Learner = w.memberLearner(l)
		c.Guardian = w.memberGuardian(w.families[l.kin].firstGuardian)
		c.Teacher = w.memberOfStaff(class.teacher)
		c.Teacher.ClassID, c.Teacher.Class = c.Learner.ClassID, c.Learner.Class
		c.Principal = w.principal(class.school)
	}
	c.Parent, c.SwedishTeacher = w.parent(c.Guardian.SourcedID), w.swedishTeacher()
	return c, nil
}

// leading finds the learner of the play: of grade 7 where there is one, and of
// a Finnish-speaking family with no secrets.
func (w *world) leading() *learner {
	var other *learner
	for i := range w.learners {
		l := &w.learners[i]
		if !l.present || l.hidden || l.lang != "FI" || l.hetu.sep == 0 || w.guardians[w.families[l.kin].firstGuardian].staff >= 0 {
			continue
		}
		if l.grade == 7 {
			return l
		}
		if other == nil {
			other = l
		}
	}
	return other
}

func (w *world) principal(school int) Member {
	for i := range w.staff {
		if w.staff[i].school == school && w.staff[i].role == "principal" {
			return w.memberOfStaff(i)
		}
	}
	return Member{}
}

// parent finds a guardian of another family than that of the learner.
func (w *world) parent(not string) Member {
	if i := w.parentOf(not, func(*guardian) bool { return true }); i >= 0 {
		return w.memberGuardian(i)
	}
	return Member{}
}

func (w *world) parentOf(not string, fits func(*guardian) bool) int {
	for i := range w.guardians {
		g := &w.guardians[i]
		first := &w.guardians[w.families[g.kin].firstGuardian].person
		if g.staff >= 0 || g.hidden || w.personID(first) == not || !fits(g) {
			continue
		}
		grades := map[int]bool{}
		w.kids(g.kin, func(l *learner) { grades[l.grade] = true })
		if len(grades) > 1 {
			return i
		}
	}
	return -1
}

func (w *world) swedishTeacher() Member {
	for i := range w.classes {
		c := &w.classes[i]
		if w.schools[c.school].medium == "sv" && c.homeroom && w.staff[c.teacher].role == "teacher" {
			m := w.memberOfStaff(c.teacher)
			m.ClassID, m.Class = w.classID(i), c.title
			return m
		}
	}
	return Member{}
}

func (w *world) member(p *person, role string, school int) Member {
	m := Member{
		SourcedID: w.personID(p), Username: p.username(), GivenName: p.given, FamilyName: p.family,
		Role: role, OrgID: w.orgID(school), Org: w.spec.NameFi,
	}
	if school >= 0 {
		m.Org = w.schools[school].name
	}
	return m
}

func (w *world) memberOfStaff(i int) Member {
	return w.member(w.worker(i), w.staff[i].role, w.staff[i].school)
}

func (w *world) memberLearner(l *learner) Member {
	m := w.member(&l.person, "student", w.schoolOf(l))
	class := w.homes[l.home].class
	m.ClassID, m.Class = w.classID(class), w.classes[class].title
	f := w.families[l.kin]
	for i := range f.guardians {
		m.Related = append(m.Related, w.personID(&w.guardians[f.firstGuardian+i].person))
	}
	return m
}

func (w *world) memberGuardian(i int) Member {
	g := &w.guardians[i]
	school := -1
	var kids []string
	w.kids(g.kin, func(l *learner) {
		if school < 0 {
			school = w.schoolOf(l)
		}
		kids = append(kids, w.personID(&l.person))
	})
	m := w.member(&g.person, "guardian", school)
	m.Related = kids
	return m
}
