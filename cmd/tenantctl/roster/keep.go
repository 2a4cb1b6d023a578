package roster

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
)

func newClose(k *kit.Kit) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use: "close TENANT PLAN", Short: "Put a plan away that is not wanted", Args: kit.Exactly("TENANT", "PLAN"),
		Long: `Close a plan, held or not: it can never be applied. The roster is not changed. What
was applied is taken back by rollback instead.`,
		Example: "  tenantctl roster close vantaa pln_9RTXA0B2",
		RunE: func(cmd *cobra.Command, args []string) error {
			end := func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					k.Note("plan %s", args[1])
					p, err := s.Show(cmd.Context(), t, args[1])
					if err == nil && !dry {
						p, err = s.Close(cmd.Context(), t, args[1], k.Actor)
					}
					if err != nil {
						return err
					}
					return k.Print(map[string]any{"tenant": t.Slug, "plan": p.ID, "state": p.State, "dry_run": dry}, []string{"PLAN", "STATE"}, [][]string{{p.ID, string(p.State)}})
				})
			}
			if dry {
				return k.With(cmd.Context(), end)
			}
			return k.Change(cmd.Context(), cmd, args[0], end)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show the plan, close nothing")
	return cmd
}

// prunedView is what pruning a tenant has deleted: the documented JSON.
type prunedView struct {
	Tenant string `json:"tenant"`
	roster.Pruned
	DryRun bool `json:"dry_run"`
}

func newPrune(k *kit.Kit) *cobra.Command {
	var dry, all bool
	cmd := &cobra.Command{
		Use:   "prune TENANT | --all",
		Short: "Delete kept packages, images and plans that are old enough",
		Long: `Delete what has been kept for as long as settings.roster.keep_days says (90 days
where it says nothing): plans that were never applied, the images and samples of
imports, packages that no plan needs, uploads that nobody went on with. The lines
of the history stay. An import without its images cannot be rolled back. The
roster is not changed. Running it again is safe.

With --all every active tenant: a nightly run. One that fails does not stop the
others: exit 3 then.`,
		Example: "  tenantctl roster prune vantaa --dry-run\n  tenantctl roster prune --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) > 0) || len(args) > 1 {
				return kit.Usage("name a tenant or say --all; usage: %s", cmd.UseLine())
			}
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				if !all {
					t, err := kit.Tenant(cmd.Context(), in, args[0])
					if err != nil {
						return err
					}
					return pruneThem(cmd, k, in, []tenancy.Tenant{t}, dry)
				}
				list, err := in.Operator.Tenants(cmd.Context())
				if err != nil {
					return err
				}
				return pruneThem(cmd, k, in, list, dry)
			})
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "count, delete nothing")
	cmd.Flags().BoolVar(&all, "all", false, "every active tenant")
	return cmd
}

func pruneThem(cmd *cobra.Command, k *kit.Kit, in *installation.Installation, list []tenancy.Tenant, dry bool) error {
	s, err := in.Roster(cmd.Context())
	if err != nil {
		return err
	}
	views, rows, failed, last := []prunedView{}, [][]string{}, 0, error(nil)
	for _, t := range list {
		if len(list) > 1 && t.State != tenancy.Active {
			continue
		}
		v := prunedView{Tenant: t.Slug, DryRun: dry}
		prune := func() (err error) {
			v.Pruned, err = s.Prune(cmd.Context(), t, dry)
			k.Note("%d plans, %d imports, %d packages, %d uploads", v.Plans, v.Imports, v.Packages, v.Uploads)
			return err
		}
		if dry {
			err = prune()
		} else {
			err = k.Log(cmd.Context(), in, cmd, t.Slug, prune)
		}
		if err != nil {
			if cmd.Context().Err() != nil {
				return err
			}
			failed, last = failed+1, fmt.Errorf("%s: %w", t.Slug, err)
			k.Say("  %v", last)
			continue
		}
		views = append(views, v)
		rows = append(rows, []string{t.Slug, strconv.Itoa(v.Plans), strconv.Itoa(v.Imports), strconv.Itoa(v.Packages), strconv.Itoa(v.Uploads)})
	}
	if failed > 0 && len(list) == 1 {
		return last
	}
	if err := k.Print(views, []string{"TENANT", "PLANS", "IMPORTS", "PACKAGES", "UPLOADS"}, rows); err != nil {
		return err
	}
	if failed > 0 {
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d tenants could not be pruned; run it again", failed)}
	}
	return nil
}
