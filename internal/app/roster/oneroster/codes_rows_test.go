package oneroster_test

import (
	"strings"
	"testing"

	"digione/internal/app/roster/oneroster"
)

var lenient = oneroster.Options{Lenient: true}

func formCases() []aCase {
	const o, u = "orgs.csv", "users.csv"
	return []aCase{
		{code: "E201", file: u, line: 2, column: 8, edit: edit(u, "Virtanen", "V\xe4h\xe4l\xe4"), says: `byte 0xE4 (byte 83 of the row) is not UTF-8; the file is probably Windows-1252, where this byte is 'ä'`},
		{code: "E201", name: "UTF-16", file: o, line: 1, column: 1, says: "UTF-16",
			edit: edit(o, "sourcedId", "\xff\xfesourcedId")},
		{code: "E202", name: "in a plain field", file: o, line: 2, column: 4, edit: edit(o, "Koivula", `Koi"vula`), says: "not quoted"},
		{code: "E202", name: "not closed", file: o, line: 2, column: 4, edit: edit(o, "Koivula", `"Koivula`), says: "not closed"},
		{code: "E202", name: "not closed in the last row", file: o, line: 4, column: 4, edit: edit(o, "Rantakoulu", `"Rantakoulu`), says: "not closed"},
		{code: "E202", name: "text behind", file: o, line: 2, column: 4, edit: edit(o, "Koivula", `"Koi"vula`), says: "between"},
		{code: "E203", file: o, line: 2, column: 4, edit: edit(o, "Koivula", "\"Koi\nvula\"")},
		{code: "E204", file: o, line: 2, column: 6, edit: edit(o, "0001,", "0001"), says: "6 fields"},
		{code: "E204", name: "unquoted comma", file: o, line: 2, column: 8, edit: edit(o, "Koivula", "Koivula, kunta"), says: "8 fields"},
		{code: "E204", name: "empty line", file: o, line: 5, column: 1, edit: func(_ *testing.T, f files) { f[o] += "\n" }},
		{code: "E205", file: o, line: 4, column: 4, edit: edit(o, ",school,10002,muni\n", ""), also: nil},
		{code: "E206", file: "results.csv", line: 1, edit: func(_ *testing.T, f files) { f["results.csv"] = "" }},
		{code: "E207", file: u, line: 1, edit: func(_ *testing.T, f files) { f[u], _, _ = strings.Cut(f[u], "opp,"); f["orgs.csv"] += "" }},
		{code: "E208", file: o, line: 1, column: 4, edit: edit(o, ",name,", ",nimi,"), also: []string{"E209"}},
		{code: "E209", file: o, line: 1, edit: func(t *testing.T, f files) {
			f[o] = "sourcedId,status,dateLastModified,name,type,parentSourcedId\nmuni,,,K,district,\ns1,,,K,school,muni\ns2,,,K,school,muni\n"
		}},
		{code: "E210", file: o, line: 1, column: 5, edit: func(t *testing.T, f files) {
			f[o] = "sourcedId,status,dateLastModified,type,name,identifier,parentSourcedId\nmuni,,,district,K,,\ns1,,,school,K,,muni\ns2,,,school,K,,muni\n"
		}},
		{code: "E211", file: o, line: 1, column: 1, edit: edit(o, "sourcedId", "SourcedId")},
		{code: "E212", file: o, line: 1, column: 6, edit: edit(o, "type,identifier", "type,type"), also: []string{"E209", "E204"}},
		{code: "E212", name: "metadata", file: "categories.csv", line: 1, column: 7, edit: func(t *testing.T, f files) {
			f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,metadata.a,metadata.a\nca1,,,Kokeet,50,1,2\n"
		}},
		{code: "E213", name: "left", file: "categories.csv", line: 1, column: 6, edit: func(t *testing.T, f files) {
			f["categories.csv"] = "sourcedId,status,dateLastModified,title,metadata.a,weight\nca1,,,Kokeet,1,50\n"
		}},
		{code: "E213", name: "no name", file: "categories.csv", line: 1, column: 6, edit: func(t *testing.T, f files) {
			f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,metadata.\nca1,,,Kokeet,50,1\n"
		}},
		{code: "E214", name: "header", file: "categories.csv", line: 1, column: 6, repair: "trailing-blank-columns", edit: func(t *testing.T, f files) {
			f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,,\nca1,,,Kokeet,50,,\n"
		}},
		{code: "E204", name: "empty fields at the right", file: "categories.csv", line: 2, column: 6, edit: edit("categories.csv", "Kokeet,50", "Kokeet,50,,")},
		{code: "E214", name: "value in it", file: "categories.csv", line: 2, column: 7, opts: lenient, edit: func(t *testing.T, f files) {
			f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,,\nca1,,,Kokeet,50,,x\n"
		}},
		{code: "E215", file: o, line: 2, column: 4, edit: edit(o, "Koivula", "Koi\rvula")},
		{code: "E216", file: o, line: 2, column: 4, edit: edit(o, "Koivula", "Koi\x00vula"), says: "0x00"},
		{code: "E217", name: "field", file: o, line: 2, column: 4, edit: edit(o, "Koivula", strings.Repeat("k", 70000))},
		{code: "E217", name: "row", file: o, line: 2, column: 1, edit: edit(o, "Koivula", strings.Repeat("kunta-", 200000)), opts: oneroster.Options{Limits: oneroster.Limits{Ratio: 10000}}},
		{code: "E218", file: o, line: 1, column: 1, edit: func(_ *testing.T, f files) { f[o] = strings.ReplaceAll(f[o], ",", ";") }, says: `";"`},
		{code: "E218", name: "tabs", file: u, line: 1, column: 1, edit: func(_ *testing.T, f files) { f[u] = strings.ReplaceAll(f[u], ",", "\t") }, says: `"\t"`},
		{code: "E219", file: o, line: 1, column: 1, edit: func(_ *testing.T, f files) { _, f[o], _ = strings.Cut(f[o], "\n") }},
		{code: "E208", name: "half of it", file: "categories.csv", line: 1, column: 3, also: []string{"E209"},
			edit: edit("categories.csv", "sourcedId,status,dateLastModified,title,weight", "sourcedId,status,a,b,c")},
		{code: "E216", name: "UTF-16 without a mark", file: o, line: 1, column: 1, says: "UTF-16",
			edit: edit(o, "sourcedId", "s\x00o\x00u\x00r\x00c\x00e\x00d\x00I\x00d\x00")},
		{code: "W201", file: o, line: 4, column: 4, edit: edit(o, "Rantakoulu", "R\uFFFDntakoulu")},
	}
}

func cellCases() []aCase {
	const o, s, u, c = "orgs.csv", "academicSessions.csv", "users.csv", "classes.csv"
	return []aCase{
		{code: "E301", file: o, line: 4, column: 4, edit: edit(o, "Rantakoulu", "")},
		{code: "E301", name: "blanks only", file: o, line: 4, column: 4, edit: edit(o, "Rantakoulu", "  ")},
		{code: "E301", name: "sourcedId", file: "categories.csv", line: 2, column: 1, edit: edit("categories.csv", "ca1,", ",")},
		{code: "E302", file: "categories.csv", line: 2, column: 1, edit: edit("categories.csv", "ca1,", "ca 1,"), also: []string{"E402"}},
		{code: "E302", name: "too long", file: "categories.csv", line: 2, column: 1, edit: edit("categories.csv", "ca1,", strings.Repeat("c", 256)+","), also: []string{"E402"}},
		{code: "E302", name: "reference", file: "courses.csv", line: 2, column: 8, edit: edit("courses.csv", ",muni,", ",mu ni,")},
		{code: "E303", file: s, line: 3, column: 6, edit: edit(s, "t1,,,Syksy,term,2026-08-01", "t1,,,Syksy,term,2026-02-29")},
		{code: "E303", name: "Finnish", file: s, line: 3, column: 6, edit: edit(s, "t1,,,Syksy,term,2026-08-01", "t1,,,Syksy,term,1.8.2026")},
		{code: "E304", file: "categories.csv", line: 2, column: 3, from: func() files { return delta(school()) }, edit: edit("categories.csv", stamp, "2026-09-01")},
		{code: "E304", name: "no milliseconds", file: "categories.csv", line: 2, column: 3, repair: "datetime-utc", from: func() files { return delta(school()) },
			edit: edit("categories.csv", stamp, "2026-09-01T10:20:30Z")},
		{code: "E304", name: "no zone", file: "categories.csv", line: 2, column: 3, from: func() files { return delta(school()) },
			edit: edit("categories.csv", stamp, "2026-09-01T10:20:30.456")},
		{code: "E305", file: s, line: 2, column: 9, edit: edit(s, ",,2027\n", ",,26-27\n")},
		{code: "E306", file: u, line: 2, column: 4, edit: edit(u, "true", "yes")},
		{code: "E306", name: "upper case", file: u, line: 2, column: 4, edit: edit(u, "true", "TRUE"), repair: "bool-case"},
		{code: "E307", file: "categories.csv", line: 2, column: 5, edit: edit("categories.csv", ",50", ",50.5")},
		{code: "E308", file: "results.csv", line: 2, column: 7, edit: edit("results.csv", "9.5", "\"9,5\"")},
		{code: "E309", file: o, line: 2, column: 5, edit: edit(o, "district", "kunta")},
		{code: "E309", name: "wrong case", file: o, line: 2, column: 5, edit: edit(o, "district", "District")},
		{code: "E309", name: "ext in 1.1", file: o, line: 2, column: 5, from: school11, edit: edit(o, "district", "ext:kunta"), also: []string{"I501"}},
		{code: "E309", name: "no ext here", file: "roles.csv", line: 2, column: 5, edit: edit("roles.csv", "primary", "ext:main")},
		{code: "E310", file: c, line: 2, column: 11, edit: edit(c, `"t1,t2"`, `"t1, t2"`), repair: "list-blanks"},
		{code: "E310", name: "pairs", file: "scoreScales.csv", line: 2, column: 9, edit: edit("scoreScales.csv", "},{", "}, {"), repair: "list-blanks"},
		{code: "E311", file: c, line: 2, column: 11, edit: edit(c, `"t1,t2"`, `"t1,t2,"`)},
		{code: "E312", file: u, line: 4, column: 6, edit: edit(u, "{hetu:010594Y9032}", "hetu:010594Y9032")},
		{code: "E312", name: "scale", file: "scoreScales.csv", line: 2, column: 9, edit: edit("scoreScales.csv", "{4:hylätty}", "{4}")},
		{code: "E313", file: "courses.csv", line: 2, column: 10, edit: edit("courses.csv", `"MA,TI"`, "MA")},
		{code: "E314", file: o, line: 2, column: 2, edit: edit(o, "muni,,", "muni,active,")},
		{code: "E315", file: o, line: 2, column: 3, edit: edit(o, "muni,,,", "muni,,"+stamp+",")},
		{code: "E316", file: o, line: 2, column: 2, from: func() files { return delta(school()) }, edit: edit(o, "muni,active", "muni,inactive")},
		{code: "E316", name: "missing", file: o, line: 2, column: 2, from: func() files { return delta(school()) }, edit: edit(o, "muni,active", "muni,")},
		{code: "E317", file: o, line: 2, column: 3, from: func() files { return delta(school()) }, edit: edit(o, "muni,active,"+stamp, "muni,active,")},
		{code: "E318", name: "userIds", file: u, line: 4, column: 6, edit: edit(u, "010594Y9032", "010594Y9033"), says: "check character"},
		{code: "E318", name: "date", file: u, line: 4, column: 6, edit: edit(u, "{hetu:010594Y9032}", "{Hetu:310294Y9032}"), says: "date"},
		{code: "E318", name: "metadata", file: u, line: 2, column: 23, edit: func(t *testing.T, f files) {
			f.edit(t, u, "pronouns\n", "pronouns,metadata.hetu\n")
			f.edit(t, u, "s1,\nhuo", "s1,,131052-308A\nhuo")
			f.edit(t, u, ",,,,,,,,,,,,,,\nope", ",,,,,,,,,,,,,,,\nope")
			f.edit(t, u, "s1,\n", "s1,,131052-308T\n")
		}},
		{code: "E319", file: "lineItemLearningObjectiveIds.csv", line: 2, column: 6, edit: edit("lineItemLearningObjectiveIds.csv", "urn:uuid:6513270e", "urn:uuid:6513270x")},
		{code: "W301", file: u, line: 4, column: 17, edit: edit(u, ",1.2.246.562.24.12345678907,", ",1.2.246.562.24.12345678908,")},
		{code: "W301", name: "userIds", file: u, line: 2, column: 6, edit: edit(u, "oppijanumero:1.2.246.562.24.12345678907", "oppijanumero:1.2.246.562.24.12345678908")},
		{code: "W302", file: u, line: 5, column: 1, edit: func(_ *testing.T, f files) { f[u] += "131052-308T,,,true,x,,A,B,,,,,,,,,,,,,,\n" }},
	}
}
