// Package kit is what all commands share: streams, settings, output, exit codes
// and the operator log. stdout is data, stderr is talk and progress.
package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/internal/app/fault"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/transfer"
)

// Exit codes, as docs/cli documents them.
const (
	ExitFailed     = 1
	ExitUsage      = 2
	ExitSomeFailed = 3
	ExitNotAllowed = 4
	ExitInvalid    = 5
	ExitHeld       = 8
)

// Exit is an error with an exit code of its own. A silent one has been told to
// the user already.
type Exit struct {
	Code   int
	Err    error
	Silent bool
}

func (e *Exit) Error() string { return e.Err.Error() }
func (e *Exit) Unwrap() error { return e.Err }

// Usage is an error of the command's words.
func Usage(format string, args ...any) error {
	return &Exit{Code: ExitUsage, Err: fmt.Errorf(format, args...)}
}

// Code returns the exit code of an error.
func Code(err error) int {
	var exit *Exit
	var invalid *roster.InvalidError
	var held *roster.HeldError
	var file *transfer.InvalidError
	var erasure *transfer.HeldError
	var sealing *transfer.SealHeldError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.Code
	case errors.As(err, &invalid), errors.As(err, &file), errors.Is(err, transfer.ErrOtherExport):
		return ExitInvalid
	case errors.As(err, &held), errors.As(err, &erasure), errors.As(err, &sealing):
		return ExitHeld
	case errors.Is(err, transfer.ErrOtherPerson):
		return ExitNotAllowed
	case errors.Is(err, tenancy.ErrSomeFailed):
		return ExitSomeFailed
	case errors.Is(err, context.Canceled):
		return ExitUsage
	}
	switch fault.KindOf(err) {
	case fault.Invalid:
		return ExitInvalid
	case fault.Forbidden:
		return ExitNotAllowed
	}
	return ExitFailed
}

// Kit is what a command works with.
type Kit struct {
	In       io.Reader
	Out, Err io.Writer
	Output   string // table or json
	Actor    string
	Settings func() (settings.Settings, error)
	Version  string

	notes []string // of the change under way
}

// JSON tells whether the user wants JSON.
func (k *Kit) JSON() bool { return k.Output == "json" }

// Open opens the installation; the caller closes it.
func (k *Kit) Open(ctx context.Context) (*installation.Installation, error) {
	s, err := k.Settings()
	if err != nil {
		return nil, &Exit{Code: ExitUsage, Err: err}
	}
	return installation.Open(ctx, s)
}

// With opens the installation for f.
func (k *Kit) With(ctx context.Context, f func(*installation.Installation) error) error {
	in, err := k.Open(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	return f(in)
}

// Change runs f as a change that the operator log holds: begin, end and outcome.
func (k *Kit) Change(ctx context.Context, cmd *cobra.Command, tenant string, f func(*installation.Installation) error) error {
	return k.With(ctx, func(in *installation.Installation) error {
		return k.Log(ctx, in, cmd, tenant, func() error { return f(in) })
	})
}

// Note adds to the operator log's line at the end of the change under way what it
// changes: ids, keys, flags and counts, nothing of a person.
func (k *Kit) Note(format string, args ...any) {
	k.notes = append(k.notes, fmt.Sprintf(format, args...))
}

// Flags notes those of a change's flags that were given, by their names alone.
func (k *Kit) Flags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		if cmd.Flags().Changed(name) {
			k.Note("--%s", name)
		}
	}
}

// Log runs f as Change does, in an installation that is open: for a command that
// changes several tenants, each as a change of its own.
func (k *Kit) Log(ctx context.Context, in *installation.Installation, cmd *cobra.Command, tenant string, f func() error) error {
	ended, err := in.Operator.Began(ctx, k.Actor, strings.TrimPrefix(cmd.CommandPath(), "tenantctl "), tenant)
	if err != nil {
		return err
	}
	around := k.notes
	k.notes = nil
	err = f()
	detail := strings.Join(k.notes, ", ")
	k.notes = around
	if err != nil {
		detail = strings.TrimPrefix(detail+": "+err.Error(), ": ")
	}
	outcome := tenancy.Done
	switch Code(err) {
	case 0:
	case ExitHeld:
		outcome = tenancy.Held
	case ExitNotAllowed:
		outcome = tenancy.Refused
	default:
		outcome = tenancy.Failed
	}
	return errors.Join(err, ended(outcome, detail))
}

// Terminal tells whether w is a person's terminal.
func Terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Print writes v as JSON, or the rows as a table: aligned on a terminal,
// tab-separated otherwise.
func (k *Kit) Print(v any, head []string, rows [][]string) error {
	if k.JSON() {
		return k.PrintJSON(v)
	}
	for _, r := range rows {
		for i, cell := range r {
			r[i] = oneCell(cell)
		}
	}
	if Terminal(k.Out) {
		_, err := fmt.Fprintln(k.Out, aligned(head, rows))
		return err
	}
	for _, r := range rows {
		if _, err := fmt.Fprintln(k.Out, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return nil
}

// aligned is a table for a person: two spaces between columns, numbers to the right.
func aligned(head []string, rows [][]string) string {
	last := len(head) - 1
	right := make([]bool, len(head))
	for col := range head {
		right[col] = len(rows) > 0 && !slices.ContainsFunc(rows, func(r []string) bool {
			_, err := strconv.ParseFloat(r[col], 64)
			return err != nil
		})
	}
	return table.New().Headers(head...).Rows(rows...).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderColumn(false).BorderHeader(false).StyleFunc(func(_, col int) lipgloss.Style {
		style := lipgloss.NewStyle()
		if right[col] {
			style = style.Align(lipgloss.Right)
		}
		if col < last {
			style = style.PaddingRight(2)
		}
		return style
	}).String()
}

// oneCell keeps a row on one line and its columns apart, and what somebody has
// named from steering the terminal.
func oneCell(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// PrintJSON writes one value as one line.
func (k *Kit) PrintJSON(v any) error {
	e := json.NewEncoder(k.Out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Say tells the user something that is not data.
func (k *Kit) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(k.Err, format+"\n", args...)
}

// Confirm asks on a terminal; without one, what is asked for is done: the
// commands that ask are idempotent, and a script has nobody to ask.
func (k *Kit) Confirm(question string) (bool, error) {
	if !Terminal(k.In) || !Terminal(k.Out) {
		return true, nil
	}
	_, _ = fmt.Fprint(k.Err, question+" [y/N] ")
	var answer string
	if _, err := fmt.Fscanln(k.In, &answer); err != nil && !strings.Contains(err.Error(), "newline") {
		return false, err
	}
	return strings.EqualFold(answer, "y") || strings.EqualFold(answer, "yes"), nil
}

// Tenant finds a tenant by slug or id among those that can be entered.
func Tenant(ctx context.Context, in *installation.Installation, slug string) (tenancy.Tenant, error) {
	t, err := in.Operator.Find(ctx, slug)
	if err != nil {
		return t, err
	}
	if t.State == tenancy.Provisioning {
		return t, fmt.Errorf("tenant %q is not provisioned yet; run: tenantctl tenant create %s (see: tenantctl doctor %s)", slug, slug, slug)
	}
	if t.State.Gone() {
		return t, fmt.Errorf("tenant %q is %s; nobody enters it any more (see: tenantctl tenant show %s)", slug, t.State, slug)
	}
	return t, nil
}

// Exactly is cobra.ExactArgs with a message that names what is missing.
func Exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) < len(names) {
			return Usage("%s is missing; usage: %s", names[len(args)], cmd.UseLine())
		}
		return Usage("%q is too many; usage: %s", args[len(names)], cmd.UseLine())
	}
}
