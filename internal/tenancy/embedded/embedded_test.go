package embedded_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy/embedded"
)

// folder is a data folder that PostgreSQL's user may enter, other than t.TempDir.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "digione-embedded-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pid := postmaster(dir); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = os.RemoveAll(dir)
	})
	return dir
}

// postmaster is the number of the server's process, 0 when there is none.
func postmaster(dir string) int {
	b, _ := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
	first, _, _ := strings.Cut(string(b), "\n")
	pid, _ := strconv.Atoi(first)
	return pid
}

func start(t *testing.T, dir string) *embedded.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := embedded.Start(ctx, dir, embedded.Options{Settings: []string{"shared_buffers=16MB", "max_connections=20"}})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "postgres.log"))
		t.Fatalf("%v\n%s", err, log)
	}
	return s
}

func query(dsn, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close(ctx) }()
	var s string
	err = conn.QueryRow(ctx, sql).Scan(&s)
	return s, err
}

func must(t *testing.T, dsn, sql, want string) {
	t.Helper()
	if got, err := query(dsn, sql); err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", sql, got, err, want)
	}
}

// keep writes something that must be there after a crash.
func keep(t *testing.T, dsn, text string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "create table if not exists kept (text text)"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "insert into kept values ($1)", text); err != nil {
		t.Fatal(err)
	}
}

const kept = "select string_agg(text, ' ' order by text) from kept"

func TestShares(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	first := start(t, dir)
	keep(t, first.DSN(), "a")
	second := start(t, dir)
	if first.DSN() != second.DSN() {
		t.Errorf("two servers: %s, %s", first.DSN(), second.DSN())
	}
	if err := first.Stop(); err != nil {
		t.Error(err)
	}
	must(t, second.DSN(), kept, "a")
	if err := second.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := query(second.DSN(), kept); err == nil {
		t.Error("the last share did not stop the server")
	}
	third := start(t, dir)
	must(t, third.DSN(), kept, "a")
	if third.DSN() != first.DSN() {
		t.Errorf("address changed from %s to %s", first.DSN(), third.DSN())
	}
	if err := third.Stop(); err != nil {
		t.Error(err)
	}
}

// kill -9 of the server while a backend is at work: the next start recovers.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	keep(t, s.DSN(), "a")
	go func() { // a backend that is busy and does not look up
		_, _ = query(s.DSN(), "select count(*)::text from generate_series(1, 40000000) a where md5(a::text) < 'b'")
	}()
	time.Sleep(300 * time.Millisecond)
	if err := syscall.Kill(postmaster(dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	must(t, again.DSN(), kept, "a")
	keep(t, again.DSN(), "b")
	must(t, s.DSN(), kept, "a b") // at the same address
	if err := again.Stop(); err != nil {
		t.Error(err)
	}
	_ = s.Stop()
	if _, err := query(again.DSN(), kept); err == nil {
		t.Error("the server still runs")
	}
}

func TestStalePID(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := start(t, dir)
	keep(t, s.DSN(), "a")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "60") // the number was given to another program
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for _, pid := range []int{other.Process.Pid, 999_999} {
		if os.Geteuid() != 0 && pid == other.Process.Pid {
			continue // PostgreSQL itself refuses while its own user has such a process
		}
		text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n\n127.0.0.1\n\nready   \n", pid, filepath.Join(dir, "postgres"))
		if err := os.WriteFile(filepath.Join(dir, "postgres", "postmaster.pid"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s := start(t, dir)
		must(t, s.DSN(), kept, "a")
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}

func TestHalfMadeFolder(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	half := filepath.Join(dir, "postgres.new", "base")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "junk"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir)
	keep(t, s.DSN(), "a")
	must(t, s.DSN(), kept, "a")
	if _, err := os.Stat(filepath.Join(dir, "postgres.new")); err == nil {
		t.Error("the half-made folder is still there")
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// The server outlives the program that started it, and another one stops it.
func TestStarterDies(t *testing.T) {
	if dir := os.Getenv("EMBEDDED_STARTER"); dir != "" {
		start(t, dir)
		os.Exit(0) // no Stop: as if killed
	}
	t.Parallel()
	dir := folder(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestStarterDies$")
	cmd.Env = append(os.Environ(), "EMBEDDED_STARTER="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pid := postmaster(dir)
	s := start(t, dir)
	if now := postmaster(dir); now != pid || pid == 0 {
		t.Errorf("server %d, started as %d", now, pid)
	}
	keep(t, s.DSN(), "a")
	began := time.Now()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("stopping took %s", d)
	}
	if _, err := query(s.DSN(), kept); err == nil {
		t.Error("the server still runs")
	}
}

func TestTwoStartersAtOnce(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	type got struct {
		s   *embedded.Server
		err error
	}
	out := make(chan got)
	for range 3 {
		go func() {
			s, err := embedded.Start(context.Background(), dir, embedded.Options{Settings: []string{"shared_buffers=16MB", "max_connections=20"}})
			out <- got{s, err}
		}()
	}
	dsns := map[string]bool{}
	var list []*embedded.Server
	for range 3 {
		g := <-out
		if g.err != nil {
			t.Fatal(g.err)
		}
		dsns[g.s.DSN()] = true
		list = append(list, g.s)
	}
	if len(dsns) != 1 {
		t.Errorf("%d servers were started", len(dsns))
	}
	for i, s := range list {
		must(t, s.DSN(), "select 'up'", "up")
		if err := s.Stop(); err != nil {
			t.Errorf("share %d: %v", i, err)
		}
	}
	if _, err := query(list[0].DSN(), "select 'up'"); err == nil {
		t.Error("the last share did not stop the server")
	}
}
