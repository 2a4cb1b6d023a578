package tenancy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
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

func TestDoctor(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	o := e.Operator
	all, err := o.Doctor(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if !d.OK || d.Next != "" || d.Found == "" {
			t.Errorf("a sound installation: %+v", d)
		}
	}
	if _, err := o.Doctor(ctx, "nobody"); !errors.Is(err, tenancy.ErrNoTenant) {
		t.Errorf("unknown tenant: %v", err)
	}
	if got, _ := o.Doctor(ctx, "alpha"); len(got) == 0 || len(got) >= len(all) {
		t.Errorf("of one tenant: %+v", got)
	}
	tn := provision(t, o, private("gamma", "all"))
	for _, c := range []struct{ do, undo, check, found, next string }{
		{"update control.tenant set schema_version = 1 where slug = 'gamma'", "update control.tenant set schema_version = (select schema_version from control.tenant where slug = 'alpha') where slug = 'gamma'", "version", "1 of", "tenantctl migrate up --tenant gamma"},
		{"alter schema t_gamma rename to lost", "alter schema lost rename to t_gamma", "schema", "t_gamma", "restore the tenant from its backup"},
		{"alter role \"" + tn.Role + "\" rename to \"" + tn.Role + "x\"", "alter role \"" + tn.Role + "x\" rename to \"" + tn.Role + "\"", "schema", "t_gamma", "restore the tenant from its backup"},
		{"delete from control.tenant_host where host = 'gamma.test'", "insert into control.tenant_host select 'gamma.test', id from control.tenant where slug = 'gamma'", "hosts", "[]", "tenantctl tenant create gamma"},
		{"update control.tenant set keyset = (select keyset from control.tenant where slug = 'alpha') where slug = 'gamma'", "update control.tenant set keyset = null where slug = 'gamma'", "key", "open keyset of", "--master-key-file or --kms-key"},
		{"update control.tenant set state = 'suspended' where slug = 'gamma'", "update control.tenant set state = 'active' where slug = 'gamma'", "state", "suspended", ""},
	} {
		e.Exec(t, c.do)
		diagnosed(t, o, "gamma", c.check, c.found, c.next)
		e.Exec(t, c.undo)
	}
}
