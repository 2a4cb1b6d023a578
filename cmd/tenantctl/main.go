// Command tenantctl is the operator's tool: it brings municipalities in,
// imports their rosters, migrates and verifies the fleet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
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
	cmd := cli.New(in, out, errOut)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var exit *kit.Exit
	if err != nil && !(errors.As(err, &exit) && exit.Silent) {
		_, _ = fmt.Fprintln(errOut, "tenantctl:", err)
		if ctx.Err() != nil && !strings.Contains(err.Error(), "run the command again") {
			_, _ = fmt.Fprintln(errOut, "Cancelled. What was finished is kept; to go on, run the command again.")
		}
	}
	return kit.Code(err)
}
