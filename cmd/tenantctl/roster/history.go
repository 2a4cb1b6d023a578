package roster

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
)

func newHistory(k *kit.Kit) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "history TENANT", Short: "List plans and imports, newest first", Args: kit.Exactly("TENANT"),
		Example: "  tenantctl roster history vantaa --limit 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					list, err := s.History(cmd.Context(), t, limit)
					if err != nil {
						return err
					}
					rows, views := [][]string{}, []planView{}
					for _, p := range list {
						views = append(views, view(p))
						rows = append(rows, []string{p.ID, p.Import, string(p.State), p.PlannedAt.Local().Format(time.DateTime), p.SourceName, strconv.FormatInt(p.Rows, 10), who(p.PlannedBy), who(p.AppliedBy)})
					}
					return k.Print(views, []string{"PLAN", "IMPORT", "STATE", "PLANNED", "SOURCE", "ROWS", "PLANNED BY", "APPLIED BY"}, rows)
				})
			})
		},
	}
	kit.AtLeast(cmd.Flags(), 1, &limit, "limit", 50, "most entries")
	return cmd
}

// who says of an account what it is: a person of the municipality has no name here.
func who(account string) string {
	if person, ok := roster.PersonOf(account); ok {
		return fmt.Sprintf("municipal admin (person %s)", person)
	}
	return account
}

func newShow(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "show TENANT IMPORT", Short: "Show a plan (pln_…) or an import (imp_N)", Args: kit.Exactly("TENANT", "IMPORT"),
		Example: "  tenantctl roster show vantaa imp_3",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					p, err := s.Show(cmd.Context(), t, args[1])
					if err != nil {
						return err
					}
					if k.JSON() {
						return k.PrintJSON(view(p))
					}
					k.Say("%s %s: %s, %s of %s, planned by %s", p.ID, p.Import, p.State, p.Kind, p.SourceName, who(p.PlannedBy))
					return printPlan(k, p)
				})
			})
		},
	}
}

func newRollback(k *kit.Kit) *cobra.Command {
	o := &importOptions{Kit: k}
	var force bool
	cmd := &cobra.Command{
		Use:   "rollback TENANT IMPORT",
		Short: "Take an import back, values included",
		Long: `Bring every row that an import changed back to what it was, values included, in
one transaction; what it added is marked as removed. Refused when later imports
have changed the same rows, unless --force: then these too become what they were
before the import. A rollback is an import itself and can be taken back.`,
		Example: `  tenantctl roster rollback vantaa imp_3 --dry-run
  tenantctl roster rollback vantaa imp_3`,
		Args: kit.Exactly("TENANT", "IMPORT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			undo := func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					k.Note("import %s", args[1])
					k.Flags(cmd, "force")
					if o.reason != "" {
						k.Note("a reason was given")
					}
					b := newBar(k)
					began := time.Now()
					p, err := s.Rollback(cmd.Context(), t, args[1], force, o.dryRun, roster.Approval{Who: k.Actor, Reason: o.reason}, b.progress)
					b.done()
					if p, err = cancelled(cmd.Context(), s, t, began, p, err); err != nil {
						return err
					}
					k.Note("taken back as %s", p.Import)
					if k.JSON() {
						return k.PrintJSON(view(p))
					}
					if err := printPlan(k, p); err != nil || o.dryRun {
						return err
					}
					k.Say("%s was taken back as %s in %.1f s.", args[1], p.Import, p.Seconds)
					return nil
				})
			}
			if o.dryRun {
				return k.With(cmd.Context(), undo)
			}
			return k.Change(cmd.Context(), cmd, args[0], undo)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "also where later imports changed the same rows")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the record")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would change, change nothing")
	return cmd
}

func newExport(k *kit.Kit) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use: "export TENANT", Short: "Write the active roster as a OneRoster 1.2 package", Args: kit.Exactly("TENANT"),
		Long: `Write what came in, with all its columns, as a OneRoster 1.2 bulk package. The
file holds personal data in the clear, identity codes included: keep it safe and
delete it. It is written whole or not at all.`,
		Example: "  tenantctl roster export vantaa --out vantaa.zip",
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return kit.Usage("--out is missing: name the zip to write")
			}
			return k.Change(cmd.Context(), cmd, args[0], func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					tmp := fmt.Sprintf("%s.part%d", out, os.Getpid())
					f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
					if err != nil {
						return err
					}
					defer func() { _ = os.Remove(tmp) }()
					rows, err := s.Export(cmd.Context(), t, f)
					if cerr := f.Close(); err == nil {
						err = cerr
					}
					if err == nil {
						err = os.Rename(tmp, out)
					}
					if err != nil {
						return err
					}
					total := 0
					for _, n := range rows {
						total += n
					}
					k.Note("%d rows", total)
					return k.Print(map[string]any{"tenant": t.Slug, "file": out, "rows": rows}, []string{"TENANT", "FILE"}, [][]string{{t.Slug, out}})
				})
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	return cmd
}
