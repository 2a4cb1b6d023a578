// Command clidocs writes the reference of both programs, or with -check says that
// the written one is stale.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	serving "digione/cmd/digione/cli"
	"digione/cmd/tenantctl/cli"
)

func main() {
	check := flag.Bool("check", false, "compare, write nothing")
	flag.Parse()
	if err := run(flag.Arg(0), *check); err != nil {
		fmt.Fprintln(os.Stderr, "clidocs:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	out := dir
	if check {
		tmp, err := os.MkdirTemp("", "clidocs-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(tmp) }()
		out = tmp
	} else if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, root := range []*cobra.Command{cli.New(os.Stdin, io.Discard, io.Discard), serving.New()} {
		root.DisableAutoGenTag = true
		if err := doc.GenMarkdownTree(root, out); err != nil {
			return err
		}
	}
	if !check {
		return nil
	}
	return same(out, dir)
}

// same compares two folders file by file.
func same(fresh, written string) error {
	a, err := filepath.Glob(filepath.Join(fresh, "*.md"))
	if err != nil {
		return err
	}
	b, err := filepath.Glob(filepath.Join(written, "*.md"))
	if err != nil {
		return err
	}
	stale := len(a) != len(b)
	for _, f := range a {
		x, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		y, err := os.ReadFile(filepath.Join(written, filepath.Base(f)))
		stale = stale || err != nil || !bytes.Equal(x, y)
	}
	if stale {
		return fmt.Errorf("%s is not what the commands say; run: make docs", written)
	}
	return nil
}
