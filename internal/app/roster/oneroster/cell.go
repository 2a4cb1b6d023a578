package oneroster

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var (
	idColumn       = Column{Name: "sourcedId", In11: Required, In12: Required, Kind: GUID}
	statusColumn   = Column{Name: "status", Kind: Enum, Words11: statuses, Words12: statuses}
	modifiedColumn = Column{Name: "dateLastModified", Kind: DateTime}
	statuses       = []string{statusActive, statusDeleted}
)

const (
	statusActive  = "active"
	statusDeleted = "tobedeleted"
)

// fault returns the code of what is wrong with a filled cell, "" when it is
// right.
func (c *Column) fault(v string, variant Variant) string {
	switch {
	case c.Kind == UserIDs || c.Kind == ScalePairs:
		return pairsFault(v)
	case !c.List:
		return c.itemFault(v, variant)
	}
	for item := range strings.SplitSeq(v, ",") {
		if item == "" || strings.TrimSpace(item) == "" {
			return "E311"
		}
		if item != strings.TrimSpace(item) {
			return "E310"
		}
		if code := c.itemFault(item, variant); code != "" {
			return code
		}
	}
	return ""
}

func (c *Column) itemFault(v string, variant Variant) string {
	switch c.Kind {
	case GUID:
		return unless(isGUID(v), "E302")
	case Date:
		return unless(isDate(v), "E303")
	case DateTime:
		return unless(isDateTime(v), "E304")
	case Year:
		return unless(len(v) == 4 && isDigits(v), "E305")
	case Bool:
		return unless(v == "true" || v == "false", "E306")
	case Int:
		return unless(isDigits(strings.TrimPrefix(v, "-")), "E307")
	case Float:
		return unless(isDecimal(v), "E308")
	case Enum:
		return unless(c.isWord(v, variant), "E309")
	}
	return ""
}

func unless(ok bool, code string) string {
	if ok {
		return ""
	}
	return code
}

// isWord takes "ext:" words where 1.2 allows them.
func (c *Column) isWord(v string, variant Variant) bool {
	if slices.Contains(c.Words(variant), v) {
		return true
	}
	term, ok := strings.CutPrefix(v, "ext:")
	return ok && c.Ext && variant != V11 && isGUID(term)
}

// expected describes a right cell for the report.
func (c *Column) expected(variant Variant) string {
	switch c.Kind {
	case GUID:
		return "up to 255 of A-Z a-z 0-9 . - _ / @"
	case Date:
		return "YYYY-MM-DD"
	case DateTime:
		return "YYYY-MM-DDTHH:MM:SS.sssZ"
	case Year:
		return "YYYY"
	case Bool:
		return "true or false"
	case Int:
		return "a whole number"
	case Float:
		return "a number such as 9.5"
	case UserIDs:
		return "{Type:Id}, separated by commas"
	case ScalePairs:
		return "{left:right}, separated by commas"
	case Enum:
		s := strings.Join(c.Words(variant), ", ")
		if c.Ext && variant != V11 {
			s += ", ext:<term>"
		}
		return s
	}
	return ""
}

// message says in a sentence what a code means for this column.
func (c *Column) message(code string) string {
	what := codes[codeIndex[code]][1]
	if code == "E301" {
		what = "the value is required and missing"
	}
	return fmt.Sprintf("%s: %s", c.Name, what)
}

var guidBytes = func() (ok [256]bool) {
	for _, b := range []byte("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_/@") {
		ok[b] = true
	}
	return ok
}()

func isGUID(v string) bool {
	for i := range len(v) {
		if !guidBytes[v[i]] {
			return false
		}
	}
	return len(v) > 0 && len(v) < 256
}

func isDigits(v string) bool {
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return false
		}
	}
	return v != ""
}

func isDecimal(v string) bool {
	whole, part, dot := strings.Cut(strings.TrimPrefix(v, "-"), ".")
	return isDigits(whole) && (!dot || isDigits(part))
}

var monthDays = [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// isDate is time.Parse for one layout, ten times as fast.
func isDate(v string) bool {
	if len(v) != 10 || v[4] != '-' || v[7] != '-' || !isDigits(v[:4]) || !isDigits(v[5:7]) || !isDigits(v[8:]) {
		return false
	}
	y, m, d := number(v[:4]), number(v[5:7]), number(v[8:])
	if y == 0 || m < 1 || m > 12 || d < 1 {
		return false
	}
	days := monthDays[m-1]
	if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
		days++
	}
	return d <= days
}

func number(v string) int {
	n := 0
	for i := range len(v) {
		n = n*10 + int(v[i]-'0')
	}
	return n
}

func isDateTime(v string) bool {
	_, ok := parseDateTime(v)
	return ok
}

// parseDateTime reads YYYY-MM-DDTHH:MM:SS.sssZ and nothing else.
func parseDateTime(v string) (time.Time, bool) {
	if len(v) != 24 || !isDate(v[:10]) || v[10] != 'T' || v[13] != ':' || v[16] != ':' || v[19] != '.' || v[23] != 'Z' {
		return time.Time{}, false
	}
	if !isDigits(v[11:13]) || !isDigits(v[14:16]) || !isDigits(v[17:19]) || !isDigits(v[20:23]) {
		return time.Time{}, false
	}
	h, m, s := number(v[11:13]), number(v[14:16]), number(v[17:19])
	if h > 23 || m > 59 || s > 59 {
		return time.Time{}, false
	}
	return time.Date(number(v[:4]), time.Month(number(v[5:7])), number(v[8:10]), h, m, s, number(v[20:23])*1e6, time.UTC), true
}

// pairsFault checks a list of {left:right}.
func pairsFault(v string) string {
	for _, item := range splitPairs(v) {
		if item != strings.TrimSpace(item) {
			return "E310"
		}
		if _, _, ok := cutPair(item); !ok {
			return "E312"
		}
	}
	return ""
}

// cutPair takes {left:right} apart; the right side may have colons of its own.
func cutPair(item string) (left, right string, ok bool) {
	if len(item) < 2 || item[0] != '{' || item[len(item)-1] != '}' {
		return "", "", false
	}
	inner := item[1 : len(item)-1]
	left, right, ok = strings.Cut(inner, ":")
	return left, right, ok && left != "" && right != "" && !strings.ContainsAny(inner, "{}")
}
