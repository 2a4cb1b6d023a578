// Package roster holds the commands that check, plan, apply and take back
// rosters.
package roster

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// New returns "roster".
func New(k *kit.Kit) *cobra.Command {
	cmd := &cobra.Command{Use: "roster", Short: "Check, plan, import and roll back rosters"}
	cmd.AddCommand(newValidate(k), newPlan(k), newApply(k), newImport(k), newHistory(k), newShow(k), newRollback(k), newExport(k),
		newGenerate(k), newProfile(k), newCodes(k), newPurge(k), newEdit(k), newReviews(k), newClose(k), newPrune(k), newInbox(k), newRehearse(k), newPublish(k))
	return cmd
}

// file is an open package: a zip from disk or S3, or made from a folder or from
// a municipality's own CSV.
type file struct {
	roster.Package
	close func() error
}

// openFile opens FILE: a path or s3://bucket/key.
func openFile(ctx context.Context, k *kit.Kit, name string) (*file, error) {
	if strings.HasPrefix(name, "s3://") {
		s, err := k.Settings()
		if err != nil {
			return nil, &kit.Exit{Code: kit.ExitUsage, Err: err}
		}
		client, err := installation.S3(ctx, s)
		if err != nil {
			return nil, err
		}
		f, size, err := objects.Fetch(ctx, client, name)
		if err != nil {
			return nil, err
		}
		return &file{roster.Package{Name: name, Content: f.(io.ReaderAt), Size: size}, f.Close}, nil
	}
	fi, err := os.Stat(name)
	if err != nil {
		return nil, fault.New(fault.NotFound, "roster.error.nofile", "%w; name a zip, a folder or s3://bucket/key", err)
	}
	if fi.IsDir() {
		return zipFolder(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{roster.Package{Name: filepath.Base(name), Content: f, Size: fi.Size()}, f.Close}, nil
}

// zipFolder packs a folder so that the same files give the same bytes: names in
// order, no times. What does not belong is packed as well; the check names it.
func zipFolder(dir string) (*file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	return scratch(filepath.Base(filepath.Clean(dir)), func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, e := range entries {
			if e.IsDir() {
				if _, err := z.Create(e.Name() + "/"); err != nil {
					return err
				}
				continue
			}
			if !e.Type().IsRegular() {
				return fault.New(fault.Invalid, "roster.error.nofile", "%s is no regular file; put the CSV files themselves into the folder", filepath.Join(dir, e.Name()))
			}
			if err := zipOne(z, dir, e.Name()); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

func zipOne(z *zip.Writer, dir, name string) error {
	in, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return err
}

// scratch makes a package in a nameless file.
func scratch(name string, write func(io.Writer) error) (*file, error) {
	f, err := objects.Scratch()
	if err != nil {
		return nil, err
	}
	err = write(f)
	var size int64
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &file{roster.Package{Name: name, Content: f, Size: size}, f.Close}, nil
}

// bar shows progress on a terminal: one line, rewritten.
type bar struct {
	w        io.Writer
	terminal bool
	began    time.Time
	last     time.Time
}

func newBar(k *kit.Kit) *bar {
	return &bar{w: k.Err, terminal: kit.Terminal(k.Err), began: time.Now(), last: time.Now()}
}

// progress is told at once and again where somebody looks on, and in a log now and
// then: what is quick leaves no line there.
func (b *bar) progress(stage string, t oneroster.Type, rows int64) {
	every, form := 10*time.Second, "  %s %s  %s rows  %s rows/s\n"
	if b.terminal {
		every, form = 100*time.Millisecond, "\r\033[K%s %s  %s rows  %s rows/s"
	}
	if time.Since(b.last) < every {
		return
	}
	b.last = time.Now()
	rate := float64(rows) / max(0.001, time.Since(b.began).Seconds())
	_, _ = fmt.Fprintf(b.w, form, stage, t, thousands(rows), thousands(int64(rate)))
}

func (b *bar) done() {
	if b.terminal {
		_, _ = fmt.Fprint(b.w, "\r\033[K")
	}
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}

// printPlan shows a plan as a matrix, what holds it on top.
func printPlan(k *kit.Kit, p *roster.Plan) error {
	some(k, p.Findings)
	repaired(k, "", p.Repairs)
	for _, c := range p.Conflicts {
		k.Say("  conflict %s %s: %s was edited here; policy: %s", c.Type, c.SourcedID, c.Field, c.Policy)
	}
	rows := [][]string{}
	for _, table := range oneroster.Tables() {
		c, ok := p.Changes[table.Type]
		if !ok {
			continue
		}
		row := []string{string(table.Type), strconv.Itoa(c.Insert), strconv.Itoa(c.Update), strconv.Itoa(c.Remove), strconv.Itoa(c.Reactivate), strconv.Itoa(c.Unchanged)}
		if p.Options.NoDelete {
			row = append(row, strconv.Itoa(c.Spared))
		}
		rows = append(rows, row)
	}
	head := []string{"TYPE", "ADD", "CHANGE", "REMOVE", "RETURN", "SAME"}
	if p.Options.NoDelete {
		head = append(head, "LEFT OUT")
	}
	if err := k.Print(p, head, rows); err != nil {
		return err
	}
	if p.State == roster.Held {
		for _, h := range p.Holds {
			k.Say("HELD  %s", h.Message)
		}
	}
	return nil
}

// shown is how many findings of a code a plan lists; validate lists all.
const shown = 5

// some lists the first findings of each code and counts the others.
func some(k *kit.Kit, list []oneroster.Finding) {
	seen := map[string]int{}
	for _, f := range list {
		if seen[f.Code]++; seen[f.Code] <= shown {
			k.Say("  %-8s %s", f.Severity, place(f))
		}
	}
	for _, code := range slices.Sorted(maps.Keys(seen)) {
		if n := seen[code] - shown; n > 0 {
			k.Say("  … and %d more of %s; all of them: tenantctl roster validate FILE", n, code)
		}
	}
}

// repaired lists the lenient repairs of a package, each with how often it was made.
func repaired(k *kit.Kit, from string, repairs map[string]int) {
	for _, name := range slices.Sorted(maps.Keys(repairs)) {
		k.Say("  %srepaired %d × %s", from, repairs[name], name)
	}
}

// unlisted says how many findings fell to the bound.
func unlisted(k *kit.Kit, from string, totals []oneroster.Total) {
	rest := 0
	for _, t := range totals {
		rest += t.Count - t.Listed
	}
	if rest > 0 {
		k.Say("  %s… and %d more", from, rest)
	}
}

// place names a finding's place: file:line:column.
func place(f oneroster.Finding) string {
	at := f.File
	if f.Line > 0 {
		at += ":" + strconv.Itoa(f.Line)
	}
	if f.Column > 0 {
		at += ":" + strconv.Itoa(f.Column)
	}
	s := strings.TrimSpace(at + "  " + f.Message + " (" + f.Code + ")")
	if f.Field != "" && !strings.Contains(f.Message, f.Field) {
		s = strings.TrimSpace(at + "  " + f.Field + ": " + f.Message + " (" + f.Code + ")")
	}
	if f.Expected != "" {
		s += "; expected " + f.Expected
	}
	if f.Excerpt != "" {
		s += "; found " + f.Excerpt
	}
	if f.Folded > 0 {
		s += fmt.Sprintf("; %d more follow from it", f.Folded)
	}
	return s
}

// next says what to do with a plan of a tenant.
func next(k *kit.Kit, t tenancy.Tenant, p *roster.Plan) {
	second := ""
	if p.NeedsSecond(t) {
		second = fmt.Sprintf("; another person than %s must run it (--actor)", p.PlannedBy)
	}
	switch {
	case p.State == roster.Applied:
		if p.Empty() {
			k.Say("Nothing changed; noted as %s.", p.Import)
		} else {
			k.Say("Applied as %s in %.1f s. To take it back: tenantctl roster rollback %s %s", p.Import, p.Seconds, p.Tenant, p.Import)
		}
		if p.Rest != "" {
			k.Say("HELD  %d removals were left out and wait in plan %s: tenantctl roster apply %s %s --approve --reason \"…\"%s", p.Spared(), p.Rest, p.Tenant, p.Rest, second)
		}
	case !p.Held:
		k.Say("Plan %s stored. Next: tenantctl roster apply %s %s", p.ID, p.Tenant, p.ID)
	case len(p.Holds) == 1 && p.Holds[0].Rule == roster.RuleInitial:
		k.Say("Plan %s stored. Nothing was changed. Next: tenantctl roster apply %s %s --initial", p.ID, p.Tenant, p.ID)
	default:
		flags := ""
		if slices.ContainsFunc(p.Holds, func(h roster.Hold) bool { return h.Rule == roster.RuleInitial }) {
			flags = " --initial"
		}
		k.Say("Plan %s stored. Nothing was changed. If this is right: tenantctl roster apply %s %s%s --approve --reason \"…\"%s", p.ID, p.Tenant, p.ID, flags, second)
	}
}

// findings prints an invalid package's report.
func findings(k *kit.Kit, name string, rep *oneroster.Report) {
	for _, f := range rep.Findings {
		k.Say("  %-8s %s", f.Severity, place(f))
	}
	unlisted(k, "", rep.Totals)
	repaired(k, "", rep.Repairs)
	k.Say("%s: %d errors, %d warnings. Nothing was changed.", name, rep.Errors, rep.Warnings)
}

// ownCSV says what to do with a CSV that was given where a package belongs.
func ownCSV(k *kit.Kit, name string, list []oneroster.Finding) {
	if strings.EqualFold(filepath.Ext(name), ".csv") && slices.ContainsFunc(list, func(f oneroster.Finding) bool { return f.Code == "E101" }) {
		k.Say("A municipality's own CSV is read by a mapping profile: tenantctl roster profile suggest %s > profile.yaml, then plan and import with --profile profile.yaml", name)
	}
}

// within runs f with the importer and a tenant.
func within(ctx context.Context, in *installation.Installation, slug string, f func(*roster.Service, tenancy.Tenant) error) error {
	t, err := kit.Tenant(ctx, in, slug)
	if err != nil {
		return err
	}
	s, err := in.Roster(ctx)
	if err != nil {
		return err
	}
	return f(s, t)
}
