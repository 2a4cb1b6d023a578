package oneroster_test

import (
	"archive/zip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		files   func() files
		version oneroster.Variant
	}{
		{"bulk", school, oneroster.V121},
		{"delta", func() files { return delta(school()) }, oneroster.V121},
		{"manifest only", func() files { f := school(); f.keep(oneroster.Bulk); return f }, oneroster.V121},
		{"mixed bulk and delta", func() files {
			f := school()
			f["enrollments.csv"] = delta(school())["enrollments.csv"]
			f["manifest.csv"] = strings.Replace(f["manifest.csv"], "file.enrollments,bulk", "file.enrollments,delta", 1)
			return f
		}, oneroster.V121},
		{"1.2 Final", func() files {
			f := school()
			f["users.csv"] = strings.NewReplacer("userMasterIdentifier,", "userMasterIdentifier,resourceSourcedIds,",
				",huo,07,,,", ",huo,07,,,re1,", "Virtanen,,,,,,,,,", "Virtanen,,,,,,,,,,",
				"12345678907,,,,s1", "12345678907,,,,,s1").Replace(f["users.csv"])
			return f
		}, oneroster.V12Final},
		{"byte order mark", func() files {
			f := school()
			for name := range f {
				f[name] = "\xef\xbb\xbf" + f[name]
			}
			return f
		}, oneroster.V121},
		{"CR LF", func() files {
			f := school()
			for name := range f {
				f[name] = strings.ReplaceAll(f[name], "\n", "\r\n")
			}
			return f
		}, oneroster.V121},
		{"no line end at the end", func() files {
			f := school()
			for name := range f {
				f[name] = strings.TrimSuffix(f[name], "\n")
			}
			return f
		}, oneroster.V121},
		{"manifest in another order", func() files {
			f := school()
			lines := strings.SplitAfter(f["manifest.csv"], "\n")
			lines[1], lines[2], lines[9] = lines[9], lines[1], lines[2]
			f["manifest.csv"] = strings.Join(lines, "")
			return f
		}, oneroster.V121},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, r := checkFiles(t, c.files(), oneroster.Options{})
			wantClean(t, r)
			if p.Version() != c.version || r.Version != string(c.version) || p.Declared() != "1.2" {
				t.Errorf("version %q, declared %q", p.Version(), p.Declared())
			}
		})
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	f := school()
	delete(f, "results.csv")
	f.edit(t, "manifest.csv", "file.results,bulk", "file.results,absent")
	p := open(t, f.zip(t), oneroster.Options{})
	if p.Mode(oneroster.Orgs) != oneroster.Bulk || p.Mode(oneroster.Results) != oneroster.Absent || p.Mode("nonsense") != oneroster.Absent {
		t.Errorf("modes %v", p.Manifest().Files)
	}
	if m := p.Manifest(); m.SystemName != "Koivula" || m.ManifestVersion != "1.0" || p.RolesFromUsers() {
		t.Errorf("manifest %+v", m)
	}
}

// TestLegacy reads 1.1 into the model of 1.2.
func TestLegacy(t *testing.T) {
	t.Parallel()
	p, r := checkFiles(t, school11(), oneroster.Options{})
	if !r.Valid || len(r.Findings) != 1 || r.Findings[0].Code != "I501" {
		t.Fatalf("findings %s", dump(r.Findings))
	}
	if !p.RolesFromUsers() || p.Mode(oneroster.Roles) != oneroster.Bulk || p.Rows(oneroster.Roles) != 6 || p.Rows(oneroster.Users) != 4 {
		t.Errorf("roles: %t %s %d", p.RolesFromUsers(), p.Mode(oneroster.Roles), p.Rows(oneroster.Roles))
	}
	var got []string
	for _, role := range collect(t, p, oneroster.Roles) {
		got = append(got, strings.Join([]string{role.SourcedID, role.Get("userSourcedId"), role.Get("orgSourcedId"), role.Get("roleType"), role.Get("role")}, " "))
	}
	want := []string{
		"opp/s1 opp s1 primary student",
		"huo/s1 huo s1 primary parent",
		"ope/s1 ope s1 primary teacher",
		"ope/s2 ope s2 secondary teacher",
		"adm/muni adm muni primary districtAdministrator",
		"adm/s2 adm s2 secondary siteAdministrator",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("roles\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	users := collect(t, p, oneroster.Users)
	if u := users[0]; u.Get("primaryOrgSourcedId") != "s1" || u.Get("username") != "aino.v" || u.Get("agentSourcedIds") != "huo" || u.Get("role") != "" {
		t.Errorf("user %+v", u)
	}
	if li := collect(t, p, oneroster.LineItems)[0]; li.Get("academicSessionSourcedId") != "t1" || li.Get("schoolSourcedId") != "" {
		t.Errorf("lineItem %+v", li)
	}
}

func TestEach(t *testing.T) {
	t.Parallel()
	f := delta(school())
	f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,metadata.zeta,metadata.alpha\n" +
		"ca1,active," + stamp + ",\"Kokeet, \"\"isot\"\"\",50,z,\n"
	p, r := checkFiles(t, f, oneroster.Options{})
	wantClean(t, r)
	c := collect(t, p, oneroster.Categories)[0]
	if c.Line != 2 || c.Status != "active" || c.LastModified.Format("2006-01-02T15:04:05.000Z") != stamp || c.Get("title") != `Kokeet, "isot"` {
		t.Errorf("record %+v", c)
	}
	if want := []oneroster.Meta{{"metadata.zeta", "z"}, {"metadata.alpha", ""}}; !reflect.DeepEqual(c.Meta, want) {
		t.Errorf("meta %v", c.Meta)
	}
	if got := collect(t, p, oneroster.Users)[0].List("userIds"); !reflect.DeepEqual(got, []string{"{LDAP:aino,v}", "{oppijanumero:1.2.246.562.24.12345678907}"}) {
		t.Errorf("userIds %q", got)
	}
	if got := collect(t, p, oneroster.Classes)[0].List("termSourcedIds"); !reflect.DeepEqual(got, []string{"t1", "t2"}) {
		t.Errorf("terms %q", got)
	}
	stop := errors.New("stop")
	if err := p.Each(context.Background(), oneroster.Users, func(*oneroster.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestEachNeedsCheck(t *testing.T) {
	t.Parallel()
	none := func(*oneroster.Record) error { return nil }
	p := open(t, school().zip(t), oneroster.Options{})
	if err := p.Each(context.Background(), oneroster.Orgs, none); fault.KindOf(err) != fault.Invalid {
		t.Errorf("unchecked: %v", err)
	}
	f := school()
	f.edit(t, "orgs.csv", "district", "kunta")
	p, _ = checkFiles(t, f, oneroster.Options{})
	if err := p.Each(context.Background(), oneroster.Orgs, none); fault.KindOf(err) != fault.Invalid {
		t.Errorf("invalid: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	f := school()
	f["demographics.csv"] += strings.Repeat("opp,,,,,,,,,,,,,,,\n", 5000)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := open(t, f.zip(t), oneroster.Options{}).Check(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOpenFaults(t *testing.T) {
	t.Parallel()
	_, err := oneroster.Open(filepath.Join(t.TempDir(), "none.zip"), oneroster.Options{})
	if fault.KindOf(err) != fault.NotFound || !strings.Contains(err.Error(), "none.zip") {
		t.Errorf("got %v", err)
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range school() {
		writeFile(t, filepath.Join(dir, name), text)
	}
	p, err := oneroster.Open(dir, oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, check(t, p, nil))
	if len(collect(t, p, oneroster.Users)) != 3 || len(p.SHA256()) != 64 {
		t.Errorf("sum %s", p.SHA256())
	}
	writeFile(t, filepath.Join(dir, "orgs.csv"), strings.Replace(school()["orgs.csv"], "Ranta", "Kangas", 1))
	if err := p.Each(context.Background(), oneroster.Orgs, func(*oneroster.Record) error { return nil }); fault.KindOf(err) != fault.Conflict {
		t.Errorf("changed file: %v", err)
	}
	again, err := oneroster.Open(dir, oneroster.Options{})
	if err != nil || again.SHA256() == p.SHA256() {
		t.Errorf("sum did not change: %v", err)
	}
}

func TestFolderRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range school() {
		writeFile(t, filepath.Join(dir, name), text)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.csv")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := oneroster.Open(dir, oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := codesOf(check(t, p, nil)); !reflect.DeepEqual(got, []string{"E110", "E106"}) {
		t.Errorf("got %v", got)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestZipFromDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.zip")
	writeFile(t, path, string(school().zip(t)))
	p, err := oneroster.Open(path, oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	wantClean(t, check(t, p, nil))
	wantClean(t, check(t, p, nil)) // a second time gives the same
}

// TestProgress: each file ends with done.
func TestProgress(t *testing.T) {
	t.Parallel()
	rows := map[string]int64{}
	o := oneroster.Options{Progress: func(file string, n int64, done bool) {
		if done {
			rows[file] = n
		}
	}}
	checkFiles(t, school(), o)
	if rows["users.csv"] != 3 || len(rows) != 21 {
		t.Errorf("progress %v", rows)
	}
}

// TestBombs: what announces too little is stopped while it inflates.
func TestBombs(t *testing.T) {
	t.Parallel()
	data := zipOf(t, func(z *zip.Writer) {
		for name, text := range school() {
			if name == "orgs.csv" {
				text += strings.Repeat("x", 50<<20)
			}
			addFile(t, z, &zip.FileHeader{Name: name, Method: zip.Deflate}, text)
		}
	})
	if got := codesOf(check(t, open(t, data, oneroster.Options{}), nil)); !reflect.DeepEqual(got, []string{"E105"}) {
		t.Errorf("got %v", got)
	}
}

// codesOf returns the codes in order, each once.
func codesOf(r *oneroster.Report) []string {
	var list []string
	seen := map[string]bool{}
	for _, f := range r.Findings {
		if !seen[f.Code] {
			list = append(list, f.Code)
		}
		seen[f.Code] = true
	}
	return list
}
