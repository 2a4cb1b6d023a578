package generate

import (
	"fmt"
	"strings"
)

// band is one grade of a school, or the neighbouring grades that share a class
// where pupils are few (yhdysluokka).
type band struct {
	school, lo, hi int
	homes          run
	choices        []run // of classes: the learner goes to one of each run
	second         run   // Finnish as a second language
	taken          int   // seats given so far
}

// run is a stretch of indexes.
type run struct{ first, n int }

// home is a homeroom, and the classes that are taught to just its pupils.
type home struct {
	band  int
	class int
	fixed run
}

type class struct {
	school, course int
	subject        int
	home           int // the homeroom it is, or whose pupils it has; -1
	homeroom       bool
	title          string
	lo, hi         int
	term           int // 1 autumn, 2 spring, 0 the whole year
	teacher, co    int // indexes of the staff; co is -1 when there is none
}

type course struct {
	subject int
	grade   int // 0 for a module of the lukio
	medium  string
}

// seat is a place at a school.
type seat struct{ school, grade int }

func (w *world) planClasses() {
	for i := range w.schools {
		for _, b := range w.bandsOf(i) {
			w.schools[i].bands = append(w.schools[i].bands, len(w.bands))
			w.addBand(b)
		}
	}
}

// bandsOf cuts a school into grades, or into pairs and the upper three when
// they would be too small.
func (w *world) bandsOf(i int) []band {
	s := &w.schools[i]
	combined := s.pupils() < combinedBelow*(s.hi-s.lo+1)
	var bands []band
	for g := s.lo; g <= s.hi; {
		hi := g
		if combined && !s.lukio() {
			if hi = g + 1; g == 7 {
				hi = 9
			}
		}
		bands = append(bands, band{school: i, lo: g, hi: min(hi, s.hi)})
		g = hi + 1
	}
	return bands
}

func (w *world) addBand(b band) {
	s := &w.schools[b.school]
	pupils := 0
	for g := b.lo; g <= b.hi; g++ {
		pupils += s.seats[g]
	}
	most := homeroomMost
	if s.lukio() {
		most = lukioGroupMax
	}
	b.homes = run{len(w.homes), max(1, (pupils+most-1)/most)}
	for i := range b.homes.n {
		w.addHome(&b, string(rune('A'+i)))
	}
	for _, group := range taught("choice", s.medium, b.lo, b.hi) {
		b.choices = append(b.choices, w.addShared(&b, group, (pupils+most-1)/most))
	}
	for _, group := range taught("second", s.medium, b.lo, b.hi) {
		b.second = w.addShared(&b, group, int(float64(pupils)*foreignShare+9)/10)
	}
	w.bands = append(w.bands, b)
}

// addHome makes the homeroom and the classes of its timetable.
func (w *world) addHome(b *band, letter string) {
	medium := w.schools[b.school].medium
	h := home{band: len(w.bands), class: len(w.classes)}
	name := w.homeTitle(b, letter)
	for _, subject := range taught("home", medium, b.lo, b.hi)[0] {
		w.addClass(b, subject, name, len(w.homes), true)
	}
	h.fixed.first = len(w.classes)
	for _, group := range taught("fixed", medium, b.lo, b.hi) {
		for _, subject := range group {
			w.addClass(b, subject, name+" "+subjects[subject].key, len(w.homes), false)
		}
	}
	h.fixed.n = len(w.classes) - h.fixed.first
	w.homes = append(w.homes, h)
}

// addShared makes n classes for pupils of all homerooms of the band; the
// subjects take turns.
func (w *world) addShared(b *band, group []int, n int) run {
	r := run{len(w.classes), max(n, 1)}
	for i := range r.n {
		subject := group[i%len(group)]
		grade := fmt.Sprintf("%s %s %d", gradesTitle(b), subjects[subject].key, i/len(group)+1)
		if b.lo >= 10 {
			grade = fmt.Sprintf("%s.%d", subjects[subject].key, i/len(group)+1)
		}
		w.addClass(b, subject, grade, -1, false)
	}
	return r
}

func (w *world) addClass(b *band, subject int, title string, home int, homeroom bool) {
	c := class{
		school: b.school, course: w.courseOf(b, subject), subject: subject, home: home,
		homeroom: homeroom, title: title, lo: b.lo, hi: b.hi, co: -1,
	}
	if b.lo >= 10 && !homeroom {
		c.term = 1 + subject%2
	}
	w.classes = append(w.classes, c)
}

// courseOf finds the course of a subject, grade and medium, or adds it.
func (w *world) courseOf(b *band, subject int) int {
	k := course{subject, b.lo, w.schools[b.school].medium}
	if b.lo >= 10 && subjects[subject].how != "home" {
		k.grade = 0
	}
	i, ok := w.courseAt[k]
	if !ok {
		i = len(w.courses)
		w.courseAt[k] = i
		w.courses = append(w.courses, k)
	}
	return i
}

// homeTitle is 7B; 1-2A for a combined class; in the lukio the year of the
// start, 25A.
func (w *world) homeTitle(b *band, letter string) string {
	if b.lo >= 10 {
		return fmt.Sprintf("%02d%s", (w.spec.SchoolYear-1-(b.lo-10))%100, letter)
	}
	return gradesTitle(b) + letter
}

func gradesTitle(b *band) string {
	if b.lo == b.hi {
		return fmt.Sprint(b.lo)
	}
	return fmt.Sprintf("%d-%d", b.lo, b.hi)
}

// gradeWord is how a grade is written: "01" … "09" are the years of basic
// education, "10" … "12" the first to third year of the lukio.
func gradeWord(g int) string { return fmt.Sprintf("%02d", g) }

func gradeWords(lo, hi int) string {
	var all []string
	for g := lo; g <= hi; g++ {
		all = append(all, gradeWord(g))
	}
	return strings.Join(all, ",")
}

// takeSeat gives the next place of a grade and returns its homeroom.
func (w *world) takeSeat(s seat) int {
	b := w.bandOf(s)
	h := b.homes.first + b.taken%b.homes.n
	b.taken++
	return h
}

func (w *world) bandOf(s seat) *band {
	for _, i := range w.schools[s.school].bands {
		if b := &w.bands[i]; b.lo <= s.grade && s.grade <= b.hi {
			return b
		}
	}
	return nil
}

// classesOf calls f with the classes that a learner goes to, the homeroom first.
func (w *world) classesOf(l *learner, f func(class int)) {
	h := &w.homes[l.home]
	b := &w.bands[h.band]
	f(h.class)
	for i := range h.fixed.n {
		f(h.fixed.first + i)
	}
	// A learner who moves to another class of the school keeps the choices.
	d := roll(w.root, 'c', uint64(l.no))
	for _, r := range b.choices {
		f(r.first + d.below(r.n))
	}
	if b.second.n > 0 && l.lang != "FI" && l.lang != "SV" {
		f(b.second.first + d.below(b.second.n))
	}
}
