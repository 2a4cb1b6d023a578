package tenancy_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"digione/internal/tenancy"
)

func check(t *testing.T, f func(string) error, valid, wrong []string) {
	t.Helper()
	for _, s := range valid {
		if err := f(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range wrong {
		if f(s) == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

func TestBusinessID(t *testing.T) {
	t.Parallel()
	check(t, tenancy.CheckBusinessID,
		[]string{"0737546-2", "0502454-6", "2769790-1", "0124610-9", "0201256-6"},
		[]string{"0737546-3", "0737546-0", "0124610-8", // wrong digit
			"0000006-0", "0000006-1", "1000008-0", "1000008-1", "0010001-0", "0010001-1", // sums that leave one belong to nobody
			"", "07375462", "737546-2", "0737546-", "0737546-22", "073754a-2", " 0737546-2", "0737546-2\n", "０737546-2"})
	// Of ten check digits at most one is right, and none where the rest is one.
	none := 0
	for n := range 200 {
		body := "01" + strings.Repeat("0", 2) + string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
		right := 0
		for d := range 10 {
			if tenancy.CheckBusinessID(body+"-"+string(rune('0'+d))) == nil {
				right++
			}
		}
		if right > 1 {
			t.Errorf("%s has %d check digits", body, right)
		}
		if right == 0 {
			none++
		}
	}
	if none < 10 || none > 30 { // one of eleven
		t.Errorf("%d of 200 bodies have no check digit", none)
	}
}

func TestOrganisationOID(t *testing.T) {
	t.Parallel()
	check(t, tenancy.CheckOrganisationOID,
		[]string{"1.2.246.562.10.12345678903", "1.2.246.562.99.12345678903", "1.2.246.562.199.12345678903", "1.2.246.562.10.123456789010", "1.2.246.562.10.2013112012294919827487"},
		[]string{"1.2.246.562.10.12345678904", "1.2.246.562.24.12345678903", "1.2.246.562.10.1234567890", "1.2.246.562.10.1234567890123456789012345",
			"1.2.246.562.10.", "", "1x2.246.562.10.12345678903", "1.2.246.562.10.12345678903 "})
}

func TestMunicipalityCode(t *testing.T) {
	t.Parallel()
	check(t, tenancy.CheckMunicipalityCode, []string{"005", "092", "999"}, []string{"", "5", "0092", "09a", "٠٩٢"})
}

func TestHost(t *testing.T) {
	t.Parallel()
	check(t, tenancy.CheckHost,
		[]string{"vantaa.digione.fi", "localhost", "a", "xn--pivkoti-5wa.fi", strings.Repeat("a", 63) + ".fi"},
		[]string{"", "Vantaa.fi", "vantaa.fi:8080", ".fi", "fi.", "-a.fi", "a..fi", "a b", "päivä.fi", "a/b", "a_b", strings.Repeat("a", 254), "vantaa.fi\n"})
}

func TestSlug(t *testing.T) {
	t.Parallel()
	check(t, tenancy.CheckSlug,
		[]string{"ab", "vantaa", "pedersoren-kunta", "a1", "a-1", strings.Repeat("a", 30)},
		[]string{"", "a", "1a", "-a", "a-", "a--b", "Vantaa", "a_b", "a.b", "päivä", strings.Repeat("a", 31), "ab\n", "ab "})
}

// FuzzSlug: what is accepted can be a DNS label, and no two slugs share a schema.
func FuzzSlug(f *testing.F) {
	for _, s := range []string{"vantaa", "a-b", "a--b", "A", "ab\x00", "1a", "ä"} {
		f.Add(s)
	}
	label := regexp.MustCompile(`\A[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if tenancy.CheckSlug(s) != nil {
			return
		}
		if !label.MatchString(s) || len(s) > 30 || strings.ContainsAny(s, "_\"'; \n") {
			t.Errorf("%q was accepted", s)
		}
		if tenancy.CheckHost(s+".digione.fi") != nil {
			t.Errorf("%q makes no host", s)
		}
	})
}

func TestID(t *testing.T) {
	t.Parallel()
	var ids []tenancy.ID
	for range 2000 {
		id, err := tenancy.NewID()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tenancy.ParseID(string(id)); err != nil || got != id {
			t.Fatalf("%s: %v, %v", id, got, err)
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Error("later ids do not sort later")
	}
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 2000 {
		t.Error("ids repeat")
	}
	good := string(ids[0])
	for _, s := range []string{"", "tnt_", good[:29], good + "0", strings.ToUpper(good), good[:29] + "l", good[:29] + "u", good + "\n", "usr_" + good[4:]} {
		if _, err := tenancy.ParseID(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}
