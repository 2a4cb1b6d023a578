package roster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
)

// inboxView is what lies in an inbox and what was done with it: the documented JSON.
type inboxView struct {
	Tenant  string             `json:"tenant"`
	Waiting []*roster.Delivery `json:"waiting"`
	Refused []string           `json:"refused"`
	Ended   []*roster.Delivery `json:"ended"`
	DryRun  bool               `json:"dry_run"`
}

func newInbox(k *kit.Kit) *cobra.Command {
	var run, dry bool
	cmd := &cobra.Command{
		Use: "inbox TENANT", Short: "Look at what was delivered, or bring it in now", Args: kit.Exactly("TENANT"),
		Long: `List what a municipality's own system has put below inbox/<tenant id>/ of the object
store, the oldest first. Names that are not taken are listed too: those of packages
are letters without accents, digits, dots, hyphens and underscores, and end in .zip.

With --run what is whole is brought in now, whatever the hour: a file is whole when
it has not changed for two minutes, or when NAME.zip.ready lies beside it. Each file
is brought in once, unless its plan is held, and then moved to done, held or failed.
Killed at any moment, the same command goes on. Exit 8 when a plan is held, 3 when a
file could not be brought in.`,
		Example: `  tenantctl roster inbox vantaa
  tenantctl roster inbox vantaa --run --dry-run
  tenantctl roster inbox vantaa --run -o json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			look := func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					return inbox(cmd.Context(), k, s, t, run && !dry, dry)
				})
			}
			if run && !dry {
				return k.Change(cmd.Context(), cmd, args[0], look)
			}
			return k.With(cmd.Context(), look)
		},
	}
	cmd.Flags().BoolVar(&run, "run", false, "bring in what is whole")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "look only, change nothing")
	return cmd
}

func inbox(ctx context.Context, k *kit.Kit, s *roster.Service, t tenancy.Tenant, run, dry bool) error {
	v := inboxView{Tenant: t.Slug, DryRun: dry, Ended: []*roster.Delivery{}}
	var failed error
	if run {
		b := newBar(k)
		ended, err := s.Inbox(ctx, t, b.progress)
		b.done()
		v.Ended, failed = append(v.Ended, ended...), err
		for _, d := range ended {
			k.Note("%s %s", d.State, d.Plan)
		}
	}
	list, refused, err := s.Look(ctx, t)
	if err != nil {
		return errors.Join(failed, err)
	}
	v.Waiting, v.Refused = append([]*roster.Delivery{}, list...), append([]string{}, refused...)
	rows := [][]string{}
	for _, d := range append(v.Ended, v.Waiting...) {
		rows = append(rows, []string{d.Name, strconv.FormatInt(d.Size, 10), d.ModifiedAt.UTC().Format(time.RFC3339), string(d.State), strconv.FormatBool(d.Whole), d.Plan})
	}
	if err := k.Print(v, []string{"FILE", "BYTES", "WRITTEN", "STATE", "WHOLE", "PLAN"}, rows); err != nil {
		return err
	}
	for _, name := range v.Refused {
		k.Say("  refused  %q: use letters without accents, digits, dots, hyphens and underscores, at most 120, and .zip at the end", name)
	}
	if failed != nil {
		return fmt.Errorf("%w; what was not ended waits: run tenantctl roster inbox %s --run again", failed, t.Slug)
	}
	return inboxOutcome(k, v)
}

// inboxOutcome says what to do next.
func inboxOutcome(k *kit.Kit, v inboxView) error {
	bad, held := 0, ""
	for _, d := range v.Ended {
		switch d.State {
		case roster.FailedDelivery:
			bad++
		case roster.HeldDelivery:
			held = d.Plan
		}
	}
	switch {
	case bad > 0:
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d files could not be brought in; nothing was changed by them; the findings are on the page Oppilastiedot", bad)}
	case held != "":
		k.Say("HELD  see it: tenantctl roster show %s %s", v.Tenant, held)
		return &kit.Exit{Code: kit.ExitHeld, Err: errors.New("a plan is held"), Silent: true}
	}
	return nil
}
