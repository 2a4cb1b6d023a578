// Package migrate holds the commands that bring the fleet's schemas up to date.
package migrate

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
)

// New returns "migrate".
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "migrate", Short: "Bring the tenants' schemas to this version"}
	cmd.AddCommand(newStatus(k), newUp(k))
	return cmd
}

func newStatus(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Count tenants by ring and schema version", Args: kit.Exactly(),
		Example: "  tenantctl migrate status -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Operator.MigrateStatus(cmd.Context())
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, v := range list {
					state := "current"
					if v.Behind {
						state = "behind"
					}
					rows = append(rows, []string{v.Ring, strconv.FormatInt(v.Version, 10), strconv.Itoa(v.Tenants), state})
				}
				return k.Print(list, []string{"RING", "VERSION", "TENANTS", "STATE"}, rows)
			})
		},
	}
}

func newUp(k *kit.Kit) *cobra.Command {
	var o tenancy.MigrateOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Migrate the fleet, ring by ring",
		Long: `Migrate the control schema and all tenants to this program's version, ring by
ring: canary, early, half, all. A tenant that cannot migrate is named with
PostgreSQL's error and stops the rings after its own; the tenants already done
stay done, the others stay served on their version. Run again it goes on.

With -o json one object per tenant is printed as it finishes.`,
		Example: `  tenantctl migrate up --ring canary
  tenantctl migrate up --tenant vantaa
  tenantctl migrate up --parallel 8 -o json`,
		Args: kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, failed := 0, 0
			o.Done = func(m tenancy.Migrated) {
				n++
				if m.Error != "" {
					failed++
				}
				_ = k.Print(m, []string{"TENANT", "RING", "FROM", "TO", "SECONDS", "ERROR"}, [][]string{{m.Tenant, m.Ring,
					strconv.FormatInt(m.From, 10), strconv.FormatInt(m.To, 10), fmt.Sprintf("%.2f", m.Seconds), m.Error}})
			}
			run := func(in *installation.Installation) error {
				_, err := in.Operator.Migrate(cmd.Context(), o)
				if o.Ring != "" {
					k.Note("ring %s", o.Ring)
				}
				if err == nil || n > 0 {
					k.Note("%d migrated, %d failed", n-failed, failed)
				}
				switch {
				case failed > 0:
					k.Say("%d tenants migrated, %d failed; mend the cause (see: tenantctl doctor) and run again", n-failed, failed)
				case err != nil:
				case n == 0:
					k.Say("all tenants are on this version")
				default:
					k.Say("%d tenants migrated", n)
				}
				return err
			}
			if o.DryRun {
				return k.With(cmd.Context(), run)
			}
			return k.Change(cmd.Context(), cmd, o.Tenant, run)
		},
	}
	f := cmd.Flags()
	kit.OneOf(f, &o.Ring, "ring", "only this ring: canary, early, half or all", "canary", "early", "half", "all")
	f.StringVar(&o.Tenant, "tenant", "", "only this tenant")
	kit.AtLeast(f, 1, &o.Parallel, "parallel", 4, "tenants at a time")
	f.BoolVar(&o.DryRun, "dry-run", false, "say what would be migrated, change nothing")
	return cmd
}
