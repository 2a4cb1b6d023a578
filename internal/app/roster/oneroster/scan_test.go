package oneroster

import (
	"encoding/csv"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// scanned is what the scanner makes of a text.
type scanned struct {
	line  int
	row   string // fields joined with |
	fault string
	cut   bool
}

func scanAll(r io.Reader) []scanned {
	s := newScanner(r)
	var list []scanned
	for s.next() {
		list = append(list, scanned{s.line, strings.Join(s.fields, "|"), s.fault.code, s.cut})
	}
	return list
}

func TestScan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		want       []scanned
	}{
		{"plain", "a,b\nc,\n", []scanned{{1, "a|b", "", false}, {2, "c|", "", false}}},
		{"no line end", "a,b\nc,d", []scanned{{1, "a|b", "", false}, {2, "c|d", "", true}}},
		{"CR LF", "a,b\r\n\"c\",\"d\"\r\n", []scanned{{1, "a|b", "", false}, {2, "c|d", "", false}}},
		{"mark", "\xef\xbb\xbfa\n", []scanned{{1, "a", "", false}}},
		{"quotes", `"a,b","c ""d""",""` + "\n", []scanned{{1, `a,b|c "d"|`, "", false}}},
		{"quoted, no line end", `a,"b"`, []scanned{{1, "a|b", "", true}}},
		{"line break", "\"a\nb\",c\nd,e\n", []scanned{{1, "a\nb|c", "E203", false}, {3, "d|e", "", false}}},
		{"not closed", "a,\"b\nc,d\n", []scanned{{1, "a", "E202", false}, {2, "c|d", "", false}}},
		{"not closed, quotes below", "a,\"b\n\"c\",d\n", []scanned{{1, "a", "E202", false}, {2, "c|d", "", false}}},
		{"quote inside", "a\"b,c\nd\n", []scanned{{1, "", "E202", false}, {2, "d", "", false}}},
		{"text behind", "\"a\"b,c\nd\n", []scanned{{1, "", "E202", false}, {2, "d", "", false}}},
		{"empty lines", "a\n\nb\n", []scanned{{1, "a", "", false}, {2, "", "", false}, {3, "b", "", false}}},
		{"bad byte", "a\n\xe4\nb\n", []scanned{{1, "a", "", false}, {2, "", "E201", false}, {3, "b", "", false}}},
		{"bad byte in quotes", "\"\xe4\"\nb\n", []scanned{{1, "\xe4", "E201", false}, {2, "b", "", false}}},
		{"CR alone", "a\rb\n", []scanned{{1, "", "E215", false}}},
		{"NUL", "a\x00\n", []scanned{{1, "", "E216", false}}},
		{"tab", "a\tb\n", []scanned{{1, "a\tb", "", false}}},
		{"nothing", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := scanAll(strings.NewReader(c.text)); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			if got := scanAll(iotest.OneByteReader(strings.NewReader(c.text))); !reflect.DeepEqual(got, c.want) {
				t.Errorf("byte by byte: %+v", got)
			}
		})
	}
}

// FuzzScan: never a panic or a lost line; and where the scanner sees no fault,
// encoding/csv reads the same.
func FuzzScan(f *testing.F) {
	for _, s := range []string{"a,b\n", "\"a\"\"\",b\r\n", "a,\"b\nc\",d\n", "\"a\n\"b\"\n", "\xe4,\n", "a\rb", "\xef\xbb\xbf\"x\"", ",\n\n,", "\"a\"\r", "\"\r\n\"\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole := scanAll(strings.NewReader(text))
		if slow := scanAll(iotest.OneByteReader(strings.NewReader(text))); !reflect.DeepEqual(whole, slow) {
			t.Fatalf("%+v, byte by byte %+v", whole, slow)
		}
		for i, s := range whole {
			if s.fault != "" {
				return
			}
			if s.line != i+1 {
				t.Fatalf("row %d on line %d", i+1, s.line)
			}
		}
		compareWithCSV(t, text, whole)
	})
}

func compareWithCSV(t *testing.T, text string, got []scanned) {
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\xef\xbb\xbf")))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("encoding/csv does not read it: %v", err)
	}
	i := 0
	for _, s := range got {
		if s.row == "" && (i >= len(rows) || strings.Join(rows[i], "|") != "") {
			continue // encoding/csv passes over empty lines
		}
		if i >= len(rows) || strings.Join(rows[i], "|") != s.row {
			t.Fatalf("line %d: %q, encoding/csv has %q", s.line, s.row, rows)
		}
		i++
	}
}
