package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Run runs a command line, says what went wrong on errOut and returns the exit
// code.
func Run(ctx context.Context, cmd *cobra.Command, args []string, errOut io.Writer) int {
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(ctx)
	var exit *Exit
	if err == nil || errors.As(err, &exit) && exit.Silent {
		return Code(err)
	}
	told := ctx.Err() == nil || !errors.Is(err, context.Canceled) // where it was cancelled is of no use to anybody
	if told {
		_, _ = fmt.Fprintf(errOut, "%s: %v\n", cmd.Name(), err)
	}
	if ctx.Err() != nil && !(told && strings.Contains(err.Error(), "run the command again")) {
		_, _ = fmt.Fprintln(errOut, "Cancelled. What was finished is kept; to go on, run the command again.")
	}
	return Code(err)
}

// Strict makes wrong words usage errors, in a root command and all below it: an
// unknown flag or command, a command without its verb, too many arguments.
func Strict(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usage("%w; see: %s --help", err, cmd.CommandPath())
	})
	root.InitDefaultCompletionCmd()
	strict(root)
}

func strict(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		strict(c)
	}
	if cmd.Name() == "help" {
		return
	}
	if cmd.Runnable() {
		fits := cmd.Args
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if fits == nil {
				return nil
			}
			err := fits(cmd, args)
			var exit *Exit
			if err == nil || errors.As(err, &exit) {
				return err
			}
			return Usage("%w; usage: %s", err, cmd.UseLine())
		}
		return
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return Usage("unknown command %q for %q; see: %s --help", args[0], cmd.CommandPath(), cmd.CommandPath())
		}
		if err := cmd.Help(); err != nil {
			return err
		}
		return &Exit{Code: ExitUsage, Err: errors.New("a command is missing"), Silent: true}
	}
	cmd.Args = cobra.ArbitraryArgs
}

// AtLeast adds a whole number that is not below least.
func AtLeast(f *pflag.FlagSet, least int, p *int, name string, value int, usage string) {
	*p = value
	f.Var(&number{p, least}, name, usage)
}

type number struct {
	p     *int
	least int
}

func (n *number) String() string {
	if n.p == nil { // pflag asks a zero one what its default is
		return "0"
	}
	return strconv.Itoa(*n.p)
}

func (n *number) Type() string { return "int" }

func (n *number) Set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil || v < n.least {
		return fmt.Errorf("give a whole number, %d or more", n.least)
	}
	*n.p = v
	return nil
}

// OneOf adds a word that is one of those that are allowed, or none.
func OneOf(f *pflag.FlagSet, p *string, name, usage string, allowed ...string) {
	f.Var(&word{p, allowed}, name, usage)
}

type word struct {
	p       *string
	allowed []string
}

func (w *word) String() string {
	if w.p == nil {
		return ""
	}
	return *w.p
}

func (w *word) Type() string { return "string" }

func (w *word) Set(s string) error {
	if !slices.Contains(w.allowed, s) {
		last := len(w.allowed) - 1
		return fmt.Errorf("use %s or %s", strings.Join(w.allowed[:last], ", "), w.allowed[last])
	}
	*w.p = s
	return nil
}
