package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func read(t *testing.T, file string, args ...string) (Settings, error) {
	t.Helper()
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Flags(fs, true)
	ServeMailFlags(fs)
	name := filepath.Join(t.TempDir(), "digione.yaml")
	if err := os.WriteFile(name, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fs.Parse(append(args, "--config", name)); err != nil {
		t.Fatal(err)
	}
	return Read(fs)
}

// TestFile: a key that is no setting is a fault with its place, and all faults are
// told at once.
func TestFile(t *testing.T) {
	s, err := read(t, "Host-Suffix: kunta.example\ntls: true\nmax-conns: 12\nsession-idle: 2h\ntrusted-proxies: [10.0.0.0/8]\ntiera-mail: t@tiera.example\n", "--max-conns", "16")
	if err != nil || s.HostSuffix != "kunta.example" || !s.TLS || s.MaxConns != 16 || s.SessionIdle.Hours() != 2 || len(s.TrustedProxies) != 1 {
		t.Errorf("%v: %+v", err, s)
	}
	_, err = read(t, "# of the host\ndatabse-url: postgres://h/db\ntls: maybe\nlog-level: loud\nmax-conns: many\nsession-idle: soon\ndatabase-url: {host: salainen}\noutput: json\n")
	for _, want := range []string{`digione.yaml:2: unknown setting "databse-url"; correct the spelling`, `digione.yaml:8: unknown setting "output"`,
		"--tls: maybe is neither true nor false", "--max-conns: many is no whole number", "--session-idle: soon is no time", "--database-url: give one text", `--log-level "loud"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not told: %s: %v", want, err)
		}
	}
	if n := strings.Count(fmt.Sprint(err), "\n"); n != 6 || strings.Contains(fmt.Sprint(err), "salainen") {
		t.Errorf("%d faults: %v", n+1, err)
	}
	if _, err := read(t, ""); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

// TestReadme: each setting stands in the table of the README.
func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range options() {
		if !strings.Contains(string(text), "`"+o.name+"`") && !strings.Contains(string(text), "`--"+o.name+"`") {
			t.Errorf("the README says nothing of %s", o.name)
		}
	}
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"postgres://u:SECRETPW@h/db", "postgres://h/db?password=SECRETPW&user=u", "postgresql://u@h/db?sslPassword=SECRETPW&pass%77ord=SECRETPW",
		"host=h user=u password=SECRETPW", "host=h password='SECRETPW x'", "postgres://u:SECRET%PW@h/db", "postgres:u:SECRETPW@h", "u:SECRETPW@h/db"} {
		if got := fmt.Sprintf("%+v", Settings{DatabaseURL: dsn}.Redacted()); strings.Contains(got, "SECRET") {
			t.Errorf("%s is printed as %s", dsn, got)
		}
	}
	if got := (Settings{DatabaseURL: "postgres://u@h:5432/db?sslmode=require"}).Redacted().DatabaseURL; got != "postgres://u@h:5432/db?sslmode=require" {
		t.Errorf("without a secret: %s", got)
	}
}
