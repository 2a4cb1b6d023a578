package tenant

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
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
their description. Nothing is ever deleted; a tenant without a manifest stays as
it is. Applying twice changes nothing. On a terminal it asks before it changes.`,
		Example: `  tenantctl apply -f tenants/ --dry-run
  tenantctl apply -f tenants/vantaa.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(o.files) == 0 {
				return kit.Usage("-f is missing: name a manifest or a folder of manifests")
			}
			return applyRun(cmd, o)
		},
	}
	cmd.Flags().StringSliceVarP(&o.files, "filename", "f", nil, "manifest, or folder of manifests (*.yaml, *.yml)")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would be done, change nothing")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

// applied is what apply says of a tenant.
type applied struct {
	Tenant  string           `json:"tenant"`
	Action  string           `json:"action"` // create, finish, update or none
	Changes []tenancy.Change `json:"changes"`
	Error   string           `json:"error"`

	spec     tenancy.Spec
	existing *tenancy.Tenant
}

func applyRun(cmd *cobra.Command, o *applyOptions) error {
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
			return o.show(list)
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
		return o.execute(ctx, in, list)
	})
}

func (o *applyOptions) execute(ctx context.Context, in *installation.Installation, list []*applied) error {
	failed := 0
	for _, a := range list {
		var err error
		switch a.Action {
		case "create", "finish":
			_, err = provision(ctx, o.Kit, in, a.spec)
		case "update":
			err = in.Operator.Update(ctx, *a.existing, a.spec)
		}
		if err != nil {
			failed++
			a.Error = err.Error()
			o.Say("%s: %v", a.Tenant, err)
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

func (o *applyOptions) compare(ctx context.Context, in *installation.Installation, specs []tenancy.Spec) ([]*applied, error) {
	tenants, err := in.Operator.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	list := []*applied{}
	for _, s := range specs {
		a := &applied{Tenant: s.Slug, Action: "create", Changes: []tenancy.Change{}, spec: s}
		for _, t := range tenants {
			if t.Slug != s.Slug {
				continue
			}
			a.existing = &t
			if a.Action = "finish"; t.State != tenancy.Provisioning {
				if a.Changes = tenancy.Diff(t, s); len(a.Changes) > 0 {
					a.Action = "update"
				} else {
					a.Action = "none"
				}
			}
		}
		list = append(list, a)
	}
	return list, nil
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

// readManifests reads files and folders; a slug may stand once.
func readManifests(names []string) ([]tenancy.Spec, error) {
	var specs []tenancy.Spec
	var faults []error
	seen := map[string]string{}
	for _, file := range expand(names, &faults) {
		f, err := os.Open(file)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		list, err := tenancy.ReadManifest(f, file)
		faults = append(faults, err, f.Close())
		for _, s := range list {
			if at := seen[s.Slug]; at != "" {
				faults = append(faults, fmt.Errorf("%s: tenant %q stands in %s already", file, s.Slug, at))
			}
			seen[s.Slug] = file
		}
		specs = append(specs, list...)
	}
	err := errors.Join(faults...)
	if err == nil && len(specs) == 0 {
		err = fmt.Errorf("no manifest in %s; one ends in .yaml", strings.Join(names, ", "))
	}
	return specs, err
}

func expand(names []string, faults *[]error) []string {
	var out []string
	for _, n := range names {
		fi, err := os.Stat(n)
		if err != nil {
			*faults = append(*faults, err)
			continue
		}
		if !fi.IsDir() {
			out = append(out, n)
			continue
		}
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			found, _ := filepath.Glob(filepath.Join(n, pattern))
			out = append(out, found...)
		}
	}
	slices.Sort(out)
	return out
}
