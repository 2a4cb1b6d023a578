// Package embedded runs a PostgreSQL of one's own in a data folder, from the
// system's binaries: what `digione dev`, the CLI without a database URL, and the
// tests use. Several processes share a server; the last one stops it. It knows
// nothing of tenants.
package embedded

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Options of a server. The zero value is durable.
type Options struct {
	// Unsafe trades durability for speed; for tests.
	Unsafe bool
	// Settings are further server settings, "name=value".
	Settings []string
}

// Server is a running server that this process has a share in.
type Server struct {
	dsn   string
	place place
	users *os.File
}

const superuser = "digione"

// Start returns a share in the server of the data folder dir, starting it when
// it is not running and creating it when there is none. Safe to call after a
// kill -9 of any process in any phase.
func Start(ctx context.Context, dir string, o Options) (*Server, error) {
	p, err := locate(dir)
	if err != nil {
		return nil, err
	}
	// A shared lock is a share in the server; whoever stops it holds it alone.
	users, err := lock(p.file("users.lock"), syscall.LOCK_SH)
	if err != nil {
		return nil, err
	}
	s := &Server{place: p, users: users}
	if err := s.ensure(ctx, o); err != nil {
		_ = users.Close()
		return nil, err
	}
	return s, nil
}

// DSN is the superuser's URL of the database "digione".
func (s *Server) DSN() string { return s.dsn }

// Leave gives the share back and lets the server run: for psql, until the next
// program that uses it ends.
func (s *Server) Leave() error { return s.users.Close() }

// Stop gives the share back and stops the server if it was the last one.
func (s *Server) Stop() error {
	_ = syscall.Flock(int(s.users.Fd()), syscall.LOCK_UN)
	defer func() { _ = s.users.Close() }()
	if err := syscall.Flock(int(s.users.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil //nolint:nilerr // somebody else uses the server and will stop it
	}
	pid, _, ok := s.place.running()
	if !ok {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		return fmt.Errorf("stop postgres %d: %w", pid, err)
	}
	for range 600 {
		if syscall.Kill(pid, 0) != nil || reaped(pid) {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("postgres %d does not stop; see %s", pid, s.place.file("postgres.log"))
}

// reaped collects the server when it is this process's child.
func reaped(pid int) bool {
	var ws syscall.WaitStatus
	got, err := syscall.Wait4(pid, &ws, syscall.WNOHANG, nil)
	return err == nil && got == pid
}

func (s *Server) ensure(ctx context.Context, o Options) error {
	starting, err := lock(s.place.file("start.lock"), syscall.LOCK_EX)
	if err != nil {
		return err
	}
	defer func() { _ = starting.Close() }()
	password, err := s.place.password()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := s.join(ctx, password, o)
		// A server that was killed this very moment still looks alive, and its
		// backends may hold its memory for a while.
		if err == nil || !errors.Is(err, errEnded) || try == 40 {
			return err
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// join uses the running server, or starts one.
func (s *Server) join(ctx context.Context, password string, o Options) error {
	if _, port, ok := s.place.running(); ok {
		s.dsn = dsn(port, password)
		return s.await(ctx, func() bool { _, _, alive := s.place.running(); return !alive })
	}
	bin, err := s.place.binaries()
	if err != nil {
		return err
	}
	if err := s.place.init(ctx, bin, password); err != nil {
		return err
	}
	s.place.endOrphans()
	port, err := s.place.port()
	if err != nil {
		return err
	}
	s.dsn = dsn(port, password)
	cmd, err := s.place.launch(bin, port, o)
	if err != nil {
		return err
	}
	return s.await(ctx, func() bool { return reaped(cmd.Process.Pid) })
}

var errEnded = errors.New("postgres ended at its start")

func dsn(port int, password string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(superuser, password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/digione", RawQuery: "sslmode=disable"}
	return u.String()
}

// await waits until the server answers and its database exists. Recovery after a
// crash may take a while; a server that has exited is told at once.
func (s *Server) await(ctx context.Context, ended func() bool) error {
	deadline := time.Now().Add(2 * time.Minute)
	admin := strings.Replace(s.dsn, "/digione?", "/postgres?", 1)
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second) // a dying server accepts and never answers
		conn, err := pgx.Connect(try, s.dsn)
		cancel()
		if err == nil {
			return conn.Close(ctx)
		}
		if strings.Contains(err.Error(), "3D000") {
			err = createDatabase(ctx, admin)
			if err == nil {
				continue
			}
		}
		if ended() {
			return fmt.Errorf("%w; see %s", errEnded, s.place.file("postgres.log"))
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("postgres does not answer: %w; see %s", err, s.place.file("postgres.log"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func createDatabase(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "create database digione")
	return err
}

// place is where a server's files are: dir for locks and secrets, data for
// PostgreSQL's own, which its user must be able to enter.
type place struct {
	dir, data string
	cred      *syscall.Credential
}

func (p place) file(name string) string { return filepath.Join(p.dir, name) }

// running reads postmaster.pid and tells whether that server is alive.
func (p place) running() (pid, port int, ok bool) {
	b, err := os.ReadFile(filepath.Join(p.data, "postmaster.pid"))
	lines := strings.Split(string(b), "\n")
	if err != nil || len(lines) < 4 {
		return 0, 0, false
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(lines[0]))
	port, err2 := strconv.Atoi(strings.TrimSpace(lines[3]))
	if err1 != nil || err2 != nil || reaped(pid) || syscall.Kill(pid, 0) != nil {
		return 0, 0, false
	}
	// After a crash of the machine the number may be another program's.
	exe, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err == nil && !strings.Contains(string(exe), p.data) {
		return 0, 0, false
	}
	return pid, port, true
}

// endOrphans ends the backends that a killed server has left at work: a new
// server refuses to start beside them. They are known by their folder.
func (p place) endOrphans() {
	data, err := filepath.EvalSymlinks(p.data)
	if err != nil {
		return
	}
	for range 100 {
		left := false
		dirs, _ := filepath.Glob("/proc/[0-9]*/cwd")
		for _, link := range dirs {
			if dir, err := os.Readlink(link); err != nil || dir != data {
				continue
			}
			if exe, err := os.Readlink(filepath.Join(filepath.Dir(link), "exe")); err != nil || filepath.Base(exe) != "postgres" {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
				left = syscall.Kill(pid, syscall.SIGQUIT) == nil || left
			}
		}
		if !left {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p place) password() (string, error) {
	b, err := os.ReadFile(p.file("postgres.password"))
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var raw [24]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	s := hex.EncodeToString(raw[:])
	return s, os.WriteFile(p.file("postgres.password"), []byte(s+"\n"), 0o600)
}

// init creates the cluster beside its place and moves it there when whole.
func (p place) init(ctx context.Context, bin, password string) error {
	if _, err := os.Stat(filepath.Join(p.data, "PG_VERSION")); err == nil {
		return nil
	}
	// A killed starter may leave an initdb behind that still writes: what it makes
	// is cleared away as far as it goes, and never built upon.
	for _, old := range p.halfMade() {
		_ = os.RemoveAll(old)
	}
	tmp := fmt.Sprintf("%s.new-%d", p.data, os.Getpid())
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := p.mkdir(tmp); err != nil {
		return err
	}
	pwfile := p.data + ".pw"
	if err := os.WriteFile(pwfile, []byte(password), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(pwfile) }()
	if p.cred != nil {
		if err := os.Chown(pwfile, int(p.cred.Uid), int(p.cred.Gid)); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", tmp, "-U", superuser,
		"--auth=scram-sha-256", "--pwfile="+pwfile, "--no-locale", "-E", "UTF8", "-N")
	cmd.Dir = tmp
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return os.Rename(tmp, p.data)
}

func (p place) halfMade() []string {
	old, _ := filepath.Glob(p.data + ".new*")
	return old
}

func (p place) mkdir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if p.cred == nil {
		return nil
	}
	return os.Chown(dir, int(p.cred.Uid), int(p.cred.Gid))
}

// port keeps the port of the last start while it is free, so that psql's history
// works. Others are drawn from below the range that systems lend to outgoing
// connections: from there somebody else could take it before the server does.
func (p place) port() (int, error) {
	b, _ := os.ReadFile(p.file("postgres.port"))
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	for range 100 {
		if n > 0 && free(n) {
			return n, os.WriteFile(p.file("postgres.port"), []byte(strconv.Itoa(n)+"\n"), 0o600)
		}
		n = 20000 + mathrand.IntN(12000) //nolint:gosec // no secret
	}
	return 0, errors.New("no free port on 127.0.0.1")
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err == nil && l.Close() == nil
}

// launch starts the server in a session of its own: it outlives whoever started
// it and never sees the terminal's Ctrl-C.
func (p place) launch(bin string, port int, o Options) (*exec.Cmd, error) {
	log, err := os.OpenFile(p.file("postgres.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	settings := []string{"listen_addresses=127.0.0.1", "port=" + strconv.Itoa(port), "unix_socket_directories=",
		"max_connections=300", "max_locks_per_transaction=256", "shared_buffers=256MB", "jit=off",
		"max_wal_size=2GB", "wal_compression=lz4", "checkpoint_timeout=15min", "log_min_messages=warning"}
	if o.Unsafe {
		settings = append(settings, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
	}
	args := []string{"-D", p.data}
	for _, s := range append(settings, o.Settings...) {
		args = append(args, "-c", s)
	}
	cmd := exec.Command(filepath.Join(bin, "postgres"), args...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.data
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: p.cred}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return cmd, nil
}

func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w; the data folder is another user's: run this as that user, or choose a folder of your own with --data", err)
	}
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
