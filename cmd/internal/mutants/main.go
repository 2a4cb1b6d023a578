// Command mutants breaks the controls of the product, one at a time, in a copy of
// the tree, and asks the test that is named for each whether it notices. A control
// that no test defends does not count. It is run by make mutants.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"digione/internal/tenancy/embedded"
)

//go:embed mutants.yaml
var list []byte

func main() {
	only := flag.String("only", "", "run the mutants whose names match this pattern")
	limit := flag.Duration("limit", 2*time.Minute, "how long one test may take")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *only, *limit); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// verdict is what became of a mutant.
type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "survived"
	failed   verdict = "error" // the mutant or its test is no good
)

type result struct {
	mutant
	verdict verdict
	why     string
	took    time.Duration
}

func run(ctx context.Context, only string, limit time.Duration) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	all, err := parse(list)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !pattern.MatchString(m.Name) })
	l, err := newLab(ctx, limit)
	if err != nil {
		return err
	}
	defer l.close()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "MUTANT\tFILE\tTEST\tRESULT\tSECONDS")
	n := map[verdict]int{}
	for _, pkg := range packages(all) {
		for _, r := range l.judge(ctx, pkg, all) {
			n[r.verdict]++
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s %s\t%s\t%.1f\n", r.Name, r.File, r.Package, r.Test, r.verdict, r.took.Seconds())
			if r.why != "" {
				fmt.Fprintf(os.Stderr, "%s: %s\n", r.Name, r.why)
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	_ = w.Flush()
	if n[failed] > 0 {
		fmt.Printf("%d mutants say nothing: they do not apply or compile, or their tests fail without them\n", n[failed])
	}
	fmt.Printf("mutants: %d killed, %d survived\n", n[killed], n[survived])
	if n[survived]+n[failed] > 0 || ctx.Err() != nil {
		return errors.New("not every control is defended")
	}
	return nil
}

func packages(all []mutant) (out []string) {
	for _, m := range all {
		if !slices.Contains(out, m.Package) {
			out = append(out, m.Package)
		}
	}
	return out
}

// lab is a copy of the tree with a database server of its own.
type lab struct {
	dir   string
	srv   *embedded.Server
	limit time.Duration
}

func newLab(ctx context.Context, limit time.Duration) (*lab, error) {
	dir, err := os.MkdirTemp("", "digione-mutants-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, limit: limit}
	if err := copyTree(ctx, l.tree()); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	l.srv, err = embedded.Start(ctx, filepath.Join(dir, "db"), embedded.Options{Unsafe: true, Settings: []string{"max_connections=400"}})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

func (l *lab) tree() string { return filepath.Join(l.dir, "tree") }

func (l *lab) close() {
	_ = l.srv.Stop()
	_ = os.RemoveAll(l.dir)
}

// copyTree copies what git knows or would take up.
func copyTree(ctx context.Context, to string) error {
	out, err := exec.CommandContext(ctx, "git", "ls-files", "-co", "--exclude-standard", "-z", ":/").Output()
	if err != nil {
		return fmt.Errorf("list the tree: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		fi, err := os.Lstat(name)
		if errors.Is(err, os.ErrNotExist) || err == nil && !fi.Mode().IsRegular() {
			continue // deleted, or a link
		}
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), b, fi.Mode().Perm())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judge runs the mutants of one package's tests. The tests must pass before and
// after: what a mutant left behind in the server kills no other.
func (l *lab) judge(ctx context.Context, pkg string, all []mutant) (out []result) {
	var mine []mutant
	var tests []string
	for _, m := range all {
		if m.Package == pkg {
			mine, tests = append(mine, m), append(tests, m.Test)
		}
	}
	tests = slices.Compact(slices.Sorted(slices.Values(tests)))
	sound := l.sound(ctx, pkg, tests)
	for _, m := range mine {
		r := result{mutant: m, verdict: failed, why: "not run: the tests of the package fail without it"}
		if sound == nil && ctx.Err() == nil {
			r = l.try(ctx, m)
		}
		out = append(out, r)
	}
	if sound == nil && ctx.Err() == nil {
		if sound = l.sound(ctx, pkg, tests); sound != nil {
			for i := range out {
				out[i].verdict, out[i].why = failed, "the tests of the package fail after its mutants"
			}
		}
	}
	if sound != nil {
		fmt.Fprintf(os.Stderr, "%s, as it is: %v\n", pkg, sound)
	}
	return out
}

// sound runs tests on the tree as it is.
func (l *lab) sound(ctx context.Context, pkg string, tests []string) error {
	if out, err := l.compile(ctx, pkg); err != nil {
		return fmt.Errorf("%w: %s", err, tail(out))
	}
	out, err := l.test(ctx, pkg, tests)
	for _, t := range tests {
		if err == nil && !strings.Contains(out, "--- PASS: "+t+" ") {
			err = fmt.Errorf("no test %s ran", t)
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, tail(out))
	}
	return nil
}

// try breaks the tree, asks the test, and mends the tree.
func (l *lab) try(ctx context.Context, m mutant) (r result) {
	began := time.Now()
	r = result{mutant: m, verdict: failed}
	defer func() { r.took = time.Since(began) }()
	file := filepath.Join(l.tree(), m.File)
	whole, err := os.ReadFile(file)
	if err != nil {
		r.why = err.Error()
		return r
	}
	broken, err := m.apply(string(whole))
	if err != nil {
		r.why = err.Error()
		return r
	}
	if err := os.WriteFile(file, []byte(broken), 0o644); err != nil {
		r.why = err.Error()
		return r
	}
	defer func() {
		if err := os.WriteFile(file, whole, 0o644); err != nil {
			r.verdict, r.why = failed, err.Error()
		}
	}()
	if out, err := l.compile(ctx, m.Package); err != nil {
		r.why = "does not compile: " + tail(out)
		return r
	}
	out, err := l.test(ctx, m.Package, []string{m.Test})
	switch {
	case err == nil:
		r.verdict = survived
	case strings.Contains(out, "--- FAIL: "+m.Test+" "), strings.Contains(out, "\npanic: "), strings.HasPrefix(out, "panic: "):
		r.verdict = killed
	default:
		r.why = fmt.Sprintf("the test ended without a word: %v: %s", err, tail(out))
	}
	return r
}

func (l *lab) compile(ctx context.Context, pkg string) (string, error) {
	// Without the paths of the tree, the build cache serves the next copy too.
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-vet=off", "-o", l.binary(), "./"+pkg)
	cmd.Dir = l.tree()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (l *lab) binary() string { return filepath.Join(l.dir, "mutant.test") }

func (l *lab) test(ctx context.Context, pkg string, tests []string) (string, error) {
	cmd := exec.CommandContext(ctx, l.binary(), "-test.run", "^("+strings.Join(tests, "|")+")$", "-test.v", "-test.failfast", "-test.timeout", l.limit.String())
	cmd.Dir = filepath.Join(l.tree(), pkg)
	cmd.Env = append(os.Environ(), "DIGIONE_TEST_DSN="+l.srv.DSN())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// tail is the end of an output.
func tail(s string) string {
	const most = 1500
	if s = strings.TrimSpace(s); len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}
