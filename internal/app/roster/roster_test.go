package roster_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/keys"
)

var now = time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)

// town is a tenant with what imports need.
type town struct {
	*testing.T
	*dbtest.Env
	svc    *roster.Service
	tenant tenancy.Tenant
}

func newTown(t *testing.T) *town {
	t.Helper()
	e := dbtest.New(t)
	store, err := objects.Folder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var minutes atomic.Int64 // the clock goes on by a minute a look
	w := &town{T: t, Env: e, svc: &roster.Service{DB: e.DB, Objects: store, Keyset: func(tn tenancy.Tenant) (*keys.Keyset, error) {
		return keys.Unwrap(dbtest.Master, string(tn.ID), tn.WrappedKeyset())
	}, Now: func() time.Time { return now.Add(time.Duration(minutes.Add(1)) * time.Minute) }}}
	w.tenant, _ = e.DB.ByID(dbtest.Alpha)
	return w
}

// made is a generated package: seed says which town, night which night's file.
func made(t testing.TB, learners int, mutate float64, night int) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := generate.Write(context.Background(), &b, generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfa", NameSv: "Alfa",
		Learners: learners, Seed: 7, SchoolYear: 2027, Mutate: mutate, Night: night})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pack(b []byte) roster.Package {
	return roster.Package{Name: "test.zip", Content: bytes.NewReader(b), Size: int64(len(b))}
}

var ctx = context.Background()

func (w *town) load(b []byte, o roster.Options, a roster.Approval) *roster.Plan {
	w.Helper()
	a.Who = "tester"
	p, err := w.svc.Import(ctx, w.tenant, pack(b), o, a, nil)
	if err != nil {
		w.Fatalf("import: %v", explain(err))
	}
	return p
}

func explain(err error) any {
	if bad := (*roster.InvalidError)(nil); errors.As(err, &bad) {
		return bad.Report.Findings[:min(5, len(bad.Report.Findings))]
	}
	if held := (*roster.HeldError)(nil); errors.As(err, &held) {
		return held.Plan.Holds
	}
	return err
}

// export returns the tenant's roster as it goes out, by file.
func (w *town) export() map[string]string {
	w.Helper()
	var b bytes.Buffer
	if _, err := w.svc.Export(ctx, w.tenant, &b); err != nil {
		w.Fatal(err)
	}
	return lines(w, b.Bytes())
}

// lines gives every row of a package by type and sourcedId.
func lines(t testing.TB, zip []byte) map[string]string {
	t.Helper()
	p, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "x.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := p.Check(ctx, nil)
	if err != nil || !rep.Valid {
		t.Fatalf("%v %+v", err, rep)
	}
	out := map[string]string{}
	for _, table := range oneroster.Tables() {
		if p.Mode(table.Type) == oneroster.Absent {
			continue
		}
		err := p.Each(ctx, table.Type, func(r *oneroster.Record) error {
			s := strings.Join(r.Fields, "|")
			var metas []string
			for _, m := range r.Meta {
				if m.Value != "" {
					metas = append(metas, m.Name+"="+m.Value)
				}
			}
			slices.Sort(metas) // their order in the file says nothing
			s += "|" + strings.Join(metas, "|")
			out[string(table.Type)+" "+r.SourcedID] = s
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (w *town) same(what string, got, want map[string]string) {
	w.Helper()
	n := 0
	for k, v := range want {
		if got[k] != v && n < 5 {
			w.Errorf("%s: %s is\n%q, want\n%q", what, k, got[k], v)
			n++
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok && n < 5 {
			w.Errorf("%s: %s is too many", what, k)
			n++
		}
	}
}

func total(p *roster.Plan) (c roster.Counts) {
	for n := range maps.Values(p.Changes) {
		c.Insert += n.Insert
		c.Update += n.Update
		c.Remove += n.Remove
		c.Reactivate += n.Reactivate
		c.Unchanged += n.Unchanged
	}
	return c
}

func TestImportNightsAndRollback(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	first, second := made(t, 620, 0, 0), made(t, 620, 0.02, 1)

	if _, err := w.svc.Import(ctx, w.tenant, pack(first), roster.Options{}, roster.Approval{Who: "x"}, nil); !errors.As(err, new(*roster.HeldError)) {
		t.Fatalf("a first import without --initial: %v", err)
	}
	p := w.load(first, roster.Options{}, roster.Approval{Initial: true})
	if c := total(p); c.Insert == 0 || c.Update+c.Remove+c.Unchanged != 0 {
		t.Fatalf("first import: %+v", c)
	}
	w.same("after the first import", w.export(), lines(t, first))

	again := w.load(first, roster.Options{}, roster.Approval{})
	if c := total(again); c.Insert+c.Update+c.Remove+c.Reactivate != 0 || c.Unchanged != total(p).Insert {
		t.Errorf("the same file again: %+v", c)
	}
	if c := total(w.load(rezip(t, first), roster.Options{}, roster.Approval{})); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
		t.Errorf("the same rows in another zip: %+v", c)
	}

	night := w.load(second, roster.Options{}, roster.Approval{Approve: true, Reason: "test"})
	if c := total(night); c.Update == 0 || c.Insert == 0 || c.Remove == 0 {
		t.Errorf("the next night: %+v", c)
	}
	w.same("after the night", w.export(), lines(t, second))

	back, err := w.svc.Rollback(ctx, w.tenant, night.Import, false, false, roster.Approval{Who: "x"}, nil)
	if err != nil {
		t.Fatalf("rollback: %v", explain(err))
	}
	w.same("after the rollback", w.export(), lines(t, first))
	if c := total(w.load(first, roster.Options{}, roster.Approval{})); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
		t.Errorf("the first file after the rollback: %+v (rollback %+v)", c, total(back))
	}
}

// rezip writes the same rows into another archive.
func rezip(t testing.TB, zip []byte) []byte {
	t.Helper()
	p, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "x.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(ctx, nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	modes := map[oneroster.Type]oneroster.Mode{}
	for _, table := range oneroster.Tables() {
		modes[table.Type] = p.Mode(table.Type)
	}
	out := oneroster.NewWriter(&b, oneroster.V121, modes, "another system")
	for _, table := range oneroster.Tables() {
		var metas []string
		begun := false
		err := p.Each(ctx, table.Type, func(r *oneroster.Record) error {
			if !begun {
				for _, m := range r.Meta {
					metas = append(metas, m.Name)
				}
				begun = true
				if err := out.Begin(table.Type, metas); err != nil {
					return err
				}
			}
			return out.Write(r)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// count runs a counting query in a schema, as the owner.
func count(t testing.TB, e *dbtest.Env, schema, sql string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(ctx, e.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "set search_path = "+schema); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
