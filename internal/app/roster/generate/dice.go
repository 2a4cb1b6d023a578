package generate

// dice is a small deterministic generator (splitmix64). Every family, person
// and change has its own, seeded from what it is, so that one change does not
// roll through all that comes after it.
type dice struct{ state uint64 }

// roll returns dice for something, told apart by the parts.
func roll(parts ...uint64) dice {
	d := dice{0x6a09e667f3bcc909}
	for _, p := range parts {
		d.state = d.next() ^ p
	}
	return d
}

func (d *dice) next() uint64 {
	d.state += 0x9e3779b97f4a7c15
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns 0 … n-1.
func (d *dice) below(n int) int { return int(d.next() % uint64(n)) }

// chance is true with probability p.
func (d *dice) chance(p float64) bool { return d.float() < p }

func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

// pick takes an item, those early in the list more often: the lists begin with
// the most common names.
func (d *dice) pick(list []string) string {
	return list[min(d.below(len(list)), d.below(len(list)))]
}

// weighted returns an index, each as likely as its weight; -1 when all are 0.
func (d *dice) weighted(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		return -1
	}
	at := d.below(sum)
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return -1
}

// textSeed turns a text into a part for roll (FNV-1a).
func textSeed(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// share splits total into parts in the proportion of the weights; the parts sum
// up to total exactly.
func share(total int, weights []float64) []int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	parts := make([]int, len(weights))
	acc, given := 0.0, 0
	for i, w := range weights {
		acc += w
		upTo := int(acc/sum*float64(total) + 0.5)
		parts[i], given = upTo-given, upTo
	}
	return parts
}
