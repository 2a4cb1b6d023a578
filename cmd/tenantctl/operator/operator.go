// Package operator holds the commands that look at the whole installation.
package operator

import (
	"fmt"
	"runtime"
	"strconv"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
)

// New returns "operator", "verify", "doctor", "audit", "version", "database".
func New(k *kit.Kit) []*cobra.Command {
	verify := &cobra.Command{Use: "verify", Short: "Prove properties of the fleet"}
	verify.AddCommand(newIsolation(k))
	database := &cobra.Command{Use: "database", Short: "The database in use"}
	database.AddCommand(newURL(k))
	return []*cobra.Command{verify, newAccounts(k), newDoctor(k), newAudit(k), newVersion(k), database}
}

func newIsolation(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use:   "isolation",
		Short: "Prove from PostgreSQL's catalogue that no tenant reaches another",
		Long: `Look at every ordered pair of tenants, at all memberships, grants, owners and
defaults. With -o json the result is the certificate: time, version, counts,
violations. Exit 1 on any violation.`,
		Example: "  tenantctl verify isolation -o json > certificate.json",
		Args:    kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				c, err := in.Operator.VerifyIsolation(cmd.Context(), k.Version)
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, r := range c.Checks {
					rows = append(rows, []string{r.Name, strconv.FormatInt(r.Examined, 10), strconv.Itoa(r.Violations), r.Meaning})
				}
				if err := k.Print(c, []string{"CHECK", "EXAMINED", "VIOLATIONS", "MEANING"}, rows); err != nil {
					return err
				}
				if !k.JSON() {
					for _, v := range c.Violations {
						k.Say("violation  %s: role %s, %s: %s", v.Check, v.Role, v.Object, v.Detail)
					}
				}
				if n := len(c.Violations); n > 0 {
					return fmt.Errorf("%d violations: take back the grants that they name, then verify again", n)
				}
				k.Say("%d tenants, %d ordered pairs: no path from one to another", c.Tenants, c.Pairs)
				return nil
			})
		},
	}
}

func newDoctor(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "doctor [TENANT]", Short: "Examine the installation, or one tenant, and say what to do",
		Long:    "Examine the installation, or one tenant of it. Changes nothing. Exit 1 when something is wrong.",
		Example: "  tenantctl doctor\n  tenantctl doctor vantaa -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			slug := ""
			if len(args) > 0 {
				slug = args[0]
			}
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Doctor(cmd.Context(), slug)
				if err != nil {
					return err
				}
				rows, bad := [][]string{}, 0
				for _, d := range list {
					mark := "✓"
					if !d.OK {
						mark = "✗"
						bad++
					}
					rows = append(rows, []string{mark, d.Tenant, d.Check, d.Found, d.Next})
				}
				if err := k.Print(list, []string{"", "TENANT", "CHECK", "FOUND", "NEXT"}, rows); err != nil {
					return err
				}
				if bad > 0 {
					return fmt.Errorf("%d findings need someone; each names the next step", bad)
				}
				return nil
			})
		},
	}
}

func newVersion(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program", Args: kit.Exactly(),
		Example: "  tenantctl version",
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": k.Version, "go": runtime.Version()}
			return k.Print(v, []string{"VERSION", "GO"}, [][]string{{k.Version, runtime.Version()}})
		},
	}
}

func newURL(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "url", Short: "Print the database URL in use, for psql", Args: kit.Exactly(),
		Long: `Print the URL of the database in use, its password included. The embedded server
is left running for psql, until the next program that uses it ends.`,
		Example: "  psql \"$(tenantctl database url)\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				in.Leave()
				return k.Print(map[string]string{"url": in.DSN}, []string{"URL"}, [][]string{{in.DSN}})
			})
		},
	}
}
