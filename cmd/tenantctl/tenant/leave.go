package tenant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
	"digione/internal/tenancy/transfer"
)

// maybe runs f as a change, or without a trace when it is a dry run.
func maybe(k *kit.Kit, cmd *cobra.Command, dry bool, slug string, f func(context.Context, *installation.Installation) error) error {
	run := func(in *installation.Installation) error { return f(cmd.Context(), in) }
	if dry {
		return k.With(cmd.Context(), run)
	}
	return k.Change(cmd.Context(), cmd, slug, run)
}

func newLeave(k *kit.Kit) *cobra.Command {
	var reason string
	var dry bool
	cmd := &cobra.Command{
		Use: "leave TENANT --reason TEXT", Short: "Let a tenant be read and no longer changed, before it goes", Args: kit.Exactly("TENANT"),
		Long: `Begin the leaving of a tenant: it is served, but nothing of it can be changed any
more, neither by its people nor by an import. Nothing is deleted. All nodes follow
at once. Taken back by: tenantctl tenant resume TENANT.`,
		Example: `  tenantctl tenant leave vantaa --reason "agreement ends 2026-12-31"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return kit.Usage("--reason is missing: say why the tenant leaves")
			}
			return maybe(k, cmd, dry, args[0], func(ctx context.Context, in *installation.Installation) error {
				t, err := kit.Tenant(ctx, in, args[0])
				if err != nil {
					return err
				}
				k.Note("was %s, a reason was given", t.State)
				if t.State = tenancy.Leaving; !dry {
					if t, err = leave(ctx, k, in, args[0], reason); err != nil {
						return err
					}
					k.Say("Next: tenantctl tenant export %s --out FILE; hand it over. Its municipality verifies it on the page /lahto; then: tenantctl tenant seal %s --export FILE --confirm %s", t.Slug, t.Slug, t.ID)
				}
				return k.Print(t, head, [][]string{row(t)})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, change nothing")
	return cmd
}

func leave(ctx context.Context, k *kit.Kit, in *installation.Installation, slug, reason string) (tenancy.Tenant, error) {
	t, err := kit.Tenant(ctx, in, slug)
	if err != nil {
		return t, err
	}
	return in.Transfer().Leave(ctx, t, k.Actor, reason)
}

func newVerifyExport(k *kit.Kit) *cobra.Command {
	var v transfer.Verification
	var dry bool
	cmd := &cobra.Command{
		Use: "verify-export TENANT --sha256 HASH --signer NAME --reason TEXT", Short: "Note a municipality's word on paper that it has its export", Args: kit.Exactly("TENANT"),
		Long: `Note that a leaving municipality has the last export and found in it what it should
hold. Its admin says so on the page /lahto of its own; this is for one that nobody
signs in to any more. --signer is who gave the word, --reason where it stands.`,
		Example: `  tenantctl tenant verify-export vantaa --sha256 3b1f… --signer "Maija Meri" --reason "letter of 2026-12-02, D-1182"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range []struct{ name, value string }{{"sha256", v.SHA256}, {"signer", v.Name}, {"reason", v.Reason}} {
				if strings.TrimSpace(f.value) == "" {
					return kit.Usage("--%s is missing", f.name)
				}
			}
			return maybe(k, cmd, dry, args[0], func(ctx context.Context, in *installation.Installation) error {
				t, err := kit.Tenant(ctx, in, args[0])
				if err != nil {
					return err
				}
				v.Side, v.Actor, v.At = transfer.OnPaper, k.Actor, time.Now()
				k.Note("export sha256 %s, a word on paper", v.SHA256)
				check := transfer.Verify
				if dry {
					check = transfer.CheckVerification
				}
				if err := check(ctx, in.Operator.Control(), t, v); err != nil {
					return err
				}
				return k.Print(verified{t.Slug, v.SHA256, v.Name, v.Actor, dry}, []string{"TENANT", "SHA256", "SIGNER", "NOTED BY"}, [][]string{{t.Slug, v.SHA256, v.Name, v.Actor}})
			})
		},
	}
	cmd.Flags().StringVar(&v.SHA256, "sha256", "", "hash of the file that the municipality has")
	cmd.Flags().StringVar(&v.Name, "signer", "", "who gave the word")
	cmd.Flags().StringVar(&v.Reason, "reason", "", "where the word stands, for the record")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check, change nothing")
	return cmd
}

// verified is what verify-export says.
type verified struct {
	Tenant  string `json:"tenant"`
	SHA256  string `json:"sha256"`
	Signer  string `json:"signer"`
	NotedBy string `json:"noted_by"`
	DryRun  bool   `json:"dry_run"`
}

func newSeal(k *kit.Kit) *cobra.Command {
	var export, confirm string
	var dry bool
	cmd := &cobra.Command{
		Use: "seal TENANT --export FILE --confirm ID", Short: "End all reading of a tenant that leaves; needs two people", Args: kit.Exactly("TENANT"),
		Long: `Shut a leaving tenant: nobody reads it any more. Its municipality must have verified
an export, and FILE must hold the same; what was noted since of who read may be
added. The first call records the request, shows what would be shut and ends with
exit 8. The same command by another --actor carries it out: the doors are shut, the
file is checked byte for byte and must be what the tenant keeps now, every row and
every object, and its hash is recorded. When it is not, the tenant goes on leaving.
Nothing is deleted, and nothing opens a sealed tenant again: restore the export if
it was wrong. --confirm is the tenant's id, as "tenant show" prints it.`,
		Example: `  tenantctl tenant seal vantaa --export vantaa-last.zip --dry-run
  tenantctl tenant seal vantaa --export vantaa-last.zip --confirm tnt_06h0jgjn9xr3z55swb636njc28 --actor maija
  tenantctl tenant seal vantaa --export vantaa-last.zip --confirm tnt_06h0jgjn9xr3z55swb636njc28 --actor kalle`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if export == "" {
				return kit.Usage("--export is missing: name the file that tenant export has written")
			}
			if confirm == "" && !dry {
				return kit.Usage("--confirm is missing: give the tenant's id, see: tenantctl tenant show %s", args[0])
			}
			return maybe(k, cmd, dry, args[0], func(ctx context.Context, in *installation.Installation) error {
				t, err := meant(ctx, in, args[0], confirm)
				if err != nil {
					return err
				}
				f, err := transfer.OpenFile(ctx, export)
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				k.Note("export sha256 %s", f.SHA256)
				g, err := seal(ctx, k, in.Transfer(), t, f, dry)
				if err != nil && kit.Code(err) != kit.ExitHeld {
					return err
				}
				perr := k.Print(g, []string{"TENANT", "ID", "STATE", "ROWS", "OBJECTS", "BYTES", "VERIFIED BY", "REQUESTED BY", "SEALED BY"}, [][]string{{g.Slug, string(g.Tenant), string(g.State),
					strconv.FormatInt(g.Rows, 10), strconv.Itoa(g.Objects), strconv.FormatInt(g.Bytes, 10), g.VerifiedBy, g.RequestedBy, g.SealedBy}})
				return errors.Join(perr, err)
			})
		},
	}
	cmd.Flags().StringVar(&export, "export", "", "the file that holds all of the tenant")
	cmd.Flags().StringVar(&confirm, "confirm", "", "the tenant's id")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "compare the file with the tenant and say who is missing, change nothing")
	return cmd
}

func seal(ctx context.Context, k *kit.Kit, s *transfer.Service, t tenancy.Tenant, f *transfer.File, dry bool) (transfer.Sealing, error) {
	if !dry {
		return s.Seal(ctx, t, k.Actor, f)
	}
	g, err := s.PreviewSeal(ctx, t, f)
	if err == nil && g.SealedBy == "" {
		err = s.CheckExport(ctx, t, f)
	}
	if g.DryRun = true; err == nil {
		k.Say("Dry run: nothing was changed; %s stays %s", t.Slug, t.State)
	}
	return g, err
}

// meant finds a tenant and holds it to the id that was given, if one was.
func meant(ctx context.Context, in *installation.Installation, slug, confirm string) (tenancy.Tenant, error) {
	t, err := in.Operator.Find(ctx, slug)
	if err == nil && confirm != "" && confirm != string(t.ID) {
		err = &kit.Exit{Code: kit.ExitInvalid, Err: fmt.Errorf("--confirm is not the id of %s; see: tenantctl tenant show %s", t.Slug, t.Slug)}
	}
	return t, err
}

func newErase(k *kit.Kit) *cobra.Command {
	var confirm, reason string
	var dry bool
	cmd := &cobra.Command{
		Use: "erase TENANT --confirm ID --reason TEXT", Short: "Destroy a sealed tenant; needs two people", Args: kit.Exactly("TENANT"),
		Long: `Destroy a sealed tenant for good: its keys first, then its schema, role and
objects. What stays is its row in the catalogue and a receipt. The first call
records the request, shows what would go and ends with exit 8. The same command
by another --actor carries it out. Killed after that, anybody's call goes on.
--confirm is the tenant's id, as "tenant show" prints it.`,
		Example: `  tenantctl tenant erase vantaa --confirm tnt_06h0jgjn9xr3z55swb636njc28 --reason "agreement ended" --actor maija
  tenantctl tenant erase vantaa --confirm tnt_06h0jgjn9xr3z55swb636njc28 --actor kalle
  tenantctl tenant erase vantaa --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if confirm == "" && !dry {
				return kit.Usage("--confirm is missing: give the tenant's id, see: tenantctl tenant show %s", args[0])
			}
			return maybe(k, cmd, dry, args[0], func(ctx context.Context, in *installation.Installation) error {
				t, err := meant(ctx, in, args[0], confirm)
				if err != nil {
					return err
				}
				s := in.Transfer()
				e, err := s.Preview(ctx, t)
				if err != nil {
					return err
				}
				if dry {
					return show(k, e)
				}
				if e.State == "preview" && strings.TrimSpace(reason) == "" {
					return kit.Usage("--reason is missing: say why the tenant is erased")
				}
				e, err = s.Erase(ctx, t, k.Actor, reason, ticks(k))
				if err != nil && kit.Code(err) != kit.ExitHeld {
					return err
				}
				k.Note("%s", e.State)
				if perr := show(k, e); perr != nil {
					return perr
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "the tenant's id")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the receipt")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would go and who is missing, change nothing")
	return cmd
}

func show(k *kit.Kit, e transfer.Erasure) error {
	g := e.Going
	if e.Receipt != nil {
		g = e.Receipt.Erased
	}
	return k.Print(e, []string{"TENANT", "STATE", "ROWS", "OBJECTS", "BYTES", "REQUESTED BY", "CONFIRMED BY"}, [][]string{{e.Slug, e.State,
		strconv.FormatInt(g.Rows, 10), strconv.FormatInt(g.Objects, 10), strconv.FormatInt(g.Bytes, 10), e.RequestedBy, e.ConfirmedBy}})
}

func newReceipt(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "receipt TENANT", Short: "Show the receipt of an erased tenant", Args: kit.Exactly("TENANT"),
		Long:    "Show what was erased, when, by whom, and what remains where and until when. With -o json it is the receipt to hand over.",
		Example: "  tenantctl tenant receipt vantaa -o json > receipt.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return k.With(ctx, func(in *installation.Installation) error {
				t, err := in.Operator.Find(ctx, args[0])
				if err != nil {
					return err
				}
				r, err := in.Transfer().Receipt(ctx, t)
				if err != nil {
					return err
				}
				rows := [][]string{{"tenant", string(r.Tenant)}, {"slug", r.Slug}, {"name", r.Name}, {"reason", r.Reason},
					{"requested", r.RequestedAt.Format(time.RFC3339) + " " + r.RequestedBy}, {"confirmed", r.ConfirmedAt.Format(time.RFC3339) + " " + r.ConfirmedBy},
					{"erased", r.ErasedAt.Format(time.RFC3339)}, {"rows", strconv.FormatInt(r.Erased.Rows, 10)},
					{"objects", strconv.FormatInt(r.Erased.Objects, 10)}, {"export sha256", r.ExportSHA256},
					{"verified", r.VerifiedAt.Format(time.RFC3339) + " " + r.VerifiedBy}, {"sealed", r.SealedAt.Format(time.RFC3339) + " " + strings.Join(r.SealedBy, ", ")}}
				for _, m := range r.Remains {
					rows = append(rows, []string{"remains", m.What + ": " + m.Until})
				}
				return k.Print(r, []string{"FIELD", "VALUE"}, rows)
			})
		},
	}
}
