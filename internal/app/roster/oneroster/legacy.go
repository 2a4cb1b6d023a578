package oneroster

import (
	"slices"
	"strings"
)

// The roles of 1.1 in the words of 1.2. All but administrator are the same.
//
// An administrator of 1.1 does not say of what; the organisation does: of a
// school or a department it is a siteAdministrator, of anything above a school
// a districtAdministrator. Never a principal, which is an office, nor a
// systemAdministrator: the source did not grant that much. An organisation that
// nobody knows gives the smaller right.
func roleFrom11(role, orgType string) string {
	if role != "administrator" {
		return role
	}
	switch orgType {
	case "district", "local", "state", "national":
		return "districtAdministrator"
	}
	return "siteAdministrator"
}

// legacyID is the sourcedId of a role made from a users row of 1.1. It stays the
// same from one package to the next.
func legacyID(user, org string) string { return user + "/" + org }

// legacyUser checks the roles that a users row of 1.1 stands for.
func (c *checker) legacyUser() {
	orgs := strings.Split(c.r.orgs, ",")
	for i, org := range orgs {
		if org == "" || slices.Contains(orgs[:i], org) {
			continue
		}
		c.rows[Roles]++
		if len(legacyID(c.r.rec.SourcedID, org)) > 255 {
			c.wrong("E406", c.r.org, "the sourcedId made for the role, of user and organisation, is longer than 255", org)
		}
	}
}

// legacyRoles calls f with the roles of the users row at hand: the first
// organisation is the primary one.
func (r *rows) legacyRoles(role *Record, kindOf func(org string) string, f func(*Record) error) error {
	role.Line, role.Status, role.LastModified = r.rec.Line, r.rec.Status, r.rec.LastModified
	orgs := strings.Split(r.orgs, ",")
	for i, org := range orgs {
		if slices.Contains(orgs[:i], org) { // warned of in the check
			continue
		}
		role.SourcedID = legacyID(r.rec.SourcedID, org)
		clear(role.Fields)
		role.set("userSourcedId", r.rec.SourcedID)
		role.set("roleType", "secondary")
		if i == 0 {
			role.set("roleType", "primary")
		}
		role.set("role", roleFrom11(r.role, kindOf(org)))
		role.set("orgSourcedId", org)
		if err := f(role); err != nil {
			return err
		}
	}
	return nil
}

func (r *Record) set(column, v string) { r.Fields[r.Table.Index(column)] = v }
