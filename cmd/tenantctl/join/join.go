// Package join has the commands of the staged joining process.
package join

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/onboarding"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
)

// New returns "join" with its commands.
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "join",
		Short: "Take municipalities through the staged joining process",
		Long: `A municipality joins in stages: agreed, provisioned, identified, organised,
rostered, piloting, rolling out, live. Each stage asks for things that are
measured, or attested by someone with a name and evidence; a waiver needs a
reason and a second person. Where it stands is derived from an append-only log.`,
	}
	cmd.AddCommand(newStart(k), newStatus(k), newCheck(k), newAttest(k), newApprove(k), newWaive(k), newReopen(k), newAdvance(k),
		newPause(k), newResume(k), newRollBack(k), newMoveTemplate(k), newReport(k), newRemind(k))
	return cmd
}

// process opens what the commands work with.
type process struct {
	*joining.Service
	in       *installation.Installation
	evidence onboarding.Evidence
}

func open(ctx context.Context, k *kit.Kit, in *installation.Installation) (*process, error) {
	db, err := in.DB(ctx)
	if err != nil {
		return nil, err
	}
	s, err := onboarding.Service(db, in.Operator, k.Version)
	return &process{s, in, onboarding.Evidence{DB: db, Store: in.Objects, Keyset: in.Keyset}}, err
}

// exit gives the process's refusals their exit codes.
func exit(err error) error {
	switch {
	case errors.Is(err, joining.ErrRefused):
		return &kit.Exit{Code: kit.ExitNotAllowed, Err: err}
	case errors.Is(err, joining.ErrInvalid):
		return &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	return err
}

// change runs one step of a tenant's joining as a logged change. A dry run decides
// as the real one does, on a log that keeps nothing.
func change(k *kit.Kit, cmd *cobra.Command, slug string, dry bool, f func(context.Context, *process, tenancy.Tenant) error) error {
	ctx := cmd.Context()
	if !dry {
		return k.Change(ctx, cmd, slug, func(in *installation.Installation) error { return within(ctx, k, in, slug, f) })
	}
	return k.With(ctx, func(in *installation.Installation) error {
		return within(ctx, k, in, slug, func(ctx context.Context, p *process, t tenancy.Tenant) error {
			p.Log, p.evidence.Store = joining.Dry(p.Log), nil
			if err := f(ctx, p, t); err != nil {
				return err
			}
			k.Say("This is how it would be. Nothing was changed.")
			return nil
		})
	})
}

func dryFlag(cmd *cobra.Command, dry *bool) {
	cmd.Flags().BoolVar(dry, "dry-run", false, "say what would be, change nothing")
}

func within(ctx context.Context, k *kit.Kit, in *installation.Installation, slug string, f func(context.Context, *process, tenancy.Tenant) error) error {
	t, err := in.Operator.Find(ctx, slug)
	if err != nil {
		return err
	}
	p, err := open(ctx, k, in)
	if err != nil {
		return err
	}
	return exit(f(ctx, p, t))
}

func tiera(k *kit.Kit) joining.Actor { return joining.Actor{Account: k.Actor, Side: joining.Tiera} }

func newStart(k *kit.Kit) *cobra.Command {
	var template, wave string
	var dry bool
	cmd := &cobra.Command{
		Use:   "start TENANT",
		Short: "Begin a municipality's joining",
		Long: `Begin the process. From now on the tenant's people get in only where a wave of
schools is open; the municipality's own admins always do.`,
		Example: "  tenantctl join start vantaa --wave 2027-spring",
		Args:    kit.Exactly("TENANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(k, cmd, args[0], dry, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				k.Flags(cmd, "template", "wave")
				if _, err := p.Start(ctx, t, tiera(k), template, wave); err != nil {
					return err
				}
				if err := onboarding.Plan(ctx, p.Service, t, tiera(k)); err != nil {
					return err
				}
				s, err := p.State(ctx, t)
				if err != nil {
					return err
				}
				if err := say(k, t, s); err != nil {
					return err
				}
				k.Say("Next: tenantctl join attest %s agreement --evidence FILE --signer NAME", t.Slug)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&template, "template", "", "version of the process (default "+joining.DefaultTemplate+")")
	cmd.Flags().StringVar(&wave, "wave", "", "wave of municipalities that it joins with, such as 2027-spring")
	dryFlag(cmd, &dry)
	return cmd
}

func newAttest(k *kit.Kit) *cobra.Command {
	var file, reason, signer string
	var dry bool
	cmd := &cobra.Command{
		Use:   "attest TENANT REQUIREMENT...",
		Short: "Say with a name and evidence that requirements are met",
		Long: `Say that requirements are met. What is the municipality's to say needs --signer:
the person there who signed; it waits then for another operator's join approve, as
does what asks for two people. A measured gate is attested only where DigiOne does
not have what would be measured.
Evidence is a PDF, a picture or a signed container of at most 20 MB; it is kept
encrypted by the tenant's key. The same word given twice changes nothing.`,
		Example: `  tenantctl join attest vantaa agreement data-processing --evidence sopimus.pdf --signer "Maija Meri"
  tenantctl join attest vantaa attendance --evidence raportti.pdf --signer "Maija Meri" --reason "mitattu vanhassa järjestelmässä"`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(k, cmd, args[0], dry, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				k.Note("%s", strings.Join(args[1:], " "))
				k.Flags(cmd, "evidence", "signer", "reason")
				by := tiera(k)
				if signer != "" {
					by.Side, by.Name = joining.Municipality, signer
				}
				var kept *joining.Evidence
				if file != "" {
					f, err := os.Open(file)
					if err != nil {
						return fmt.Errorf("%w; name the file that proves it with --evidence", err)
					}
					defer func() { _ = f.Close() }()
					if kept, err = p.evidence.Keep(ctx, t, file, f); err != nil {
						return err
					}
				}
				s, err := p.Attest(ctx, t, by, args[1:], kept, reason)
				if err != nil {
					return err
				}
				return say(k, t, s)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "evidence", "", "file that proves it")
	f.StringVar(&reason, "reason", "", "why, for what could also be measured")
	f.StringVar(&signer, "signer", "", "the person of the municipality whose word it is")
	dryFlag(cmd, &dry)
	return cmd
}

func newApprove(k *kit.Kit) *cobra.Command {
	var reason string
	var dry bool
	cmd := &cobra.Command{
		Use:     "approve TENANT [REQUIREMENT...]",
		Short:   "Give the second person's word on attestations and waivers",
		Long:    "Approve what waits for Tiera, or only the requirements named. Nobody approves what they attested themselves.",
		Example: "  tenantctl join approve vantaa agreement --actor paula",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(k, cmd, args[0], dry, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				k.Note("%s", cmp.Or(strings.Join(args[1:], " "), "all that wait"))
				k.Flags(cmd, "reason")
				s, err := p.Approve(ctx, t, tiera(k), args[1:], reason)
				if err != nil {
					return err
				}
				return say(k, t, s)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "a remark")
	dryFlag(cmd, &dry)
	return cmd
}

// step is a command that takes a tenant, perhaps one thing more, and a reason.
func step(k *kit.Kit, use, short, example string, n int, f func(ctx context.Context, p *process, t tenancy.Tenant, what, reason string) (*joining.State, error)) *cobra.Command {
	var reason string
	var dry bool
	names := strings.Fields(use)[1:]
	cmd := &cobra.Command{
		Use: use, Short: short, Example: "  tenantctl join " + example, Args: kit.Exactly(names[:n]...),
		RunE: func(cmd *cobra.Command, args []string) error {
			return change(k, cmd, args[0], dry, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				what := ""
				if n > 1 {
					what = args[1]
					k.Note("%s", what)
				}
				k.Flags(cmd, "reason")
				s, err := f(ctx, p, t, what, reason)
				if err != nil {
					return err
				}
				return say(k, t, s)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	dryFlag(cmd, &dry)
	return cmd
}

func newWaive(k *kit.Kit) *cobra.Command {
	return step(k, "waive TENANT REQUIREMENT", "Ask to pass a gate that is not met; a second person must approve it",
		`waive vantaa attendance --reason "pilottikoulu on suljettu remontin ajan"`, 2,
		func(ctx context.Context, p *process, t tenancy.Tenant, what, reason string) (*joining.State, error) {
			return p.Waive(ctx, t, tiera(k), what, reason)
		})
}

func newReopen(k *kit.Kit) *cobra.Command {
	return step(k, "reopen TENANT STAGE|REQUIREMENT", "Open a stage or a requirement again, and what rests on it",
		`reopen vantaa rostered --reason "kaksi koulua yhdistyi"`, 2,
		func(ctx context.Context, p *process, t tenancy.Tenant, what, reason string) (*joining.State, error) {
			return p.Reopen(ctx, t, tiera(k), what, reason)
		})
}

func newPause(k *kit.Kit) *cobra.Command {
	return step(k, "pause TENANT", "Let no further wave of schools open", `pause vantaa --reason "kirjautuminen takkuaa"`, 1,
		func(ctx context.Context, p *process, t tenancy.Tenant, _, reason string) (*joining.State, error) {
			return p.Pause(ctx, t, tiera(k), reason)
		})
}

func newResume(k *kit.Kit) *cobra.Command {
	return step(k, "resume TENANT", "Let waves of schools open again", "resume vantaa", 1,
		func(ctx context.Context, p *process, t tenancy.Tenant, _, reason string) (*joining.State, error) {
			return p.Resume(ctx, t, tiera(k), reason)
		})
}

func newRollBack(k *kit.Kit) *cobra.Command {
	return step(k, "rollback TENANT WAVE", "Close a wave's schools to their people again; nothing is deleted",
		`rollback vantaa wave-2 --reason "ryhmät väärin"`, 2,
		func(ctx context.Context, p *process, t tenancy.Tenant, what, reason string) (*joining.State, error) {
			return p.RollBack(ctx, t, tiera(k), what, reason)
		})
}

func newMoveTemplate(k *kit.Kit) *cobra.Command {
	var to string
	var dry bool
	cmd := &cobra.Command{
		Use:     "move-template TENANT",
		Short:   "Move a municipality under way to another version of the process",
		Example: "  tenantctl join move-template vantaa --to joining/2 --dry-run",
		Args:    kit.Exactly("TENANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return kit.Usage("--to is missing: name the version, such as joining/2")
			}
			return change(k, cmd, args[0], dry, func(ctx context.Context, p *process, t tenancy.Tenant) error {
				k.Note("to %s", to)
				v, s, err := p.MoveTemplate(ctx, t, tiera(k), to, dry)
				if err != nil {
					return err
				}
				if dry {
					return k.Print(v, []string{"WHAT", "REQUIREMENTS"}, [][]string{{"asked anew", strings.Join(v.Added, " ")},
						{"asked no longer", strings.Join(v.Removed, " ")}, {"asked otherwise", strings.Join(v.Changed, " ")}})
				}
				return say(k, t, s)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "version of the process")
	dryFlag(cmd, &dry)
	return cmd
}

func newReport(k *kit.Kit) *cobra.Command {
	var out, lang string
	cmd := &cobra.Command{
		Use:     "report TENANT --out FILE",
		Short:   "Write the whole history for the municipality's archive",
		Long:    "Write a printable page (HTML) with where the municipality stands, every requirement, and every event: who, when, what, why, and the hash of each file.",
		Example: "  tenantctl join report vantaa --out vantaa-liittyminen.html",
		Args:    kit.Exactly("TENANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return kit.Usage("--out is missing: name the file to write")
			}
			ctx := cmd.Context()
			return k.With(ctx, func(in *installation.Installation) error {
				return within(ctx, k, in, args[0], func(ctx context.Context, p *process, t tenancy.Tenant) error {
					s, err := p.State(ctx, t)
					if err != nil {
						return err
					}
					events, err := p.Events(ctx, t)
					if err != nil {
						return err
					}
					b, err := onboarding.Report(t, p.Templates, s, events, lang, time.Now())
					if err != nil {
						return err
					}
					if err := os.WriteFile(out, b, 0o600); err != nil {
						return err
					}
					k.Say("%s: %d events, %d requirements", out, len(events), len(s.Status))
					return nil
				})
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write")
	lang = "fi"
	kit.OneOf(cmd.Flags(), &lang, "lang", "fi, sv or en", "fi", "sv", "en")
	return cmd
}
