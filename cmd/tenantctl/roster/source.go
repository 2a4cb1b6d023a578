package roster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/fault"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/roster/profile"
	"digione/internal/tenancy"
)

// openSource opens the file of a plan or an import; with a profile it is made
// from the municipality's own CSV first.
func (o *importOptions) openSource(ctx context.Context, in *installation.Installation, t tenancy.Tenant) (*file, error) {
	if o.profile == "" {
		return openFile(ctx, o.Kit, o.file)
	}
	p, err := loadProfile(o.profile)
	if err != nil {
		return nil, err
	}
	ks, err := in.Keyset(t)
	if err != nil {
		return nil, err
	}
	// Two hashes of the tenant's own key make the profile's key: the same every
	// night, another in every tenant.
	var key []byte
	for _, part := range []string{"profile 1", "profile 2"} {
		b, err := ks.Hash([]byte(part))
		if err != nil {
			return nil, err
		}
		key = append(key, b...)
	}
	sources, closeAll, err := profileSources(ctx, o.Kit, o.file)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	var rep *profile.Report
	f, err := scratch(filepath.Base(o.file), func(w io.Writer) error {
		var err error
		rep, err = profile.Convert(ctx, p, sources, w, profile.Options{Key: key})
		return err
	})
	if err != nil {
		return nil, err
	}
	if !rep.Valid {
		return nil, errors.Join(o.refused(rep), f.close())
	}
	for _, n := range rep.Notes {
		o.Say("  note     %s", n)
	}
	for _, w := range rep.Findings {
		o.Say("  %-8s %s", w.Severity, place(w))
	}
	f.Origin = func(t oneroster.Type, line int) (string, int) {
		at, _ := rep.Origin(t, line)
		return at.File, at.Line
	}
	return f, nil
}

// refused shows why a CSV could not be converted.
func (o *importOptions) refused(rep *profile.Report) error {
	report := &oneroster.Report{Rows: rep.Rows, Findings: rep.Findings, Totals: rep.Totals, Errors: rep.Errors, Warnings: rep.Warnings, Repairs: map[string]int{}}
	return o.outcome(nil, &roster.InvalidError{Name: o.file, Report: report})
}

func loadProfile(name string) (*profile.Profile, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fault.New(fault.NotFound, "roster.error.nofile", "%w; make one with: tenantctl roster profile suggest FILE", err)
	}
	defer func() { _ = f.Close() }()
	p, err := profile.Load(f, name)
	if err != nil && strings.EqualFold(filepath.Ext(name), ".csv") {
		err = fmt.Errorf("%w\n%s is a CSV; make a profile of it: tenantctl roster profile suggest %s > profile.yaml", err, name, name)
	}
	if err != nil {
		return nil, &kit.Exit{Code: kit.ExitInvalid, Err: err}
	}
	return p, nil
}

// profileSources opens one CSV, or all files of a folder.
func profileSources(ctx context.Context, k *kit.Kit, name string) ([]profile.Source, func(), error) {
	names := []string{name}
	if fi, err := os.Stat(name); err == nil && fi.IsDir() {
		if names, err = filepath.Glob(filepath.Join(name, "*")); err != nil {
			return nil, nil, err
		}
	}
	var sources []profile.Source
	var closers []func() error
	closeAll := func() {
		for _, c := range closers {
			_ = c()
		}
	}
	for _, n := range names {
		f, err := openFile(ctx, k, n)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		closers = append(closers, f.close)
		sources = append(sources, profile.Source{Name: f.Name, Read: io.NewSectionReader(f.Content, 0, f.Size)})
	}
	return sources, closeAll, nil
}

func newProfile(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "profile", Short: "Mapping profiles for a CSV that is not OneRoster"}
	cmd.AddCommand(newSuggest(k), newCheckProfile(k))
	return cmd
}

func newSuggest(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "suggest FILE", Short: "Propose a mapping profile for a municipality's own CSV", Args: kit.Exactly("FILE"),
		Long: `Read a CSV, recognise delimiter, encoding, columns and date formats, and write a
profile (YAML) to stdout that can be used as it is or edited. What was uncertain
is told on stderr. Nothing of a person is shown.`,
		Example: `  tenantctl roster profile suggest oppilaat.csv > vantaa.yaml
  tenantctl roster plan vantaa oppilaat.csv --profile vantaa.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := openFile(cmd.Context(), k, args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.close() }()
			yaml, notes, err := profile.Suggest(cmd.Context(), io.NewSectionReader(f.Content, 0, f.Size), f.Name)
			if err != nil {
				return err
			}
			if k.JSON() {
				if notes == nil {
					notes = []profile.Note{}
				}
				return k.PrintJSON(map[string]any{"profile": string(yaml), "notes": notes})
			}
			for _, n := range notes {
				k.Say("  note     %s", n.Text)
			}
			_, err = k.Out.Write(yaml)
			return err
		},
	}
}

func newCheckProfile(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "check PROFILE", Short: "Check a mapping profile", Args: kit.Exactly("PROFILE"),
		Example: "  tenantctl roster profile check vantaa.yaml",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := loadProfile(args[0])
			if err != nil {
				return err
			}
			return k.Print(map[string]any{"profile": args[0], "valid": true, "inputs": len(p.Inputs)}, []string{"PROFILE", "INPUTS"},
				[][]string{{args[0], fmt.Sprint(len(p.Inputs))}})
		},
	}
}

// slugName is a municipality's name where only its slug is known.
func slugName(slug string) string {
	if slug == "" {
		return ""
	}
	return strings.ToUpper(slug[:1]) + slug[1:]
}
