package i18n

import (
	"fmt"
	"strconv"
	"time"
	_ "time/tzdata" // the clock on the wall must not depend on the machine's files
)

// Zone is where the schools are.
var Zone = func() *time.Location {
	z, err := time.LoadLocation("Europe/Helsinki")
	if err != nil {
		panic(err)
	}
	return z
}()

// Day returns the calendar day of t in Finland, as midnight UTC: the form in
// which PostgreSQL takes a date.
func Day(t time.Time) time.Time {
	y, m, d := t.In(Zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

const thinSpace = "\u202f"

// Number writes n with the language's mark between thousands.
func (l Lang) Number(n int) string {
	s, sign := strconv.Itoa(n), ""
	if n < 0 {
		s, sign = s[1:], "\u2212"
	}
	mark := thinSpace
	if l == En {
		mark = ","
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + mark + s[i:]
	}
	return sign + s
}

var weekdays = map[Lang][7]string{
	Fi: {"sunnuntai", "maanantai", "tiistai", "keskiviikko", "torstai", "perjantai", "lauantai"},
	Sv: {"söndag", "måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag"},
	En: {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
}

var months = map[Lang][12]string{
	Fi: {"tammikuuta", "helmikuuta", "maaliskuuta", "huhtikuuta", "toukokuuta", "kesäkuuta", "heinäkuuta", "elokuuta", "syyskuuta", "lokakuuta", "marraskuuta", "joulukuuta"},
	Sv: {"januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"},
	En: {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
}

// Date writes the day of t in figures: 23.11.2026, in English 23 November 2026.
// The zero time is no date and gives nothing.
func (l Lang) Date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if l == En {
		return fmt.Sprintf("%d %s %d", t.Day(), months[En][t.Month()-1], t.Year())
	}
	return t.Format("2.1.2006")
}

// LongDay writes weekday, day and month in words: maanantai 23. marraskuuta.
func (l Lang) LongDay(t time.Time) string {
	l, dot := l.orFi(), ""
	if l == Fi {
		dot = "."
	}
	return fmt.Sprintf("%s %d%s %s", weekdays[l][t.Weekday()], t.Day(), dot, months[l][t.Month()-1])
}

// Clock writes the time of t as the clock in Finland shows it.
func (l Lang) Clock(t time.Time) string {
	if t = t.In(Zone); l == En {
		return t.Format("15:04")
	}
	return fmt.Sprintf("%d.%02d", t.Hour(), t.Minute())
}

// DateTime writes day and time of t as the clock in Finland shows them.
func (l Lang) DateTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(Zone)
	switch l {
	case En:
		return l.Date(t) + " at " + t.Format("15:04")
	case Sv:
		return l.Date(t) + fmt.Sprintf(" kl. %d.%02d", t.Hour(), t.Minute())
	default:
		return l.Date(t) + fmt.Sprintf(" klo %d.%02d", t.Hour(), t.Minute())
	}
}
