package transfer_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
	"digione/internal/tenancy/transfer"
	"digione/internal/tenancy/wiretest"
)

// doomed is a program whose every effect goes through a wire, on the objects too.
func doomed(t *testing.T, e *dbtest.Env, w *wiretest.Wire, files transfer.Files) (*transfer.Service, func()) {
	t.Helper()
	o, err := tenancy.OpenOperator(ctx, dbtest.OperatorConfig(w.Through(t, e.DSN)))
	ok(t, err)
	s := &transfer.Service{Operator: o, Files: files, Now: service(o).Now}
	s.Files.Put = func(ctx context.Context, tn tenancy.Tenant, k *keys.Keyset, key string, r io.Reader) (sum [32]byte, err error) {
		return sum, w.Step("put "+key, func() error { sum, err = files.Put(ctx, tn, k, key, r); return err })
	}
	s.Files.Erase = func(ctx context.Context, id tenancy.ID) (n int, err error) {
		return n, w.Step("erase objects", func() error { n, err = files.Erase(ctx, id); return err })
	}
	return s, func() {
		w.Kill()
		w.Gone(t, e.DSN)
		o.Close()
	}
}

// crashed runs a command through a wire, with a way to give it up, until it is over or
// dead.
func crashed(t *testing.T, e *dbtest.Env, w *wiretest.Wire, files transfer.Files, command func(context.Context, *transfer.Service)) {
	t.Helper()
	s, end := doomed(t, e, w, files)
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	w.Cancel = cancel
	w.Start()
	command(run, s)
	end()
}

// stands is what the catalogue and the server know of a tenant, without what differs from
// tenant to tenant.
func stands(t *testing.T, e *dbtest.Env, tn tenancy.Tenant) string {
	t.Helper()
	const q = `
select concat_ws(' ', t.state, t.keyset is not null, t.schema_version,
         exists (select from pg_namespace where nspname = t.schema_name), exists (select from pg_roles where rolname = t.role_name),
         exists (select from pg_auth_members m join pg_roles r on r.oid = m.roleid join control.cell c on c.name = t.cell join pg_roles l on l.rolname = c.login_role and l.oid = m.member where r.rolname = t.role_name),
         (select string_agg(host, ',' order by host) from control.tenant_host h where h.tenant = t.id),
         (select concat_ws(' ', export_sha256 is not null, seal_asked_by, sealed_by is not null) from control.leaving l where l.tenant = t.id),
         (select concat_ws(' ', requested_by, confirmed_by, receipt -> 'erased' ->> 'objects', receipt ->> 'verified_by') from control.erasure x where x.tenant = t.id),
         (select count(*) from control.restore r where r.tenant = t.id))
  from control.tenant t where t.id = $1`
	var out string
	ok(t, e.Operator.Control().QueryRow(ctx, q, tn.ID).Scan(&out))
	return strings.ReplaceAll(out, tn.Slug, "SLUG")
}

// healthy asks the doctor, and for violations.
func healthy(t *testing.T, e *dbtest.Env) {
	t.Helper()
	c, err := e.Operator.VerifyIsolation(ctx, "test")
	if err != nil || len(c.Violations) > 0 {
		t.Errorf("isolation: %+v, %v", c.Violations, err)
	}
}

// TestCrashRestore dies at the effects of a restore, database and objects, and restores
// again: the same tenant, equal to its source, reached by nobody before that.
func TestCrashRestore(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, source, f := exported(t, e.Operator, "source")
	var made atomic.Int32
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		return func(w *wiretest.Wire) string {
			slug := fmt.Sprintf("copy%d", made.Add(1))
			spec, _, err := s.Spec(ctx, f.Manifest, slug)
			ok(t, err)
			crashed(t, e, w, s.Files, func(ctx context.Context, s *transfer.Service) { _, _ = s.Restore(ctx, spec, f, nil) })
			if half, err := e.Operator.Find(ctx, slug); err == nil && half.State == tenancy.Active {
				equal(t, s, source, half) // whoever is routable is whole
			}
			tn, err := s.Restore(ctx, spec, f, nil)
			ok(t, err)
			equal(t, s, source, tn)
			return stands(t, e, tn)
		}
	})
	healthy(t, e)
}

// TestCrashSeal dies at the effects of a sealing that a second person carries out; anybody
// goes on, and the tenant ends sealed with the export that was verified.
func TestCrashSeal(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, twin, _ := exported(t, e.Operator, "twin")
	was := stands(t, e, twin)
	var made atomic.Int32
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		return func(w *wiretest.Wire) string {
			s, tn, f := asked(t, e, s.Files, fmt.Sprintf("seal%d", made.Add(1)))
			crashed(t, e, w, s.Files, func(ctx context.Context, s *transfer.Service) { _, _ = s.Seal(ctx, tn, "kalle", f) })
			half, err := e.Operator.Find(ctx, tn.Slug)
			ok(t, err)
			if _, err := s.Seal(ctx, half, "kalle", f); err != nil {
				t.Errorf("sealed again: %v", err)
			}
			return stands(t, e, tn)
		}
	})
	if now := stands(t, e, twin); now != was {
		t.Errorf("another tenant: %s, was %s", now, was)
	}
	healthy(t, e)
}

// asked is a tenant that leaves, whose export is verified and whose sealing one person has
// asked for.
func asked(t *testing.T, e *dbtest.Env, files transfer.Files, slug string) (*transfer.Service, tenancy.Tenant, *transfer.File) {
	t.Helper()
	tn, err := e.Operator.Provision(ctx, town(slug), nil)
	ok(t, err)
	s := &transfer.Service{Operator: e.Operator, Files: files, Now: service(e.Operator).Now}
	fill(t, s, tn)
	tn, err = s.Leave(ctx, tn, "maija", "test")
	ok(t, err)
	f := handed(t, s, tn)
	ok(t, transfer.Verify(ctx, e.Operator.Control(), tn, word(s, f)))
	if _, err := s.Seal(ctx, tn, "maija", f); err == nil {
		t.Fatal("sealed by one")
	}
	return s, tn, f
}

// TestCrashErase dies at the effects of an erasure that a second person carries out;
// anybody goes on, nothing is left but the receipt, and the twin is as it was.
func TestCrashErase(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	s, twin, _ := exported(t, e.Operator, "twin")
	was := stands(t, e, twin)
	var made atomic.Int32
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		return func(w *wiretest.Wire) string {
			s, tn, f := asked(t, e, s.Files, fmt.Sprintf("gone%d", made.Add(1)))
			_, err := s.Seal(ctx, tn, "kalle", f)
			ok(t, err)
			tn, err = e.Operator.Find(ctx, tn.Slug)
			ok(t, err)
			_, _ = s.Erase(ctx, tn, "maija", "test", nil)
			crashed(t, e, w, s.Files, func(ctx context.Context, s *transfer.Service) { _, _ = s.Erase(ctx, tn, "kalle", "", nil) })
			half, err := e.Operator.Find(ctx, string(tn.ID))
			ok(t, err)
			done, err := s.Erase(ctx, half, "kalle", "", nil)
			if err != nil || done.Receipt == nil {
				t.Errorf("erased again: %+v, %v", done, err)
			}
			return stands(t, e, tn)
		}
	})
	copied, err := e.Operator.Find(ctx, twin.Slug)
	ok(t, err)
	if now := stands(t, e, copied); now != was {
		t.Errorf("another tenant: %s, was %s", now, was)
	}
	healthy(t, e)
}
