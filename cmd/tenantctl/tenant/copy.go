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
	"digione/internal/tenancy/transfer"
)

// exported is what export says.
type exported struct {
	Tenant        string `json:"tenant"`
	File          string `json:"file"`
	SHA256        string `json:"sha256"`
	Rows          int64  `json:"rows"`
	Objects       int    `json:"objects"`
	SchemaVersion int64  `json:"schema_version"`
	DryRun        bool   `json:"dry_run"`
}

func newExport(k *kit.Kit) *cobra.Command {
	var out string
	var dry bool
	cmd := &cobra.Command{
		Use: "export TENANT --out FILE", Short: "Write everything of a tenant into one file", Args: kit.Exactly("TENANT"),
		Long: `Write every row and every object of a tenant into one zip, as they are at one
moment: CSV files, the objects, a manifest. Changes nothing. The file is as
sensitive as the database: what is encrypted there stands open in it. Only you
can read it; delete it when it has served.`,
		Example: "  tenantctl tenant export vantaa --out vantaa-2026-11-23.zip",
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return kit.Usage("--out is missing: name the file to write")
			}
			ctx := cmd.Context()
			run := func(in *installation.Installation) error {
				t, err := exportable(ctx, in, args[0])
				if err != nil {
					return err
				}
				e := exported{Tenant: t.Slug, File: out, SchemaVersion: t.SchemaVersion, DryRun: dry}
				if dry {
					g, err := in.Transfer().Count(ctx, t)
					if err != nil {
						return err
					}
					e.Rows, e.Objects = g.Rows, int(g.Objects)
				} else {
					m, sum, err := in.Transfer().ExportFile(ctx, t, out)
					if err != nil {
						return err
					}
					e.SHA256, e.Rows, e.Objects, e.SchemaVersion = sum, m.Rows(), len(m.Objects), m.SchemaVersion
					k.Note("%d rows, %d objects, sha256 %s", e.Rows, e.Objects, e.SHA256)
					k.Say("%s holds personal data in the clear; delete it when it has served", out)
				}
				return k.Print(e, []string{"TENANT", "FILE", "SHA256", "ROWS", "OBJECTS"},
					[][]string{{e.Tenant, e.File, e.SHA256, strconv.FormatInt(e.Rows, 10), strconv.Itoa(e.Objects)}})
			}
			if dry {
				return k.With(ctx, run)
			}
			return k.Change(ctx, cmd, args[0], run)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "the file to write; an older one is replaced when all is written")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what would be exported, write nothing")
	return cmd
}

// exportable finds a tenant that has something to export: a sealed one as well.
func exportable(ctx context.Context, in *installation.Installation, slug string) (tenancy.Tenant, error) {
	t, err := in.Operator.Find(ctx, slug)
	if err == nil && t.State != tenancy.Sealed {
		return kit.Tenant(ctx, in, slug)
	}
	return t, err
}

type restoreOptions struct {
	*kit.Kit
	from   string
	given  tenancy.Spec
	dryRun bool
}

// restored is what restore says.
type restored struct {
	Tenant        string     `json:"tenant"`
	ID            tenancy.ID `json:"id"`
	Action        string     `json:"action"` // create, finish or none
	Source        tenancy.ID `json:"source"`
	SourceSlug    string     `json:"source_slug"`
	SHA256        string     `json:"sha256"`
	Rows          int64      `json:"rows"`
	Objects       int        `json:"objects"`
	SchemaVersion int64      `json:"schema_version"` // of the file
	LeftOut       []string   `json:"left_out"`
	Steps         []string   `json:"steps"`
	Seconds       float64    `json:"seconds"`
	DryRun        bool       `json:"dry_run"`
}

func newRestore(k *kit.Kit) *cobra.Command {
	o := &restoreOptions{Kit: k}
	cmd := &cobra.Command{
		Use: "restore NEWSLUG --from FILE", Short: "Make a tenant of an exported file", Args: kit.Exactly("NEWSLUG"),
		Long: `Make a new tenant of what "tenant export" has written, under keys of its own. The
file is checked byte for byte first. No tenant that stands is touched: the slug
must be free. Codes that another tenant has are left out and named. Nobody who
was signed in is signed in. The tenant is reached when all of it is there; killed
anywhere, the same command goes on. With another file what was begun is thrown
away. A file of an older schema is loaded at its version and migrated.`,
		Example: `  tenantctl tenant restore vantaa-copy --from vantaa-2026-11-23.zip
  tenantctl tenant restore vantaa --from vantaa-2026-11-23.zip --host vantaa.digione.fi --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.from == "" {
				return kit.Usage("--from is missing: name the file that tenant export has written")
			}
			o.given.Slug = args[0]
			if err := tenancy.CheckSlug(o.given.Slug); err != nil {
				return &kit.Exit{Code: kit.ExitInvalid, Err: err}
			}
			run := func(in *installation.Installation) error { return o.run(cmd.Context(), in) }
			if o.dryRun {
				return k.With(cmd.Context(), run)
			}
			return k.Change(cmd.Context(), cmd, o.given.Slug, run)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "the file")
	f.StringVar(&o.given.NameFi, "name-fi", "", "name in Finnish (default: as in the file, and so below)")
	f.StringVar(&o.given.NameSv, "name-sv", "", "name in Swedish")
	f.StringVar(&o.given.NameEn, "name-en", "", "name in English")
	f.StringVar(&o.given.MunicipalityCode, "municipality-code", "", "three digits")
	f.StringVar(&o.given.BusinessID, "business-id", "", "Y-tunnus")
	f.StringSliceVar(&o.given.Hosts, "host", nil, "host name (default NEWSLUG.SUFFIX, see --host-suffix)")
	f.StringVar(&o.given.Ring, "ring", "", "migration ring: canary, early, half or all (default: spread)")
	f.StringVar(&o.given.Cell, "cell", "", "a cell by this name, made as the tenant's own (default: a shared one)")
	f.StringVar(&o.given.Cluster, "cluster", "", "the cluster that the tenant comes to lie on, see: tenantctl cluster list")
	f.BoolVar(&o.dryRun, "dry-run", false, "check the file and say what would be done, change nothing")
	return cmd
}

func (o *restoreOptions) run(ctx context.Context, in *installation.Installation) error {
	began := time.Now()
	f, err := transfer.OpenFile(ctx, o.from)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	s := in.Transfer()
	spec, leftOut, err := s.Spec(ctx, f.Manifest, o.given.Slug)
	if err != nil {
		return err
	}
	spec = over(spec, o.given)
	if err := spec.CheckRestored(); err != nil {
		return &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	standing, err := s.Standing(ctx, spec.Slug, f)
	if err != nil {
		return err
	}
	r := restored{Tenant: spec.Slug, Action: "create", Source: f.Manifest.Tenant, SourceSlug: f.Manifest.Slug, SHA256: f.SHA256, Rows: f.Manifest.Rows(),
		Objects: len(f.Manifest.Objects), SchemaVersion: f.Manifest.SchemaVersion, LeftOut: append([]string{}, leftOut...), Steps: tenancy.RestoreSteps(), DryRun: o.dryRun}
	if standing != nil {
		r.ID = standing.ID
		if r.Action = "finish"; standing.State != tenancy.Provisioning {
			r.Action, r.Steps = "none", []string{}
		}
	}
	if r.Action != "none" {
		if err := in.Operator.Free(ctx, spec); err != nil {
			return err
		}
	}
	o.Note("%s from %s, sha256 %s", r.Action, r.Source, r.SHA256)
	if !o.dryRun && r.Action != "none" {
		t, err := s.Restore(ctx, spec, f, o.progress())
		if err != nil {
			return err
		}
		r.ID = t.ID
	}
	for _, l := range leftOut {
		o.Say("%s is another tenant's and was left out", l)
	}
	r.Seconds = time.Since(began).Seconds()
	return o.Print(r, []string{"TENANT", "ACTION", "FROM", "ROWS", "OBJECTS", "STEPS"}, [][]string{{r.Tenant, r.Action, r.SourceSlug,
		strconv.FormatInt(r.Rows, 10), strconv.Itoa(r.Objects), strings.Join(r.Steps, ", ")}})
}

func (o *restoreOptions) progress() tenancy.StepFunc { return ticks(o.Kit) }

// ticks says each step as it ends.
func ticks(k *kit.Kit) tenancy.StepFunc {
	return func(step string, err error) {
		if err == nil {
			k.Say("  %s ✓", step)
		} else {
			k.Say("  %s ✗", step)
		}
	}
}

// over lays what was given over what the file says.
func over(s, given tenancy.Spec) tenancy.Spec {
	for _, f := range []struct {
		to   *string
		from string
	}{{&s.NameFi, given.NameFi}, {&s.NameSv, given.NameSv}, {&s.NameEn, given.NameEn}, {&s.MunicipalityCode, given.MunicipalityCode},
		{&s.BusinessID, given.BusinessID}, {&s.Ring, given.Ring}, {&s.Cell, given.Cell}, {&s.Cluster, given.Cluster}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	s.Hosts = given.Hosts
	return s
}

func newDiff(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "diff A B", Short: "Compare what two tenants keep", Args: kit.Exactly("A", "B"),
		Long: `Compare every table and every object of two tenants, values that are encrypted by
their plain text, and name what differs with its rows or bytes. Sessions are left
out. Shows no value and changes nothing. Exit 1 when they differ.`,
		Example: "  tenantctl tenant diff vantaa vantaa-copy -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return k.With(ctx, func(in *installation.Installation) error {
				a, err := exportable(ctx, in, args[0])
				if err != nil {
					return err
				}
				b, err := exportable(ctx, in, args[1])
				if err != nil {
					return err
				}
				list, err := in.Transfer().Diff(ctx, a, b)
				if err != nil {
					return err
				}
				v := struct {
					A           string                `json:"a"`
					B           string                `json:"b"`
					Equal       bool                  `json:"equal"`
					Differences []transfer.Difference `json:"differences"`
				}{a.Slug, b.Slug, len(list) == 0, list}
				rows := [][]string{}
				for _, d := range list {
					rows = append(rows, []string{d.Kind, d.Name, strconv.FormatInt(d.A, 10), strconv.FormatInt(d.B, 10)})
				}
				if err := k.Print(v, []string{"KIND", "NAME", a.Slug, b.Slug}, rows); err != nil {
					return err
				}
				if len(list) > 0 {
					return fmt.Errorf("%s and %s differ in %d tables or objects; see the list", a.Slug, b.Slug, len(list))
				}
				k.Say("%s and %s are equal", a.Slug, b.Slug)
				return nil
			})
		},
	}
}
