package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
	"digione/internal/tenancy/transfer"
)

type moveOptions struct {
	*kit.Kit
	cell, cluster string
	back, dryRun  bool
}

func newMove(k *kit.Kit) *cobra.Command {
	o := &moveOptions{Kit: k}
	cmd := &cobra.Command{
		Use: "move TENANT --cell NAME", Short: "Move a tenant to another cell, on this or another cluster", Args: kit.Exactly("TENANT"),
		Long: `Move a tenant to another cell, which is made when there is none of that name: on the
tenant's own cluster, or on the one that --cluster names.

Within a cluster no row is copied and the tenant is served all the time. To another
cluster its rows are copied. It is read all the while; for the seconds of the copying
nothing can be changed, and a page says so. Every table is proven to be equal before
the tenant is served from the new place, and only then the old one is dropped.
Objects stay where they are.

Killed anywhere, the same command goes on. When a step fails, the tenant is served
where it was. Until the step "switch", --back abandons the move. Give the move an
hour without imports: one that runs is waited for, 30 seconds at most.`,
		Example: `  tenantctl tenant move vantaa --cell vantaa
  tenantctl tenant move vantaa --cell vantaa-east --cluster east --dry-run
  tenantctl tenant move vantaa --back`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if (o.cell == "") != o.back {
				return kit.Usage("--cell is missing: name the cell to move to, or give --back alone to abandon a move")
			}
			return maybe(k, cmd, o.dryRun, args[0], func(ctx context.Context, in *installation.Installation) error {
				t, err := kit.Tenant(ctx, in, args[0])
				if err != nil {
					return err
				}
				if o.Note("from cell %s on %s", t.Cell, t.Cluster); o.back {
					o.Note("--back")
				} else {
					o.Note("to cell %s", o.cell)
				}
				if o.cluster != "" {
					o.Note("on %s", o.cluster)
				}
				return o.run(ctx, in, t)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.cell, "cell", "", "the cell to move to")
	f.StringVar(&o.cluster, "cluster", "", "the cluster of a cell that is made (default: the tenant's own)")
	f.BoolVar(&o.back, "back", false, "abandon a move to another cluster that has not switched")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, change nothing")
	return cmd
}

func (o *moveOptions) run(ctx context.Context, in *installation.Installation, t tenancy.Tenant) error {
	s := in.Transfer()
	var v transfer.Moved
	var err error
	switch {
	case o.back:
		v, err = takeBack(ctx, in, t, o.dryRun, ticks(o.Kit))
	case o.dryRun:
		v, err = s.PlanMove(ctx, t, o.cell, o.cluster)
	default:
		v, err = s.Move(ctx, t, o.cell, o.cluster, ticks(o.Kit))
	}
	if err != nil {
		return err
	}
	if v.ReadOnlySeconds > 0 {
		o.Say("%d rows lie on cluster %s; %s was read only for %.1f s, and entered by nobody for %.1f s of that; nothing of it is left on cluster %s",
			v.Rows, v.ToCluster, v.Tenant, v.ReadOnlySeconds, v.ClosedSeconds, v.FromCluster)
	}
	return o.Print(v, []string{"TENANT", "FROM", "TO", "CLUSTER", "READ ONLY", "STEPS"},
		[][]string{{v.Tenant, v.From, v.To, v.ToCluster, fmt.Sprintf("%.1f s", v.ReadOnlySeconds), strings.Join(v.Steps, ", ")}})
}

func takeBack(ctx context.Context, in *installation.Installation, t tenancy.Tenant, dry bool, heard tenancy.StepFunc) (transfer.Moved, error) {
	v := transfer.Moved{Tenant: t.Slug, To: t.Cell, FromCluster: t.Cluster, ToCluster: t.Cluster, Steps: []string{"back"}, DryRun: dry}
	last, err := in.Operator.FindMove(ctx, t)
	if err != nil {
		return v, err
	}
	v.From = last.To
	if dry {
		if !last.UnderWay() || last.Phase == "switched" {
			err = errors.New("there is no move that could be taken back")
		}
		return v, err
	}
	_, err = in.Operator.Back(ctx, t, heard)
	return v, err
}
