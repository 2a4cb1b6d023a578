// Command digione serves every education provider from a PostgreSQL schema of
// its own; `digione dev` does so on embedded defaults, with demo municipalities.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // validity is meant in Finnish days, on any machine

	"github.com/spf13/cobra"

	"digione/cmd/internal/settings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "digione:", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "digione",
		Short: "Serve DigiOne, the shared platform of Finnish education providers",
	}
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	settings.Flags(cmd.PersistentFlags(), true)
	settings.ServeMailFlags(cmd.PersistentFlags())
	cmd.AddCommand(newServe(), newDev())
	return cmd
}
