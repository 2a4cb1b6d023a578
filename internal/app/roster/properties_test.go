package roster_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/roster/oneroster"
)

// batch is how many pairs come one after the other in one tenant: more, and what the
// earlier have left makes the later slow.
const batch = 50

// TestProperties takes small generated rosters a and what some nights make of them,
// b (make properties: 2,000 pairs, others each time), each over whatever the pair
// before has left: a bulk import gives what it says, twice is once, rolling back gives
// a, and a delta gives what the bulk of b gives.
func TestProperties(t *testing.T) {
	t.Parallel()
	n, seed := 8, uint64(1)
	if s := os.Getenv("DIGIONE_PROPERTIES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
		seed = uint64(time.Now().UnixNano())
	}
	if s := os.Getenv("DIGIONE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("again with: DIGIONE_SEED=%d DIGIONE_PROPERTIES=%d", seed, n)
	var pairs, changes atomic.Int64
	t.Run("batches", func(t *testing.T) {
		for first := 1; first <= n; first += batch {
			t.Run(fmt.Sprint(first), func(t *testing.T) {
				t.Parallel()
				w := newTown(t)
				for i := first; i < first+batch && i <= n; i++ {
					changes.Add(int64(w.properties(rand.New(rand.NewPCG(seed, uint64(i))))))
					if t.Failed() {
						t.Fatalf("pair %d", i)
					}
					pairs.Add(1)
				}
			})
		}
	})
	if changes.Load() < pairs.Load() {
		t.Errorf("%d changes in %d pairs", changes.Load(), pairs.Load())
	}
	t.Logf("proof: %d of %d pairs hold, %d changed rows", pairs.Load(), n, changes.Load())
}

// properties returns how many rows b changes of a.
func (w *town) properties(r *rand.Rand) int {
	w.Helper()
	spec := generate.Spec{Tenant: "alpha", MunicipalityCode: "901", NameFi: "Alfa", NameSv: "Alfa", Learners: 10 + r.IntN(30), Seed: r.Uint64(), SchoolYear: 2027,
		Mutate: r.Float64() / 2, Night: r.IntN(3)}
	a := written(w, spec)
	spec.Night += 1 + r.IntN(3)
	b := written(w, spec)
	wantA, wantB := lines(w, a), lines(w, b)
	let := roster.Approval{Approve: true, Initial: true, Reason: "a test"}

	w.load(a, roster.Options{}, let)
	w.same("a", w.export(), wantA)
	night := w.load(b, roster.Options{}, let)
	w.same("apply(diff(a, b))", w.export(), wantB)
	if c := total(w.load(b, roster.Options{}, let)); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
		w.Errorf("b once more: %+v", c)
	}
	changed := total(night)
	count := changed.Insert + changed.Update + changed.Remove + changed.Reactivate
	if count > 0 {
		if _, err := w.svc.Rollback(ctx, w.tenant, night.Import, true, false, roster.Approval{Who: "tester", Approve: true, Reason: "a test"}, nil); err != nil {
			w.Errorf("rollback: %v", explain(err))
		}
		w.same("rollback", w.export(), wantA)
		d := deltaOf(w, a, b, w.svc.Now().Add(time.Hour))
		w.load(d, roster.Options{}, let)
		w.same("delta", w.export(), wantB)
		if c := total(w.load(d, roster.Options{}, let)); c.Insert+c.Update+c.Remove+c.Reactivate != 0 {
			w.Errorf("the delta once more: %+v", c)
		}
	}
	return count
}

func written(t testing.TB, spec generate.Spec) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := generate.Write(ctx, &b, spec); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// records are the rows of a package by type and sourcedId, each with its order.
func records(t testing.TB, zip []byte) (*oneroster.Package, map[oneroster.Type][]*oneroster.Record) {
	t.Helper()
	p, err := oneroster.OpenReader(bytes.NewReader(zip), int64(len(zip)), "x.zip", oneroster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep, err := p.Check(ctx, nil); err != nil || !rep.Valid {
		t.Fatal(err, rep)
	}
	out := map[oneroster.Type][]*oneroster.Record{}
	for _, table := range oneroster.Tables() {
		if err := p.Each(ctx, table.Type, func(r *oneroster.Record) error { out[table.Type] = append(out[table.Type], r.Clone()); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	return p, out
}

// deltaOf is what makes b of a.
func deltaOf(t testing.TB, a, b []byte, at time.Time) []byte {
	t.Helper()
	_, was := records(t, a)
	_, is := records(t, b)
	text := func(r *oneroster.Record) string {
		s := ""
		for _, f := range r.Fields {
			s += f + "\x00"
		}
		for _, m := range r.Meta {
			s += m.Value + "\x00"
		}
		return s
	}
	modes := map[oneroster.Type]oneroster.Mode{}
	rows := map[oneroster.Type][]*oneroster.Record{}
	for _, table := range oneroster.Tables() {
		before := map[string]*oneroster.Record{}
		for _, r := range was[table.Type] {
			before[r.SourcedID] = r
		}
		for _, r := range is[table.Type] {
			old := before[r.SourcedID]
			delete(before, r.SourcedID)
			if old == nil || text(old) != text(r) {
				r.Status, r.LastModified = "active", at
				rows[table.Type] = append(rows[table.Type], r)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(before)) {
			before[id].Status, before[id].LastModified = "tobedeleted", at
			rows[table.Type] = append(rows[table.Type], before[id])
		}
		modes[table.Type] = oneroster.Delta
	}
	var out bytes.Buffer
	w := oneroster.NewWriter(&out, oneroster.V121, modes, "a delta")
	for _, table := range oneroster.Tables() {
		list := rows[table.Type]
		if len(list) == 0 {
			continue
		}
		var metas []string
		for _, m := range list[0].Meta {
			metas = append(metas, m.Name)
		}
		if err := w.Begin(table.Type, metas); err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
