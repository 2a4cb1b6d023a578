package oneroster

import (
	"strings"
)

// rules are what a type's rows must mean, beyond cells and references. A rule
// leaves out what another finding has spoilt.
var rules = map[Type]func(*checker){
	Orgs:                         (*checker).orgRule,
	AcademicSessions:             (*checker).sessionRule,
	Courses:                      (*checker).subjectsRule,
	Classes:                      (*checker).classRule,
	Users:                        (*checker).userRule,
	UserProfiles:                 (*checker).profileRule,
	Roles:                        (*checker).roleRule,
	Enrollments:                  (*checker).enrollmentRule,
	LineItemLearningObjectiveIDs: (*checker).objectiveRule,
	ResultLearningObjectiveIDs:   (*checker).objectiveRule,
}

// node is an org or a session with a parent, for the search for cycles.
type node struct {
	id     string
	parent string
	line   uint32
	column uint16
}

// get returns a cell of the row at hand, empty when it is wrong in itself.
func (c *checker) get(column string) string {
	i := c.t.Index(column)
	if i < 0 || c.bad&(1<<i) != 0 {
		return ""
	}
	return c.r.rec.Fields[i]
}

// at returns the place of a column in the layout, for wrong.
func (c *checker) at(column string) int {
	for i := range c.r.head.layout {
		if c.r.head.layout[i].Name == column {
			return i
		}
	}
	return 0
}

func (c *checker) orgRule() {
	parent := c.get("parentSourcedId")
	c.orgs[c.self] = strings.Clone(parent)
	c.child(0, parent)
}

func (c *checker) child(which int, parent string) {
	if parent == "" || c.dead {
		return
	}
	c.parents[which] = append(c.parents[which], node{strings.Clone(c.r.rec.SourcedID), strings.Clone(parent),
		uint32(c.r.sc.line), uint16(c.r.head.at["parentSourcedId"])})
}

func (c *checker) sessionRule() {
	from, to, year := c.get("startDate"), c.get("endDate"), c.get("schoolYear")
	c.sessions[c.self] = session{strings.Clone(c.get("parentSourcedId")), strings.Clone(from), strings.Clone(to)}
	c.child(1, c.get("parentSourcedId"))
	if from != "" && to != "" && to <= from {
		c.wrong("W501", c.at("endDate"), "the session ends on the day it starts or earlier; the end is exclusive", to)
	}
	// The end is exclusive: 1 January still ends the year before.
	if c.get("type") == "schoolYear" && to != "" && year != "" && to[:4] != year && to[5:] != "01-01" {
		c.wrong("W510", c.at("schoolYear"), "the schoolYear is not the year in which the session ends", year)
	}
}

func (c *checker) subjectsRule() {
	s, codes := c.get("subjects"), c.get("subjectCodes")
	if s != "" && codes != "" && strings.Count(s, ",") != strings.Count(codes, ",") {
		c.wrong("E313", c.at("subjectCodes"), "subjects and subjectCodes are not of one length", codes)
	}
}

func (c *checker) classRule() {
	c.subjectsRule()
	k := &class{school: strings.Clone(c.get("schoolSourcedId"))}
	k.from, k.to = c.spanOf(c.get("termSourcedIds"))
	c.classes[c.self] = k
}

// spanOf returns the first and last day of terms, nothing unless all are known.
func (c *checker) spanOf(terms string) (from, to string) {
	if terms == "" {
		return "", ""
	}
	for id := range strings.SplitSeq(terms, ",") {
		s, ok := c.sessions[keyOf(id)]
		if !ok {
			known, _ := c.store.Lookup(AcademicSessions, id)
			s = session{from: known.From, to: known.Until}
		}
		if s.from == "" || s.to == "" {
			return "", ""
		}
		if from == "" || s.from < from {
			from = s.from
		}
		to = max(to, s.to)
	}
	return from, to
}

func (c *checker) profileRule() {
	if user := c.get("userSourcedId"); user != "" {
		c.profiles[c.self] = keyOf(user)
	}
}

// objectiveRule: an objective of CASE is a UUID URN.
func (c *checker) objectiveRule() {
	if id := c.get("learningObjectiveId"); c.get("source") == "case" && id != "" && !isUUIDURN(id) {
		c.wrong("E319", c.at("learningObjectiveId"), "an objective of the source case is a UUID URN", id)
	}
}

func isUUIDURN(v string) bool {
	id, ok := strings.CutPrefix(v, "urn:uuid:")
	if !ok || len(id) != 36 {
		return false
	}
	for i := range len(id) {
		switch dash := i == 8 || i == 13 || i == 18 || i == 23; {
		case dash && id[i] != '-':
			return false
		case !dash && strings.IndexByte("0123456789abcdefABCDEF", id[i]) < 0:
			return false
		}
	}
	return true
}

// cycles reports every org or session that is its own ancestor. One cycle is
// one finding, at its first row; the others fold under it.
func (c *checker) cycles(which int, t Type, code string) {
	parents := make(map[string]*node, len(c.parents[which]))
	for i := range c.parents[which] {
		n := &c.parents[which][i]
		parents[n.id] = n
	}
	const (
		walking = 1
		done    = 2
	)
	state := map[string]int{}
	for i := range c.parents[which] {
		start := &c.parents[which][i]
		var path []string
		id := start.id
		for id != "" && state[id] == 0 {
			state[id] = walking
			path = append(path, id)
			id = c.parentOf(parents, t, id)
		}
		if id != "" && state[id] == walking {
			c.cycle(code, t, path, id, parents)
		}
		for _, p := range path {
			state[p] = done
		}
	}
}

// parentOf asks the package first. A row that it has without a parent has none.
func (c *checker) parentOf(parents map[string]*node, t Type, id string) string {
	if n := parents[id]; n != nil {
		return n.parent
	}
	if _, here := c.index[TableOf(t).ordinal][keyOf(id)]; here || c.p.Mode(t) != Delta {
		return ""
	}
	known, _ := c.store.Lookup(t, id)
	return known.Parent
}

func (c *checker) cycle(code string, t Type, path []string, id string, parents map[string]*node) {
	var first *node
	length := 0
	for i := len(path) - 1; i >= 0; i-- {
		length++
		if n := parents[path[i]]; n != nil && (first == nil || n.line < first.line) {
			first = n
		}
		if path[i] == id {
			break
		}
	}
	if first == nil { // the tenant's own rows; nothing that this package says
		return
	}
	root := c.col.add(Finding{Code: code, File: t.FileName(), Line: int(first.line), Column: int(first.column), Field: "parentSourcedId",
		Message: "the row is its own ancestor", Expected: "a tree", Excerpt: excerpt(&idColumn, first.parent)})
	for range length - 1 {
		c.col.fold(root, code)
	}
}
