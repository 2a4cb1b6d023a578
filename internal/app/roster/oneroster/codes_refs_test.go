package oneroster_test

import (
	"strings"
	"testing"

	"digione/internal/app/roster/oneroster"
)

func deltaSchool() files { return delta(school()) }

// onlyEnrollments is a delta whose references all lead to the tenant.
func onlyEnrollments() files {
	f := delta(school())
	f.keep(oneroster.Delta, "enrollments.csv")
	return f
}

// koivula is the tenant that school() made.
func koivula() tenant {
	return tenant{
		"classes/c7a": {Active: true, Parent: "s1", From: "2026-08-01", Until: "2027-06-05"},
		"orgs/s1":     {Active: true, Kind: "school", Parent: "muni"},
		"orgs/muni":   {Active: true, Kind: "district"},
		"users/opp":   {Active: true},
		"users/ope":   {Active: true},
	}
}

func (s tenant) with(id string, k oneroster.Known) tenant { s[id] = k; return s }

func referenceCases() []aCase {
	const e, u, r = "enrollments.csv", "users.csv", "roles.csv"
	return []aCase{
		{code: "E401", file: e, line: 3, column: 1, edit: edit(e, "e2,", "e1,"), says: "line 2"},
		{code: "E402", file: e, line: 2, column: 6, edit: edit(e, ",opp,", ",nobody,")},
		{code: "E402", name: "case", file: e, line: 2, column: 6, edit: edit(e, ",opp,", ",Opp,")},
		{code: "E402", name: "forward", file: u, line: 2, column: 14, edit: edit(u, ",huo,07", ",nobody,07")},
		{code: "E402", name: "in a list", file: "classes.csv", line: 2, column: 11, edit: edit("classes.csv", `"t1,t2"`, `"t1,t9"`)},
		{code: "E402", name: "demographics", file: "demographics.csv", line: 2, column: 1, edit: edit("demographics.csv", "opp,", "opq,")},
		{code: "E402", name: "delta, not in the roster", file: e, line: 2, column: 6, from: onlyEnrollments, store: koivula(), edit: edit(e, ",opp,", ",nobody,"), says: "roster"},
		{code: "E403", file: e, line: 2, column: 4, edit: func(_ *testing.T, f files) {
			f.keep(oneroster.Bulk, "orgs.csv", "users.csv", "roles.csv", "userProfiles.csv", e)
		}},
		{code: "E404", file: "classes.csv", line: 2, column: 10, edit: edit("classes.csv", ",s1,", ",muni,"), also: []string{"W502"}},
		{code: "E404", name: "in the roster", file: e, line: 2, column: 5, from: onlyEnrollments, store: koivula().with("orgs/s1", oneroster.Known{Active: true, Kind: "district"})},
		{code: "E405", file: "courses.csv", line: 2, column: 4, edit: edit("courses.csv", "y27", "t1")},
		{code: "E406", file: u, line: 2, column: 5, from: school11, also: []string{"I501", "E402"}, edit: edit(u, "opp,", strings.Repeat("o", 253)+",")},
		{code: "W401", file: e, line: 2, column: 6, from: onlyEnrollments, store: koivula(), edit: edit(e, "e1,active,"+stamp+",c7a,s1,opp", "e1,tobedeleted,"+stamp+",c7a,s1,gone")},
		{code: "W402", file: r, line: 2, column: 4, from: deltaSchool, edit: func(t *testing.T, f files) {
			f.edit(t, u, "opp,active", "opp,tobedeleted")
		}, also: nil},
		{code: "W402", name: "not in the bulk file", file: e, line: 2, column: 6, store: koivula().with("users/old", oneroster.Known{Active: true}),
			edit: func(t *testing.T, f files) {
				f[e] = delta(school())[e]
				f.edit(t, e, ",opp,", ",old,")
				f.edit(t, "manifest.csv", "file.enrollments,bulk", "file.enrollments,delta")
			}},
		{code: "W404", file: e, line: 2, column: 4, from: onlyEnrollments, offline: true},
		{code: "W403", file: e, line: 2, column: 6, from: onlyEnrollments, store: koivula().with("users/opp", oneroster.Known{})},
	}
}

func meaningCases() []aCase {
	const o, s, u, r, e = "orgs.csv", "academicSessions.csv", "users.csv", "roles.csv", "enrollments.csv"
	return []aCase{
		{code: "E501", name: "own parent", file: o, line: 2, column: 7, edit: edit(o, "0001,", "0001,muni")},
		{code: "E501", name: "cycle", file: o, line: 2, column: 7, edit: edit(o, "0001,", "0001,s2")},
		{code: "E501", name: "through the roster", file: o, line: 2, column: 7, from: deltaSchool, store: koivula().with("orgs/top", oneroster.Known{Active: true, Parent: "muni"}),
			edit: edit(o, "0001,", "0001,top")},
		{code: "E502", file: s, line: 2, column: 8, edit: edit(s, "2027-08-01,,", "2027-08-01,t1,")},
		{code: "E503", file: r, line: 6, column: 5, edit: func(_ *testing.T, f files) { f[r] += "r5,,,ope,primary,principal,,,s1,\n" }, says: "line 4"},
		{code: "E504", file: u, line: 2, column: 21, edit: edit(u, ",s1,\nhuo", ",s2,\nhuo")},
		{code: "E505", file: r, line: 2, column: 10, edit: edit(r, "s1,\nr2", "s1,p1\nr2")},
		{code: "W501", file: s, line: 3, column: 7, edit: edit(s, "t1,,,Syksy,term,2026-08-01,2027-01-01", "t1,,,Syksy,term,2026-08-01,2026-07-01")},
		{code: "W502", file: e, line: 2, column: 5, edit: edit(e, "c7a,s1,opp", "c7a,s2,opp")},
		{code: "W503", file: e, line: 2, column: 9, edit: edit(e, "false,2026-08-01", "false,2026-07-31")},
		{code: "W503", name: "end", file: e, line: 2, column: 10, edit: edit(e, "2027-06-05", "2027-06-06")},
		{code: "W504", file: e, line: 4, column: 6, edit: func(_ *testing.T, f files) { f[e] += "e3,,,c7a,s1,opp,student,,,\n" }, says: "line 2"},
		{code: "W505", file: u, line: 3, column: 5, edit: edit(u, "matti.v", "aino.v"), says: "line 2"},
		{code: "W506", file: "classes.csv", line: 2, column: 11, edit: edit("classes.csv", `"t1,t2"`, `"t1,t2,t1"`)},
		{code: "W507", file: e, line: 2, column: 8, edit: edit(e, "student,false", "student,true")},
		{code: "W508", file: e, line: 4, column: 8, edit: func(_ *testing.T, f files) { f[e] += "e3,,,c7a,s1,huo,teacher,true,2027-01-01,\n" }},
		{code: "W509", file: r, line: 5, column: 8, edit: edit(r, "2026-08-01,2027-06-01", "2026-08-01,2026-08-01")},
		{code: "W510", file: s, line: 2, column: 9, edit: edit(s, ",,2027\n", ",,2026\n")},
		{code: "W511", file: u, line: 2, column: 14, edit: edit(u, ",huo,07", ",opp,07")},
		{code: "I501", file: u, line: 5, column: 7, from: school11, says: "line 4"},
	}
}
