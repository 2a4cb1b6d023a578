package generate

import "strconv"

// person is what every user row needs.
type person struct {
	no      int // in the sourcedId; never given to another
	lang    string
	female  bool
	given   string
	middle  string
	call    string // the name used, where it is not the first one
	family  string
	login   string // the family name when the account was made; a change of name keeps it
	clash   int    // of user names: 0 is the first of its kind
	born    day
	hetu    hetuKey
	hidden  bool // protected identity (turvakielto)
	phones  int  // how often the number was changed
	mails   int
	present bool // in tonight's file
}

type learner struct {
	person
	kin   int // index of the family
	grade int
	home  int // index of the homeroom
	since day // when the present homeroom began; 0 is the start of the year
}

type guardian struct {
	person
	kin   int
	staff int // the guardian also works here: index of the staff, or -1
}

// family ties a run of learners to a run of guardians.
type family struct{ firstKid, kids, firstGuardian, guardians int }

// Of 100 families so many have 1, 2 … children at school, and guardians: about
// 1.4 guardians per learner when siblings share them.
var (
	childrenOf  = []int{67, 27, 5, 1}
	guardiansOf = []int{14, 82, 4}
)

const (
	hiddenShare  = .003
	alwaysHidden = 10 // the index of a family, so that no roster is without one
	noHetuShare  = .01
	lateStart    = .02 // started school a year late, or repeats a grade
	ownNameShare = .25 // guardians who have another family name than the children
	closest      = 300 // days between the births of siblings who are not twins
)

// addFamily draws a family whose children have the grades, eldest fixed by the
// first, and seats them.
func (w *world) addFamily(lang string, seats []seat, d *dice) {
	f := family{firstKid: len(w.learners), kids: len(seats), firstGuardian: len(w.guardians)}
	name := d.pick(familyNames(lang))
	hidden := d.chance(hiddenShare) || len(w.families) == alwaysHidden
	for _, s := range seats {
		l := learner{kin: len(w.families), grade: s.grade, home: w.takeSeat(s)}
		twin := w.siblingIn(f, s.grade)
		l.person = w.newChild(lang, name, d)
		l.born, l.hidden = w.birthday(f, twin, s.grade, d), hidden
		w.learners = append(w.learners, l)
	}
	f.guardians = 1 + d.weighted(guardiansOf)
	w.addGuardians(f, lang, name, hidden, d)
	w.families = append(w.families, f)
}

// newChild draws the names; the number and the codes come when all are there.
func (w *world) newChild(lang, family string, d *dice) person {
	p := person{lang: lang, female: d.chance(.49), family: family, present: true}
	w.drawNames(&p, false, d)
	return p
}

func (w *world) drawNames(p *person, adult bool, d *dice) {
	from := p.lang
	if !adult && p.lang != "FI" && d.chance(.15) {
		from = "FI"
	}
	list := givenNames(from, p.female, adult)
	p.given = d.pick(list)
	p.login = p.family
	middles := .2
	if from == "FI" || from == "SV" {
		middles = .85
	}
	if d.chance(middles) {
		if p.middle = d.pick(list); p.middle == p.given {
			p.middle = ""
		} else if d.chance(.1) {
			p.call = p.middle
		}
	}
}

// siblingIn finds a child of the family in the grade, -1 when there is none.
func (w *world) siblingIn(f family, grade int) int {
	for i := f.firstKid; i < len(w.learners); i++ {
		if w.learners[i].grade == grade {
			return i
		}
	}
	return -1
}

// birthday gives a day of the year in which those of a grade are born. Two of a
// family in one grade are twins; others are not born within months.
func (w *world) birthday(f family, twin, grade int, d *dice) day {
	if twin >= 0 {
		return w.learners[twin].born
	}
	year := w.birthYear(grade)
	late := d.chance(lateStart)
	for try := 0; ; try++ {
		y := year
		if late && try == 0 {
			y--
		}
		born := someDay(y, d)
		if try == 40 || w.apart(f, born) {
			return born
		}
	}
}

func (w *world) apart(f family, born day) bool {
	for _, l := range w.learners[f.firstKid:] {
		if gap := born - l.born; gap < closest && gap > -closest {
			return false
		}
	}
	return true
}

// birthYear: a child begins the first grade in the autumn of the year in which
// it turns seven.
func (w *world) birthYear(grade int) int { return w.spec.SchoolYear - 1 - 6 - grade }

// addGuardians draws the adults: a mother of 20-42 at the birth of the eldest,
// a father of about her age, sometimes a third one.
func (w *world) addGuardians(f family, lang, name string, hidden bool, d *dice) {
	eldest := w.learners[f.firstKid].born
	for _, l := range w.learners[f.firstKid:] {
		eldest = min(eldest, l.born)
	}
	motherBorn := eldest - day(365*20+d.below(365*12)+d.below(365*10))
	female := f.guardians > 1 || d.chance(.8)
	for range f.guardians {
		g := guardian{kin: len(w.families), staff: -1}
		g.person = person{lang: lang, female: female, family: name, hidden: hidden, present: true}
		if d.chance(ownNameShare) {
			g.family = d.pick(familyNames(lang))
		}
		w.drawNames(&g.person, true, d)
		g.born = min(motherBorn+day(d.below(365*9)-365*6), eldest-365*18)
		w.guardians = append(w.guardians, g)
		female = !female
	}
}

// register gives number, user name and codes: once the world is complete, so
// that the order is that of the files.
func (w *world) register(p *person, withoutHetu float64, d *dice) {
	w.count++
	p.no = w.count
	key := fold(p.given) + "." + fold(p.login)
	p.clash = w.usernames[key]
	w.usernames[key]++
	if d.chance(withoutHetu) {
		return
	}
	immigrant := p.lang != "FI" && p.lang != "SV" && d.chance(.15)
	if k, ok := w.nextHetu(p.born, p.female, immigrant, d); ok {
		p.hetu = k
	}
}

// username is given.family, with a digit from the second of that name on.
func (p *person) username() string {
	s := fold(p.given) + "." + fold(p.login)
	if p.clash > 0 {
		s += strconv.Itoa(p.clash + 1)
	}
	return s
}
