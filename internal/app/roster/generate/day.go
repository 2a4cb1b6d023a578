package generate

import "time"

// day counts from 1 January 1900: four bytes a person instead of 24.
type day int32

var epoch = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

func dayOf(year, month, dayOfMonth int) day {
	return day(time.Date(year, time.Month(month), dayOfMonth, 0, 0, 0, 0, time.UTC).Sub(epoch) / (24 * time.Hour))
}

func (d day) time() time.Time { return epoch.AddDate(0, 0, int(d)) }

func (d day) year() int { return d.time().Year() }

func (d day) date() (y, m, dom int) {
	t := d.time()
	return t.Year(), int(t.Month()), t.Day()
}

func (d day) String() string {
	y, m, dom := d.date()
	b := appendPadded(make([]byte, 0, 10), y, 4)
	b = appendPadded(append(b, '-'), m, 2)
	return string(appendPadded(append(b, '-'), dom, 2))
}

// someDay is any day of a year.
func someDay(year int, d *dice) day { return dayOf(year, 1, 1) + day(d.below(365)) }
