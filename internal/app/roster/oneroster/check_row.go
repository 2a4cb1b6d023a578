package oneroster

import (
	"slices"
	"strconv"
	"strings"
)

// row checks the row that the scanner stands on.
func (c *checker) row() {
	r := c.r
	c.bad, c.good, c.dead = r.head.swapped, true, false
	if r.sc.fault.code != "" {
		c.unreadable(formFinding(r.e.name, &r.sc.fault))
		return
	}
	if len(r.sc.fields) != r.width() {
		c.unreadable(widthFinding(r))
		return
	}
	r.fill()
	c.dead = r.status == statusDeleted
	if r.head.blanks > 0 {
		c.blankColumns()
	}
	c.sourcedID()
	c.statusAndDate()
	c.cells()
	c.references()
	c.register()
	if rule := rules[c.t.Type]; rule != nil {
		rule(c)
	}
}

// blankColumns holds a repaired file to its word: nothing stands in the columns
// that were left out.
func (c *checker) blankColumns() {
	for i, to := range c.r.head.to {
		if to == toBlank && c.r.sc.fields[i] != "" {
			c.add(Finding{Code: "E214", Column: i + 1, Message: "a value stands in a column that has no name", Excerpt: mask(c.r.sc.fields[i])})
			return
		}
	}
}

// unreadable keeps the id of a row whose cells cannot be told, when there is
// one, so that references to it fold under this finding.
func (c *checker) unreadable(f Finding) {
	kept := c.fold(f)
	if c.t.Type == Roles && c.roleRoot == nil {
		c.roleRoot = kept
	}
	fields := c.r.sc.fields
	if len(fields) == 0 || len(c.r.head.to) == 0 || c.r.head.to[0] != toID || !isGUID(fields[0]) {
		c.blame(c.t, kept)
		return
	}
	k := keyOf(fields[0])
	if _, twice := c.index[c.t.ordinal][k]; !twice {
		c.index[c.t.ordinal][k] = seen{line: uint32(c.r.sc.line), flags: flagBroken}
	}
	if kept != nil {
		c.broken[target{c.t.ordinal, k}] = kept
	}
}

// fold puts the second and later rows in a wrong encoding under the first: it
// is the file that was saved wrongly.
func (c *checker) fold(f Finding) *Finding {
	if f.Code != "E201" {
		return c.col.add(f)
	}
	k := target{-1 - c.t.ordinal, key{}}
	if root, again := c.broken[k]; again {
		c.col.fold(root, f.Code)
		return root
	}
	root := c.col.add(f)
	c.broken[k] = root
	return root
}

// add reports something of the row at hand.
func (c *checker) add(f Finding) *Finding {
	f.File, f.Line = c.r.e.name, c.r.sc.line
	if f.Code[0] == 'E' {
		c.good = false
	}
	return c.col.add(f)
}

// wrong reports a cell; at is its place in the layout.
func (c *checker) wrong(code string, at int, message, value string) *Finding {
	col := &c.r.head.layout[at]
	if c.r.head.misplaced(at) {
		return c.follows(code)
	}
	if i := c.r.head.canon[at]; i >= 0 && code[0] == 'E' {
		c.bad |= 1 << i
	}
	name := col.NameIn(c.p.variant)
	return c.add(Finding{Code: code, Column: c.r.head.at[name], Field: name, Message: message, Excerpt: excerpt(col, value)})
}

// follows counts what a cell says that stands in another's place, by the header.
func (c *checker) follows(code string) *Finding {
	if code[0] == 'E' {
		c.good = false
	}
	c.col.fold(c.swap, code)
	return c.swap
}

func (c *checker) sourcedID() {
	id := c.r.rec.SourcedID
	c.self = keyOf(id)
	if isGUID(id) || c.r.head.at[idColumn.Name] == 0 { // no such column: said once for the file
		return
	}
	code := "E302"
	if id == "" {
		code = "E301"
	}
	kept := c.lead(code, &idColumn, id, idColumn.expected(c.p.variant), "")
	if id == "" {
		c.blame(c.t, kept)
	}
}

// lead reports one of the first three columns, which every table has.
func (c *checker) lead(code string, col *Column, value, expected, repair string) *Finding {
	return c.add(Finding{Code: code, Column: c.r.head.at[col.Name], Field: col.Name, Message: col.message(code),
		Expected: expected, Excerpt: excerpt(col, value), Repair: repair})
}

// statusAndDate: both blank in bulk, both there in delta.
func (c *checker) statusAndDate() {
	switch c.mode {
	case Bulk:
		if c.r.status != "" {
			c.lead("E314", &statusColumn, c.r.status, "blank", "")
		}
		if c.r.modified != "" {
			c.lead("E315", &modifiedColumn, c.r.modified, "blank", "")
		}
	case Delta:
		if c.r.status != statusActive && !c.dead && c.r.head.at["status"] > 0 {
			c.lead("E316", &statusColumn, c.r.status, "active or tobedeleted", "")
		}
		if !isDateTime(c.r.modified) && c.r.head.at["dateLastModified"] > 0 {
			c.deltaDate(c.r.modified)
		}
	}
}

func (c *checker) deltaDate(v string) {
	code, mend := "E304", ""
	if v == "" {
		code = "E317"
	}
	if _, key := repair(&modifiedColumn, v); !c.p.opts.Lenient {
		mend = key
	}
	c.lead(code, &modifiedColumn, v, modifiedColumn.expected(c.p.variant), mend)
}

// cells checks the form of every cell.
func (c *checker) cells() {
	for at := range c.r.values {
		v, col := c.r.values[at], &c.r.head.layout[at]
		if v == "" {
			if col.Need(c.p.variant) == Required && c.r.head.has(at, c.p.variant) {
				c.wrong("E301", at, col.message("E301"), "")
			}
			continue
		}
		code := col.fault(v, c.p.variant)
		if code == "" && col.Kind == String && strings.TrimSpace(v) == "" && col.Need(c.p.variant) == Required {
			code = "E301"
		}
		if code != "" {
			c.cell(code, at, v)
		}
		if code == "" && col.Kind == String && strings.Contains(v, "\uFFFD") {
			c.wrong("W201", at, col.message("W201"), v)
		}
	}
}

// cell reports a cell of a wrong form, with the repair that would mend it.
func (c *checker) cell(code string, at int, v string) {
	if c.r.head.misplaced(at) {
		c.follows(code)
		return
	}
	col := &c.r.head.layout[at]
	f := Finding{Code: code, Field: col.NameIn(c.p.variant), Message: col.message(code), Excerpt: excerpt(col, v)}
	f.Column = c.r.head.at[f.Field]
	if code != "E301" {
		f.Expected = col.expected(c.p.variant)
	}
	if fixed, key := repair(col, v); key != "" && !c.p.opts.Lenient && col.fault(fixed, c.p.variant) == "" {
		f.Repair = key
	}
	if i := c.r.head.canon[at]; i >= 0 {
		c.bad |= 1 << i
	}
	c.add(f)
}

// register keeps what later rows need of this one.
func (c *checker) register() {
	index := c.index[c.t.ordinal]
	if c.r.rec.SourcedID == "" {
		return
	}
	if first, twice := index[c.self]; twice {
		c.add(Finding{Code: "E401", Column: c.r.head.at[idColumn.Name], Field: idColumn.Name,
			Message: "the sourcedId is on line " + strconv.Itoa(int(first.line)) + " already",
			Excerpt: excerpt(&idColumn, c.r.rec.SourcedID)})
		return
	}
	s := seen{line: uint32(c.r.sc.line)}
	if c.dead {
		s.flags |= flagDeleted
	}
	if i := c.t.Index("type"); i >= 0 && (c.t.Type == Orgs || c.t.Type == AcademicSessions) && c.bad&(1<<i) == 0 {
		s.kind = c.kind(c.r.rec.Fields[i])
	}
	index[c.self] = s
}

// kind numbers the few types of orgs and sessions. Beyond 255 of them, which
// only made-up ext: words reach, a type counts as not known.
func (c *checker) kind(v string) uint8 {
	if i := slices.Index(c.kinds, v); i >= 0 {
		return uint8(i)
	}
	if len(c.kinds) > 255 {
		return 0
	}
	c.kinds = append(c.kinds, strings.Clone(v))
	return uint8(len(c.kinds) - 1)
}
