package generate

// seating hands out the seats of the plan to families.
type seating struct {
	w    *world
	left [][13]int // by school
	all  int
}

func (w *world) newSeating() *seating {
	s := &seating{w: w}
	for i := range w.schools {
		s.left = append(s.left, w.schools[i].seats)
		s.all += w.schools[i].pupils()
	}
	return s
}

// fill draws families until nobody is missing: area by area, so that siblings
// go to schools near each other, and last those with children in the lukio only.
func (w *world) fill() {
	s := w.newSeating()
	for area := range w.areas {
		s.families(area, 1, 9)
	}
	s.families(-1, 10, 12)
}

func (s *seating) families(area, lo, hi int) {
	for {
		d := roll(s.w.root, 'f', uint64(len(s.w.families)))
		weights := make([]int, 13)
		var medium string
		for i := range s.left {
			if s.w.schools[i].area != area {
				continue
			}
			for g := lo; g <= hi; g++ {
				if weights[g] += s.left[i][g]; s.left[i][g] > 0 {
					medium = s.w.schools[i].medium
				}
			}
		}
		eldest := d.weighted(weights)
		if eldest < 0 {
			return
		}
		s.w.addFamily(s.w.homeLanguage(medium, &d), s.draw(area, medium, eldest, &d), &d)
	}
}

// draw takes a seat for a child of the grade and for its siblings.
func (s *seating) draw(area int, medium string, grade int, d *dice) []seat {
	n := 1 + d.weighted(childrenOf)
	var seats []seat
	for range n {
		at, ok := s.take(area, medium, grade, seats, d)
		if !ok {
			break
		}
		seats = append(seats, at)
		if !d.chance(.02) { // else twins
			gap := 1 + min(d.below(4), d.below(5))
			if grade -= gap; grade < 1 || d.chance(.3) {
				grade = min(at.grade+gap, 12)
			}
		}
	}
	return seats
}

// take finds the nearest grade with a free seat: at a sibling's school if it
// can be, else anywhere in the area, or in a lukio of the medium.
func (s *seating) take(area int, medium string, want int, siblings []seat, d *dice) (seat, bool) {
	for off := range 12 {
		for _, g := range [2]int{want - off, want + off} {
			if g < 1 || g > 12 {
				continue
			}
			if i := s.school(area, medium, g, siblings, d); i >= 0 {
				s.left[i][g]--
				return seat{i, g}, true
			}
		}
	}
	return seat{}, false
}

func (s *seating) school(area int, medium string, grade int, siblings []seat, d *dice) int {
	for _, sib := range siblings {
		if s.left[sib.school][grade] > 0 {
			return sib.school
		}
	}
	weights := make([]int, len(s.left))
	for i := range s.left {
		sc := &s.w.schools[i]
		if sc.area == area && sc.medium == medium || sc.lukio() && sc.medium == medium {
			weights[i] = s.left[i][grade]
		}
	}
	return d.weighted(weights)
}

// homeLanguage draws a family's language by the medium of its school.
func (w *world) homeLanguage(medium string, d *dice) string {
	switch {
	case medium == "sv" && !d.chance(.1):
		return "SV"
	case medium == "sv":
		return "FI"
	case d.chance(foreignShare / (1 - swedishShare)):
		return foreign[d.weighted(foreignWeight)]
	case w.bilingual() && !w.swedishSchools() && d.chance(swedishShare):
		return "SV"
	}
	return "FI"
}

func (w *world) swedishSchools() bool {
	for i := range w.schools {
		if w.schools[i].medium == "sv" {
			return true
		}
	}
	return false
}
