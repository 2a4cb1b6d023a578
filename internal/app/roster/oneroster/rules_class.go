package oneroster

import (
	"fmt"
	"math"
	"strings"
)

func (c *checker) enrollmentRule() {
	c.periodRule()
	if c.get("primary") == "true" && c.get("role") != "teacher" && c.get("role") != "" {
		c.wrong("W507", c.at("primary"), "primary is for teachers, and this is not one", c.get("role"))
	}
	if c.dead {
		return
	}
	id := c.get("classSourcedId")
	if id == "" {
		return
	}
	classKey := keyOf(id)
	k := c.classes[classKey]
	if k == nil {
		k = c.storedClass(id)
	}
	c.enrolledTwice(classKey)
	if k == nil {
		return
	}
	if school := c.get("schoolSourcedId"); school != "" && k.school != "" && school != k.school {
		c.strayed(keyOfAll(classKey, keyOf(school)), school)
	}
	c.withinTerms(k)
	if c.get("primary") == "true" && c.get("role") == "teacher" {
		c.onePrimary(k)
	}
}

// strayed says once for a class what all its enrollments would say of one school.
func (c *checker) strayed(at key, school string) {
	if root, again := c.strays[at]; again {
		c.col.fold(root, "W502")
		return
	}
	c.strays[at] = c.wrong("W502", c.at("schoolSourcedId"), "the school is not that of the class", school)
}

// storedClass makes a class of what the tenant has, and keeps it for the other
// enrollments.
func (c *checker) storedClass(id string) *class {
	known, ok := c.store.Lookup(Classes, id)
	if !ok {
		return nil
	}
	k := &class{school: known.Parent, from: known.From, to: known.Until}
	c.classes[keyOf(id)] = k
	return k
}

func (c *checker) withinTerms(k *class) {
	from, to := c.get("beginDate"), c.get("endDate")
	switch {
	case k.from == "" || k.to == "":
	case from != "" && (from < k.from || from >= k.to):
		c.wrong("W503", c.at("beginDate"), "it begins outside the terms of the class, "+k.from+" to "+k.to, from)
	case to != "" && (to > k.to || to <= k.from):
		c.wrong("W503", c.at("endDate"), "it ends outside the terms of the class, "+k.from+" to "+k.to, to)
	}
}

func (c *checker) onePrimary(k *class) {
	s := span{strings.Clone(c.get("beginDate")), strings.Clone(c.get("endDate"))}
	for _, other := range k.primary {
		if other.meets(s) {
			c.wrong("W508", c.at("primary"), "the class has another primary teacher at that time", "true")
			return
		}
	}
	k.primary = append(k.primary, s)
}

// enrolledTwice warns when periods meet; leaving a class and coming back is two
// enrollments by right.
func (c *checker) enrolledTwice(classKey key) {
	user, role := c.get("userSourcedId"), c.get("role")
	if user == "" || role == "" {
		return
	}
	at := keyOfAll(keyOf(user), classKey, keyOf(role))
	now := stay{uint32(c.r.sc.line), day(c.get("beginDate"), 0), day(c.get("endDate"), math.MaxUint16)}
	first, twice := c.enrolled[at]
	if !twice {
		c.enrolled[at] = now
		return
	}
	if first.from < now.to && now.from < first.to {
		c.wrong("W504", c.at("userSourcedId"), fmt.Sprintf("line %d has the user in this class in this role already", first.line), user)
	}
}

// day numbers the days from 1900 on, in an order that is right for comparing;
// they need not be without gaps.
func day(date string, empty uint16) uint16 {
	if date == "" {
		return empty
	}
	const perMonth, perYear = 31, 372
	n := (number(date[:4])-1900)*perYear + (number(date[5:7])-1)*perMonth + number(date[8:])
	return uint16(min(max(n, 1), math.MaxUint16-1))
}
