package kit

import (
	"bytes"
	"strings"
	"testing"
)

func TestAligned(t *testing.T) {
	t.Parallel()
	got := aligned([]string{"SLUG", "STATE", "ROWS", "HOSTS"}, [][]string{
		{"vantaa", "active", "6000", "vantaa.localhost"},
		{"äänekoski", "suspended", "13", ""},
	})
	want := `SLUG       STATE      ROWS  HOSTS
vantaa     active     6000  vantaa.localhost
äänekoski  suspended    13`
	var lines []string
	for line := range strings.SplitSeq(got, "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("have\n%s\nwant\n%s", got, want)
	}
	if got := strings.Fields(aligned([]string{"A", "B"}, nil)); len(got) != 2 {
		t.Errorf("without rows: %q", got)
	}
}

// TestCells: what somebody has named does not steer the terminal, nor break a row.
func TestCells(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	k := &Kit{Out: &out, Output: "table"}
	if err := k.Print(nil, []string{"A", "B"}, [][]string{{"a\x1b[31mb\u009b2J\x7f", "c\nd\te\r"}}); err != nil {
		t.Fatal(err)
	}
	if want := "a [31mb 2J \tc d e \n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
