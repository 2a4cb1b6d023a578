package tenant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/identity"
	"digione/internal/tenancy"
)

type applyOptions struct {
	*kit.Kit
	files  []string
	dryRun bool
	yes    bool
}

// NewApply returns "apply".
func NewApply(k *kit.Kit) *cobra.Command {
	o := &applyOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "apply -f FILE|FOLDER",
		Short: "Bring tenants to what their manifests say",
		Long: `Create the tenants that the manifests describe and bring those that stand to
their description: names, hosts, settings, sign-in providers, and the waves of
schools of a joining that has started. Nothing is ever deleted; a tenant or a
provider without a manifest stays as it is. Applying twice changes nothing. On a
terminal it asks before it changes.`,
		Example: `  tenantctl apply -f tenants/ --dry-run
  tenantctl apply -f tenants/vantaa.yaml`,
		Args: kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return applyRun(cmd, o)
		},
	}
	o.flag(cmd)
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done, change nothing")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

// NewPlan returns "plan", which is apply with --dry-run.
func NewPlan(k *kit.Kit) *cobra.Command {
	o := &applyOptions{Kit: k, dryRun: true}
	cmd := &cobra.Command{
		Use:   "plan -f FILE|FOLDER",
		Short: "Say what apply would do, change nothing",
		Long: `Say what apply would do with these manifests, as apply --dry-run does. Nothing is
changed, and nothing is noted in the operator log.`,
		Example: `  tenantctl plan -f tenants/
  tenantctl plan -f tenants/vantaa.yaml -o json`,
		Args: kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return applyRun(cmd, o) },
	}
	o.flag(cmd)
	return cmd
}

func (o *applyOptions) flag(cmd *cobra.Command) {
	cmd.Flags().StringSliceVarP(&o.files, "filename", "f", nil, "manifest, or folder of manifests (*.yaml, *.yml)")
}

// applied is what apply says of a tenant.
type applied struct {
	Tenant  string           `json:"tenant"`
	Action  string           `json:"action"` // create, finish, update or none
	Changes []tenancy.Change `json:"changes"`
	Error   string           `json:"error"`

	spec     described
	existing *tenancy.Tenant
	// What the changes are of.
	catalogue, providers, waves bool
}

func applyRun(cmd *cobra.Command, o *applyOptions) error {
	if len(o.files) == 0 {
		return kit.Usage("-f is missing: name a manifest or a folder of manifests")
	}
	specs, err := readManifests(o.files)
	if err != nil {
		return &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	ctx := cmd.Context()
	if o.dryRun {
		return o.With(ctx, func(in *installation.Installation) error {
			list, err := o.compare(ctx, in, specs)
			if err != nil {
				return err
			}
			return o.end(list)
		})
	}
	return o.Change(ctx, cmd, "", func(in *installation.Installation) error {
		list, err := o.compare(ctx, in, specs)
		if err != nil {
			return err
		}
		if !o.yes && slices.ContainsFunc(list, func(a *applied) bool { return a.Action != "none" }) {
			if kit.Terminal(o.Out) {
				if err := o.show(list); err != nil {
					return err
				}
			}
			if ok, err := o.Confirm("Apply?"); err != nil || !ok {
				return errors.Join(err, &kit.Exit{Code: kit.ExitUsage, Err: errors.New("cancelled; nothing was changed")})
			}
		}
		return o.execute(ctx, cmd, in, list)
	})
}

func (o *applyOptions) execute(ctx context.Context, cmd *cobra.Command, in *installation.Installation, list []*applied) error {
	count := map[string]int{}
	for _, a := range list {
		if a.Error != "" { // found while comparing
			count["failed"]++
			continue
		}
		if count[a.Action]++; a.Action == "none" {
			continue
		}
		err := o.Log(ctx, in, cmd, a.Tenant, func() error {
			o.Note("%s", a.Action)
			for _, c := range a.Changes {
				o.Note("%s", c.Field)
			}
			return o.bring(ctx, in, a)
		})
		if err != nil {
			a.Error = err.Error()
		}
	}
	for _, what := range slices.Sorted(maps.Keys(count)) {
		o.Note("%d %s", count[what], what)
	}
	return o.end(list)
}

// bring brings one tenant to its manifest. Killed anywhere, the next run finds
// what is left.
func (o *applyOptions) bring(ctx context.Context, in *installation.Installation, a *applied) error {
	if a.Action == "create" || a.Action == "finish" {
		t, err := provision(ctx, o.Kit, in, a.spec.Spec)
		if err != nil {
			return err
		}
		return a.spec.putProviders(ctx, in, t)
	}
	if a.catalogue {
		if err := in.Operator.Update(ctx, *a.existing, a.spec.Spec); err != nil {
			return err
		}
	}
	if a.providers {
		if err := a.spec.putProviders(ctx, in, *a.existing); err != nil {
			return err
		}
	}
	if a.waves {
		return a.spec.planWaves(ctx, in, *a.existing, o.Actor)
	}
	return nil
}

// end shows what was or would be done; what cannot be is an error either way.
func (o *applyOptions) end(list []*applied) error {
	failed := 0
	for _, a := range list {
		if a.Error != "" {
			failed++
			o.Say("%s: %s", a.Tenant, a.Error)
		}
	}
	if err := o.show(list); err != nil {
		return err
	}
	switch {
	case failed == 0:
		return nil
	case failed < len(list):
		return &kit.Exit{Code: kit.ExitSomeFailed, Err: fmt.Errorf("%d of %d tenants failed; mend the causes and apply again", failed, len(list))}
	}
	return errors.New("no tenant could be brought to its manifest; see above")
}

// compare says what is to be done, by the tenants as the documents that come first
// leave them: of two that want one host the second is told so.
func (o *applyOptions) compare(ctx context.Context, in *installation.Installation, specs []described) ([]*applied, error) {
	tenants, err := in.Operator.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	list := []*applied{}
	for _, s := range specs {
		a := &applied{Tenant: s.Slug, Action: "create", Changes: []tenancy.Change{}, spec: s}
		var had tenancy.Tenant
		at := slices.IndexFunc(tenants, func(t tenancy.Tenant) bool { return t.Slug == s.Slug })
		if at >= 0 {
			had = tenants[at]
			a.existing, a.Action = &had, "finish"
		}
		after := in.Operator.As(had, s.Spec)
		if a.existing == nil || a.existing.State == tenancy.Provisioning {
			for _, p := range s.providers {
				a.Changes = append(a.Changes, identity.NewProvider(p))
			}
			err = in.Operator.Clash(after, tenants)
		} else {
			err = a.differ(ctx, in, tenants)
		}
		if list = append(list, a); err != nil {
			a.Error = err.Error()
			continue
		}
		if at < 0 {
			tenants = append(tenants, after)
		} else {
			tenants[at] = after
		}
	}
	return list, nil
}

// differ compares a tenant that stands.
func (a *applied) differ(ctx context.Context, in *installation.Installation, others []tenancy.Tenant) error {
	a.Action = "none"
	a.Changes = tenancy.Diff(*a.existing, a.spec.Spec)
	a.catalogue = len(a.Changes) > 0
	if a.catalogue {
		if err := in.Operator.MayUpdate(*a.existing, a.spec.Spec, others); err != nil {
			a.Action = "update"
			return err
		}
	}
	if !a.existing.State.Gone() {
		providers, waves, err := a.spec.differences(ctx, in, *a.existing)
		if err != nil {
			return err
		}
		a.providers, a.waves = len(providers) > 0, len(waves) > 0
		a.Changes = append(append(a.Changes, providers...), waves...)
	}
	if len(a.Changes) > 0 {
		a.Action = "update"
	}
	return nil
}

func (o *applyOptions) show(list []*applied) error {
	rows := [][]string{}
	for _, a := range list {
		var what []string
		for _, c := range a.Changes {
			what = append(what, fmt.Sprintf("%s: %s → %s", c.Field, c.From, c.To))
		}
		if a.Action == "create" {
			what = append(what, fmt.Sprintf("municipality %s, %d schools and %d learners declared", a.spec.MunicipalityCode,
				a.spec.Settings.Declared.Schools, a.spec.Settings.Declared.Learners))
		}
		rows = append(rows, []string{a.Tenant, a.Action, strings.Join(what, "; "), a.Error})
	}
	return o.Print(list, []string{"TENANT", "ACTION", "WHAT", "ERROR"}, rows)
}
