package generate

// Changes counts what differs from the night before.
type Changes struct {
	Joined  int `json:"joined"`  // new learners, with their guardians
	Left    int `json:"left"`    // learners who are not in the file any more
	Moved   int `json:"moved"`   // learners in another class of their school
	Renamed int `json:"renamed"` // learners and guardians with another name
	Contact int `json:"contact"` // guardians with another phone number or address
}

// Of 100 learners who change so many leave, move, and get another family name
// or call name; of 100 guardians so many get another number, address and name.
var (
	learnerChanges  = []int{15, 50, 20, 15}
	guardianChanges = []int{50, 35, 15}
)

// newcomers per changed learner: a little more than the share that leaves.
const newcomers = .16

// live lets the nights pass, each with its own changes on top of the ones
// before, so that the file of night 3 differs from that of night 2 as night 2
// from night 1.
func (w *world) live() {
	for night := 1; night <= w.spec.Night; night++ {
		w.changes = Changes{}
		for i := range w.learners {
			w.changeLearner(night, &w.learners[i])
		}
		for i := range w.guardians {
			w.changeGuardian(night, &w.guardians[i])
		}
		for range int(newcomers*w.spec.Mutate*float64(w.spec.Learners) + .5) {
			w.join(night)
		}
	}
	for i := range w.guardians {
		g := &w.guardians[i]
		g.present = g.staff >= 0 || w.hasPresentKid(g.kin)
	}
}

func (w *world) hasPresentKid(kin int) bool {
	f := w.families[kin]
	for _, l := range w.learners[f.firstKid : f.firstKid+f.kids] {
		if l.present {
			return true
		}
	}
	return false
}

func (w *world) changeLearner(night int, l *learner) {
	d := roll(w.root, 'N', uint64(night), uint64(l.no))
	if !l.present || !d.chance(w.spec.Mutate) {
		return
	}
	what := d.weighted(learnerChanges)
	if homes := w.bands[w.homes[l.home].band].homes; what == 1 && homes.n > 1 {
		l.home = homes.first + (l.home-homes.first+1+d.below(homes.n-1))%homes.n
		l.since = w.dayOfNight(night)
		w.changes.Moved++
		return
	}
	switch {
	case what == 0:
		l.present = false
		w.changes.Left++
	case what == 2:
		l.family = another(&d, familyNames(l.lang), l.family)
		w.changes.Renamed++
	default:
		// Also for those who would move and have no other class to go to.
		l.call = another(&d, givenNames(l.lang, l.female, false), l.given, l.call)
		w.changes.Renamed++
	}
}

func (w *world) changeGuardian(night int, g *guardian) {
	d := roll(w.root, 'G', uint64(night), uint64(g.no))
	if !d.chance(w.spec.Mutate) || !(g.staff >= 0 || w.hasPresentKid(g.kin)) {
		return
	}
	switch d.weighted(guardianChanges) {
	case 0:
		g.phones++
		w.changes.Contact++
	case 1:
		if g.staff < 0 { // those who work here have the address of their work
			g.mails++
		} else {
			g.phones++
		}
		w.changes.Contact++
	default:
		g.family = another(&d, familyNames(g.lang), g.family)
		w.changes.Renamed++
	}
}

// another draws a name that is none of those.
func another(d *dice, list []string, not ...string) string {
	for {
		name := d.pick(list)
		taken := false
		for _, n := range not {
			taken = taken || n == name
		}
		if !taken {
			return name
		}
	}
}

// join adds a learner with guardians, at some school that has the grade.
func (w *world) join(night int) {
	d := roll(w.root, 'J', uint64(night), uint64(len(w.families)))
	school := d.below(len(w.schools))
	s := &w.schools[school]
	grade := s.lo + d.below(s.hi-s.lo+1)
	learners, guardians := len(w.learners), len(w.guardians)
	w.addFamily(w.homeLanguage(s.medium, &d), []seat{{school, grade}}, &d)
	w.learners[learners].since = w.dayOfNight(night)
	w.registerPeople(learners, guardians)
	w.changes.Joined++
}

// dayOfNight: the first night is that after 1 September; all lie in the autumn
// term.
func (w *world) dayOfNight(night int) day {
	return dayOf(w.spec.SchoolYear-1, 9, 1) + day(min(night, 100))
}
