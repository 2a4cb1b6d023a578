package roster

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/roster"
)

// TestProgressInALog: where nobody looks on, a line every ten seconds, and none of
// what is quick.
func TestProgressInALog(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := &bar{w: &out, began: time.Now(), last: time.Now()}
	if b.progress("load", "users", 10); out.String() != "" {
		t.Errorf("a quick one says %q", out.String())
	}
	b.began, b.last = time.Now().Add(-11*time.Second), time.Now().Add(-11*time.Second)
	b.progress("load", "users", 22000)
	b.progress("load", "users", 22001)
	b.done()
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "  load users  22\u202f000 rows  ") || !strings.HasSuffix(got, " rows/s\n") || strings.Contains(got, "\033") {
		t.Errorf("says %q", got)
	}
}

func TestWho(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("01a22e6b-648d-722c-b04e-ad14fa84493e")
	if got := who(roster.AccountOf(id)); got != "municipal admin (person 01a22e6b-648d-722c-b04e-ad14fa84493e)" {
		t.Error(got)
	}
	if got := who("maija"); got != "maija" {
		t.Error(got)
	}
}
