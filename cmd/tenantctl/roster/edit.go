package roster

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

func newEdit(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "edit TENANT TYPE SOURCEDID FIELD VALUE", Short: "Correct a field of the roster here",
		Args: kit.Exactly("TENANT", "TYPE", "SOURCEDID", "FIELD", "VALUE"),
		Long: `Correct a field of a row that the roster owns. It holds at once. The next plan that
would change the row shows the field as a conflict; by default the value given
here stays (see settings.roster.edits in the manifest). The source should be
corrected too. The value is not written to the operator log.`,
		Example: "  tenantctl roster edit vantaa classes vantaa-c-2026-00037 location 'A 12'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.Change(cmd.Context(), cmd, args[0], func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					if err := s.Edit(cmd.Context(), t, oneroster.Type(args[1]), args[2], args[3], args[4], k.Actor); err != nil {
						return err
					}
					k.Note("field %s of %s", args[3], args[1]) // known now to be one
					if !oneroster.HoldsHetu(strings.ToUpper(args[2])) {
						k.Note("%s", args[2])
					}
					return k.Print(map[string]string{"tenant": t.Slug, "type": args[1], "sourcedId": args[2], "field": args[3]},
						[]string{"TENANT", "TYPE", "SOURCEDID", "FIELD"}, [][]string{{t.Slug, args[1], args[2], args[3]}})
				})
			})
		},
	}
}

func newReviews(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "reviews TENANT", Short: "List rows whose person is in doubt", Args: kit.Exactly("TENANT"),
		Long: `List the rows of users.csv whose identifiers speak of two people. The import took
the stronger word and left the other out; a human must decide.`,
		Example: "  tenantctl roster reviews vantaa -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					list, err := s.Reviews(cmd.Context(), t)
					if err != nil {
						return err
					}
					rows := [][]string{}
					for _, r := range list {
						rows = append(rows, []string{r.SourcedID, r.Person.String(), r.Reason, r.Import, r.At.Local().Format(time.DateTime)})
					}
					return k.Print(list, []string{"SOURCEDID", "PERSON", "REASON", "IMPORT", "AT"}, rows)
				})
			})
		},
	}
}
