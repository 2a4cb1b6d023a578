package oneroster_test

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
)

// write copies all types of a checked package into a Writer.
func write(t *testing.T, p *oneroster.Package, w *oneroster.Writer) {
	t.Helper()
	for _, tab := range oneroster.Tables() {
		records := collect(t, p, tab.Type)
		if len(records) == 0 {
			continue
		}
		var meta []string
		for _, m := range records[0].Meta {
			meta = append(meta, m.Name)
		}
		if err := w.Begin(tab.Type, meta); err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func modesOf(p *oneroster.Package) map[oneroster.Type]oneroster.Mode {
	modes := map[oneroster.Type]oneroster.Mode{}
	for _, tab := range oneroster.Tables() {
		modes[tab.Type] = p.Mode(tab.Type)
	}
	return modes
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	withMeta := func() files {
		f := school()
		f["categories.csv"] = "sourcedId,status,dateLastModified,title,weight,metadata.z,metadata.a\nca1,,,\"K, \"\"x\"\"\",50,\" z \",\n"
		return f
	}
	for name, make := range map[string]func() files{
		"bulk": school, "delta": deltaSchool, "metadata": withMeta, "1.1": school11,
		"manifest only": func() files { f := school(); f.keep(oneroster.Bulk); return f },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, r := checkFiles(t, make(), oneroster.Options{})
			if !r.Valid {
				t.Fatal(dump(r))
			}
			legacy := p.RolesFromUsers()
			if legacy {
				return // 1.1 lacks what 1.2 requires of lineItems; see TestWriteLegacy
			}
			var first, second bytes.Buffer
			write(t, p, oneroster.NewWriter(&first, p.Version(), modesOf(p), "Koivula"))
			q := open(t, first.Bytes(), oneroster.Options{})
			wantClean(t, check(t, q, nil))
			for _, tab := range oneroster.Tables() {
				if a, b := collect(t, p, tab.Type), collect(t, q, tab.Type); !reflect.DeepEqual(a, b) {
					t.Errorf("%s: %s became %s", tab.Type, dump(a), dump(b))
				}
			}
			write(t, q, oneroster.NewWriter(&second, q.Version(), modesOf(q), "Koivula"))
			if !bytes.Equal(first.Bytes(), second.Bytes()) {
				t.Error("the same rows gave other bytes")
			}
		})
	}
}

// TestWriteLegacy turns a 1.1 roster into 1.2.
func TestWriteLegacy(t *testing.T) {
	t.Parallel()
	f := school11()
	delete(f, "lineItems.csv")
	delete(f, "categories.csv")
	f["manifest.csv"] = manifest("1.1", f, oneroster.Bulk)
	p, _ := checkFiles(t, f, oneroster.Options{})
	var b bytes.Buffer
	write(t, p, oneroster.NewWriter(&b, oneroster.V121, modesOf(p), ""))
	q := open(t, b.Bytes(), oneroster.Options{})
	if r := check(t, q, nil); !r.Valid || !reflect.DeepEqual(codesOf(r), []string{"W505"}) || r.Rows[oneroster.Roles] != 6 {
		t.Errorf("report %s", dump(r))
	}
}

func TestFolderWriter(t *testing.T) {
	t.Parallel()
	p, _ := checkFiles(t, school(), oneroster.Options{})
	dir := t.TempDir()
	write(t, p, oneroster.NewFolderWriter(dir, oneroster.V121, modesOf(p), ""))
	q, err := oneroster.Open(dir, oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantClean(t, check(t, q, nil))
	if list, err := os.ReadDir(dir); err != nil || len(list) != 22 {
		t.Errorf("%d files, %v", len(list), err)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	p, _ := checkFiles(t, school(), oneroster.Options{})
	org := collect(t, p, oneroster.Orgs)[0]
	for name, change := range map[string]func(r *oneroster.Record){
		"line break": func(r *oneroster.Record) { r.Fields[0] = "Zsalainen\nx" },
		"required":   func(r *oneroster.Record) { r.Fields[0] = "" },
		"word":       func(r *oneroster.Record) { r.Fields[1] = "Zsalainen" },
		"sourcedId":  func(r *oneroster.Record) { r.SourcedID = "a b" },
		"width":      func(r *oneroster.Record) { r.Fields = r.Fields[:2] },
		"not UTF-8":  func(r *oneroster.Record) { r.Fields[0] = "\xe4" },
		"type":       func(r *oneroster.Record) { r.Table = oneroster.TableOf(oneroster.Users) },
	} {
		w := oneroster.NewWriter(&bytes.Buffer{}, oneroster.V121, modesOf(p), "")
		if err := w.Begin(oneroster.Orgs, nil); err != nil {
			t.Fatal(err)
		}
		r := org.Clone()
		change(r)
		if err := w.Write(r); fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), "salainen") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := oneroster.NewWriter(&bytes.Buffer{}, oneroster.V11, modesOf(p), "")
	if err := w.Begin(oneroster.Orgs, nil); fault.KindOf(err) != fault.Invalid {
		t.Errorf("1.1: %v", err)
	}
}

// TestLayouts pins the headers that the two texts of 1.2 are told apart by.
func TestLayouts(t *testing.T) {
	t.Parallel()
	users := oneroster.TableOf(oneroster.Users)
	for v, n := range map[oneroster.Variant]int{oneroster.V11: 18, oneroster.V12Final: 23, oneroster.V121: 22} {
		if got := len(users.Layout(v)) + 3; got != n {
			t.Errorf("users.csv of %s has %d columns, want %d", v, got, n)
		}
	}
	n11 := 0
	for _, tab := range oneroster.Tables() {
		if tab.In11 {
			n11++
		}
	}
	if n11 != 13 || len(oneroster.Tables()) != 21 {
		t.Errorf("%d of %d files in 1.1", n11, len(oneroster.Tables()))
	}
}
