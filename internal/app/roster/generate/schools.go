package generate

import "math"

// A school of the plan. seats has the number of pupils by grade, 1 … 12.
type school struct {
	name   string
	medium string // fi or sv
	lo, hi int
	area   int // where its pupils live; -1 for a lukio, which takes from everywhere
	code   string
	oid    string
	seats  [13]int
	bands  []int
}

func (s *school) lukio() bool { return s.lo == 10 }

func (s *school) pupils() int {
	n := 0
	for _, k := range s.seats {
		n += k
	}
	return n
}

// shape is how an area's pupils are spread over its schools.
type shape []struct {
	lo, hi       int
	lower, upper float64 // its share of grades 1-6 and of 7-9
}

var (
	one     = shape{{1, 9, 1, 1}}
	village = shape{{1, 9, .7, 1}, {1, 6, .3, 0}}
	joined  = shape{{1, 9, .6, 1}, {1, 6, .4, 0}}
	twoOne  = shape{{1, 6, .55, 0}, {1, 6, .45, 0}, {7, 9, 0, 1}}
	three   = shape{{1, 6, .4, 0}, {1, 6, .33, 0}, {1, 6, .27, 0}, {7, 9, 0, 1}}

	// The mix gives a mean school of about 275 pupils.
	areaShapes = []shape{three, joined, three, twoOne, three}
)

const (
	areaSize      = 1000 // pupils of grades 1-9 who go to neighbouring schools
	lukioFrom     = 400  // a smaller municipality has no lukio of its own
	lukioShare    = .14
	lukioMax      = 750
	swedishShare  = .06
	swedishFrom   = 60 // pupils, or there is no Swedish-medium school
	foreignShare  = .12
	homeroomMost  = 24
	lukioGroupMax = 28
	combinedBelow = 10 // pupils in a grade, or neighbouring grades share a class
)

// planSchools lays out the schools and who sits where; the seats sum up to the
// number of learners.
func (w *world) planSchools() {
	lukio := 0
	if w.spec.Learners >= lukioFrom {
		lukio = int(lukioShare * float64(w.spec.Learners))
	}
	basic := w.spec.Learners - lukio
	swedish, swedishLukio := w.swedishSeats(basic), w.swedishSeats(lukio)
	w.planAreas("fi", basic-swedish)
	w.planAreas("sv", swedish)
	w.planLukio("fi", lukio-swedishLukio)
	w.planLukio("sv", swedishLukio)
	w.nameSchools()
}

func (w *world) swedishSeats(all int) int {
	if n := int(swedishShare * float64(all)); w.bilingual() && n >= swedishFrom {
		return n
	}
	return 0
}

// planAreas lays out the schools of grades 1-9 of one medium.
func (w *world) planAreas(medium string, pupils int) {
	if pupils == 0 {
		return
	}
	n := max(1, int(math.Round(float64(pupils)/areaSize)))
	for i, inArea := range share(pupils, equal(n)) {
		s := areaShapes[i%len(areaShapes)]
		switch {
		case inArea < 250 || medium == "sv" && inArea < 500:
			s = one
		case inArea < 700:
			s = village
		}
		w.planArea(medium, inArea, s)
	}
}

func (w *world) planArea(medium string, pupils int, sh shape) {
	first := len(w.schools)
	for _, s := range sh {
		w.schools = append(w.schools, school{medium: medium, lo: s.lo, hi: s.hi, area: w.areas})
	}
	w.areas++
	for i, cohort := range share(pupils, cohorts) {
		weights := make([]float64, len(sh))
		for k, s := range sh {
			weights[k] = s.lower
			if i+1 > 6 {
				weights[k] = s.upper
			}
		}
		for k, n := range share(cohort, weights) {
			w.schools[first+k].seats[i+1] = n
		}
	}
}

func (w *world) planLukio(medium string, learners int) {
	if learners == 0 {
		return
	}
	for _, n := range share(learners, equal((learners+lukioMax-1)/lukioMax)) {
		s := school{medium: medium, lo: 10, hi: 12, area: -1}
		for i, k := range share(n, equal(3)) {
			s.seats[10+i] = k
		}
		w.schools = append(w.schools, s)
	}
}

// cohorts: the age groups grow smaller, a first grade has about 51,000 pupils in
// the country, a seventh 63,000.
var cohorts = []float64{51, 53, 55, 57, 59, 61, 63, 62, 61}

func equal(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		w[i] = 1
	}
	return w
}

// around tells places of one name apart, in municipalities with more schools
// than names.
var around = map[string][5]string{
	"fi": {"", "Ala-", "Ylä-", "Iso-", "Vähä-"},
	"sv": {"", "Norra ", "Södra ", "Östra ", "Västra "},
}

// nameSchools gives names, the codes and the OIDs.
func (w *world) nameSchools() {
	fi := placeNames("FI", roll(w.root, 'n'))
	sv := placeNames("SV", roll(w.root, 'v'))
	for i := range w.schools {
		s := &w.schools[i]
		if s.medium == "sv" {
			s.name = around["sv"][i/len(sv)%5] + sv[i%len(sv)] + map[bool]string{false: " skola", true: " gymnasium"}[s.lukio()]
		} else {
			s.name = around["fi"][i/len(fi)%5] + fi[i%len(fi)] + finnishKind(s)
		}
		s.code = schoolCode(w.root, i)
		s.oid = organisationOID(w.root, i+1)
	}
}

func finnishKind(s *school) string {
	switch {
	case s.lukio():
		return " lukio"
	case s.lo == 1 && s.hi == 9:
		return " yhtenäiskoulu"
	}
	return " koulu"
}
