// Command tenantctl is the operator's tool: it brings municipalities in,
// imports their rosters, migrates and verifies the fleet.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // validity is meant in Finnish days, on any machine

	"digione/cmd/tenantctl/cli"
	"digione/cmd/tenantctl/kit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait; every command may be killed
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	return kit.Run(ctx, cli.New(in, out, errOut), args, errOut)
}
