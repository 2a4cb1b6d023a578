// Package tenant holds the commands about one municipality: its making, its
// state and its description.
package tenant

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/tenancy"
)

// New returns "tenant".
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "tenant", Short: "Create, list, suspend, copy, move and erase tenants"}
	cmd.AddCommand(newCreate(k), newList(k), newShow(k), newSetState(k, "suspend", tenancy.Suspended), newSetState(k, "resume", tenancy.Active), newRotate(k), newProvider(k),
		newExport(k), newRestore(k), newDiff(k), newDrill(k), newMove(k), newLeave(k), newVerifyExport(k), newSeal(k), newErase(k), newReceipt(k))
	return cmd
}

type createOptions struct {
	*kit.Kit
	spec   tenancy.Spec
	dryRun bool
}

func newCreate(k *kit.Kit) *cobra.Command {
	o := &createOptions{Kit: k}
	cmd := &cobra.Command{
		Use:   "create SLUG",
		Short: "Provision a tenant, or finish one that was begun",
		Long: `Provision a tenant in durable steps: role, schema, key, objects, code lists,
hosts, smoke test, and last the routing. Killed anywhere, the same command goes
on where it stopped; for a tenant that stands it changes nothing.`,
		Example: `  tenantctl tenant create vantaa --name-fi Vantaa --name-sv Vanda --municipality-code 092 --business-id 0124610-9
  tenantctl tenant create vantaa --name-fi Vantaa --municipality-code 092 --dry-run
  tenantctl tenant create vantaa        # finish what was begun`,
		Args: kit.Exactly("SLUG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.spec.Slug = args[0]
			return createRun(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.spec.NameFi, "name-fi", "", "name in Finnish")
	f.StringVar(&o.spec.NameSv, "name-sv", "", "name in Swedish (default: the Finnish one)")
	f.StringVar(&o.spec.NameEn, "name-en", "", "name in English (default: the Finnish one)")
	f.StringVar(&o.spec.Kind, "kind", "", "municipality, joint-authority, state or private (default municipality)")
	f.StringVar(&o.spec.MunicipalityCode, "municipality-code", "", "three digits, such as 092")
	f.StringVar(&o.spec.BusinessID, "business-id", "", "Y-tunnus, such as 0124610-9")
	f.StringVar(&o.spec.OrganisationOID, "organisation-oid", "", "OID of the provider, 1.2.246.562.10.…")
	f.StringSliceVar(&o.spec.Hosts, "host", nil, "host name (default SLUG.SUFFIX, see --host-suffix)")
	f.StringVar(&o.spec.Ring, "ring", "", "migration ring: canary, early, half or all (default: spread)")
	f.StringVar(&o.spec.Cell, "cell", "", "a cell by this name, made as the tenant's own (default: a shared one)")
	f.StringVar(&o.spec.Cluster, "cluster", "", "the cluster that the tenant comes to lie on, see: tenantctl cluster list")
	f.BoolVar(&o.dryRun, "dry-run", false, "say what would be done, change nothing")
	return cmd
}

func createRun(cmd *cobra.Command, o *createOptions) error {
	ctx := cmd.Context()
	if o.dryRun {
		return o.With(ctx, func(in *installation.Installation) error {
			spec, existing, err := complete(ctx, in, o.spec)
			if err != nil {
				return err
			}
			return o.preview(spec, existing)
		})
	}
	return o.Change(ctx, cmd, o.spec.Slug, func(in *installation.Installation) error {
		spec, existing, err := complete(ctx, in, o.spec)
		if err != nil {
			return err
		}
		o.Note("%s", action(existing))
		t, err := provision(ctx, o.Kit, in, spec)
		if err != nil {
			return err
		}
		return o.Print(t, head, [][]string{row(t)})
	})
}

// named leaves settings out: a command line does not speak of them.
func named(s tenancy.Spec, t tenancy.Tenant) tenancy.Spec {
	s.Settings = t.Settings
	return s
}

// complete takes what is left out from a tenant that was begun, and checks the whole
// before anything is changed.
func complete(ctx context.Context, in *installation.Installation, s tenancy.Spec) (tenancy.Spec, *tenancy.Tenant, error) {
	if err := tenancy.CheckSlug(s.Slug); err != nil {
		return s, nil, &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	var existing *tenancy.Tenant
	if t, err := in.Operator.Find(ctx, s.Slug); err == nil {
		if t.State == tenancy.Erased {
			return s, &t, fmt.Errorf("tenant %s was erased; choose another slug", t.Slug)
		}
		existing = &t
		def := func(p *string, v string) {
			if *p == "" {
				*p = v
			}
		}
		def(&s.NameFi, t.NameFi)
		def(&s.MunicipalityCode, t.MunicipalityCode)
		def(&s.Kind, t.Kind)
	}
	for _, f := range []struct {
		missing bool
		flag    string
	}{{s.NameFi == "", "--name-fi"}, {s.MunicipalityCode == "" && (s.Kind == "" || s.Kind == "municipality"), "--municipality-code"}} {
		if f.missing {
			return s, existing, kit.Usage("%s is missing; an example: tenantctl tenant create vantaa --name-fi Vantaa --municipality-code 092", f.flag)
		}
	}
	if err := s.Check(); err != nil {
		return s, existing, &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	if existing == nil || existing.State == tenancy.Provisioning {
		return s, existing, in.Operator.Free(ctx, s)
	}
	if d := tenancy.Diff(*existing, named(s, *existing)); len(d) > 0 {
		return s, existing, fmt.Errorf("tenant %q exists with another %s (%s); to change it: tenantctl apply -f FILE", s.Slug, d[0].Field, d[0].From)
	}
	return s, existing, nil
}

func provision(ctx context.Context, k *kit.Kit, in *installation.Installation, s tenancy.Spec) (tenancy.Tenant, error) {
	began := time.Now()
	line := s.Slug
	t, err := in.Operator.Provision(ctx, s, func(step string, err error) {
		if err != nil {
			line += "  " + step + " ✗"
		} else {
			line += "  " + step + " ✓"
		}
	})
	if strings.Contains(line, "  ") {
		k.Say("%s   %.1f s", line, time.Since(began).Seconds())
	}
	return t, err
}

func (o *createOptions) preview(s tenancy.Spec, existing *tenancy.Tenant) error {
	type preview struct {
		Tenant string   `json:"tenant"`
		Action string   `json:"action"`
		Steps  []string `json:"steps"`
		DryRun bool     `json:"dry_run"`
	}
	p := preview{Tenant: s.Slug, Action: action(existing), Steps: tenancy.ProvisionSteps(), DryRun: true}
	if p.Action == "none" {
		p.Steps = []string{}
	}
	return o.Print(p, []string{"TENANT", "ACTION", "STEPS"}, [][]string{{p.Tenant, p.Action, strings.Join(p.Steps, ", ")}})
}

// action is what is to be done for a tenant to stand.
func action(existing *tenancy.Tenant) string {
	switch {
	case existing == nil:
		return "create"
	case existing.State == tenancy.Provisioning:
		return "finish"
	}
	return "none"
}

var head = []string{"SLUG", "STATE", "NAME", "CODE", "CELL", "CLUSTER", "RING", "VERSION", "HOSTS"}

func row(t tenancy.Tenant) []string {
	return []string{t.Slug, string(t.State), t.NameFi, t.MunicipalityCode, t.Cell, t.Cluster, t.Ring, strconv.FormatInt(t.SchemaVersion, 10), strings.Join(t.Hosts, " ")}
}

func newList(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all tenants", Args: kit.Exactly(),
		Example: "  tenantctl tenant list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				list, err := in.Operator.Tenants(cmd.Context())
				if err != nil {
					return err
				}
				rows := [][]string{}
				for _, t := range list {
					rows = append(rows, row(t))
				}
				return k.Print(list, head, rows)
			})
		},
	}
}

func newShow(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "show TENANT", Short: "Show a tenant, by slug or id", Args: kit.Exactly("TENANT"),
		Example: "  tenantctl tenant show vantaa",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.With(cmd.Context(), func(in *installation.Installation) error {
				t, err := in.Operator.Find(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return k.Print(t, []string{"FIELD", "VALUE"}, [][]string{
					{"id", string(t.ID)}, {"slug", t.Slug}, {"state", string(t.State)}, {"kind", t.Kind}, {"name fi", t.NameFi}, {"name sv", t.NameSv},
					{"name en", t.NameEn}, {"municipality code", t.MunicipalityCode}, {"business id", t.BusinessID},
					{"organisation oid", t.OrganisationOID}, {"hosts", strings.Join(t.Hosts, " ")}, {"cell", t.Cell}, {"cluster", t.Cluster}, {"schema", t.Schema},
					{"ring", t.Ring}, {"schema version", strconv.FormatInt(t.SchemaVersion, 10)}, {"created", t.CreatedAt.Format(time.RFC3339)},
				})
			})
		},
	}
}

func newSetState(k *kit.Kit, verb string, to tenancy.State) *cobra.Command {
	short := map[tenancy.State]string{
		tenancy.Suspended: "Stop serving a tenant; its data stays",
		tenancy.Active:    "Serve a suspended tenant again",
	}
	var dry bool
	cmd := &cobra.Command{
		Use: verb + " TENANT", Short: short[to], Args: kit.Exactly("TENANT"),
		Long:    short[to] + ". All nodes follow at once. Doing it twice changes nothing.",
		Example: "  tenantctl tenant " + verb + " vantaa",
		RunE: func(cmd *cobra.Command, args []string) error {
			set := func(in *installation.Installation) error {
				t, err := in.Operator.Find(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if err := t.MayBecome(to); err != nil {
					return err
				}
				if k.Note("was %s", t.State); !dry {
					if err := in.Operator.SetState(cmd.Context(), t, to); err != nil {
						return err
					}
				}
				t.State = to
				return k.Print(t, head, [][]string{row(t)})
			}
			if dry {
				return k.With(cmd.Context(), set)
			}
			return k.Change(cmd.Context(), cmd, args[0], set)
		},
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be done, change nothing")
	return cmd
}

func newRotate(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "rotate-keys TENANT", Short: "Give a tenant new encryption keys", Args: kit.Exactly("TENANT"),
		Long:    "Give a tenant new encryption keys. What the old ones wrote stays readable; nothing is encrypted anew.",
		Example: "  tenantctl tenant rotate-keys vantaa",
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.Change(cmd.Context(), cmd, args[0], func(in *installation.Installation) error {
				t, err := kit.Tenant(cmd.Context(), in, args[0])
				if err != nil {
					return err
				}
				if err := in.Operator.RotateKeys(cmd.Context(), t); err != nil {
					return err
				}
				k.Say("%s has new keys; older values stay readable", t.Slug)
				return k.Print(t, head, [][]string{row(t)})
			})
		},
	}
}
