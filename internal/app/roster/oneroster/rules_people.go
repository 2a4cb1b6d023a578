package oneroster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"digione/internal/app/people/hetu"
)

// login is who has a username.
type login struct {
	line uint32
	role uint8 // in 1.1
}

// primary is the primary org of a user, which must be one of the user's roles.
type primary struct {
	at     key // user and org
	user   key
	org    string
	line   uint32
	column uint16
}

// stay is an enrollment of a user in a class in one role.
type stay struct {
	line     uint32
	from, to uint16 // days; see day
}

func (c *checker) userRule() {
	c.identityRule()
	if c.r.org >= 0 {
		c.legacyUser()
	}
	if c.dead {
		return
	}
	c.usernameRule()
	for agent := range strings.SplitSeq(c.get("agentSourcedIds"), ",") {
		if agent != "" && agent == c.r.rec.SourcedID {
			c.wrong("W511", c.at("agentSourcedIds"), "the user is among the own agents", agent)
		}
	}
	if org := c.get("primaryOrgSourcedId"); org != "" && c.r.org < 0 && isGUID(c.r.rec.SourcedID) {
		c.primaries = append(c.primaries, primary{keyOfAll(c.self, keyOf(org)), c.self, strings.Clone(org),
			uint32(c.r.sc.line), uint16(c.r.head.at["primaryOrgSourcedId"])})
	}
}

func (c *checker) usernameRule() {
	name := c.get("username")
	if name == "" {
		return
	}
	k, role := keyOf(name), uint8(slices.Index(roles11, c.r.role)+1)
	first, twice := c.usernames[k]
	switch {
	case !twice:
		c.usernames[k] = login{uint32(c.r.sc.line), role}
	case first.role != role: // only 1.1 has roles here
		c.wrong("I501", c.at("username"), fmt.Sprintf("the user on line %d has the same username and another role", first.line), name)
	default:
		c.wrong("W505", c.at("username"), fmt.Sprintf("the user on line %d is active and has the same username", first.line), name)
	}
}

// identityRule checks identity codes wherever they are named as such. No
// message shows one.
func (c *checker) identityRule() {
	if id := c.r.rec.SourcedID; len(id) == 11 {
		if _, err := hetu.Parse(id); err == nil {
			c.add(Finding{Code: "W302", Column: c.r.head.at[idColumn.Name], Field: idColumn.Name,
				Message: "the sourcedId looks like a personal identity code", Excerpt: mask(id)})
		}
	}
	for i, m := range c.r.rec.Meta {
		if m.Name == "metadata.hetu" && m.Value != "" {
			c.metaHetu(i, m)
		}
	}
	if v := c.get("userMasterIdentifier"); isWrongLearner(v) {
		c.wrong("W301", c.at("userMasterIdentifier"), "the check digit of the oppijanumero is wrong", v)
	}
	if v := c.get("userIds"); v != "" {
		c.userIDsRule(v)
	}
}

func (c *checker) metaHetu(i int, m Meta) {
	if _, err := hetu.Parse(m.Value); err != nil {
		c.add(Finding{Code: "E318", Column: c.r.metaColumn(i), Field: m.Name, Message: "wrong hetu: " + err.Error(), Excerpt: mask(m.Value)})
	}
}

func (c *checker) userIDsRule(v string) {
	for _, item := range splitPairs(v) {
		kind, id, ok := cutPair(item)
		switch {
		case !ok:
		case strings.EqualFold(kind, "hetu"):
			if _, err := hetu.Parse(id); err != nil {
				c.wrong("E318", c.at("userIds"), "wrong hetu: "+err.Error(), item)
			}
		case strings.EqualFold(kind, "oppijanumero") && isWrongLearner(id):
			c.wrong("W301", c.at("userIds"), "the check digit of the oppijanumero is wrong", item)
		}
	}
}

// isWrongLearner tells an oppijanumero, the OID of a person, whose check digit
// is not that of the national learner register: weights 7, 3, 1 from the right.
// Its test nodes, 98 and 198, make theirs by other rules.
func isWrongLearner(v string) bool {
	body, ok := strings.CutPrefix(v, "1.2.246.562.24.")
	if !ok || len(body) != 11 || !isDigits(body) {
		return false
	}
	sum := 0
	for i := range 10 {
		sum += int(body[9-i]-'0') * [...]int{7, 3, 1}[i%3]
	}
	return (10-sum%10)%10 != int(body[10]-'0')
}

func (c *checker) roleRule() {
	user, org := c.get("userSourcedId"), c.get("orgSourcedId")
	if (user == "" || org == "") && c.roleRoot == nil {
		c.roleRoot = c.latest()
	}
	c.periodRule()
	if c.dead || user == "" || org == "" {
		return
	}
	c.userRole(keyOfAll(keyOf(user), keyOf(org)))
	profile := c.get("userProfileSourcedId")
	if profile == "" {
		return
	}
	owner, ok := c.profiles[keyOf(profile)]
	if !ok {
		known, stored := c.store.Lookup(UserProfiles, profile)
		owner, ok = keyOf(known.Owner), stored && known.Owner != ""
	}
	if ok && owner != keyOf(user) {
		c.wrong("E505", c.at("userProfileSourcedId"), "the profile is that of another user", profile)
	}
}

// latest is the finding added last, or nil.
func (c *checker) latest() *Finding {
	if n := len(c.col.list); n > 0 {
		return c.col.list[n-1]
	}
	return nil
}

// userRole notes that a user has a role in an org, with the line of the first
// primary one.
func (c *checker) userRole(k key) {
	first, known := c.userRoles[k]
	if c.get("roleType") != "primary" {
		if !known {
			c.userRoles[k] = 0
		}
		return
	}
	if first > 0 {
		c.wrong("E503", c.at("roleType"), fmt.Sprintf("line %d gives the user a primary role in this organisation already", first), "primary")
		return
	}
	c.userRoles[k] = uint32(c.r.sc.line)
}

func (c *checker) periodRule() {
	from, to := c.get("beginDate"), c.get("endDate")
	if from != "" && to != "" && to <= from {
		c.wrong("W509", c.at("endDate"), "the period ends on the day it begins or earlier; the end is exclusive", to)
	}
}

// primaryOrgs needs all roles, which only a bulk file of them has.
func (c *checker) primaryOrgs() {
	roles := TableOf(Roles)
	if c.fileMode(roles) != Bulk || c.p.RolesFromUsers() || c.p.entries[Roles.FileName()] == nil {
		return
	}
	root := c.roleRoot
	if root == nil {
		root = c.roots[roles.ordinal]
	}
	for _, p := range c.primaries {
		_, role := c.userRoles[p.at]
		_, org := c.index[TableOf(Orgs).ordinal][keyOf(p.org)]
		if role || !org && c.p.Mode(Orgs) != Delta { // without the org it was reported already
			continue
		}
		if root := cmp.Or(c.orphans[keyOf(p.org)], c.orphans[p.user], root); root != nil {
			c.col.fold(root, "E504")
			continue
		}
		c.col.add(Finding{Code: "E504", File: Users.FileName(), Line: int(p.line), Column: int(p.column), Field: "primaryOrgSourcedId",
			Message: "the user has no role in this organisation", Expected: "an organisation of one of the user's roles", Excerpt: excerpt(&idColumn, p.org)})
	}
}
