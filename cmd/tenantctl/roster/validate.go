package roster

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"digione/cmd/tenantctl/kit"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/app/roster/profile"
)

// verdict is what validate says of a file: the documented JSON.
type verdict struct {
	File     string                   `json:"file"`
	Valid    bool                     `json:"valid"`
	Version  string                   `json:"version"`
	Rows     map[oneroster.Type]int64 `json:"rows"`
	Errors   []oneroster.Finding      `json:"errors"`
	Totals   []oneroster.Total        `json:"totals"`
	Repairs  map[string]int           `json:"repairs"`
	Problems string                   `json:"problem,omitempty"` // why the file could not be read at all
}

func verdictOf(name string, r *oneroster.Report) verdict {
	v := verdict{File: name, Valid: r.Valid, Version: r.Version, Rows: r.Rows, Errors: []oneroster.Finding{}, Totals: r.Totals, Repairs: r.Repairs}
	if v.Rows == nil {
		v.Rows = map[oneroster.Type]int64{}
	}
	if v.Totals == nil {
		v.Totals = []oneroster.Total{}
	}
	v.Errors = append(v.Errors, r.Findings...)
	return v
}

func newValidate(k *kit.Kit) *cobra.Command {
	var lenient, asCSV bool
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check OneRoster packages offline, without a database",
		Long: `Check packages (zip or folder, any number) and name every fault with file, line,
column, field and a stable code. Nothing is stored. With -o json one object per
line and file. Exit 5 when any of them has errors.`,
		Example: `  tenantctl roster validate syksy-2026.zip
  tenantctl roster validate *.zip -o json
  tenantctl roster validate syksy-2026.zip --csv > findings.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return kit.Usage("FILE is missing: name one or more zips or folders")
			}
			if asCSV && k.JSON() {
				return kit.Usage("one of --csv and -o json")
			}
			invalid, missing := 0, 0
			var table *csv.Writer
			if asCSV {
				table = csv.NewWriter(k.Out)
				_ = table.Write([]string{"package", "code", "severity", "file", "line", "column", "field", "message", "expected", "excerpt", "folded"})
				defer table.Flush()
			}
			for _, name := range args {
				v, err := validate(cmd.Context(), k, name, lenient)
				if err != nil {
					if errors.Is(err, context.Canceled) {
						return err
					}
					missing++
					v = verdict{File: name, Rows: map[oneroster.Type]int64{}, Errors: []oneroster.Finding{}, Totals: []oneroster.Total{}, Problems: err.Error()}
				}
				if !v.Valid {
					invalid++
				}
				if err := showVerdict(k, v, table, len(args) > 1); err != nil {
					return err
				}
			}
			switch {
			case missing > 0:
				return &kit.Exit{Code: kit.ExitFailed, Err: fmt.Errorf("%d of %d files could not be read", missing, len(args))}
			case invalid > 0:
				return &kit.Exit{Code: kit.ExitInvalid, Err: fmt.Errorf("%d of %d packages have errors", invalid, len(args))}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&lenient, "lenient", false, "repair what the published list allows, and count it (see: tenantctl roster codes)")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "write the findings as CSV")
	return cmd
}

func validate(ctx context.Context, k *kit.Kit, name string, lenient bool) (verdict, error) {
	b := newBar(k)
	defer b.done()
	p, err := openPackage(ctx, k, name, oneroster.Options{Lenient: lenient, Progress: func(f string, rows int64, _ bool) {
		b.progress("check", oneroster.Type(f), rows)
	}})
	if err != nil {
		return verdict{}, err
	}
	defer func() { _ = p.Close() }()
	rep, err := p.Check(ctx, nil)
	if err != nil {
		return verdict{}, err
	}
	return verdictOf(name, rep), nil
}

func openPackage(ctx context.Context, k *kit.Kit, name string, o oneroster.Options) (*oneroster.Package, error) {
	if len(name) < 5 || name[:5] != "s3://" {
		return oneroster.Open(name, o)
	}
	f, err := openFile(ctx, k, name)
	if err != nil {
		return nil, err
	}
	return oneroster.OpenReader(f.Content, f.Size, name, o)
}

// showVerdict shows what was found. Where several files are checked, each line names its own.
func showVerdict(k *kit.Kit, v verdict, table *csv.Writer, several bool) error {
	from := ""
	if several {
		from = v.File + "  "
	}
	switch {
	case k.JSON():
		return k.PrintJSON(v)
	case table != nil:
		unlisted(k, v.File+"  ", v.Totals)
		repaired(k, v.File+"  ", v.Repairs)
		return writeFindings(table, v)
	}
	var n int64
	for _, rows := range v.Rows {
		n += rows
	}
	state := "valid"
	if !v.Valid {
		state = "invalid"
	}
	for _, f := range v.Errors {
		k.Say("  %-8s %s%s", f.Severity, from, place(f))
	}
	errs := 0
	for _, t := range v.Totals {
		if t.Severity == oneroster.SeverityError {
			errs += t.Count
		}
	}
	unlisted(k, from, v.Totals)
	repaired(k, from, v.Repairs)
	if v.Problems != "" {
		k.Say("  %s%s", from, v.Problems)
	}
	ownCSV(k, v.File, v.Errors)
	return k.Print(v, []string{"FILE", "STATE", "VERSION", "ROWS", "ERRORS"}, [][]string{{v.File, state, v.Version, strconv.FormatInt(n, 10), strconv.Itoa(errs)}})
}

// writeFindings writes a row for each finding; a file that could not be read has one too,
// without a code.
func writeFindings(table *csv.Writer, v verdict) error {
	list := v.Errors
	if v.Problems != "" {
		list = []oneroster.Finding{{Severity: oneroster.SeverityError, Message: v.Problems}}
	}
	for _, f := range list {
		row := []string{v.File, f.Code, f.Severity, f.File, strconv.Itoa(f.Line), strconv.Itoa(f.Column), f.Field, f.Message, f.Expected, f.Excerpt, strconv.Itoa(f.Folded)}
		for i, cell := range row {
			row[i] = roster.Inert(cell) // it may be opened in a spreadsheet
		}
		if err := table.Write(row); err != nil {
			return err
		}
	}
	return nil
}

func newCodes(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "codes", Short: "List the codes of findings and the lenient repairs", Args: kit.Exactly(),
		Example: "  tenantctl roster codes -o json",
		RunE: func(*cobra.Command, []string) error {
			codes := slices.Concat(oneroster.Codes(), profile.Codes(), roster.Codes())
			rows := [][]string{}
			for _, c := range codes {
				rows = append(rows, []string{c.Code, c.Severity, c.Meaning, c.Next})
			}
			for _, r := range oneroster.Repairs() {
				rows = append(rows, []string{r.Key, "repair", r.Meaning, ""})
			}
			return k.Print(map[string]any{"codes": codes, "repairs": oneroster.Repairs()}, []string{"CODE", "SEVERITY", "MEANING", "NEXT"}, rows)
		},
	}
}
