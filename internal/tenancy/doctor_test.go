package tenancy_test

import (
	"context"
	"strings"
	"testing"

	"digione/internal/tenancy"
)

// diagnosed fails the test unless the doctor says of the tenant what is found and
// what to do next.
func diagnosed(t testing.TB, o *tenancy.Operator, slug, check, found, next string) {
	t.Helper()
	list, err := o.Doctor(context.Background(), slug)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Check == check {
			if !strings.Contains(d.Found, found) || !strings.Contains(d.Next, next) || (d.OK != (next == "")) {
				t.Errorf("doctor says %+v, want %q and next %q", d, found, next)
			}
			return
		}
	}
	t.Errorf("doctor does not look at %s of %s: %+v", check, slug, list)
}
