// Command tenantctl is the operator's tool: it brings municipalities in,
// imports their rosters, migrates and verifies the fleet.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // validity is meant in Finnish days, on any machine

	"digione/cmd/tenantctl/cli"
	"digione/cmd/tenantctl/kit"
)

func main() {
	// An import of a whole country's largest city stays below 300 MB: collecting
	// at half of what lives costs a few per cent of its time.
	debug.SetGCPercent(50)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	cmd := cli.New(os.Stdin, os.Stdout, os.Stderr)
	err := cmd.ExecuteContext(ctx)
	stop()
	var exit *kit.Exit
	if err != nil && !(errors.As(err, &exit) && exit.Silent) {
		fmt.Fprintln(os.Stderr, "tenantctl:", err)
	}
	os.Exit(kit.Code(err))
}
