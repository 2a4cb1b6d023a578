package oneroster_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"digione/internal/app/roster/oneroster"
)

// files is a package in the making: content by name.
type files map[string]string

// school is a small valid bulk package of 1.2.1 with a row of every type.
func school() files {
	f := files{
		"orgs.csv": `sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId
muni,,,Koivula,district,0001,
s1,,,"Koivulan koulu, yläaste",school,10001,muni
s2,,,Rantakoulu,school,10002,muni
`,
		"academicSessions.csv": `sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear
y27,,,2026-2027,schoolYear,2026-08-01,2027-08-01,,2027
t1,,,Syksy,term,2026-08-01,2027-01-01,y27,2027
t2,,,Kevät,term,2027-01-01,2027-06-05,y27,2027
`,
		"courses.csv": `sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes
co1,,,y27,Matematiikka 7,MA7,07,muni,"Matematiikka,Tilastot","MA,TI"
`,
		"classes.csv": `sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods
c7a,,,7A,07,co1,7A,scheduled,Luokka 1,s1,"t1,t2",Matematiikka,MA,"1,3"
`,
		"users.csv": `sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns
opp,,,true,aino.v,"{LDAP:aino,v},{oppijanumero:1.2.246.562.24.12345678907}",Aino,Virtanen,,,aino@example.org,,,huo,07,,,,,,s1,
huo,,,true,matti.v,,Matti,Virtanen,,,,,,,,,,,,,,
ope,,,true,liisa.k,{hetu:010594Y9032},Liisa,Korhonen,,,,,,,,,1.2.246.562.24.12345678907,,,,s1,
`,
		"userProfiles.csv": `sourcedId,status,dateLastModified,userSourcedId,profileType,vendorId,applicationId,description,credentialType,username,password
p1,,,ope,platform,v1,,,username,liisa,
`,
		"roles.csv": `sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId
r1,,,opp,primary,student,2026-08-01,,s1,
r2,,,huo,primary,guardian,,,s1,
r3,,,ope,primary,teacher,,,s1,p1
r4,,,ope,secondary,ext:tutor,2026-08-01,2027-06-01,s2,
`,
		"enrollments.csv": `sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate
e1,,,c7a,s1,opp,student,false,2026-08-01,2027-06-05
e2,,,c7a,s1,ope,teacher,true,2026-08-01,
`,
		"demographics.csv": `sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus
opp,,,2013-02-28,unspecified,,,,,,,false,FI,,Koivula,
`,
		"resources.csv": `sourcedId,status,dateLastModified,vendorResourceId,title,roles,importance,vendorId,applicationId
re1,,,kirja-7,Seitsemän,"student,teacher",primary,v1,
`,
		"classResources.csv":  "sourcedId,status,dateLastModified,title,classSourcedId,resourceSourcedId\ncr1,,,,c7a,re1\n",
		"courseResources.csv": "sourcedId,status,dateLastModified,title,courseSourcedId,resourceSourcedId\nkr1,,,,co1,re1\n",
		"userResources.csv":   "sourcedId,status,dateLastModified,userSourcedId,orgSourcedId,classSourcedId,resourceSourcedId\nur1,,,opp,,c7a,re1\n",
		"categories.csv":      "sourcedId,status,dateLastModified,title,weight\nca1,,,Kokeet,50\n",
		"lineItems.csv": `sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,academicSessionSourcedId,resultValueMin,resultValueMax,schoolSourcedId
li1,,,Koe 1,,2026-09-01,2026-09-10,c7a,ca1,t1,4,10,s1
`,
		"scoreScales.csv": `sourcedId,status,dateLastModified,title,type,orgSourcedId,courseSourcedId,classSourcedId,scoreScaleValue
ss1,,,4-10,numero,s1,co1,c7a,"{4:hylätty},{5:välttävä}"
`,
		"results.csv": `sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing
rs1,,,li1,opp,fully graded,9.5,2026-09-12,Hieno,,c7a,false,,,false
`,
		"lineItemScoreScales.csv":          "sourcedId,status,dateLastModified,title,lineItemSourcedId,scoreScaleSourcedId\nls1,,,,li1,ss1\n",
		"resultScoreScales.csv":            "sourcedId,status,dateLastModified,title,resultSourcedId,scoreScaleSourcedId\nrss1,,,,rs1,ss1\n",
		"lineItemLearningObjectiveIds.csv": "sourcedId,status,dateLastModified,lineItemSourcedId,source,learningObjectiveId\nlo1,,,li1,case,urn:uuid:6513270e-269e-0d37-f2a7-4de452e6b438\n",
		"resultLearningObjectiveIds.csv":   "sourcedId,status,dateLastModified,resultSourcedId,source,learningObjectiveId,score,textScore\nro1,,,rs1,unknown,T7,9,\n",
	}
	f["manifest.csv"] = manifest("1.2", f, oneroster.Bulk)
	return f
}

// school11 is the same in 1.1, with a person who comes in two rows.
func school11() files {
	f := files{}
	for _, name := range []string{"orgs.csv", "academicSessions.csv", "courses.csv", "classes.csv", "enrollments.csv"} {
		f[name] = school()[name]
	}
	f["users.csv"] = `sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password
opp,,,true,s1,student,aino.v,{LDAP:aino},Aino,Virtanen,,,,,,huo,07,
huo,,,true,s1,parent,matti.v,,Matti,Virtanen,,,,,,opp,,
ope,,,true,"s1,s2",teacher,liisa.k,,Liisa,Korhonen,,,,,,,,
adm,,,true,"muni,s2",administrator,liisa.k,,Liisa,Korhonen,,,,,,,,
`
	f["lineItems.csv"] = `sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax
li1,,,Koe 1,,2026-09-01,2026-09-10,c7a,ca1,t1,4,10
`
	f["categories.csv"] = "sourcedId,status,dateLastModified,title\nca1,,,Kokeet\n"
	f["manifest.csv"] = manifest("1.1", f, oneroster.Bulk)
	return f
}

// manifest lists every file of the version: those of f in a mode, others absent.
func manifest(version string, f files, mode oneroster.Mode) string {
	var b strings.Builder
	b.WriteString("propertyName,value\nmanifest.version,1.0\noneroster.version," + version + "\n")
	for _, t := range oneroster.Tables() {
		if version == "1.1" && !t.In11 {
			continue
		}
		m := oneroster.Absent
		if f[t.Type.FileName()] != "" {
			m = mode
		}
		b.WriteString("file." + string(t.Type) + "," + string(m) + "\n")
	}
	return b.String() + "source.systemName,Koivula\n"
}

const stamp = "2026-09-01T10:20:30.456Z"

// delta turns a bulk package into a delta with all rows active.
func delta(f files) files {
	d := files{}
	for name, text := range f {
		lines := strings.SplitAfter(text, "\n")
		for i := 1; i < len(lines) && name != "manifest.csv"; i++ {
			lines[i] = strings.Replace(lines[i], ",,,", ",active,"+stamp+",", 1)
		}
		d[name] = strings.Join(lines, "")
	}
	d["manifest.csv"] = strings.ReplaceAll(f["manifest.csv"], ",bulk\n", ",delta\n")
	return d
}

// edit replaces the first old in a file; a test whose old is not there is wrong.
func (f files) edit(t testing.TB, name, old, new string) {
	t.Helper()
	if !strings.Contains(f[name], old) {
		t.Fatalf("%s has no %q", name, old)
	}
	f[name] = strings.Replace(f[name], old, new, 1)
}

// keep drops all files but those named and the manifest, which is made anew.
func (f files) keep(mode oneroster.Mode, names ...string) {
	for name := range f {
		if !slices.Contains(names, name) {
			delete(f, name)
		}
	}
	f["manifest.csv"] = manifest("1.2", f, mode)
}

func (f files) zip(t testing.TB) []byte {
	t.Helper()
	return zipOf(t, func(z *zip.Writer) {
		for _, name := range slices.Sorted(maps.Keys(f)) {
			addFile(t, z, &zip.FileHeader{Name: name, Method: zip.Deflate}, f[name])
		}
	})
}

func zipOf(t testing.TB, fill func(*zip.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	fill(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func addFile(t testing.TB, z *zip.Writer, h *zip.FileHeader, content string) {
	t.Helper()
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, data []byte, o oneroster.Options) *oneroster.Package {
	t.Helper()
	p, err := oneroster.OpenReader(bytes.NewReader(data), int64(len(data)), "test.zip", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func check(t testing.TB, p *oneroster.Package, s oneroster.Store) *oneroster.Report {
	t.Helper()
	r, err := p.Check(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkFiles(t testing.TB, f files, o oneroster.Options) (*oneroster.Package, *oneroster.Report) {
	t.Helper()
	p := open(t, f.zip(t), o)
	return p, check(t, p, nil)
}

// wantClean fails unless the report has no finding at all.
func wantClean(t testing.TB, r *oneroster.Report) {
	t.Helper()
	if !r.Valid || len(r.Findings) > 0 {
		t.Fatalf("not clean: %s", dump(r.Findings))
	}
}

func dump(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// collect clones all records of a type.
func collect(t testing.TB, p *oneroster.Package, typ oneroster.Type) []*oneroster.Record {
	t.Helper()
	var list []*oneroster.Record
	err := p.Each(context.Background(), typ, func(r *oneroster.Record) error {
		list = append(list, r.Clone())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// tenant is a Store with rows by "type/sourcedId".
type tenant map[string]oneroster.Known

func (s tenant) Lookup(t oneroster.Type, id string) (oneroster.Known, bool) {
	k, ok := s[string(t)+"/"+id]
	return k, ok
}
