package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/objects/objectstest"
	"digione/internal/tenancy/embedded"
)

// The tests of this package are the contract that operators' scripts and other
// tools rely on: what stands on stdout, what the exit code is, and that every
// error says what to do next. Most run the command line in this process; where a
// process matters they run the program itself.

func TestMain(m *testing.M) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "DIGIONE_") || strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	for name, v := range map[string]string{"AWS_ACCESS_KEY_ID": objectstest.Access, "AWS_SECRET_ACCESS_KEY": objectstest.Secret,
		"AWS_REGION": objectstest.Region, "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"} {
		_ = os.Setenv(name, v)
	}
	code := m.Run()
	if err := errors.Join(house.close(), os.RemoveAll(program.dir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// house is the data folder that the tests share, with a server that outlives
// every command.
var house shared

type shared struct {
	once   sync.Once
	dir    string
	server *embedded.Server
	err    error
}

func (h *shared) open(t testing.TB) string {
	t.Helper()
	h.once.Do(func() {
		if h.dir, h.err = folder(); h.err == nil {
			h.server, h.err = embedded.Start(context.Background(), h.dir, embedded.Options{Unsafe: true})
		}
	})
	if h.err != nil {
		t.Fatalf("no PostgreSQL to test on: %v", h.err)
	}
	return h.dir
}

// folder makes a data folder that the server's user can enter.
func folder() (string, error) {
	dir, err := os.MkdirTemp("", "tenantctl-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	return dir, err
}

func (h *shared) close() error {
	if h.server == nil {
		return nil
	}
	place, err := clusterOf(h.server.DSN())
	if err == nil {
		err = h.server.Stop()
	}
	if err == nil {
		err = removeData(h.dir, place)
	}
	return err
}

// clusterOf tells where a server has its files: for root that may be outside of
// the data folder.
func clusterOf(dsn string) (dir string, err error) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	return dir, conn.QueryRow(ctx, "show data_directory").Scan(&dir)
}

func removeData(dir, cluster string) error {
	if strings.HasPrefix(cluster, "/var/lib/digione/") {
		if err := os.RemoveAll(filepath.Dir(cluster)); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// shell is somebody at a command line. What was said is kept: at the end nothing
// of a person may be in it.
type shell struct {
	*testing.T
	data string
	dsn  string
	mu   sync.Mutex
	said strings.Builder
}

func newShell(t *testing.T) *shell {
	t.Helper()
	dir := house.open(t)
	return &shell{T: t, data: dir, dsn: house.server.DSN()}
}

// answer is what a command has left.
type answer struct {
	code     int
	out, err string
}

func (a answer) String() string {
	return fmt.Sprintf("exit %d\nstdout: %.2000s\nstderr: %.2000s", a.code, a.out, a.err)
}

// run runs a command line in this process.
func (s *shell) run(args ...string) answer {
	s.Helper()
	var out, errOut bytes.Buffer
	code := run(context.Background(), s.line(args), strings.NewReader(""), &out, &errOut)
	return s.heard(answer{code, out.String(), errOut.String()})
}

func (s *shell) line(args []string) []string {
	if s.data == "" {
		return args
	}
	return append([]string{"--data", s.data}, args...)
}

func (s *shell) heard(a answer) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.WriteString(a.out + a.err)
	return a
}

// ok runs a command that must go well and returns its stdout.
func (s *shell) ok(args ...string) string {
	s.Helper()
	a := s.run(args...)
	if a.code != 0 {
		s.Fatalf("%s: %s", strings.Join(args, " "), a)
	}
	return a.out
}

// refused runs a command that must end with a code, say the words on stderr, and
// print nothing on stdout.
func (s *shell) refused(code int, words string, args ...string) answer {
	s.Helper()
	a := s.run(args...)
	if a.code != code || !strings.Contains(a.err, words) {
		s.Errorf("%s: want exit %d and %q: %s", strings.Join(args, " "), code, words, a)
	}
	if a.out != "" {
		s.Errorf("%s: an error on stdout: %s", strings.Join(args, " "), a)
	}
	return a
}

// object reads the one JSON value of a stdout.
func object[T any](t testing.TB, out string) (v T) {
	t.Helper()
	if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
		t.Errorf("want one line, have %d: %.300q", strings.Count(out, "\n"), out)
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("%v: %.300q", err, out)
	}
	return v
}

type fields = map[string]any

// named checks that an object has these fields and no others: they are documented.
func named(t testing.TB, what string, o fields, names string) {
	t.Helper()
	want := strings.Fields(names)
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(o)); !slices.Equal(got, want) {
		t.Errorf("%s has the fields\n%v, want\n%v", what, got, want)
	}
	for name, v := range o {
		if v == nil && name != "routable_at" && name != "applied_at" && name != "repairs" {
			t.Errorf("%s: %s is null", what, name)
		}
	}
}

// program is tenantctl as it is shipped, built when the first test wants it.
var program struct {
	once sync.Once
	dir  string
	err  error
}

// command is a process of the program, ready to be started. Both streams go to
// where it says.
func (s *shell) command(out, errOut io.Writer, args ...string) *exec.Cmd {
	s.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "tenantctl-built-"); program.err != nil {
			return
		}
		build := exec.Command("go", "build", "-o", program.dir, ".")
		if said, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("build tenantctl: %w: %s", err, said)
		}
	})
	if program.err != nil {
		s.Fatal(program.err)
	}
	cmd := exec.Command(filepath.Join(program.dir, "tenantctl"), s.line(args)...)
	cmd.Stdout, cmd.Stderr = out, errOut
	return cmd
}

// process runs the command line as a process and waits for its end.
func (s *shell) process(args ...string) answer {
	s.Helper()
	var out, errOut bytes.Buffer
	cmd := s.command(&out, &errOut, args...)
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		s.Fatal(err)
	}
	return s.heard(answer{cmd.ProcessState.ExitCode(), out.String(), errOut.String()})
}

var towns atomic.Int32

// code returns a municipality code that no other test has.
func code() string { return fmt.Sprintf("%03d", 100+towns.Add(1)) }

// town makes a tenant of the test's own and returns its slug.
func (s *shell) town(name string) string {
	s.Helper()
	c := code()
	slug := name + "-" + c
	s.ok("tenant", "create", slug, "--name-fi", strings.ToUpper(name), "--municipality-code", c)
	return slug
}

// plan is what the roster commands print.
type plan struct {
	Plan, Import, Tenant, State, Kind, Version string
	SHA256                                     string `json:"source_sha256"`
	Held, Applied                              bool
	Holds                                      []hold
	Changes                                    map[string]map[string]int
	Rows                                       int
	Seconds                                    float64
	PlannedBy                                  string `json:"planned_by"`
	AppliedBy                                  string `json:"applied_by"`
	ApprovedBy                                 string `json:"approved_by"`
	Reason                                     string
}

type hold struct {
	Rule, Type, School string
	Count, Limit       int
}

func (p plan) total(kind string) (n int) {
	for _, c := range p.Changes {
		n += c[kind]
	}
	return n
}

// changed counts the rows that are not as they were.
func (p plan) changed() int {
	return p.total("insert") + p.total("update") + p.total("remove") + p.total("reactivate")
}

// imported runs an import that must be applied.
func (s *shell) imported(slug, file string, flags ...string) plan {
	s.Helper()
	p := object[plan](s, s.ok(append([]string{"roster", "import", slug, file, "-o", "json"}, flags...)...))
	if !p.Applied || p.Import == "" {
		s.Fatalf("import of %s: %+v", file, p)
	}
	return p
}

func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// eventually waits for what another process does.
func eventually(t testing.TB, what string, within time.Duration, done func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}
