package tenant

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
	"digione/internal/tenancy/transfer"
)

var drillHead = []string{"TENANT", "OK", "SECONDS", "ROWS", "OBJECTS", "DETAIL"}

func drillRow(slug string, d transfer.Drill) []string {
	return []string{slug, strconv.FormatBool(d.OK), fmt.Sprintf("%.1f", d.Seconds), strconv.FormatInt(d.Rows, 10), strconv.Itoa(d.Objects), d.Detail}
}

func newDrill(k *kit.Kit) *cobra.Command {
	var dry bool
	var due string
	var limit int
	cmd := &cobra.Command{
		Use: "drill [TENANT]", Short: "Prove that a tenant can be restored",
		Long: `Export a tenant, restore that into a side tenant that no address reaches, compare
the two and erase the side tenant. The tenant itself is only read, and is served
meanwhile. The result is recorded. Exit 1 when the drill has failed. A drill that
was killed is cleared away by the next one.

With --due every active tenant whose last good drill is older than that, those
never drilled first. One that fails does not stop the others: exit 3 then.`,
		Example: "  tenantctl tenant drill vantaa -o json\n  tenantctl tenant drill --due 30d --limit 20",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if due == "" {
				if err := kit.Exactly("TENANT")(cmd, args); err != nil {
					return err
				}
				if cmd.Flags().Changed("limit") {
					return kit.Usage("--limit goes with --due; see: %s --help", cmd.CommandPath())
				}
				return maybe(k, cmd, dry, args[0], func(ctx context.Context, in *installation.Installation) error { return drill(ctx, k, in, args[0], dry) })
			}
			age, err := parseAge(due)
			if err != nil {
				return err
			}
			if len(args) > 0 || limit < 0 {
				return kit.Usage("--due drills all that are due: name no tenant, and a --limit of 0 (all) or more")
			}
			return k.With(ctx, func(in *installation.Installation) error {
				list, err := in.Transfer().Due(ctx, time.Now().Add(-age))
				if err != nil {
					return err
				}
				if limit > 0 {
					list = list[:min(limit, len(list))]
				}
				return drillAll(cmd, k, in, list, dry)
			})
		},
	}
	cmd.Flags().StringVar(&due, "due", "", "drill all active tenants without a good drill for so long, such as 30d or 12h")
	cmd.Flags().IntVar(&limit, "limit", 0, "with --due: at most so many (0: all)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be copied, change nothing")
	return cmd
}

// parseAge reads days, which Go's durations do not have, or a duration.
func parseAge(s string) (time.Duration, error) {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		if days, err := strconv.ParseUint(n, 10, 16); err == nil {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, nil
	}
	return 0, kit.Usage("--due %q: give an age, such as 30d or 12h", s)
}

func drill(ctx context.Context, k *kit.Kit, in *installation.Installation, slug string, dry bool) error {
	t, err := kit.Tenant(ctx, in, slug)
	if err != nil {
		return err
	}
	var d transfer.Drill
	if dry {
		d, err = wouldDrill(ctx, in, t)
	} else {
		d, err = in.Transfer().Drill(ctx, t)
	}
	if err != nil {
		return err
	}
	k.Note("%d rows, %d objects", d.Rows, d.Objects)
	if err := k.Print(d, drillHead, [][]string{drillRow(t.Slug, d)}); err != nil {
		return err
	}
	if !d.OK && !dry {
		return fmt.Errorf("the drill of %s failed: %s; mend the cause and drill again", t.Slug, d.Detail)
	}
	return nil
}

func wouldDrill(ctx context.Context, in *installation.Installation, t tenancy.Tenant) (transfer.Drill, error) {
	g, err := in.Transfer().Count(ctx, t)
	return transfer.Drill{Tenant: t.ID, Rows: g.Rows, Objects: int(g.Objects), Detail: "dry run"}, err
}

// drilled is a drill among others.
type drilled struct {
	Slug string `json:"slug"`
	transfer.Drill
}

func drillAll(cmd *cobra.Command, k *kit.Kit, in *installation.Installation, list []tenancy.Tenant, dry bool) error {
	ctx, began, failed := cmd.Context(), time.Now(), 0
	views, rows := []drilled{}, [][]string{}
	for _, t := range list {
		d, err := transfer.Drill{}, error(nil)
		if dry {
			d, err = wouldDrill(ctx, in, t)
		} else {
			err = k.Log(ctx, in, cmd, t.Slug, func() error {
				var err error
				d, err = in.Transfer().Drill(ctx, t)
				if k.Note("%d rows, %d objects", d.Rows, d.Objects); err == nil && !d.OK {
					err = fmt.Errorf("the drill of %s failed: %s", t.Slug, d.Detail)
				}
				return err
			})
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		d.Tenant = t.ID
		switch {
		case err != nil:
			failed++
			if d.Detail == "" {
				d.Detail = err.Error()
			}
			k.Say("%s ✗ %s", t.Slug, d.Detail)
		case !dry:
			k.Say("%s ✓ %.1f s", t.Slug, d.Seconds)
		}
		if d.At.IsZero() {
			d.At = time.Now()
		}
		views, rows = append(views, drilled{t.Slug, d}), append(rows, drillRow(t.Slug, d))
	}
	if err := k.Print(views, drillHead, rows); err != nil {
		return err
	}
	verb := "drilled"
	if dry {
		verb = "would be drilled"
	}
	k.Say("%d tenants %s in %.1f s", len(list), verb, time.Since(began).Seconds())
	if failed > 0 {
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("the drills of %d of %d tenants failed; mend the causes above and run this again", failed, len(list))}
	}
	return nil
}
