package oneroster_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"digione/internal/app/roster/oneroster"
)

// city is a package of about n rows in the shares of a real one: five
// enrollments for a user, a role for each, a class for twenty.
func city(tb testing.TB, n int) []byte {
	tb.Helper()
	users := n / 7
	f := school()
	for name := range f {
		switch name {
		case "orgs.csv", "academicSessions.csv", "courses.csv", "manifest.csv":
		default:
			f[name], _, _ = strings.Cut(f[name], "\n")
			f[name] += "\n"
		}
	}
	classes := max(users/20, 1)
	text := map[string]*strings.Builder{}
	for _, name := range []string{"classes.csv", "users.csv", "roles.csv", "enrollments.csv"} {
		text[name] = &strings.Builder{}
		text[name].WriteString(f[name])
	}
	for i := range classes {
		fmt.Fprintf(text["classes.csv"], "c%07d,,,%dA,07,co1,,scheduled,,s1,\"t1,t2\",,,\n", i, i)
	}
	for i := range users {
		fmt.Fprintf(text["users.csv"], "6513270e-269e-0d37-f2a7-4de4%08x,,,true,user%d,{LDAP:u%d},Aino,Virtanen,,%d,u%d@example.org,,,,07,,,,,,s1,\n", i, i, i, i, i)
		fmt.Fprintf(text["roles.csv"], "r%d,,,6513270e-269e-0d37-f2a7-4de4%08x,primary,student,,,s1,\n", i, i)
		for j := range 5 {
			fmt.Fprintf(text["enrollments.csv"], "e%d-%d,,,c%07d,s1,6513270e-269e-0d37-f2a7-4de4%08x,student,false,2026-08-01,2027-06-05\n", i, j, (i+j*7)%classes, i)
		}
	}
	for name, b := range text {
		f[name] = b.String()
	}
	f.keepWithRows(oneroster.Bulk)
	return f.zip(tb)
}

// keepWithRows drops header-only files.
func (f files) keepWithRows(mode oneroster.Mode) {
	for name, text := range f {
		if strings.Count(text, "\n") < 2 {
			delete(f, name)
		}
	}
	f["manifest.csv"] = manifest("1.2", f, mode)
}

func BenchmarkCheck(b *testing.B) {
	data := city(b, 200_000)
	var rows int64
	for b.Loop() {
		rows += total(check(b, open(b, data, oneroster.Options{}), nil))
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

func total(r *oneroster.Report) (n int64) {
	for _, rows := range r.Rows {
		n += rows
	}
	return n
}

func BenchmarkEach(b *testing.B) {
	for _, typ := range []oneroster.Type{oneroster.Users, oneroster.Enrollments, oneroster.Roles} {
		b.Run(string(typ), func(b *testing.B) {
			p := open(b, city(b, 200_000), oneroster.Options{})
			check(b, p, nil)
			rows := 0
			for b.Loop() {
				if err := p.Each(context.Background(), typ, func(*oneroster.Record) error { rows++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// BenchmarkInflate is the floor: nothing but reading the zip.
func BenchmarkInflate(b *testing.B) {
	data := city(b, 200_000)
	for b.Loop() {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(200_000*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// TestMemory: what Check keeps grows with the rows, but stays small. It measures
// a part of a large package, as the whole takes too long for every run, and runs
// alone.
func TestMemory(t *testing.T) {
	data := city(t, 100_000)
	var before, peak runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	seen := uint64(0)
	o := oneroster.Options{Progress: func(_ string, _ int64, done bool) {
		if done {
			runtime.GC()
			runtime.ReadMemStats(&peak)
			seen = max(seen, peak.HeapAlloc)
		}
	}}
	wantClean(t, check(t, open(t, data, o), nil))
	const perRow = 150
	if used := seen - min(seen, before.HeapAlloc); used > 100_000*perRow {
		t.Errorf("%d bytes a row are kept, want at most %d", used/100_000, perRow)
	}
}
