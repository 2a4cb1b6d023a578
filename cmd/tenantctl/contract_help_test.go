package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"digione/cmd/tenantctl/cli"
)

// TestHelp: each command says what it is for and shows how it is used.
func TestHelp(t *testing.T) {
	t.Parallel()
	s := &shell{T: t}
	leaves := 0
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			return
		}
		if cmd.Short == "" {
			t.Errorf("%s says nothing of itself", cmd.CommandPath())
		}
		help := s.run(append(path, "--help")...)
		if help.code != 0 || help.err != "" || !strings.Contains(help.out, "Usage:") {
			t.Errorf("%s --help: %s", cmd.CommandPath(), help)
		}
		if !cmd.HasSubCommands() {
			leaves++
			if !strings.Contains(help.out, "Examples:\n") || !strings.Contains(cmd.Example, cmd.CommandPath()) {
				t.Errorf("%s has no example of itself:\n%s", cmd.CommandPath(), cmd.Example)
			}
			if words := strings.SplitN(help.out, "\n", 2)[0]; !strings.HasPrefix(cmd.Long+cmd.Short, words) || words == "" {
				t.Errorf("%s --help begins with %q", cmd.CommandPath(), words)
			}
			for line := range strings.SplitSeq(cmd.Example, "\n") {
				if strings.HasPrefix(line, "  tenantctl ") {
					checkExample(t, strings.Fields(strings.TrimPrefix(line, "  tenantctl ")))
				}
			}
		}
		for _, sub := range cmd.Commands() {
			walk(sub, append(append([]string{}, path...), sub.Name()))
		}
	}
	walk(cli.New(strings.NewReader(""), io.Discard, io.Discard), nil)
	if leaves < 25 {
		t.Errorf("%d commands", leaves)
	}
}

// checkExample: the commands and flags of an example exist.
func checkExample(t *testing.T, words []string) {
	t.Helper()
	cmd, _, err := cli.New(strings.NewReader(""), io.Discard, io.Discard).Find(words)
	if err != nil || cmd.HasSubCommands() {
		t.Errorf("example %v: leads to %s, %v", words, cmd.CommandPath(), err)
		return
	}
	for _, w := range words {
		if w == "#" || w == ">" {
			return
		}
		name, long := strings.CutPrefix(w, "--")
		name, _, _ = strings.Cut(name, "=")
		if long && cmd.Flags().Lookup(name) == nil && cmd.InheritedFlags().Lookup(name) == nil {
			t.Errorf("example %v: there is no flag --%s", words, name)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	s := &shell{T: t}
	for _, c := range []struct{ line, words string }{
		{"tenant list -o yaml", "-o yaml: use table or json"},
		{"version -o yaml", "-o yaml: use table or json"},
		{"frobnicate", `unknown command "frobnicate" for "tenantctl"; see: tenantctl --help`},
		{"tenant frobnicate", `unknown command "frobnicate" for "tenantctl tenant"; see: tenantctl tenant --help`},
		{"roster profile frobnicate", `see: tenantctl roster profile --help`},
		{"verify frobnicate", `see: tenantctl verify --help`},
		{"version --colour", "unknown flag: --colour; see: tenantctl version --help"},
		{"migrate up --parallel many", "see: tenantctl migrate up --help"},
		{"tenant show", "TENANT is missing; usage: tenantctl tenant show TENANT"},
		{"roster show one", "IMPORT is missing"},
		{"tenant list extra", `"extra" is too many; usage: tenantctl tenant list`},
		{"doctor one two", "accepts at most 1 arg(s), received 2; usage: tenantctl doctor"},
		{"join attest one", "requires at least 2 arg(s), only received 1; usage: tenantctl join attest"},
		{"migrate up --ring nope", `"nope" for "--ring" flag: use canary, early, half or all; see: tenantctl migrate up --help`},
		{"migrate up --parallel 0", "give a whole number, 1 or more; see: tenantctl migrate up --help"},
		{"migrate up --parallel -3", "give a whole number, 1 or more"},
		{"audit --limit -1", "give a whole number, 1 or more; see: tenantctl audit --help"},
		{"roster history one --limit -1", "give a whole number, 1 or more; see: tenantctl roster history --help"},
	} {
		s.refused(2, c.words, strings.Fields(c.line)...)
	}
	for _, noun := range []string{"", "tenant", "roster", "roster profile", "migrate", "verify", "database"} {
		a := s.run(strings.Fields(noun)...)
		if a.code != 2 || !strings.Contains(a.out, "Available Commands:") {
			t.Errorf("%q alone: %s", noun, a)
		}
	}
}

// TestNextSteps: an error says what to do next.
func TestNextSteps(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	slug, dir := s.town("seuraava"), t.TempDir()
	csv := write(t, filepath.Join(dir, "oma.csv"), []byte("tunnus;nimi, luokka: [\n1;2\n"))
	for _, c := range []struct {
		code  int
		words string
		line  string
	}{
		{5, "stat /nope: no such file or directory; name a manifest or a folder of manifests with -f", "apply -f /nope"},
		{5, "tenantctl roster profile suggest " + csv, "roster import " + slug + " " + csv},
		{5, "tenantctl roster profile suggest " + csv, "roster profile check " + csv},
		{5, csv + ":2: not YAML", "roster profile check " + csv},
		{2, "--issuer is missing", "tenant provider " + slug + " --name X --dry-run"},
		{1, "no such tenant; see: tenantctl tenant list", "audit --tenant eikukaan"},
		{1, "name a file that tenantctl audit export has written", "audit verify /nope"},
		{1, "name a file that tenantctl tenant export has written", "tenant restore uusi --from /nope"},
		{2, "use fi, sv or en", "join report " + slug + " --out " + dir + "/r.html --lang xx"},
		{2, "use municipality, tiera or system", "join status --owner nobody"},
		{2, `unknown command "fishy" for "tenantctl completion"`, "completion fishy"},
	} {
		s.refused(c.code, c.words, strings.Fields(c.line)...)
	}
	if a := s.run("roster", "validate", csv); a.code != 5 || !strings.Contains(a.err, "tenantctl roster profile suggest "+csv) {
		t.Errorf("validate of a CSV: %s", a)
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	s := &shell{T: t}
	for _, sh := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := s.ok("completion", sh); len(out) < 1000 || !strings.Contains(out, "tenantctl") {
			t.Errorf("completion %s: %.200s", sh, out)
		}
	}
	if out := s.ok("__complete", "roster", "prof"); !strings.HasPrefix(out, "profile") {
		t.Errorf("completing roster prof: %q", out)
	}
}

// TestProcess: what this process does by function, the program does by itself.
func TestProcess(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	for code, line := range map[int]string{0: "tenant list -o json", 1: "tenant show nosuch", 2: "tenant frobnicate", 5: "tenant create X"} {
		a := s.process(strings.Fields(line)...)
		if a.code != code || (code == 0) != (a.out != "") || (code == 0) != (a.err == "") || strings.Contains(a.err, "panic") {
			t.Errorf("%s: %s", line, a)
		}
		if code != 0 && !strings.HasPrefix(a.err, "tenantctl: ") {
			t.Errorf("%s: %s", line, a)
		}
	}
}
