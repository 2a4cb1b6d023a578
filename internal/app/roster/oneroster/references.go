package oneroster

import (
	"slices"
	"strings"
)

// use is a reference whose target was not met yet: it stands further down in
// its own file or in a later one.
type use struct {
	id     string
	key    key
	col    *Column
	line   uint32
	column uint16
	from   uint8 // tables
	to     uint8
	dead   bool
}

// references looks up what the row refers to.
func (c *checker) references() {
	if c.t.OfUser && c.r.rec.SourcedID != "" {
		c.refer(&ofUser, c.r.rec.SourcedID)
	}
	for at := range c.r.values {
		v, col := c.r.values[at], &c.r.head.layout[at]
		if col.Ref == "" || v == "" || c.isBad(at) {
			continue
		}
		if !col.List {
			c.refer(col, v)
			continue
		}
		for id := range strings.SplitSeq(v, ",") {
			if isGUID(id) {
				c.refer(col, id)
			}
		}
		c.twice(at, v)
	}
}

// ofUser is the sourcedId of a table that takes it from the users.
var ofUser = Column{Name: "sourcedId", Kind: GUID, Ref: Users}

func (c *checker) isBad(at int) bool {
	if c.r.head.misplaced(at) {
		return true
	}
	i := c.r.head.canon[at]
	return i >= 0 && c.bad&(1<<i) != 0
}

// refer judges one reference, or puts it off when its target may still come.
func (c *checker) refer(col *Column, id string) {
	to := TableOf(col.Ref)
	u := use{id: id, key: keyOf(id), col: col, line: uint32(c.r.sc.line), from: uint8(c.t.ordinal), to: uint8(to.ordinal), dead: c.dead}
	if s, ok := c.index[to.ordinal][u.key]; ok {
		c.found(&u, s)
		return
	}
	u.id = strings.Clone(id)
	if to.ordinal >= c.t.ordinal {
		u.column = uint16(c.r.head.at[col.NameIn(c.p.variant)])
		c.pending = append(c.pending, u)
		return
	}
	c.absentee(&u)
}

func (c *checker) resolve(u *use) {
	if s, ok := c.index[u.to][u.key]; ok {
		c.found(u, s)
		return
	}
	c.absentee(u)
}

// found judges a reference to a row of the package.
func (c *checker) found(u *use, s seen) {
	if s.flags&flagBroken != 0 {
		c.col.fold(c.broken[target{int(u.to), u.key}], "E402")
		return
	}
	if s.kind > 0 {
		c.kindOf(u, c.kinds[s.kind])
	}
	if s.flags&flagDeleted != 0 && !u.dead {
		c.report("W402", u, "the row is active, and this package deletes what it refers to", "")
	}
}

func (c *checker) kindOf(u *use, kind string) {
	if u.col.RefKind == "" || kind == "" || kind == u.col.RefKind {
		return
	}
	code := "E404"
	if u.col.Ref == AcademicSessions {
		code = "E405"
	}
	where := target{int(u.to), u.key}
	if root, again := c.kindred[where]; again {
		c.col.fold(root, code)
		return
	}
	c.kindred[where] = c.report(code, u, "what it refers to is of the type "+shorten(kind), "the type "+u.col.RefKind)
}

// absentee judges a reference that leads out of the package. A bulk file has to
// be complete in itself; where one side is a delta, the tenant's rows count too.
func (c *checker) absentee(u *use) {
	from, to := Tables()[u.from], Tables()[u.to]
	toMode := c.fileMode(to)
	if c.fileMode(from) != Bulk || toMode == Delta {
		if known, ok := c.store.Lookup(to.Type, u.id); ok {
			c.stored(u, known, toMode)
			return
		}
	}
	switch root := c.roots[u.to]; {
	case root != nil || c.unread[u.to]:
		c.col.fold(root, "E402")
	case c.offline && (c.fileMode(from) == Delta || toMode == Delta):
		c.elsewhere(u)
	case c.fileMode(from) == Bulk && toMode == Absent:
		c.noFile(u, to)
	case u.dead:
		c.lost("W401", u, to)
	default:
		c.lost("E402", u, to)
	}
}

// stored judges a reference to a row of the tenant.
func (c *checker) stored(u *use, known Known, mode Mode) {
	c.kindOf(u, known.Kind)
	switch {
	case u.dead:
	case mode == Bulk:
		c.report("W402", u, "the bulk file does not have what it refers to, and so deletes it", "")
	case !known.Active:
		c.report("W403", u, "the row is active, and what it refers to was deleted earlier", "")
	}
}

// noFile says once for two files what every row would say.
func (c *checker) noFile(u *use, to *Table) {
	pair := [2]int{int(u.from), int(u.to)}
	if root, again := c.absent[pair]; again {
		c.col.fold(root, "E403")
		return
	}
	c.absent[pair] = c.report("E403", u, "the file is bulk and refers to "+to.Type.FileName()+", which the package does not have",
		"every file that a bulk file refers to")
}

// elsewhere says once for the package that rows of the tenant are not known here.
func (c *checker) elsewhere(u *use) {
	all := [2]int{-1, -1}
	if root, again := c.absent[all]; again {
		c.col.fold(root, "W404")
		return
	}
	c.absent[all] = c.report("W404", u, "what is not in the package may be in the roster, which cannot be checked offline", "")
}

// lost reports a missing row once, and folds further references to it.
func (c *checker) lost(code string, u *use, to *Table) {
	where := target{int(u.to), u.key}
	root := c.missing[where]
	if root != nil && root.Code == code {
		c.col.fold(root, code)
	} else if root = c.report(code, u, "there is no such row in "+to.Type.FileName()+c.beyond(u), "a sourcedId of "+to.Type.FileName()); root != nil {
		c.missing[where] = root
	}
	if Tables()[u.from].Type == Roles && !u.dead {
		c.orphan(to.Type, root)
	}
}

// orphan notes that the role at hand is nobody's or nowhere: that the user it was meant
// for has no role in the primary organisation follows from it.
func (c *checker) orphan(to Type, root *Finding) {
	if other := map[Type]string{Users: "orgSourcedId", Orgs: "userSourcedId"}[to]; other != "" {
		if id := c.get(other); id != "" {
			c.orphans[keyOf(id)] = root
		}
	}
}

func (c *checker) beyond(u *use) string {
	if c.fileMode(Tables()[u.from]) == Bulk && c.fileMode(Tables()[u.to]) != Delta {
		return ""
	}
	return " or in the roster"
}

// report gives a finding at the place of a reference.
func (c *checker) report(code string, u *use, message, expected string) *Finding {
	name := u.col.NameIn(c.p.variant)
	f := Finding{Code: code, File: Tables()[u.from].Type.FileName(), Line: int(u.line), Column: int(u.column),
		Field: name, Message: message, Expected: expected, Excerpt: excerpt(u.col, u.id)}
	if f.Column == 0 {
		f.Column = c.r.head.at[name]
	}
	return c.col.add(f)
}

// twice warns of an item that a list of references has twice.
func (c *checker) twice(at int, v string) {
	if strings.IndexByte(v, ',') < 0 {
		return
	}
	items := strings.Split(v, ",")
	slices.Sort(items)
	for i := 1; i < len(items); i++ {
		if items[i] == items[i-1] {
			c.wrong("W506", at, "the list has an item twice", items[i])
			return
		}
	}
}
