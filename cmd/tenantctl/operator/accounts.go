package operator

import (
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
)

func newAccounts(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "operator", Short: "Add, list and end the operators who may sign in at the operators' host"}
	cmd.AddCommand(newAdd(k), newList(k), newEnd(k), newForgetPasskeys(k))
	return cmd
}

var accountHead = []string{"ID", "NAME", "ROLE", "ISSUER", "SUBJECT", "EMAIL", "ADDED BY", "CREATED", "ENDED"}

func accountRow(a tenancy.OperatorAccount) []string {
	ended := ""
	if a.EndedAt != nil {
		ended = a.EndedAt.Local().Format(time.DateTime)
	}
	return []string{a.ID.String(), a.Name, string(a.Role), a.Issuer, a.Subject, a.Email, a.AddedBy, a.CreatedAt.Local().Format(time.DateTime), ended}
}

func newAdd(k *kit.Kit) *cobra.Command {
	var (
		a      tenancy.OperatorAccount
		role   string
		dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "add",
		Short: "Let somebody sign in at the operators' host",
		Long: `Let somebody sign in at the operators' host. Who they are is the issuer and the
subject (the claim sub) together, letter by letter; the e-mail address is shown and
never compared. One with the same issuer and subject is changed, and may come in
again if they had ended. It creates no account at the provider.

A viewer looks at everything there and changes nothing.`,
		Example: `  tenantctl operator add --issuer https://login.example.fi --subject 8f14e45f --name "Paula Operaattori"
  tenantctl operator add --issuer https://login.example.fi --subject c9f0f895 --name "Olli Operaattori" --role viewer`,
		Args: kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.Role, a.AddedBy = tenancy.OperatorRole(role), k.Actor
			if err := a.Check(); err != nil {
				return &kit.Exit{Code: kit.ExitInvalid, Err: err}
			}
			if dryRun {
				k.Say("would add %s as %s; nothing was changed", a.Name, a.Role)
				return nil
			}
			return k.Change(cmd.Context(), cmd, "", func(in *installation.Installation) error {
				put, err := in.Operator.PutAccount(cmd.Context(), a)
				if err != nil {
					return err
				}
				k.Note("account %s, %s", put.ID, put.Role)
				return k.Print(put, accountHead, [][]string{accountRow(put)})
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&a.Issuer, "issuer", "", "issuer, exactly as --operator-issuer of digione has it")
	f.StringVar(&a.Subject, "subject", "", "the person's id at the issuer, the claim sub")
	f.StringVar(&a.Name, "name", "", "name that pages and the operator log show")
	f.StringVar(&a.Email, "email", "", "e-mail address, for people to read")
	f.StringVar(&role, "role", string(tenancy.RoleOperator), "operator or viewer")
	f.BoolVar(&dryRun, "dry-run", false, "check, change nothing")
	return cmd
}

func newList(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the operators, those of today first",
		Long:    "List the operators, those of today first. Changes nothing.",
		Example: "  tenantctl operator list -o json",
		Args:    kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Operator.Accounts(cmd.Context())
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, a := range list {
					rows = append(rows, accountRow(a))
				}
				return k.Print(list, accountHead, rows)
			})
		},
	}
}

func newEnd(k *kit.Kit) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "end ID", Short: "Take an operator off the list; their sessions end at once",
		Long: `Take an operator off the list; their sessions end at once. What they did stays in the
operator log, and so does the account, marked as ended. Ending one that has ended
changes nothing. It ends no account at the provider.`,
		Example: "  tenantctl operator end 0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
		Args:    kit.Exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return kit.Usage("%q is no id; see: tenantctl operator list", args[0])
			}
			if dryRun {
				k.Say("would end operator %s; nothing was changed", id)
				return nil
			}
			return k.Change(cmd.Context(), cmd, "", func(in *installation.Installation) error {
				k.Note("account %s", id)
				if err := in.Operator.EndAccount(cmd.Context(), id); err != nil {
					return err
				}
				k.Say("operator %s has ended", id)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check, change nothing")
	return cmd
}

func newForgetPasskeys(k *kit.Kit) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "forget-passkeys ID", Short: "Take all passkeys of an operator who has lost them",
		Long: `Take all passkeys of an operator who has lost them; their sessions end at once. They
come in by their provider alone then, until they add a passkey: make sure that it
is they who ask.`,
		Example: "  tenantctl operator forget-passkeys 0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b",
		Args:    kit.Exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return kit.Usage("%q is no id; see: tenantctl operator list", args[0])
			}
			if dryRun {
				k.Say("would take the passkeys of operator %s; nothing was changed", id)
				return nil
			}
			return k.Change(cmd.Context(), cmd, "", func(in *installation.Installation) error {
				n, err := in.Operator.ForgetPasskeys(cmd.Context(), id)
				k.Note("account %s, %d passkeys", id, n)
				if err != nil {
					return err
				}
				k.Say("%d passkeys of operator %s are gone", n, id)
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check, change nothing")
	return cmd
}
