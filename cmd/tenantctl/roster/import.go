package roster

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

type importOptions struct {
	*kit.Kit
	tenant, file string
	of           tenancy.Tenant
	plan         string
	lenient      bool
	noDelete     bool
	profile      string
	mapping      string
	mappingOut   string
	initial      bool
	approve      bool
	reason       string
	dryRun       bool
}

func (o *importOptions) sourceFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.lenient, "lenient", false, "repair what the published list allows, and count it (see: tenantctl roster codes)")
	f.BoolVar(&o.noDelete, "no-delete", false, "adds and changes only; removals wait as a held plan")
	f.StringVar(&o.profile, "profile", "", "mapping profile (YAML) for a CSV that is not OneRoster")
	f.StringVar(&o.mapping, "mapping", "", "CSV type,old,new of sourcedIds that the source has changed")
	f.StringVar(&o.mappingOut, "mapping-out", "", "write the pairs that look like changed sourcedIds to this CSV")
}

func (o *importOptions) approvalFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.initial, "initial", false, "this is the tenant's first import")
	f.BoolVar(&o.approve, "approve", false, "what holds the plan was looked at and is right")
	f.StringVar(&o.reason, "reason", "", "why it is right, for the record")
}

// said notes what was asked for. An approval's reason is kept with it, here as well.
func (o *importOptions) said(cmd *cobra.Command) {
	o.Flags(cmd, "lenient", "no-delete", "profile", "mapping", "initial", "approve")
	if o.reason != "" {
		o.Note("reason: %s", o.reason)
	}
}

func (o *importOptions) approval() roster.Approval {
	return roster.Approval{Who: o.Actor, Initial: o.initial, Approve: o.approve, Reason: o.reason}
}

func newPlan(k *kit.Kit) *cobra.Command {
	o := &importOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "plan TENANT FILE",
		Short: "Say what an import would change, and store that as a plan",
		Long: `Check a package, compare it with the tenant's roster and store the plan. The
roster is not changed. The plan is bound by hash to the file and to the rows it
was made against; applying it applies exactly it. Exit 8 when it is held.

FILE is a OneRoster zip, a folder of its CSV files, s3://bucket/key, or with
--profile a municipality's own CSV.`,
		Example: `  tenantctl roster plan vantaa syksy-2026.zip
  tenantctl roster plan vantaa oppilaat.csv --profile vantaa.yaml -o json`,
		Args: kit.Exactly("TENANT", "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tenant, o.file = args[0], args[1]
			return k.Change(cmd.Context(), cmd, o.tenant, func(in *installation.Installation) error { return o.run(cmd, in, true) })
		},
	}
	o.sourceFlags(cmd)
	return cmd
}

func newImport(k *kit.Kit) *cobra.Command {
	o := &importOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "import TENANT FILE",
		Short: "Plan, and apply unless held",
		Long: `Plan an import and apply it in one transaction, unless the plan is held: then
nothing is changed, the plan waits for someone, and the exit code is 8. Killed at
any moment, the old roster stays.`,
		Example: `  tenantctl roster import vantaa syksy-2026.zip --initial
  tenantctl roster import vantaa s3://rosters/vantaa/2026-11-23.zip`,
		Args: kit.Exactly("TENANT", "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tenant, o.file = args[0], args[1]
			return k.Change(cmd.Context(), cmd, o.tenant, func(in *installation.Installation) error { return o.run(cmd, in, o.dryRun) })
		},
	}
	o.sourceFlags(cmd)
	o.approvalFlags(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "plan only (as: tenantctl roster plan)")
	return cmd
}

func newApply(k *kit.Kit) *cobra.Command {
	o := &importOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "apply TENANT PLAN",
		Short: "Apply a stored plan: exactly it, or nothing",
		Long: `Apply a stored plan in one transaction. It is refused when the roster has
changed since the plan was made. What holds a plan is approved with --approve and
a reason; where the tenant asks for two people, by another than the planner.`,
		Example: `  tenantctl roster apply inkoo pln_7Q2K1F3A --initial
  tenantctl roster apply vantaa pln_9RTXA0B2 --approve --reason "Kilterin koulu closes"`,
		Args: kit.Exactly("TENANT", "PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.tenant, o.plan = args[0], args[1]
			apply := func(in *installation.Installation) error {
				return within(cmd.Context(), in, o.tenant, func(s *roster.Service, t tenancy.Tenant) error { return o.apply(cmd, in, s, t) })
			}
			if o.dryRun {
				return k.With(cmd.Context(), apply)
			}
			return k.Change(cmd.Context(), cmd, o.tenant, apply)
		},
	}
	o.approvalFlags(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show the plan, change nothing")
	return cmd
}

func (o *importOptions) apply(cmd *cobra.Command, in *installation.Installation, s *roster.Service, t tenancy.Tenant) error {
	ctx := cmd.Context()
	o.of = t
	o.Note("plan %s", o.plan)
	o.said(cmd)
	if o.dryRun {
		p, err := s.Show(ctx, t, o.plan)
		if err != nil {
			return err
		}
		return printPlan(o.Kit, p)
	}
	b := newBar(o.Kit)
	began := time.Now()
	p, err := s.Apply(ctx, t, o.plan, o.approval(), b.progress)
	b.done()
	if p, err = cancelled(ctx, s, t, began, p, err); err == nil {
		o.gather(ctx, in, t, p)
	}
	return o.outcome(p, err)
}

func (o *importOptions) run(cmd *cobra.Command, in *installation.Installation, planOnly bool) error {
	ctx := cmd.Context()
	o.said(cmd)
	return within(ctx, in, o.tenant, func(s *roster.Service, t tenancy.Tenant) error {
		o.of = t
		f, err := o.openSource(ctx, in, t)
		if errors.Is(err, context.Canceled) {
			return &kit.Exit{Code: kit.ExitUsage, Err: errors.New("cancelled; nothing was changed, run the command again")}
		}
		if err != nil {
			return err
		}
		defer func() { _ = f.close() }()
		opts, err := o.options()
		if err != nil {
			return err
		}
		b := newBar(o.Kit)
		began := time.Now()
		var p *roster.Plan
		if planOnly {
			p, err = s.Plan(ctx, t, f.Package, opts, o.Actor, b.progress)
		} else {
			p, err = s.Import(ctx, t, f.Package, opts, o.approval(), b.progress)
		}
		b.done()
		p, err = cancelled(ctx, s, t, began, p, err)
		switch {
		case err == nil && planOnly && p.Held:
			err = &roster.HeldError{Plan: p}
		case err == nil && !planOnly:
			o.gather(ctx, in, t, p)
		}
		return o.outcome(p, err)
	})
}

// cancelled says what a Ctrl-C has left. As a rule nothing has changed; one that
// came while the transaction was being committed may have come too late, and
// then the import is returned as any other.
func cancelled(ctx context.Context, s *roster.Service, t tenancy.Tenant, began time.Time, p *roster.Plan, err error) (*roster.Plan, error) {
	if !errors.Is(err, context.Canceled) {
		return p, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	list, readErr := s.History(ctx, t, 100)
	if readErr != nil {
		return nil, &kit.Exit{Code: kit.ExitUsage, Err: fmt.Errorf("cancelled; what stands is told by: tenantctl roster history %s", t.Slug)}
	}
	for _, done := range list {
		if done.AppliedAt != nil && done.AppliedAt.After(began) {
			return done, nil
		}
	}
	return nil, &kit.Exit{Code: kit.ExitUsage, Err: errors.New("cancelled; nothing was changed, run the command again")}
}

// gather brings PostgreSQL's figures of the tenant up to date after a large
// import, which stands whether that succeeds or not.
func (o *importOptions) gather(ctx context.Context, in *installation.Installation, t tenancy.Tenant, p *roster.Plan) {
	if !large(p) {
		return
	}
	if err := in.Operator.Analyze(ctx, t); err != nil {
		o.Say("  note     no statistics were gathered (%v); PostgreSQL does so by itself later", err)
	}
}

// large tells whether an import has changed so much that the planner's figures
// of the tenant are worth nothing.
func large(p *roster.Plan) bool {
	n := 0
	for _, c := range p.Changes {
		n += c.Insert + c.Reactivate
	}
	return n > 5000
}

// outcome shows a plan, applied or held, or why there is none.
func (o *importOptions) outcome(p *roster.Plan, err error) error {
	if bad := (*roster.InvalidError)(nil); errors.As(err, &bad) {
		if o.JSON() {
			return errors.Join(o.PrintJSON(verdictOf(bad.Name, bad.Report)), &kit.Exit{Code: kit.ExitInvalid, Err: err})
		}
		findings(o.Kit, bad.Name, bad.Report)
		ownCSV(o.Kit, o.file, bad.Report.Findings)
		return &kit.Exit{Code: kit.ExitInvalid, Err: err, Silent: true}
	}
	held := (*roster.HeldError)(nil)
	if err != nil && !errors.As(err, &held) {
		return err
	}
	if held != nil {
		p = held.Plan
	}
	if o.plan == "" {
		o.Note("plan %s", p.ID)
	}
	if p.Import != "" {
		o.Note("import %s", p.Import)
	}
	if o.JSON() {
		if perr := o.PrintJSON(view(p)); perr != nil {
			return perr
		}
	} else {
		o.Say("%s  OneRoster %s, %s rows, sha256 %.12s…", p.SourceName, p.Version, thousands(p.Rows), p.SourceSHA256)
		if perr := printPlan(o.Kit, p); perr != nil {
			return perr
		}
		next(o.Kit, o.of, p)
	}
	if werr := o.writeMapping(p); werr != nil {
		return werr
	}
	if held != nil {
		return &kit.Exit{Code: kit.ExitHeld, Err: err, Silent: true}
	}
	return nil
}

// planView is a plan with what importing it has done.
type planView struct {
	*roster.Plan
	Applied bool `json:"applied"`
}

func view(p *roster.Plan) planView { return planView{p, p.State == roster.Applied} }

func (o *importOptions) options() (roster.Options, error) {
	opts := roster.Options{Lenient: o.lenient, NoDelete: o.noDelete}
	if o.mapping == "" {
		return opts, nil
	}
	f, err := os.Open(o.mapping)
	if err != nil {
		return opts, fmt.Errorf("%w; name a CSV type,old,new with --mapping", err)
	}
	defer func() { _ = f.Close() }()
	if opts.Mapping, err = readMapping(f); err != nil {
		return opts, &kit.Exit{Code: kit.ExitInvalid, Err: fmt.Errorf("%s:%w", o.mapping, err)}
	}
	return opts, nil
}

// readMapping reads type,old,new. Its errors begin with the line.
func readMapping(from io.Reader) (map[string]string, error) {
	r := csv.NewReader(from)
	r.FieldsPerRecord = -1
	out := map[string]string{}
	for first := true; ; first = false {
		row, err := r.Read()
		if bad := (*csv.ParseError)(nil); errors.As(err, &bad) {
			return nil, fmt.Errorf("%d: %w", bad.Line, bad.Err)
		} else if errors.Is(err, io.EOF) && !first {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("1: %w", err)
		}
		line, _ := r.FieldPos(0)
		switch {
		case len(row) != 3 || first && !slices.Equal(row, []string{"type", "old", "new"}):
			return nil, fmt.Errorf("%d: want the header type,old,new and rows of it", line)
		case first:
			continue
		case oneroster.TableOf(oneroster.Type(row[0])) == nil:
			return nil, fmt.Errorf("%d: %q is no type of OneRoster; write one as %s", line, row[0], oneroster.Users)
		case row[1] == "" || row[2] == "":
			return nil, fmt.Errorf("%d: a sourcedId is missing", line)
		case out[row[0]+" "+row[1]] != "":
			return nil, fmt.Errorf("%d: %s is there twice", line, row[1])
		}
		out[row[0]+" "+row[1]] = row[2]
	}
}

func (o *importOptions) writeMapping(p *roster.Plan) error {
	if o.mappingOut == "" || p == nil {
		return nil
	}
	f, err := os.Create(o.mappingOut)
	if err != nil {
		return err
	}
	w := csv.NewWriter(f)
	_ = w.Write([]string{"type", "old", "new"})
	for _, r := range p.Rekeyed {
		_ = w.Write([]string{r.Type, r.Old, r.New})
	}
	w.Flush()
	return errors.Join(w.Error(), f.Close())
}
