package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/cmd/tenantctl/cli"
)

// running is one run of the program.
type running struct {
	*testing.T
	cmd   *exec.Cmd
	out   *said
	port  int
	ready time.Duration
	ended chan struct{}
}

// said is a buffer that is read while it is written.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// begin starts the program; it is killed when the test ends.
func begin(t *testing.T, bin, data string, port int) *running {
	t.Helper()
	r := &running{T: t, out: &said{}, port: port, ended: make(chan struct{})}
	r.cmd = exec.Command(bin, "dev", "--empty", "--data", data, "--listen", fmt.Sprintf("127.0.0.1:%d", port))
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.ended) }()
	t.Cleanup(func() { _ = r.cmd.Process.Kill(); <-r.ended })
	return r
}

// up waits until the program says that it is up.
func up(t *testing.T, bin, data string, port int) *running {
	t.Helper()
	r, began := begin(t, bin, data, port), time.Now()
	eventually(t, "up", time.Minute, func() bool {
		select {
		case <-r.ended:
			t.Fatalf("ended at its start: %s", r.out)
		default:
		}
		return strings.Contains(r.out.String(), "Ctrl-C stops everything")
	})
	r.ready = time.Since(began)
	return r
}

// stop signals the program and returns its exit code.
func (r *running) stop(sig syscall.Signal) int {
	r.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.Fatal(err)
	}
	select {
	case <-r.ended:
	case <-time.After(30 * time.Second):
		r.Fatalf("does not end: %s", r.out)
	}
	return r.cmd.ProcessState.ExitCode()
}

// get asks the application under a host name.
func (r *running) get(host, path string) (*http.Response, string) {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", r.port, path), nil)
	if err != nil {
		r.Fatal(err)
	}
	req.Host = fmt.Sprintf("%s:%d", host, r.port)
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		r.Fatalf("GET %s of %s: %v: %s", path, host, err, r.out)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp, string(b)
}

// signIn tells whether a host leads to its sign-in.
func (r *running) signIn(host string) bool {
	r.Helper()
	resp, _ := r.get(host, "/")
	return resp.StatusCode == http.StatusSeeOther && resp.Header.Get("Location") == "/kirjaudu"
}

func eventually(t testing.TB, what string, within time.Duration, done func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}

// tenantctl runs the operator's tool beside the program, on the same data.
func tenantctl(t *testing.T, data string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := cli.New(strings.NewReader(""), &out, &errOut)
	cmd.SetArgs(append([]string{"--data", data}, args...))
	if err := cmd.ExecuteContext(context.Background()); err != nil {
		t.Fatalf("tenantctl %s: %v\n%s", strings.Join(args, " "), err, errOut.String())
	}
	return out.String()
}

// block finds four neighbours that are free, below the range that the system lends
// to outgoing connections: what runs beside the test does not take them.
func block(t *testing.T) int {
	t.Helper()
	for range 100 {
		if n := 10000 + 4*rand.IntN(2500); allFree(n) {
			return n
		}
	}
	t.Fatal("no four free ports in a row")
	return 0
}

func allFree(port int) bool {
	for i := range 4 {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// postmaster returns the process of the data folder's server, 0 when none runs.
func postmaster(cluster string) (pid int) {
	b, err := os.ReadFile(filepath.Join(cluster, "postmaster.pid"))
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(b), &pid); err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// family is a process and its children.
func family(parent int) []int {
	out := []int{parent}
	all, _ := filepath.Glob("/proc/[0-9]*/status")
	for _, name := range all {
		b, _ := os.ReadFile(name)
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil && bytes.Contains(b, fmt.Appendf(nil, "\nPPid:\t%d\n", parent)) {
			out = append(out, pid)
		}
	}
	return out
}

// atWork tells whether a process names a folder on its command line.
func atWork(dir string) bool {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, l := range lines {
		if b, err := os.ReadFile(l); err == nil && bytes.Contains(b, []byte(dir)) {
			return true
		}
	}
	return false
}

// sql does to the data folder's database what no command does.
func sql(t *testing.T, data, statement string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, strings.TrimSpace(tenantctl(t, data, "database", "url")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatal(err)
	}
}

// workshop is a built program and a data folder that the server's user can enter.
func workshop(t *testing.T) (bin, data string) {
	t.Helper()
	bin = filepath.Join(t.TempDir(), "digione")
	if said, err := exec.Command("go", "build", "-o", bin, "digione/cmd/digione").CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, said)
	}
	data, err := os.MkdirTemp("", "digione-dev-test-")
	if err == nil {
		err = os.Chmod(data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(data) })
	return bin, data
}

// clusterOf tells where the server of a data folder has its files: for root that
// may be outside of it. They are removed when the test ends.
func clusterOf(t *testing.T, data string) (dir string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, strings.TrimSpace(tenantctl(t, data, "database", "url")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if err := conn.QueryRow(ctx, "show data_directory").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pid := postmaster(dir); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGQUIT)
			eventually(t, "the server ends", 20*time.Second, func() bool { return postmaster(dir) == 0 })
		}
		if strings.HasPrefix(dir, "/var/lib/digione/") {
			_ = os.RemoveAll(filepath.Dir(dir))
		}
	})
	return dir
}
