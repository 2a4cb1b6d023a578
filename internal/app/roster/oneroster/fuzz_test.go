package oneroster_test

import (
	"archive/zip"
	"bytes"
	"context"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"digione/internal/app/roster/oneroster"
)

// tight are limits that a fuzzed package meets soon.
var tight = oneroster.Options{MaxFindings: 20, Limits: oneroster.Limits{EntryBytes: 1 << 20, TotalBytes: 4 << 20}}

// sound checks what must hold of any bytes: they are read without a fault of
// ours, what is wrong is said with its place and within bounds, and what is right
// is written out and read again as the same.
func sound(t *testing.T, data []byte, o oneroster.Options) *oneroster.Report {
	t.Helper()
	p, err := oneroster.OpenReader(bytes.NewReader(data), int64(len(data)), "x.zip", o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Check(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	perFile := map[string]int{}
	for _, f := range r.Findings {
		perFile[f.File]++
		if f.Code == "" || f.Severity == "" || f.Message == "" || f.Line < 0 || f.Column > 0 && f.Line == 0 {
			t.Errorf("a finding without its place: %+v", f)
		}
		if strings.ContainsFunc(f.Message+f.Excerpt+f.Field, unicode.IsControl) {
			t.Errorf("control characters in %+v", f)
		}
	}
	for file, n := range perFile {
		if n > o.MaxFindings {
			t.Errorf("%d findings of %s are listed", n, file)
		}
	}
	if (r.Errors == 0) != r.Valid {
		t.Errorf("valid %v with %d errors", r.Valid, r.Errors)
	}
	if r.Valid && p.Version() != oneroster.V11 {
		again(t, p)
	}
	return r
}

// again writes a package and reads it.
func again(t *testing.T, p *oneroster.Package) {
	t.Helper()
	modes := map[oneroster.Type]oneroster.Mode{}
	rows := map[oneroster.Type][]*oneroster.Record{}
	for _, table := range oneroster.Tables() {
		modes[table.Type] = p.Mode(table.Type)
		if modes[table.Type] != oneroster.Absent {
			rows[table.Type] = collect(t, p, table.Type)
		}
	}
	var b bytes.Buffer
	w := oneroster.NewWriter(&b, p.Version(), modes, "")
	for _, table := range oneroster.Tables() {
		list := rows[table.Type]
		if len(list) == 0 {
			continue
		}
		var names []string
		for _, m := range list[0].Meta {
			names = append(names, m.Name)
		}
		if err := w.Begin(table.Type, names); err != nil {
			t.Fatalf("what was accepted is not written: %v", err)
		}
		for _, rec := range list {
			if err := w.Write(rec); err != nil {
				t.Fatalf("what was accepted is not written: %v", err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	q, err := oneroster.OpenReader(bytes.NewReader(b.Bytes()), int64(b.Len()), "again.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := q.Check(context.Background(), nil); err != nil || !r.Valid {
		t.Fatalf("what was written is not valid: %v %s", err, dump(r.Findings))
	}
	for typ, list := range rows {
		if len(list) == 0 {
			continue
		}
		back := collect(t, q, typ)
		if len(back) != len(list) {
			t.Fatalf("%s: %d rows of %d came back", typ, len(back), len(list))
		}
		for i := range list {
			if back[i].SourcedID != list[i].SourcedID || !reflect.DeepEqual(back[i].Fields, list[i].Fields) || !reflect.DeepEqual(back[i].Meta, list[i].Meta) {
				t.Fatalf("%s came back as another:\n%+v\n%+v", typ, list[i], back[i])
			}
		}
	}
}

// FuzzZip: any bytes for a package.
func FuzzZip(f *testing.F) {
	whole := school().zip(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(append([]byte("MZ"), whole...))
	f.Add(zipOf(f, func(z *zip.Writer) {
		for _, name := range []string{"../orgs.csv", "ORGS.csv", "orgs.csv", "a/b.csv", `c:\x.csv`} {
			addFile(f, z, &zip.FileHeader{Name: name}, "x")
		}
	}))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Fuzz(func(t *testing.T, data []byte) { sound(t, data, tight) })
}

// FuzzManifest: any text for manifest.csv of a package that is right.
func FuzzManifest(f *testing.F) {
	text := school()["manifest.csv"]
	for _, s := range []string{text, strings.ReplaceAll(text, "bulk", "delta"), strings.Replace(text, "1.2", "1.1", 1), strings.ReplaceAll(text, "\n", ",,\r\n"),
		"\xff\xfep\x00", "propertyName,value\nfile.orgs*,bulk\nfile.orgs,absent\n", "propertyName,value\nmanifest.version,1\noneroster.version,1.2\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := school()
		all["manifest.csv"] = text
		sound(t, all.zip(t), tight)
	})
}

// FuzzTable: any text for one of the files, in either mode of reading.
func FuzzTable(f *testing.F) {
	names := []string{"orgs.csv", "users.csv", "roles.csv", "enrollments.csv", "classes.csv", "demographics.csv", "results.csv"}
	for i, name := range names {
		f.Add(uint8(i), i%2 == 0, school()[name])
	}
	f.Add(uint8(0), false, "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,metadata.a\nm,,,=1+1,district,,,\" x\"\n")
	f.Add(uint8(0), true, "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId,\nm,,,\u202e\u200b😀,district,,,\n")
	f.Fuzz(func(t *testing.T, which uint8, lenient bool, text string) {
		all := school()
		all[names[int(which)%len(names)]] = text
		o := tight
		o.Lenient = lenient
		sound(t, all.zip(t), o)
	})
}
