package roster_test

import (
	"testing"

	"digione/internal/app/roster"
)

// TestInert: no cell of a download is run by the spreadsheet that opens it.
func TestInert(t *testing.T) {
	t.Parallel()
	for cell, want := range map[string]string{
		"": "", "Aino": "Aino", "a=1": "a=1", "=1+1": "'=1+1", "+358": "'+358", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)",
		"\t=1": "'\t=1", "\r=1": "'\r=1", "\n=1": "'\n=1", "|calc": "'|calc", "＝1": "'＝1", "＋1": "'＋1", "－1": "'－1", "＠x": "'＠x", "\xff": "\xff",
	} {
		if got := roster.Inert(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
}
