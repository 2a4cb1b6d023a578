// Package cli holds the commands of digione. It serves; what changes tenants is
// tenantctl's.
package cli

import (
	"github.com/spf13/cobra"

	"digione/cmd/internal/settings"
	"digione/cmd/tenantctl/kit"
)

// New returns the root command.
func New() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "digione",
		Short: "Serve DigiOne, the shared platform of Finnish education providers",
		Long: `Serve DigiOne, the shared platform of Finnish education providers. "dev" runs
everything on this machine, "serve" an installation.

Exit codes: 0 ended as asked, 1 failed, 2 usage, wrong settings or cancelled before
it was up.`,
	}
	settings.Flags(cmd.PersistentFlags(), true)
	settings.ServeMailFlags(cmd.PersistentFlags())
	cmd.AddCommand(newServe(), newDev())
	kit.Strict(cmd)
	return cmd
}

// read reads the settings; wrong ones are the usage's fault.
func read(cmd *cobra.Command) (settings.Settings, error) {
	s, err := settings.Read(cmd.Flags())
	if err != nil {
		err = &kit.Exit{Code: kit.ExitUsage, Err: err}
	}
	return s, err
}
