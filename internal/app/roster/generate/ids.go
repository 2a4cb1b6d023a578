package generate

import (
	"fmt"
	"strconv"
)

const hetuChecks = "0123456789ABCDEFHJKLMNPRSTUVWXY"

// separators by century, the old ones first: the others have been given only
// since 2023.
var separators = map[bool]string{false: "-YXWVU", true: "ABCDEF"}

// hetuKey is a birth date, separator and number: what must not be used twice.
type hetuKey struct {
	born   day
	sep    byte
	number int16
}

// nextHetu finds a free number of the test range 900-999 for a birth date; an
// even number is a woman's. There is none when the date's 300 are used up.
func (w *world) nextHetu(born day, female, recent bool, d *dice) (hetuKey, bool) {
	seps := separators[born.year() >= 2000]
	odd := 1
	if female {
		odd = 0
	}
	first, sep := d.below(50), 0
	if recent {
		sep = 1 + d.below(len(seps)-1)
	}
	for i := range 50 * len(seps) {
		k := hetuKey{born, seps[(sep+i/50)%len(seps)], int16(900 + (first+i)%50*2 + odd)}
		if _, used := w.hetus[k]; !used {
			w.hetus[k] = struct{}{}
			return k, true
		}
	}
	return hetuKey{}, false
}

// String writes the code with its check character; empty for none.
func (k hetuKey) String() string {
	if k.sep == 0 {
		return ""
	}
	y, m, d := k.born.date()
	date := d*10000 + m*100 + y%100
	check := hetuChecks[(date*1000+int(k.number))%31]
	b := make([]byte, 0, 11)
	b = appendPadded(b, date, 6)
	b = append(b, k.sep)
	b = appendPadded(b, int(k.number), 3)
	return string(append(b, check))
}

// oppijanumero is the learner number of the n-th person: node 98 is that of the
// test environments. The municipality's code and a rearrangement of n keep two
// tenants of one seed from sharing a number.
func (w *world) oppijanumero(n int) string {
	const capacity = 10_000_000
	// 7368787 shares no factor with 10^7, so no two n meet.
	place := (uint64(n)*7368787 + w.root%capacity) % capacity
	body := w.spec.MunicipalityCode + string(appendPadded(nil, int(place), 7))
	return "1.2.246.562.98." + body + strconv.Itoa(check137(body))
}

// organisationOID is that of the n-th organisation, of the test node 199.
func organisationOID(root uint64, n int) string {
	const capacity = 9_000_000
	body := fmt.Sprintf("%07d%03d", 1_000_000+root%capacity, n)
	return "1.2.246.562.199." + body + strconv.Itoa(checkLuhn(body))
}

// schoolCode is a five-digit code as Statistics Finland gives them, from the
// 9xxxx that it has not used.
func schoolCode(root uint64, n int) string {
	return string(appendPadded([]byte{'9'}, int(root/7+uint64(n)*7)%10000, 4))
}

// check137 is the check digit of an oppijanumero: weights 7, 3, 1 from the right.
func check137(body string) int {
	sum := 0
	for i := range len(body) {
		sum += int(body[len(body)-1-i]-'0') * [3]int{7, 3, 1}[i%3]
	}
	return (10 - sum%10) % 10
}

// checkLuhn is the check digit of other OIDs: every second digit doubled, the
// last one first.
func checkLuhn(body string) int {
	sum := 0
	for i := range len(body) {
		n := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			n = n*2/10 + n*2%10
		}
		sum += n
	}
	return (10 - sum%10) % 10
}

// appendPadded writes n with at least so many digits.
func appendPadded(b []byte, n, digits int) []byte {
	s := strconv.Itoa(n)
	for range digits - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}
