// Command digione serves every education provider from a PostgreSQL schema of
// its own; `digione dev` does so on embedded defaults, with demo municipalities.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // validity is meant in Finnish days, on any machine

	"digione/cmd/digione/cli"
	"digione/cmd/tenantctl/kit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := kit.Run(ctx, cli.New(), os.Args[1:], os.Stderr)
	stop()
	os.Exit(code)
}
