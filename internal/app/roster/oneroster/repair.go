package oneroster

import (
	"strings"
	"time"
)

// repair returns the value as the lenient mode reads it, with the key of the
// repair; the key is empty when there is nothing to mend. What it returns may
// still be wrong.
func repair(c *Column, v string) (string, string) {
	switch {
	case c.Kind == Bool && v == "TRUE":
		return "true", repairBool
	case c.Kind == Bool && v == "FALSE":
		return "false", repairBool
	case c.Kind == DateTime:
		return repairTime(v)
	case c.List && strings.ContainsAny(v, " \t"):
		return repairBlanks(c, v)
	}
	return v, ""
}

// timeForms are those with the zone said; a time without one is not guessed.
// Go reads a fraction behind the seconds with these as well.
var timeForms = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700"}

func repairTime(v string) (string, string) {
	// time.Parse would take an hour of one digit.
	if len(v) < len("2006-01-02T15:04:05Z") || isDateTime(v) || v[13] != ':' {
		return v, ""
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, v); err == nil && knownFraction(v) {
			return t.UTC().Format("2006-01-02T15:04:05.000Z"), repairDateTime
		}
	}
	return v, ""
}

// knownFraction takes no fraction or milliseconds: anything finer would have to
// be cut.
func knownFraction(v string) bool {
	_, part, dot := strings.Cut(v, ".")
	if !dot {
		return !strings.Contains(v, ",")
	}
	return len(part) > 3 && isDigits(part[:3]) && !isDigits(part[3:4])
}

func repairBlanks(c *Column, v string) (string, string) {
	items := strings.Split(v, ",")
	if c.Kind == UserIDs || c.Kind == ScalePairs {
		items = splitLoosePairs(v)
	}
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	if fixed := strings.Join(items, ","); fixed != v {
		return fixed, repairListBlank
	}
	return v, ""
}

// splitLoosePairs cuts at the commas between pairs, blanks or not.
func splitLoosePairs(v string) []string {
	var items []string
	from := 0
	for i := range len(v) {
		if v[i] == ',' && strings.HasSuffix(strings.TrimRight(v[from:i], " \t"), "}") {
			items = append(items, v[from:i])
			from = i + 1
		}
	}
	return append(items, v[from:])
}
