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
	"slices"
	"strconv"
	"strings"
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
	even     bool
	beside   int
	loud     int
	flags    string
	profile  string
	buffers  string
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
	flag.IntVar(&o.importer, "importers", 3, "tenants that are imported at a time")
	flag.StringVar(&o.parts, "parts", "fleet,load", "what to run: fleet (nightly run and migration too), signin, night (one more, of a fleet that stands), mixed (the fixed part of the load), load, search, noisy, soak")
	flag.StringVar(&o.dir, "dir", "", "folder for the data (default a new one that is removed)")
	flag.StringVar(&o.binary, "digione", "bin/digione", "the built program")
	flag.BoolVar(&o.keep, "keep", false, "leave the data folder")
	flag.BoolVar(&o.even, "even", false, "all municipalities are of one size")
	flag.IntVar(&o.beside, "beside", 0, "first measure a fleet of so many tenants of the same size, and compare")
	flag.IntVar(&o.loud, "loud", 3, "which tenant is noisy, 0 the one most asked")
	flag.StringVar(&o.flags, "serve", "", "more flags of digione serve, with spaces between them")
	flag.StringVar(&o.buffers, "buffers", "3GB", "shared_buffers of PostgreSQL")
	flag.StringVar(&o.profile, "profile", "", "file for the processor profile of part night")
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
	if err := mkdir(o.dir); err != nil {
		return err
	}
	if !o.keep {
		defer func() { _ = os.RemoveAll(o.dir) }()
	}
	defer sum()
	if o.beside == 0 {
		return prove(ctx, o)
	}
	small := o
	small.dir, small.tenants, small.learners = filepath.Join(o.dir, "beside"), o.beside, o.learners*o.beside/o.tenants
	o.dir = filepath.Join(o.dir, "whole")
	if err := errors.Join(mkdir(small.dir), prove(ctx, small)); err != nil {
		return err
	}
	of := said
	said = nil
	if err := errors.Join(mkdir(o.dir), prove(ctx, o)); err != nil {
		return err
	}
	compare(of, said, float64(o.tenants)/float64(small.tenants))
	return nil
}

// mkdir makes a folder that the server's user may enter.
func mkdir(dir string) error { return errors.Join(os.MkdirAll(dir, 0o755), os.Chmod(dir, 0o755)) }

// aside marks steps that are no figure of the product.
const aside = "not part of the product"

// ofMachine begins the name of what is no figure of the product, but of the machine.
const ofMachine = "machine: "

// compare prints the figures of many tenants as ratios to those of few: what takes
// time or grows with the fleet for each tenant, what a load takes as it is.
func compare(few, many []report, factor float64) {
	for _, m := range many {
		i := slices.IndexFunc(few, func(f report) bool { return f.What == m.What })
		if i < 0 || few[i].Figure == 0 || strings.Contains(m.What, aside) || strings.HasPrefix(m.What, ofMachine) {
			continue
		}
		ratio := m.Figure / few[i].Figure
		switch m.Unit {
		case "s":
			ratio /= factor
		case "ms", "cores":
		default:
			continue
		}
		say("per tenant, of the few: "+m.What, ratio, "ratio", "<= 1.2", fmt.Sprintf("%.4g %s, %.4g %s", few[i].Figure, few[i].Unit, m.Figure, m.Unit))
	}
}

func prove(ctx context.Context, o options) error {
	if err := yardstick(o.dir); err != nil {
		return err
	}
	srv, err := embedded.Start(ctx, o.dir, embedded.Options{Settings: []string{"shared_buffers=" + o.buffers, "max_wal_size=24GB", "checkpoint_timeout=15min", "log_checkpoints=on", "random_page_cost=1.1"}})
	if err != nil {
		return err
	}
	defer func() { _ = srv.Stop() }()
	open := func() (*installation.Installation, error) {
		return installation.Open(ctx, settings.Settings{Data: o.dir, DatabaseURL: srv.DSN(), HostSuffix: "test", OperatorHost: "operator.test", MaxConns: 64})
	}
	f := &fleet{options: o, packages: filepath.Join(o.dir, "packages")}
	if f.in, err = open(); err != nil {
		return err
	}
	err = f.build(ctx)
	f.in.Close() // whoever imported and migrated has ended: their connections are no part of what serves
	if err != nil {
		return err
	}
	if f.in, err = open(); err != nil {
		return err
	}
	defer func() { f.in.Close() }()
	return f.serve(ctx)
}

// report is one measured line: what, how much, and what was asked.
type report struct {
	What   string  `json:"what"`
	Figure float64 `json:"figure"`
	Unit   string  `json:"unit"`
	Target string  `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"` // none without a target
	Note   string  `json:"note,omitempty"`
}

var (
	said   []report
	met    int
	missed []string
)

// say prints a figure. Its target is "<= N", ">= N" or nothing.
func say(what string, figure float64, unit, target, note string) {
	r := report{What: what, Figure: float64(int(figure*1000)) / 1000, Unit: unit, Target: target, Note: note}
	if sign, number, ok := strings.Cut(target, " "); ok {
		asked, err := strconv.ParseFloat(number, 64)
		holds := err == nil && (sign == "<=" && figure <= asked || sign == ">=" && figure >= asked)
		if r.Met = &holds; holds {
			met++
		} else {
			missed = append(missed, fmt.Sprintf("%s %.4g %s (%s)", what, figure, unit, target))
		}
	}
	said = append(said, r)
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	_ = out.Encode(r)
	fmt.Print(b.String())
}

// sum says in a line what came of all targets.
func sum() {
	line := fmt.Sprintf("proof: %d targets met, %d missed", met, len(missed))
	if len(missed) > 0 {
		line += ": " + strings.Join(missed, "; ")
	}
	fmt.Println(line)
}
