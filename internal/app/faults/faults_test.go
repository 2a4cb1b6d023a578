package faults_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy/embedded"
)

// full is make faults; make test runs a short variant of each.
var full = os.Getenv("DIGIONE_FAULTS") == "full"

func short(long, quick time.Duration) time.Duration {
	if full {
		return long
	}
	return quick
}

var folder string

// options are durable: a server that is killed must keep what it acknowledged.
var options = embedded.Options{Settings: []string{"max_connections=60", "shared_buffers=32MB", "superuser_reserved_connections=2"}}

func TestMain(m *testing.M) {
	code, err := withServer(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withServer(run func() int) (code int, err error) {
	if folder, err = os.MkdirTemp("", "digione-faults-"); err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := os.Chmod(folder, 0o755); err != nil { // PostgreSQL's user enters it
		return 1, err
	}
	s, err := embedded.Start(context.Background(), folder, options)
	if err != nil {
		return 1, err
	}
	defer func() { _ = s.Stop() }()
	if err := os.Setenv("DIGIONE_TEST_DSN", s.DSN()); err != nil {
		return 1, err
	}
	return run(), nil
}

// TestTerminated: every second nearly a third of all backends are ended under
// writers and readers.
func TestTerminated(t *testing.T) {
	l := newLedger(t)
	killer, killed := l.conn(), 0
	l.under(func() {
		every := short(time.Second, 100*time.Millisecond)
		for end := time.Now().Add(short(time.Minute, 2*time.Second)); time.Now().Before(end); time.Sleep(every) {
			var n int
			err := killer.QueryRow(context.Background(), `select count(pg_terminate_backend(pid))::int from pg_stat_activity
			  where datname = current_database() and pid <> pg_backend_pid() and random() < 0.3`).Scan(&n)
			if err != nil {
				t.Error(err)
			}
			killed += n
		}
		l.recovered("backends ended")
	})
	if killed < 5 {
		t.Errorf("only %d backends were ended", killed)
	}
	t.Logf("%d backends ended", killed)
}

// TestRestart stops the server as a power cut does, and starts it again.
func TestRestart(t *testing.T) {
	l := newLedger(t)
	times := 1
	if full {
		times = 5
	}
	l.under(func() {
		for i := range times {
			time.Sleep(short(2*time.Second, 500*time.Millisecond))
			stopped := time.Now()
			if err := syscall.Kill(postmaster(t), syscall.SIGQUIT); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			if _, err := embedded.Start(context.Background(), folder, options); err != nil {
				t.Fatal(err)
			}
			t.Logf("the server was away for %s", time.Since(stopped).Round(time.Millisecond))
			l.recovered(fmt.Sprintf("restart %d", i+1))
		}
	})
	if l.unread == 0 {
		t.Error("nobody noticed")
	}
}

func postmaster(t *testing.T) int {
	b, err := os.ReadFile(filepath.Join(folder, "postgres", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestConnectionsExhausted: others take all that the server has.
func TestConnectionsExhausted(t *testing.T) {
	l := newLedger(t)
	owner := l.conn()
	ctx := context.Background()
	l.under(func() {
		time.Sleep(300 * time.Millisecond)
		var others []*pgx.Conn
		for range 100 {
			// A place that becomes free is taken by them as well.
			if _, err := owner.Exec(ctx, "select pg_terminate_backend(pid) from pg_stat_activity where usename in (select login_role from control.cell) and datname = current_database()"); err != nil {
				t.Error(err)
			}
			for {
				c, err := pgx.Connect(ctx, l.e.DSN)
				if err != nil {
					break
				}
				others = append(others, c)
			}
		}
		time.Sleep(short(3*time.Second, time.Second))
		for _, c := range others {
			_ = c.Close(ctx)
		}
		t.Logf("others held %d connections", len(others))
		l.recovered("connections given back")
	})
	if l.unread == 0 {
		t.Error("nobody noticed")
	}
}

// TestDiskFull fills the small volume that a tenant's rows lie on: a tmpfs where
// this process may mount one. Elsewhere that is told, and nothing is proven.
func TestDiskFull(t *testing.T) {
	l := newLedger(t)
	ctx := context.Background()
	volume, err := os.MkdirTemp(folder, "volume-")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", volume, "tmpfs", 0, "size=16m,mode=0777"); err != nil {
		t.Skipf("no small volume may be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(volume, syscall.MNT_DETACH) })
	space := filepath.Join(volume, "space")
	if err := os.Mkdir(space, 0o700); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(folder, "postgres")); err == nil {
		_ = os.Chown(space, int(info.Sys().(*syscall.Stat_t).Uid), int(info.Sys().(*syscall.Stat_t).Gid))
	}
	owner := l.conn()
	run := func(sql string) {
		if _, err := owner.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	run("create tablespace small location '" + space + "'")
	run("alter table " + l.table + " set tablespace small")
	t.Cleanup(func() {
		_, _ = owner.Exec(ctx, "alter table "+l.table+" set tablespace pg_default")
		_, _ = owner.Exec(ctx, "drop tablespace small")
	})
	filler := filepath.Join(volume, "filler")
	l.under(func() {
		time.Sleep(300 * time.Millisecond)
		fill(t, filler)
		time.Sleep(short(10*time.Second, 2*time.Second))
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
		l.recovered("room again")
	})
	n := 0
	for _, is := range l.writes {
		if is == refused {
			n++
		}
	}
	if n == 0 {
		t.Error("nobody was refused: the volume was not full")
	}
}

func fill(t *testing.T, name string) {
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for b := make([]byte, 4096); err == nil; {
		_, err = f.Write(b)
	}
}
