package generate

// world is the whole municipality, about 150 bytes a person: names are shared,
// rows are made when they are written.
type world struct {
	spec Spec
	root uint64

	areas     int
	schools   []school
	bands     []band
	homes     []home
	classes   []class
	courses   []course
	courseAt  map[course]int
	faculties []faculty

	families  []family
	learners  []learner
	guardians []guardian
	staff     []employee

	count     int // people numbered so far
	atStart   int // of them before the first night
	usernames map[string]int
	hetus     map[hetuKey]struct{}
	changes   Changes
	shared    int // index of the guardian who is also one elsewhere, or -1
}

func newWorld(spec Spec) *world {
	w := &world{
		spec: spec, root: rootOf(spec),
		courseAt: map[course]int{}, usernames: map[string]int{}, hetus: map[hetuKey]struct{}{}, shared: -1,
	}
	w.planSchools()
	w.planClasses()
	w.fill()
	w.hire()
	other, borrowed := w.borrow()
	w.registerPeople(0, 0)
	w.registerStaff()
	if borrowed {
		w.share(other)
	}
	w.atStart = w.count
	w.live()
	return w
}

func rootOf(spec Spec) uint64 {
	d := roll(spec.Seed, textSeed(spec.Tenant))
	return d.next()
}

func (w *world) bilingual() bool { return w.spec.NameSv != "" && w.spec.NameSv != w.spec.NameFi }

// registerPeople numbers the learners and guardians from these on.
func (w *world) registerPeople(learners, guardians int) {
	for i := learners; i < len(w.learners); i++ {
		d := roll(w.root, 'h', uint64(w.count))
		w.register(&w.learners[i].person, noHetuShare, &d)
	}
	for i := guardians; i < len(w.guardians); i++ {
		d := roll(w.root, 'h', uint64(w.count))
		w.register(&w.guardians[i].person, noHetuShare/2, &d)
	}
}

func (w *world) registerStaff() {
	for i := range w.staff {
		if w.staff[i].guardian < 0 {
			d := roll(w.root, 'h', uint64(w.count))
			w.register(&w.staff[i].person, 0, &d)
		}
	}
}

func (w *world) schoolOf(l *learner) int { return w.bands[w.homes[l.home].band].school }

// kids calls f with the learners of a family who are in tonight's file.
func (w *world) kids(kin int, f func(*learner)) {
	fam := w.families[kin]
	for i := range fam.kids {
		if l := &w.learners[fam.firstKid+i]; l.present {
			f(l)
		}
	}
}
