// Package hetu reads the Finnish personal identity code (henkilötunnus, hetu):
// its form, its date and its check character. A Hetu prints masked, so that no
// log or message can leak one by accident. It writes no table and knows no
// other package of the house.
package hetu

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Hetu is a valid code. The separator is part of the identity: since 2023 the
// same date and number can be issued again with another one, so codes are
// compared whole (== does) and never normalised. The zero Hetu is none.
//
// The code is kept packed and not as text: fmt reads a field that is not
// exported without asking its methods, and would print it.
type Hetu struct{ packed uint64 }

// What can be wrong with a code. None of the texts holds the code.
var (
	ErrForm  = errors.New("not in the form of a personal identity code")
	ErrDate  = errors.New("personal identity code with a date that does not exist")
	ErrCheck = errors.New("personal identity code with a wrong check character")
)

const checks = "0123456789ABCDEFHJKLMNPRSTUVWXY"

// centuries gives the century of a separator. The letters beside -, + and A
// came in 2023.
var centuries = map[byte]int{
	'+': 1800,
	'-': 1900, 'Y': 1900, 'X': 1900, 'W': 1900, 'V': 1900, 'U': 1900,
	'A': 2000, 'B': 2000, 'C': 2000, 'D': 2000, 'E': 2000, 'F': 2000,
}

// Parse reads a code as it is written in the population register: capital
// letters, nothing around it. The error is one of ErrForm, ErrDate, ErrCheck.
func Parse(s string) (Hetu, error) {
	if !Looks(s) {
		return Hetu{}, ErrForm
	}
	if _, ok := birthDate(s); !ok {
		return Hetu{}, ErrDate
	}
	// 000 and 001 are not given to anybody; 900-999 are for tests.
	if s[7:10] < "002" {
		return Hetu{}, ErrForm
	}
	if checks[(number(s[:6])*1000+number(s[7:10]))%31] != s[10] {
		return Hetu{}, ErrCheck
	}
	return pack(s), nil
}

// Looks tells whether s has the outer form of a code, right or wrong.
func Looks(s string) bool {
	if len(s) != 11 || !digits(s[:6]) || !digits(s[7:10]) {
		return false
	}
	_, ok := centuries[s[6]]
	return ok && strings.IndexByte(checks, s[10]) >= 0
}

// BirthDate returns the day that the code holds, in UTC.
func (h Hetu) BirthDate() time.Time {
	if h.IsZero() {
		return time.Time{}
	}
	d, _ := birthDate(h.Reveal())
	return d
}

// Synthetic tells whether the code is from the numbers kept for tests.
func (h Hetu) Synthetic() bool { return !h.IsZero() && h.Reveal()[7] == '9' }

// Masked returns the code with all but its separator and check character
// hidden; empty for the zero Hetu.
func (h Hetu) Masked() string {
	if h.IsZero() {
		return ""
	}
	code := h.Reveal()
	return "******" + code[6:7] + "***" + code[10:]
}

// Reveal returns the code itself. Each caller answers for where it goes.
func (h Hetu) Reveal() string {
	if h.IsZero() {
		return ""
	}
	n := h.packed >> 8
	return fmt.Sprintf("%06d%c%03d%c", n/1000, rune(h.packed&0xff), n%1000, checks[n%31])
}

// IsZero tells whether there is no code.
func (h Hetu) IsZero() bool { return h.packed == 0 }

// String is Masked.
func (h Hetu) String() string { return h.Masked() }

// Format keeps every verb masked, %#v and %x too.
func (h Hetu) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(h.Masked())) }

// LogValue is Masked.
func (h Hetu) LogValue() slog.Value { return slog.StringValue(h.Masked()) }

// MarshalText is Masked, so that a struct turned to JSON does not leak it.
func (h Hetu) MarshalText() ([]byte, error) { return []byte(h.Masked()), nil }

// pack needs a valid code: the check character is not kept, it follows.
func pack(s string) Hetu {
	return Hetu{uint64(number(s[:6])*1000+number(s[7:10]))<<8 | uint64(s[6])}
}

func birthDate(s string) (time.Time, bool) {
	y, m, d := centuries[s[6]]+number(s[4:6]), number(s[2:4]), number(s[:2])
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return t, t.Day() == d && int(t.Month()) == m
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
