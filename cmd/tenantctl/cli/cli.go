// Package cli puts the commands together.
package cli

import (
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"digione/cmd/internal/settings"
	"digione/cmd/tenantctl/cluster"
	"digione/cmd/tenantctl/join"
	"digione/cmd/tenantctl/kit"
	"digione/cmd/tenantctl/migrate"
	"digione/cmd/tenantctl/operator"
	"digione/cmd/tenantctl/roster"
	"digione/cmd/tenantctl/tenant"
)

// Version is set by the build.
var Version = ""

// version falls back to what the Go toolchain knows of the build.
func version() string {
	if Version != "" {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// New returns the root command.
func New(in io.Reader, out, errOut io.Writer) *cobra.Command {
	k := &kit.Kit{In: in, Out: out, Err: errOut, Version: version()}
	root := &cobra.Command{
		Use:   "tenantctl",
		Short: "Bring municipalities into DigiOne and keep the fleet",
	}
	root.Long = `tenantctl provisions municipalities, imports their rosters under a plan that can
be trusted, migrates the fleet in rings and proves that no tenant reaches another.

Without --database-url it uses the PostgreSQL of the data folder (--data), and
starts it when it is not running.

Exit codes: 0 done, 1 failed, 2 usage or cancelled, 3 some tenants failed,
4 not allowed, 5 the input is invalid, 8 held for someone.`
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	f := root.PersistentFlags()
	settings.Flags(f, false)
	f.StringVarP(&k.Output, "output", "o", "table", "output: table or json")
	actor := f.String("actor", "", "who does this, for the operator log (default: the user of the system)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if k.Output != "table" && k.Output != "json" {
			return kit.Usage("-o %s: use table or json", k.Output)
		}
		k.Actor = settings.Actor(*actor)
		k.Settings = func() (settings.Settings, error) { return settings.Read(cmd.Flags()) }
		return nil
	}
	root.AddCommand(tenant.New(k), tenant.NewApply(k), tenant.NewPlan(k), join.New(k), roster.New(k), migrate.New(k), cluster.New(k))
	root.AddCommand(operator.New(k)...)
	kit.Strict(root)
	return root
}
