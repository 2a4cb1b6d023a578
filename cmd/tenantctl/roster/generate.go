package roster

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

type generateOptions struct {
	*kit.Kit
	spec   generate.Spec
	out    string
	mutate string
}

func newGenerate(k *kit.Kit) *cobra.Command {
	o := &generateOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Make a realistic, invented Finnish roster",
		Long: `Make a OneRoster 1.2.1 package of invented people: schools, grades, groups,
teachers, siblings, guardians, test identity codes. The same flags give the same
file. With --mutate it is the next night's file of the same town. No database.`,
		Example: `  tenantctl roster generate --tenant vantaa --learners 28000 --seed 7 --out vantaa.zip
  tenantctl roster generate --tenant vantaa --learners 28000 --seed 7 --mutate 2% --out night.zip`,
		Args: kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return generateRun(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.spec.Tenant, "tenant", "", "short name, begins every sourcedId")
	f.IntVar(&o.spec.Learners, "learners", 1000, "learners")
	f.Uint64Var(&o.spec.Seed, "seed", 1, "another seed, another town")
	f.StringVar(&o.out, "out", "", "file to write")
	f.StringVar(&o.mutate, "mutate", "", "share of people who change in a night, such as 2%")
	f.IntVar(&o.spec.Night, "night", 0, "how many such nights have passed (default 1 with --mutate)")
	f.StringVar(&o.spec.NameFi, "name-fi", "", "name in Finnish (default: the tenant)")
	f.StringVar(&o.spec.NameSv, "name-sv", "", "name in Swedish, where the town has one")
	f.StringVar(&o.spec.MunicipalityCode, "municipality-code", "999", "three digits")
	f.IntVar(&o.spec.SchoolYear, "school-year", schoolYear(time.Now()), "year in which the school year ends")
	return cmd
}

// schoolYear is the year in which the school year of a day ends: it begins on 1 August.
func schoolYear(now time.Time) int {
	if now.Month() >= time.August {
		return now.Year() + 1
	}
	return now.Year()
}

func generateRun(cmd *cobra.Command, o *generateOptions) error {
	if o.spec.Tenant == "" || o.out == "" {
		return kit.Usage("--tenant and --out are needed; see: %s --help", cmd.CommandPath())
	}
	if o.spec.NameFi == "" {
		o.spec.NameFi = slugName(o.spec.Tenant)
	}
	if o.mutate != "" {
		share, err := parseShare(o.mutate)
		if err != nil {
			return err
		}
		o.spec.Mutate = share
		if o.spec.Night == 0 {
			o.spec.Night = 1
		}
	}
	if err := o.spec.Validate(); err != nil {
		return &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	tmp := fmt.Sprintf("%s.part%d", o.out, os.Getpid())
	f, err := os.Create(tmp)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	sum, err := generate.Write(cmd.Context(), f, o.spec)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, o.out)
	}
	if err != nil {
		return err
	}
	rows := [][]string{}
	for _, t := range oneroster.Tables() {
		if n := sum.Rows[t.Type]; n > 0 {
			rows = append(rows, []string{string(t.Type), strconv.FormatInt(n, 10)})
		}
	}
	return o.Print(map[string]any{"file": o.out, "rows": sum.Rows, "schools": sum.Schools, "changes": sum.Changes}, []string{"TYPE", "ROWS"}, rows)
}

// parseShare reads "2%" or "0.02".
func parseShare(s string) (float64, error) {
	digits, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, kit.Usage("--mutate %q: use a share such as 2%% or 0.02", s)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

func newPurge(k *kit.Kit) *cobra.Command {
	var before string
	var dry bool
	cmd := &cobra.Command{
		Use:   "purge TENANT --before DATE",
		Short: "Delete for good what was removed before a day",
		Long: `Delete the enrollments, roles and kept records that were removed before a day, at
least 30 days ago. People, groups and schools stay: other data hangs on them. A
purged row cannot be rolled back.`,
		Example: "  tenantctl roster purge vantaa --before 2026-06-30 --dry-run",
		Args:    kit.Exactly("TENANT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			day, err := time.Parse(time.DateOnly, before)
			if err != nil {
				return kit.Usage("--before %q: name a day, such as 2026-06-30", before)
			}
			purge := func(in *installation.Installation) error {
				return within(cmd.Context(), in, args[0], func(s *roster.Service, t tenancy.Tenant) error {
					counts, err := s.Purge(cmd.Context(), t, day, dry)
					if err != nil {
						return err
					}
					k.Note("before %s", before)
					rows := [][]string{}
					for _, name := range slices.Sorted(maps.Keys(counts)) {
						n := counts[name]
						k.Note("%s: %d", name, n)
						rows = append(rows, []string{name, strconv.Itoa(n)})
					}
					return k.Print(map[string]any{"tenant": t.Slug, "deleted": counts, "dry_run": dry}, []string{"TABLE", "ROWS"}, rows)
				})
			}
			if dry {
				return k.With(cmd.Context(), purge)
			}
			return k.Change(cmd.Context(), cmd, args[0], purge)
		},
	}
	cmd.Flags().StringVar(&before, "before", "", "delete what was removed before this day (YYYY-MM-DD)")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "count, delete nothing")
	return cmd
}
