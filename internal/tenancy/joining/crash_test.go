package joining_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
	"digione/internal/tenancy/joining"
	"digione/internal/tenancy/wiretest"
)

// steps are a whole joining, from the start to live and back, as people and the nightly
// job do it.
func (w *world) steps(tn tenancy.Tenant) []func(context.Context, *joining.Service) error {
	waves := []joining.Wave{{Name: "pilot", Opens: "2026-11-23", Schools: []string{"s1"}}, {Name: "rest", Opens: "2026-11-23", Schools: []string{"s2", "s3"}}}
	did := func(f func(context.Context, *joining.Service) (*joining.State, error)) func(context.Context, *joining.Service) error {
		return func(ctx context.Context, s *joining.Service) error { _, err := f(ctx, s); return err }
	}
	type on = func(context.Context, *joining.Service) (*joining.State, error)
	var out []func(context.Context, *joining.Service) error
	for _, f := range []on{
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Start(ctx, tn, paula, "", "2027-spring")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Plan(ctx, tn, paula, waves)
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Attest(ctx, tn, maija, []string{"agreement", "data-processing", "rulebook", "impact-assessment", "contacts"}, paper, "")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Approve(ctx, tn, paula, nil, "")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Pause(ctx, tn, paula, "a holiday")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Resume(ctx, tn, paula, "")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Waive(ctx, tn, olli, "guardian-reach", "small")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Approve(ctx, tn, paula, []string{"guardian-reach"}, "")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) { return s.Advance(ctx, tn) },
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.RollBack(ctx, tn, paula, "rest", "groups are wrong")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Reopen(ctx, tn, paula, "rostered", "groups are wrong")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) {
			return s.Resume(ctx, tn, paula, "mended")
		},
		func(ctx context.Context, s *joining.Service) (*joining.State, error) { return s.Advance(ctx, tn) },
	} {
		out = append(out, did(f))
	}
	return out
}

// TestCrashJoin dies at the effects of a joining's steps; whoever was about does the step
// again, and the history is that of a joining that nothing disturbed: no word is lost,
// none stands there twice, and the schools that it opens are open.
func TestCrashJoin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	twin := w.tenant(t, "beta")
	if _, err := w.Start(t.Context(), twin, paula, "", "2027-spring"); err != nil {
		t.Fatal(err)
	}
	was := w.told(t, twin)
	var made atomic.Int32
	wiretest.Crash(t, func(t *testing.T) wiretest.Run {
		return func(wire *wiretest.Wire) string {
			tn, err := w.Operator.Provision(t.Context(), tenancy.Spec{Slug: fmt.Sprintf("join%d", made.Add(1)), NameFi: "Koulut", Kind: "private"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			run, cancel := context.WithCancel(t.Context())
			defer cancel()
			wire.Cancel = cancel
			o, err := tenancy.OpenOperator(t.Context(), dbtest.OperatorConfig(wire.Through(t, w.DSN)))
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			victim := &joining.Service{Log: joining.Postgres(o.Control()), Templates: w.Templates, Checks: w.Checks, Now: w.Service.Now}
			wire.Start()
			for i, step := range w.steps(tn) {
				if err := step(run, victim); err == nil {
					continue
				}
				// The program has died, or did not hear; its person does the step anew.
				if !wire.Struck() {
					t.Fatalf("step %d was refused, undisturbed: %v", i, err)
				}
				wire.Kill()
				wire.Gone(t, w.DSN)
				if err := step(t.Context(), w.Service); err != nil {
					t.Errorf("step %d, done anew: %v", i, err)
				}
				victim, run = w.Service, t.Context()
			}
			wire.Kill()
			return w.told(t, tn)
		}
	})
	if now := w.told(t, twin); now != was {
		t.Errorf("the twin's history:\n%s", dbtest.Differ(was, now))
	}
}

// told is a tenant's history, without its times, and what it opens.
func (w *world) told(t *testing.T, tn tenancy.Tenant) string {
	t.Helper()
	const q = `
select coalesce(string_agg(concat_ws(' ', kind, requirement, stage, actor, name, side, entered, reason, wave, waves, evidence ->> 'sha256', measurement ->> 'ok'), E'\n' order by id), '')
       || E'\n' || coalesce((select opening::text from control.tenant_opening o where o.tenant = $1), 'all')
  from control.join_event where tenant = $1`
	var out string
	if err := w.Operator.Control().QueryRow(t.Context(), q, tn.ID).Scan(&out); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}
