package oneroster_test

import (
	"archive/zip"
	"encoding/binary"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"digione/internal/app/roster/oneroster"
)

// aCase makes one finding out of a valid package.
type aCase struct {
	code    string
	name    string // what is special, when a code has several cases
	file    string
	line    int
	column  int
	edit    func(t *testing.T, f files) // of school()
	from    func() files                // instead of school()
	zip     func(t *testing.T) []byte   // instead of both
	opts    oneroster.Options
	store   tenant
	offline bool     // without a store
	also    []string // other codes that come with it
	says    string   // part of the message
	repair  string
}

// edit is a case's usual change: one string for another in one file.
func edit(name, old, new string) func(*testing.T, files) {
	return func(t *testing.T, f files) { t.Helper(); f.edit(t, name, old, new) }
}

func TestFindings(t *testing.T) {
	t.Parallel()
	for _, c := range allCases() {
		t.Run(strings.TrimSpace(c.code+" "+c.name), func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

func (c *aCase) run(t *testing.T) {
	var data []byte
	if c.zip != nil {
		data = c.zip(t)
	} else {
		f := school()
		if c.from != nil {
			f = c.from()
		}
		if c.edit != nil {
			c.edit(t, f)
		}
		data = f.zip(t)
	}
	var store oneroster.Store = c.store
	if c.offline {
		store = nil
	}
	r := check(t, open(t, data, c.opts), store)
	var hit *oneroster.Finding
	for i, f := range r.Findings {
		if f.Code == c.code && hit == nil {
			hit = &r.Findings[i]
		} else if f.Code != c.code && !slices.Contains(c.also, f.Code) {
			t.Errorf("came with %s", dump(f))
		}
	}
	switch {
	case hit == nil:
		t.Fatalf("not found: %s", dump(r.Findings))
	case hit.File != c.file || hit.Line != c.line || hit.Column != c.column:
		t.Errorf("at %s:%d:%d, want %s:%d:%d: %s", hit.File, hit.Line, hit.Column, c.file, c.line, c.column, dump(hit))
	case !strings.Contains(hit.Message, c.says) || hit.Repair != c.repair:
		t.Errorf("says %s, want %q and repair %q", dump(hit), c.says, c.repair)
	case hit.Message == "" || hit.Severity == "":
		t.Errorf("incomplete: %s", dump(hit))
	}
	if wrong := hit.Severity == oneroster.SeverityError; r.Valid == wrong {
		t.Errorf("valid is %t with %s", r.Valid, c.code)
	}
}

// TestEveryCodeHasCase: a code that nothing can raise is a promise to nobody.
func TestEveryCodeHasCase(t *testing.T) {
	t.Parallel()
	tested := map[string]bool{}
	for _, c := range allCases() {
		tested[c.code] = true
	}
	for _, c := range oneroster.Codes() {
		if !tested[c.Code] {
			t.Errorf("no case for %s: %s", c.Code, c.Meaning)
		}
	}
}

func allCases() []aCase {
	return slices.Concat(packageCases(), manifestCases(), formCases(), cellCases(), referenceCases(), meaningCases())
}

// oneEntry zips school() and one more entry.
func oneEntry(h zip.FileHeader, content string) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		return zipOf(t, func(z *zip.Writer) {
			for name, text := range school() {
				addFile(t, z, &zip.FileHeader{Name: name, Method: zip.Deflate}, text)
			}
			addFile(t, z, &h, content)
		})
	}
}

// patch changes the directory record of orgs.csv, offset bytes into it.
func patch(offset int, value uint32, size int) func(*testing.T) []byte {
	return func(t *testing.T) []byte {
		data := school().zip(t)
		for i := 0; i+46 < len(data); i++ {
			if string(data[i:i+4]) == "PK\x01\x02" && string(data[i+46:i+54]) == "orgs.csv" {
				if size == 2 {
					binary.LittleEndian.PutUint16(data[i+offset:], uint16(value))
				} else {
					binary.LittleEndian.PutUint32(data[i+offset:], value)
				}
				return data
			}
		}
		t.Fatal("no directory record")
		return nil
	}
}

func symlink() zip.FileHeader {
	h := zip.FileHeader{Name: "users2.csv"}
	h.SetMode(fs.ModeSymlink | 0o777)
	return h
}

func packageCases() []aCase {
	return []aCase{
		{code: "E101", zip: func(*testing.T) []byte { return []byte("sourcedId,status\n") }},
		{code: "E101", name: "something in front", zip: func(t *testing.T) []byte { return append([]byte("#!/bin/sh\n"), school().zip(t)...) }},
		{code: "E101", name: "empty", zip: func(*testing.T) []byte { return nil }},
		{code: "E102", edit: func(_ *testing.T, f files) { delete(f, "manifest.csv") }, says: "1.0"},
		{code: "E103", edit: func(*testing.T, files) {}, opts: oneroster.Options{Limits: oneroster.Limits{Entries: 21}}},
		{code: "E104", name: "one file", file: "manifest.csv", edit: func(*testing.T, files) {}, opts: oneroster.Options{Limits: oneroster.Limits{EntryBytes: 300}}},
		{code: "E104", name: "all files", edit: func(_ *testing.T, f files) { f["orgs.csv"] += strings.Repeat("\n", 9000) },
			opts: oneroster.Options{Limits: oneroster.Limits{TotalBytes: 12000}}},
		{code: "E104", name: "the zip", edit: func(*testing.T, files) {}, opts: oneroster.Options{Limits: oneroster.Limits{TotalBytes: 100}}},
		{code: "E105", file: "orgs.csv", edit: func(_ *testing.T, f files) { f["orgs.csv"] += strings.Repeat("a", 2<<20) }},
		{code: "E106", file: "users2.csv", zip: oneEntry(symlink(), "/etc/passwd")},
		{code: "E107", file: "orgs.csv", zip: patch(8, 1, 2)},
		{code: "E108", name: "climbs", zip: oneEntry(zip.FileHeader{Name: "../../users.csv"}, "x")},
		{code: "E108", name: "absolute", zip: oneEntry(zip.FileHeader{Name: "/users.csv"}, "x")},
		{code: "E108", name: "backslash", zip: oneEntry(zip.FileHeader{Name: `..\users.csv`}, "x")},
		{code: "E109", name: "case", file: "Orgs.csv", zip: oneEntry(zip.FileHeader{Name: "Orgs.csv"}, "x"), also: []string{"E111", "E112"}},
		{code: "E109", name: "twice", file: "orgs.csv", zip: twice},
		{code: "E110", name: "file in it", zip: oneEntry(zip.FileHeader{Name: "export/users.csv"}, "x")},
		{code: "E110", name: "empty", zip: oneEntry(zip.FileHeader{Name: "export/"}, "")},
		{code: "E110", name: "mac", zip: oneEntry(zip.FileHeader{Name: "__MACOSX/._users.csv"}, "x"), repair: "mac-files"},
		{code: "E111", file: "readme.txt", zip: oneEntry(zip.FileHeader{Name: "readme.txt"}, "x")},
		{code: "E111", name: "wrong case", file: "Categories.csv", also: []string{"E112"}, edit: func(_ *testing.T, f files) {
			f["Categories.csv"] = f["categories.csv"]
			delete(f, "categories.csv")
		}},
		{code: "E111", name: "mac", file: ".DS_Store", zip: oneEntry(zip.FileHeader{Name: ".DS_Store"}, "x"), repair: "mac-files"},
		{code: "E111", name: "not in 1.1", file: "roles.csv", from: school11, edit: func(_ *testing.T, f files) { f["roles.csv"] = school()["roles.csv"] }, also: []string{"I501"}},
		{code: "E112", file: "enrollments.csv", edit: func(_ *testing.T, f files) { delete(f, "enrollments.csv") }},
		{code: "E113", file: "enrollments.csv", edit: edit("manifest.csv", "file.enrollments,bulk", "file.enrollments,absent")},
		{code: "E114", name: "checksum", file: "orgs.csv", zip: patch(16, 12345, 4)},
		{code: "E114", name: "longer than announced", file: "orgs.csv", zip: patch(24, 20, 4), also: []string{"E205"}},
		{code: "E115", file: "orgs.csv", zip: patch(10, 12, 2)},
		{code: "E116", zip: patch(20, 1<<20, 4)},
	}
}

func twice(t *testing.T) []byte {
	return zipOf(t, func(z *zip.Writer) {
		for name, text := range school() {
			addFile(t, z, &zip.FileHeader{Name: name, Method: zip.Deflate}, text)
		}
		addFile(t, z, &zip.FileHeader{Name: "orgs.csv", Method: zip.Deflate}, school()["orgs.csv"])
	})
}

func manifestCases() []aCase {
	const m = "manifest.csv"
	return []aCase{
		{code: "E121", file: m, line: 1, column: 1, edit: edit(m, "propertyName,value", "propertyName,propertyValue")},
		{code: "E122", file: m, edit: edit(m, "manifest.version,1.0\n", "")},
		{code: "E122", name: "a file", file: m, edit: edit(m, "file.results,bulk\n", ""), also: []string{"E113"}},
		{code: "E122", name: "the version", file: m, edit: edit(m, "oneroster.version,1.2\n", "")},
		{code: "E123", file: m, line: 3, column: 1, edit: edit(m, "manifest.version,1.0\n", "manifest.version,1.0\nmanifest.version,1.0\n"), says: "line 2"},
		{code: "E124", file: m, line: 2, column: 1, edit: edit(m, "manifest.version", "source.colour,red\nmanifest.version")},
		{code: "E124", name: "asterisk", file: m, line: 10, column: 1, edit: edit(m, "file.roles,", "file.roles*,"), repair: "manifest-asterisk"},
		{code: "E124", name: "1.2 in 1.1", file: m, line: 2, column: 1, from: school11, also: []string{"I501"},
			edit: edit(m, "manifest.version", "file.roles,absent\nmanifest.version")},
		{code: "E125", file: m, line: 2, column: 2, edit: edit(m, "manifest.version,1.0", "manifest.version,2.0")},
		{code: "E125", name: "spreadsheet", file: m, line: 2, column: 2, edit: edit(m, "manifest.version,1.0", "manifest.version,1"), repair: "manifest-version"},
		{code: "E125", name: "mode", file: m, line: 4, column: 2, edit: edit(m, "file.orgs,bulk", "file.orgs,Bulk"), also: []string{"E113"}},
		{code: "E126", file: m, line: 3, column: 2, edit: edit(m, "oneroster.version,1.2", "oneroster.version,1.0"), says: "1.0 is not read"},
		{code: "E126", name: "unknown", file: m, line: 3, column: 2, edit: edit(m, "oneroster.version,1.2", "oneroster.version,2.0")},
		{code: "E204", name: "manifest", file: m, line: 2, column: 1, edit: edit(m, "manifest.version,1.0", "manifest.version"), also: []string{"E122"}},
		{code: "E214", name: "manifest", file: m, line: 2, column: 3, edit: edit(m, "manifest.version,1.0", "manifest.version,1.0,,"), repair: "trailing-blank-columns"},
		{code: "E201", name: "manifest", file: m, line: 1, column: 1, says: "UTF-16", edit: edit(m, "propertyName", "\xff\xfepropertyName")},
		{code: "E218", name: "manifest", file: m, line: 1, column: 1, edit: func(_ *testing.T, f files) { f[m] = strings.ReplaceAll(f[m], ",", ";") }},
		{code: "E202", name: "manifest", file: m, line: 2, column: 2, edit: edit(m, "manifest.version,1.0", `manifest.version,"1.0`), also: []string{"E122"}},
	}
}
