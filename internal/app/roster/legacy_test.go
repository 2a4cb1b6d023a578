package roster_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
)

// old11 writes a OneRoster 1.1 package by hand: rows by file, users with role and
// organisations in one row.
func old11(t testing.TB, mode string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name, text string) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	manifest := "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\n"
	for _, f := range strings.Fields("academicSessions categories classes classResources courses courseResources demographics enrollments lineItems orgs resources results users") {
		m := "absent"
		if files[f] != "" {
			m = mode
			put(f+".csv", files[f])
		}
		manifest += "file." + f + "," + m + "\n"
	}
	put("manifest.csv", manifest)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const users11 = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n"

func TestOneRoster11(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	bulk := old11(t, "bulk", map[string]string{
		"orgs": "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n" +
			"d,,,Alfa,district,,\ns1,,,Ykköskoulu,school,10001,d\ns2,,,Kakkoskoulu,school,10002,d\n",
		// One person, two rows: teacher and guardian, known by one hetu.
		"users": users11 +
			"t1,,,true,\"s1,s2\",teacher,opettaja,{hetu:010180-9004},Oona,Opettaja,,,,,,,,secret\n" +
			"t2,,,true,s1,guardian,opettaja.huoltaja,{hetu:010180-9004},Oona,Opettaja,,,,,,,,\n" +
			"p1,,,true,s1,student,oppilas,,Olli,Oppilas,,,,,,t2,03,\n",
	})
	p := w.load(bulk, roster.Options{}, roster.Approval{Initial: true})
	if p.Version != "1.1" || p.Changes[oneroster.Roles].Insert != 4 {
		t.Fatalf("import: %s %+v", p.Version, p.Changes)
	}
	e := w.Env
	if n := count(t, e, "t_alpha", "select count(*) from person"); n != 2 {
		t.Errorf("%d persons, want 2: two rows are one person", n)
	}
	if n := count(t, e, "t_alpha", "select count(*) from guardianship g join person p on p.id = g.child where p.family_name = 'Oppilas'"); n != 1 {
		t.Errorf("%d guardianships of the pupil, want 1", n)
	}
	if n := count(t, e, "t_alpha", "select count(*) from roster_user where user_ids like '%010180%' or extra::text like '%secret%'"); n != 0 {
		t.Error("a hetu or a password stands in the clear")
	}
	if got := w.export()["users t1"]; !strings.Contains(got, "{hetu:010180-9004}") || !strings.Contains(got, "secret") {
		t.Errorf("what came in does not go out: %s", got)
	}
	// A delta that takes a school from the teacher takes the role there, and
	// nothing from those whom it does not name.
	delta := old11(t, "delta", map[string]string{
		"users": users11 + "t1,active,2026-11-24T08:00:00.000Z,true,s2,teacher,opettaja,{hetu:010180-9004},Oona,Opettaja,,,,,,,,secret\n",
	})
	d := w.load(delta, roster.Options{}, roster.Approval{})
	c := d.Changes[oneroster.Roles]
	if c.Remove != 1 || c.Update != 1 || c.Insert != 0 {
		t.Errorf("roles of the delta: %+v", c)
	}
	if _, err := w.svc.Rollback(ctx, w.tenant, d.Import, false, false, roster.Approval{Who: "x"}, nil); err != nil {
		t.Fatal(err)
	}
	if c := total(w.load(bulk, roster.Options{}, roster.Approval{})); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
		t.Errorf("the bulk file after the rollback: %+v", c)
	}
}
