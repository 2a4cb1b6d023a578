// Command proving measures the whole product as it is deployed: a server of its
// own, a fleet provisioned and imported by the code of production, the built program
// serving it, and load from outside. `make finland` and `make load` run it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/internal/tenancy/embedded"
)

// options of a run.
type options struct {
	tenants  int
	learners int
	workers  int
	importer int
	parts    string
	dir      string
	binary   string
	keep     bool
	rate     int
	span     time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "proving:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var o options
	flag.IntVar(&o.tenants, "tenants", 310, "municipalities")
	flag.IntVar(&o.learners, "learners", 660_000, "learners of all of them together")
	flag.IntVar(&o.workers, "workers", 4, "tenants that are provisioned or migrated at a time")
	flag.IntVar(&o.importer, "importers", 2, "tenants that are imported at a time")
	flag.StringVar(&o.parts, "parts", "fleet,load", "what to run: fleet (nightly run and migration too), signin, load, search, noisy, soak")
	flag.StringVar(&o.dir, "dir", "", "folder for the data (default a new one that is removed)")
	flag.StringVar(&o.binary, "digione", "bin/digione", "the built program")
	flag.BoolVar(&o.keep, "keep", false, "leave the data folder")
	flag.IntVar(&o.rate, "rate", 200, "requests per second of the fixed part of the load")
	flag.DurationVar(&o.span, "span", 60*time.Second, "how long the fixed part of the load lasts")
	flag.Parse()
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "digione-proving-")
		if err != nil {
			return err
		}
		o.dir = dir
	}
	if err := errors.Join(os.MkdirAll(o.dir, 0o755), os.Chmod(o.dir, 0o755)); err != nil {
		return err
	}
	if !o.keep {
		defer func() { _ = os.RemoveAll(o.dir) }()
	}
	return prove(ctx, o)
}

func prove(ctx context.Context, o options) error {
	srv, err := embedded.Start(ctx, o.dir, embedded.Options{Settings: []string{"shared_buffers=1GB", "max_wal_size=8GB", "checkpoint_timeout=30min", "random_page_cost=1.1"}})
	if err != nil {
		return err
	}
	defer func() { _ = srv.Stop() }()
	in, err := installation.Open(ctx, settings.Settings{Data: o.dir, DatabaseURL: srv.DSN(), HostSuffix: "test", OperatorHost: "operator.test", MaxConns: 64})
	if err != nil {
		return err
	}
	defer in.Close()
	f := &fleet{options: o, in: in, packages: filepath.Join(o.dir, "packages")}
	if err := f.build(ctx); err != nil {
		return err
	}
	return f.serve(ctx)
}

// report is one measured line: what, how much, and what was asked.
type report struct {
	What   string  `json:"what"`
	Figure float64 `json:"figure"`
	Unit   string  `json:"unit"`
	Target string  `json:"target,omitempty"`
	Note   string  `json:"note,omitempty"`
}

func say(what string, figure float64, unit, target, note string) {
	b, _ := json.Marshal(report{what, float64(int(figure*1000)) / 1000, unit, target, note})
	fmt.Println(string(b))
}
