package generate

// Elsewhere says that one guardian of the roster is a guardian of another roster too:
// the same human being, by names, birth date and hetu.
type Elsewhere struct{ Spec Spec }

// Shared is a guardian of two rosters.
type Shared struct {
	Here, There Member
	Hetu        string
}

// FindShared returns the guardian whom a roster shares with the one of its Elsewhere;
// ok is false where there is none.
func FindShared(spec Spec) (s Shared, ok bool, err error) {
	if err := spec.Validate(); err != nil || spec.Elsewhere == nil {
		return Shared{}, false, err
	}
	w := newWorld(spec)
	if w.shared < 0 {
		return Shared{}, false, nil
	}
	there := newWorld(spec.Elsewhere.Spec)
	return Shared{Here: w.memberGuardian(w.shared), There: there.memberGuardian(there.sharing()), Hetu: w.guardians[w.shared].hetu.String()}, true, nil
}

// sharing finds whom another roster may share: the parent of the play, where they have
// a hetu.
func (w *world) sharing() int {
	l := w.leading()
	if l == nil {
		return -1
	}
	return w.parentOf(w.personID(&w.guardians[w.families[l.kin].firstGuardian].person), func(g *guardian) bool { return g.hetu.sep != 0 })
}

// borrow looks up the guardian of the other roster and keeps their hetu from being
// given to anybody else here.
func (w *world) borrow() (p person, ok bool) {
	if w.spec.Elsewhere == nil {
		return person{}, false
	}
	o := newWorld(w.spec.Elsewhere.Spec)
	i := o.sharing()
	if i < 0 {
		return person{}, false
	}
	p = o.guardians[i].person
	w.hetus[p.hetu] = struct{}{}
	return p, true
}

// share puts that guardian in the place of one whose children are of fitting age.
func (w *world) share(p person) {
	const least, most = 18 * 365, 50 * 365
	i := -1
	if l := w.leading(); l != nil {
		i = w.parentOf(w.personID(&w.guardians[w.families[l.kin].firstGuardian].person), func(g *guardian) bool {
			fits := true
			w.kids(g.kin, func(l *learner) { fits = fits && l.born-p.born >= least && l.born-p.born <= most })
			return fits
		})
	}
	if i < 0 {
		return
	}
	g := &w.guardians[i].person
	g.lang, g.female, g.given, g.middle, g.call, g.family = p.lang, p.female, p.given, p.middle, p.call, p.family
	g.login, g.born, g.hetu = p.login, p.born, p.hetu
	key := fold(g.given) + "." + fold(g.login)
	g.clash = w.usernames[key]
	w.usernames[key]++
	w.shared = i
}
