package generate

import "testing"

// One guardian is the same human being in two rosters, and nobody else is another.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	first := Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfala", Learners: 300, Seed: 5, SchoolYear: 2027}
	second := Spec{Tenant: "beta", MunicipalityCode: "902", NameFi: "Beetala", Learners: 200, Seed: 6, SchoolYear: 2027, Elsewhere: &Elsewhere{first}}
	s, ok, err := FindShared(second)
	if err != nil || !ok {
		t.Fatalf("nobody is shared: %v", err)
	}
	if s.Hetu == "" || s.Here.GivenName != s.There.GivenName || s.Here.FamilyName != s.There.FamilyName || len(s.Here.Related) == 0 || len(s.There.Related) == 0 {
		t.Errorf("shared: %+v", s)
	}
	a, b := newWorld(first), newWorld(second)
	codes, n := map[string]bool{}, 0
	for _, g := range a.guardians {
		codes[g.hetu.String()] = true
	}
	seen := map[string]int{}
	for _, g := range b.guardians {
		code := g.hetu.String()
		if seen[code]++; code != "" && seen[code] > 1 {
			t.Errorf("two guardians have %s", code)
		}
		if code == s.Hetu && codes[code] {
			n++
		}
	}
	for _, l := range b.learners {
		seen[l.hetu.String()]++
	}
	if n != 1 || seen[s.Hetu] != 1 {
		t.Errorf("shared %d times", n)
	}
	plain := second
	plain.Elsewhere = nil
	if _, ok, _ := FindShared(plain); ok {
		t.Error("a roster alone shares somebody")
	}
}
