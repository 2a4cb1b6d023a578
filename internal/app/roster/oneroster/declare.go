package oneroster

// The words of the enumerations.
var (
	sessionTypes = []string{"gradingPeriod", "semester", "schoolYear", "term"}
	orgTypes     = []string{"department", "school", "district", "local", "state", "national"}
	classTypes   = []string{"homeroom", "scheduled"}
	roles11      = []string{"administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher"}
	roles12      = []string{"aide", "counselor", "districtAdministrator", "guardian", "parent", "principal", "proctor",
		"relative", "siteAdministrator", "student", "systemAdministrator", "teacher"}
	roleTypes     = []string{"primary", "secondary"}
	enrollRoles   = []string{"administrator", "proctor", "student", "teacher"}
	sexes11       = []string{"male", "female"}
	sexes12       = []string{"male", "female", "unspecified", "other"}
	scoreStatuses = []string{"exempt", "fully graded", "not submitted", "partially graded", "submitted"}
	sources       = []string{"case", "unknown"}
	importances   = []string{"primary", "secondary"}
)

// option refines a column.
type option func(*Column)

func list(c *Column)      { c.List = true }
func private(c *Column)   { c.Private = true }
func ext(c *Column)       { c.Ext = true }
func finalOnly(c *Column) { c.finalOnly = true }
func mapped(c *Column)    { c.mapped = true }

func ref(t Type) option         { return func(c *Column) { c.Ref = t } }
func kind(k string) option      { return func(c *Column) { c.RefKind = k } }
func named11(n string) option   { return func(c *Column) { c.name11 = n } }
func words(w ...string) option  { return func(c *Column) { c.Words11, c.Words12 = w, w } }
func words11(w []string) option { return func(c *Column) { c.Words11 = w } }

var needs = map[byte]Need{'r': Required, 'o': Optional, '-': Missing}

// col declares a column. need has a letter for 1.1 and one for 1.2: r required,
// o optional, - not there.
func col(name, need string, k Kind, opts ...option) Column {
	c := Column{Name: name, In11: needs[need[0]], In12: needs[need[1]], Kind: k}
	for _, o := range opts {
		o(&c)
	}
	return c
}

// text declares optional free text columns that both versions have.
func text(names ...string) []Column {
	return each(names, func(n string) Column { return col(n, "oo", String) })
}

// secret is text that identifies or protects a person.
func secret(need string, names ...string) []Column {
	return each(names, func(n string) Column { return col(n, need, String, private) })
}

func each(names []string, f func(string) Column) []Column {
	var cols []Column
	for _, n := range names {
		cols = append(cols, f(n))
	}
	return cols
}

func both(t Type, cols ...[]Column) *Table {
	tab := only12(t, cols...)
	tab.In11 = true
	return tab
}

func only12(t Type, cols ...[]Column) *Table {
	tab := &Table{Type: t}
	for _, c := range cols {
		tab.declared = append(tab.declared, c...)
	}
	return tab
}

type columns = []Column

// declare is the one place that knows the files: parsing, checking and writing
// all follow it.
func declare() []*Table {
	demographics := demographicsTable()
	demographics.OfUser = true
	ts := []*Table{
		both(Orgs, columns{
			col("name", "rr", String),
			col("type", "rr", Enum, words(orgTypes...), ext),
			col("identifier", "oo", String),
			col("parentSourcedId", "oo", GUID, ref(Orgs)),
		}),
		both(AcademicSessions, columns{
			col("title", "rr", String),
			col("type", "rr", Enum, words(sessionTypes...), ext),
			col("startDate", "rr", Date),
			col("endDate", "rr", Date),
			col("parentSourcedId", "oo", GUID, ref(AcademicSessions)),
			col("schoolYear", "rr", Year),
		}),
		both(Courses, columns{
			col("schoolYearSourcedId", "oo", GUID, ref(AcademicSessions), kind("schoolYear")),
			col("title", "rr", String),
			col("courseCode", "oo", String),
			col("grades", "oo", String, list),
			col("orgSourcedId", "rr", GUID, ref(Orgs)),
			col("subjects", "oo", String, list),
			col("subjectCodes", "oo", String, list),
		}),
		both(Classes, columns{
			col("title", "rr", String),
			col("grades", "oo", String, list),
			col("courseSourcedId", "rr", GUID, ref(Courses)),
			col("classCode", "oo", String),
			col("classType", "rr", Enum, words(classTypes...), ext),
			col("location", "oo", String),
			col("schoolSourcedId", "rr", GUID, ref(Orgs), kind("school")),
			col("termSourcedIds", "rr", GUID, list, ref(AcademicSessions)),
			col("subjects", "oo", String, list),
			col("subjectCodes", "oo", String, list),
			col("periods", "oo", String, list),
		}),
		usersTable(),
		only12(UserProfiles, columns{
			col("userSourcedId", "-r", GUID, ref(Users)),
			col("profileType", "-r", String),
			col("vendorId", "-r", String),
			col("applicationId", "-o", String),
			col("description", "-o", String, private),
			col("credentialType", "-r", String),
			col("username", "-r", String, private),
			col("password", "-o", String, private),
		}),
		only12(Roles, columns{
			col("userSourcedId", "-r", GUID, ref(Users)),
			col("roleType", "-r", Enum, words(roleTypes...)),
			col("role", "-r", Enum, words(roles12...), ext),
			col("beginDate", "-o", Date),
			col("endDate", "-o", Date),
			col("orgSourcedId", "-r", GUID, ref(Orgs)),
			col("userProfileSourcedId", "-o", GUID, ref(UserProfiles)),
		}),
		both(Enrollments, columns{
			col("classSourcedId", "rr", GUID, ref(Classes)),
			col("schoolSourcedId", "rr", GUID, ref(Orgs), kind("school")),
			col("userSourcedId", "rr", GUID, ref(Users)),
			col("role", "rr", Enum, words(enrollRoles...), ext),
			col("primary", "oo", Bool),
			col("beginDate", "oo", Date),
			col("endDate", "oo", Date),
		}),
		demographics,
	}
	return append(ts, append(resourceTables(), gradebookTables()...)...)
}

func usersTable() *Table {
	return both(Users, columns{
		col("enabledUser", "rr", Bool),
		col("orgSourcedIds", "r-", GUID, list, ref(Orgs), mapped),
		col("role", "r-", Enum, words(roles11...), mapped),
		col("username", "rr", String, private),
		col("userIds", "oo", UserIDs, list, private),
		col("givenName", "rr", String, private),
		col("familyName", "rr", String, private),
	},
		secret("oo", "middleName", "identifier", "email", "sms", "phone"),
		columns{
			col("agentSourcedIds", "oo", GUID, list, ref(Users)),
			col("grades", "oo", String, list),
			col("password", "oo", String, private),
			col("userMasterIdentifier", "-o", String, private),
			col("resourceSourcedIds", "-o", GUID, list, ref(Resources), finalOnly),
		},
		secret("-o", "preferredGivenName", "preferredMiddleName", "preferredFamilyName"),
		columns{
			col("primaryOrgSourcedId", "-o", GUID, ref(Orgs)),
			col("pronouns", "-o", String, private),
		})
}

func demographicsTable() *Table {
	return both(Demographics,
		columns{
			col("birthDate", "oo", Date, private),
			col("sex", "oo", Enum, words(sexes12...), words11(sexes11), ext, private),
		},
		each([]string{"americanIndianOrAlaskaNative", "asian", "blackOrAfricanAmerican",
			"nativeHawaiianOrOtherPacificIslander", "white", "demographicRaceTwoOrMoreRaces",
			"hispanicOrLatinoEthnicity"},
			func(n string) Column { return col(n, "oo", Bool, private) }),
		secret("oo", "countryOfBirthCode", "stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus"))
}

func resourceTables() []*Table {
	return []*Table{
		both(Resources, columns{
			col("vendorResourceId", "rr", String),
			col("title", "oo", String),
			col("roles", "oo", Enum, list, words(roles11...), ext),
			col("importance", "oo", Enum, words(importances...)),
		}, text("vendorId", "applicationId")),
		both(ClassResources, columns{
			col("title", "oo", String),
			col("classSourcedId", "rr", GUID, ref(Classes)),
			col("resourceSourcedId", "rr", GUID, ref(Resources)),
		}),
		both(CourseResources, columns{
			col("title", "oo", String),
			col("courseSourcedId", "rr", GUID, ref(Courses)),
			col("resourceSourcedId", "rr", GUID, ref(Resources)),
		}),
		only12(UserResources, columns{
			col("userSourcedId", "-r", GUID, ref(Users)),
			col("orgSourcedId", "-o", GUID, ref(Orgs)),
			col("classSourcedId", "-o", GUID, ref(Classes)),
			col("resourceSourcedId", "-r", GUID, ref(Resources)),
		}),
	}
}

func gradebookTables() []*Table {
	return []*Table{
		both(Categories, columns{
			col("title", "rr", String),
			col("weight", "-o", Int),
		}),
		both(LineItems, columns{
			col("title", "rr", String),
			col("description", "oo", String),
			col("assignDate", "rr", Date),
			col("dueDate", "rr", Date),
			col("classSourcedId", "rr", GUID, ref(Classes)),
			col("categorySourcedId", "rr", GUID, ref(Categories)),
			col("academicSessionSourcedId", "rr", GUID, ref(AcademicSessions), named11("gradingPeriodSourcedId")),
			col("resultValueMin", "ro", Float),
			col("resultValueMax", "ro", Float),
			col("schoolSourcedId", "-r", GUID, ref(Orgs)),
		}),
		only12(ScoreScales, columns{
			col("title", "-r", String),
			col("type", "-r", String),
			col("orgSourcedId", "-r", GUID, ref(Orgs)),
			col("courseSourcedId", "-r", GUID, ref(Courses)),
			col("classSourcedId", "-r", GUID, ref(Classes)),
			col("scoreScaleValue", "-r", ScalePairs, list),
		}),
		both(Results, columns{
			col("lineItemSourcedId", "rr", GUID, ref(LineItems)),
			col("studentSourcedId", "rr", GUID, ref(Users)),
			col("scoreStatus", "rr", Enum, words(scoreStatuses...), ext),
			col("score", "ro", Float, private),
			col("scoreDate", "rr", Date),
			col("comment", "oo", String, private),
			col("textScore", "-o", String, private),
			col("classSourcedId", "-o", GUID, ref(Classes)),
			col("inProgress", "-o", Bool),
			col("incomplete", "-o", Bool),
			col("late", "-o", Bool),
			col("missing", "-o", Bool),
		}),
		only12(LineItemScoreScales, columns{
			col("title", "-o", String),
			col("lineItemSourcedId", "-r", GUID, ref(LineItems)),
			col("scoreScaleSourcedId", "-r", GUID, ref(ScoreScales)),
		}),
		only12(ResultScoreScales, columns{
			col("title", "-o", String),
			col("resultSourcedId", "-r", GUID, ref(Results)),
			col("scoreScaleSourcedId", "-r", GUID, ref(ScoreScales)),
		}),
		only12(LineItemLearningObjectiveIDs, columns{
			col("lineItemSourcedId", "-r", GUID, ref(LineItems)),
			col("source", "-r", Enum, words(sources...), ext),
			col("learningObjectiveId", "-r", String),
		}),
		only12(ResultLearningObjectiveIDs, columns{
			col("resultSourcedId", "-r", GUID, ref(Results)),
			col("source", "-r", Enum, words(sources...), ext),
			col("learningObjectiveId", "-r", String),
			col("score", "-o", Float, private),
			col("textScore", "-o", String, private),
		}),
	}
}
