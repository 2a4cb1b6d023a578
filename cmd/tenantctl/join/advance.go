package join

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/onboarding"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

func newAdvance(k *kit.Kit) *cobra.Command {
	var all, dry bool
	cmd := &cobra.Command{
		Use:   "advance [TENANT]",
		Short: "Run every automatic step until someone is needed",
		Long: `Measure what can be measured, open the waves of schools whose day has come, and
stop where someone is needed: exit 8, and the list says who. Running it again is safe.

With --all every municipality that is joining, and what can turn red of those that
are live: the nightly run. One that fails does not stop the others: exit 3 then, else 0, also when someone
is awaited.`,
		Example: "  tenantctl join advance vantaa\n  tenantctl join advance --all -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			switch {
			case all && len(args) > 0:
				return kit.Usage("name a tenant or say --all, not both; usage: %s", cmd.UseLine())
			case all:
				return k.With(ctx, func(in *installation.Installation) error { return advanceAll(cmd, k, in, dry) })
			}
			if err := kit.Exactly("TENANT")(cmd, args); err != nil {
				return err
			}
			if dry {
				return k.With(ctx, func(in *installation.Installation) error {
					return within(ctx, k, in, args[0], func(ctx context.Context, p *process, t tenancy.Tenant) error {
						s, err := p.State(ctx, t)
						if err != nil {
							return err
						}
						k.Say("%s would be measured; what is due today follows. Nothing was changed.", t.Slug)
						return say(k, t, s)
					})
				})
			}
			return change(k, cmd, args[0], false, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				s, err := advance(ctx, k, p, t)
				if err != nil {
					return err
				}
				if err := say(k, t, s); err != nil {
					return err
				}
				return awaited(t, s)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every municipality that is joining")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be advanced, measure and change nothing")
	return cmd
}

func advance(ctx context.Context, k *kit.Kit, p *process, t tenancy.Tenant) (*joining.State, error) {
	if err := onboarding.Plan(ctx, p.Service, t, tiera(k)); err != nil {
		return nil, err
	}
	return p.Advance(ctx, t)
}

// awaited is the error that says who is needed, nil when the tenant is live.
func awaited(t tenancy.Tenant, s *joining.State) error {
	due := s.Due()
	if s.State == joining.Live || len(due) == 0 {
		return nil
	}
	who := []string{}
	for _, d := range due {
		if w := d.Waits(); !slices.Contains(who, w) {
			who = append(who, w)
		}
	}
	return &kit.Exit{Code: kit.ExitHeld, Err: fmt.Errorf("%s is in stage %s; %d requirements wait for %s, the first is %s by %s",
		t.Slug, s.Stage, len(due), strings.Join(who, " and "), due[0].ID, due[0].Due.Format(time.DateOnly))}
}

// advanceAll advances who is joining, each as a change of its own. A log that
// cannot be read is that municipality's failure alone.
func advanceAll(cmd *cobra.Command, k *kit.Kit, in *installation.Installation, dry bool) error {
	ctx, began, failed := cmd.Context(), time.Now(), 0
	p, err := open(ctx, k, in)
	if err != nil {
		return err
	}
	list, err := in.Operator.Tenants(ctx)
	if err != nil {
		return err
	}
	var done standings
	for _, t := range list {
		s, err := p.State(ctx, t)
		if errors.Is(err, joining.ErrNotStarted) || t.State.Gone() {
			continue
		}
		if err == nil && !dry {
			err = k.Log(ctx, in, cmd, t.Slug, func() error {
				var err error
				if s, err = advance(ctx, k, p, t); err != nil {
					return exit(err)
				}
				return awaited(t, s)
			})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && kit.Code(err) != kit.ExitHeld {
			failed++
			k.Say("%s: %v", t.Slug, err)
			continue
		}
		done.add(t, s)
	}
	if err := done.print(k); err != nil {
		return err
	}
	if dry {
		k.Say("%d municipalities would be advanced. Nothing was changed.", len(done.views))
	} else {
		k.Say("%d municipalities advanced in %.1f s", len(done.views), time.Since(began).Seconds())
	}
	if failed > 0 {
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d of %d municipalities could not be advanced; the reasons are above, run this again when they are mended", failed, failed+len(done.views))}
	}
	return nil
}
