//go:build pooler

package tenancy_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/dbtest"
)

// bouncer starts PgBouncer before a test's database and returns the database's URL
// through it.
func bouncer(t *testing.T, dsn string, settings ...string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	worked(t, err)
	password, _ := u.User.Password()
	dir, err := os.MkdirTemp("", "digione-bouncer-")
	worked(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	worked(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	worked(t, l.Close())
	ini := fmt.Sprintf(`[databases]
* = host=%s port=%s auth_user=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s/users.txt
%s
`, u.Hostname(), u.Port(), u.User.Username(), port, dir, strings.Join(settings, "\n"))
	worked(t, os.WriteFile(filepath.Join(dir, "bouncer.ini"), []byte(ini), 0o644))
	// Others are asked of PostgreSQL; who has settings of their own must stand here.
	users := line(t, dsn, `select '"' || rolname || '" "' || rolpassword || '"' from pg_authid where rolname in (select login_role from control.cell)`)
	worked(t, os.WriteFile(filepath.Join(dir, "users.txt"), fmt.Appendf(nil, "%q %q\n%s\n", u.User.Username(), password, users), 0o644))
	worked(t, os.Chmod(dir, 0o755))
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer"
	}
	cmd := exec.Command(path, "-q", filepath.Join(dir, "bouncer.ini"))
	said := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = said, said
	if os.Getuid() == 0 { // it refuses to run as root
		who, err := user.Lookup("postgres")
		worked(t, err)
		uid, _ := strconv.Atoi(who.Uid)
		gid, _ := strconv.Atoi(who.Gid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	worked(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said)
		}
	})
	u.Host = fmt.Sprintf("127.0.0.1:%d", port)
	soon(t, "PgBouncer listens", func() bool {
		c, err := net.DialTimeout("tcp", u.Host, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return u.String()
}

func worked(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	modeSession = "pool_mode = session"
	passOn      = "ignore_startup_parameters = default_transaction_read_only"
)

// TestPoolerInSessionMode borrows, attacks and reads only through PgBouncer.
func TestPoolerInSessionMode(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	dsn := bouncer(t, e.DSN, modeSession, passOn)
	b := newBorrower(t, e, dbtest.Config(dsn))
	// Rarely it answers a cancel request on a connection of somebody else, and ends that.
	var ended atomic.Int64
	b.pardons = func(err error) bool {
		is := strings.Contains(err.Error(), "successfully sent cancel request") && ended.Add(1) <= 10
		return is
	}
	b.run(t, 2000)
	between(t, b.db)
	w := &pgx.Batch{}
	w.Queue("delete from unit")
	if got := code(b.db.Read(ctx, dbtest.Alpha, func(tx tenancy.Read) error { return tx.Finish(ctx, w) })); got != "25006" {
		t.Errorf("write in a read's pipeline: %s, want 25006", got)
	}
	other, _ := b.db.BySlug("epsilon")
	for _, run := range [][]string{{"select id from " + other.Schema + ".unit"}, {"reset role", `set role "` + other.Role + `"`}} {
		if got := code(inject(b.db, dbtest.Alpha, run...)); got != "42501" {
			t.Errorf("%s: %s, want 42501", run, got)
		}
	}
	alpha, _ := e.DB.BySlug("alpha")
	worked(t, e.Operator.SetState(ctx, alpha, tenancy.Suspended))
	soon(t, "the news come through", func() bool { tn, _ := b.db.BySlug("alpha"); return tn.State == tenancy.Suspended })
	o, err := tenancy.OpenOperator(ctx, dbtest.OperatorConfig(dsn))
	worked(t, err)
	defer o.Close()
	provision(t, o, private("zeta", "all"))
	_, err = o.Migrate(ctx, tenancy.MigrateOptions{})
	worked(t, err)
	isolated(t, o)
	db, err := tenancy.Open(ctx, dbtest.Config(dsn))
	worked(t, err)
	defer db.Close()
	for range 20 { // asserting at the start of every transaction
		if err := db.Write(ctx, dbtest.Beta, func(tx tenancy.Write) error { return run("select id from unit")(tx.Read) }); err != nil {
			t.Error(err)
		}
	}
}

// TestPoolerThatDoesNotClean: without a reset query the next client finds what the
// last one left; a cell begins with a clean backend all the same.
func TestPoolerThatDoesNotClean(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	ctx := context.Background()
	dsn := bouncer(t, e.DSN, modeSession, passOn, "server_reset_query =")
	cfg := dbtest.Config(dsn)
	cfg.MaxAge = time.Nanosecond // a connection for each transaction
	cfg.Assert = false
	db, err := tenancy.Open(ctx, cfg)
	worked(t, err)
	defer db.Close()
	for range 5 {
		_ = inject(db, dbtest.Alpha, "set timezone = 'Asia/Tokyo'", "prepare d1 as select 'stolen'::text", "set default_transaction_read_only = off")
		var zone, ro string
		err := db.Read(ctx, dbtest.Beta, func(tx tenancy.Read) error {
			return tx.QueryRow(ctx, "select current_setting('TimeZone'), current_setting('default_transaction_read_only')").Scan(&zone, &ro)
		})
		if err != nil || zone == "Asia/Tokyo" || ro != "on" {
			t.Errorf("the next client: %v, %s, read only %s", err, zone, ro)
		}
	}
}

// TestPoolerIsRefused: what cannot work is refused before anybody is served.
func TestPoolerIsRefused(t *testing.T) {
	t.Parallel()
	e := dbtest.New(t)
	for name, c := range map[string]struct{ settings, says string }{
		"transaction mode":                {"pool_mode = transaction\n" + passOn, "pool_mode = session"},
		"transaction mode, taking turns":  {"pool_mode = transaction\nserver_round_robin = 1\n" + passOn, "pool_mode = session"},
		"statement mode":                  {"pool_mode = statement\n" + passOn, "pool_mode = session"},
		"settings that are not passed on": {modeSession, "ignore_startup_parameters"},
	} {
		dsn := bouncer(t, e.DSN, c.settings)
		if o, err := tenancy.OpenOperator(context.Background(), dbtest.OperatorConfig(dsn)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: an operator: %v", name, err)
			if err == nil {
				o.Close()
			}
		}
		db, err := tenancy.Open(context.Background(), dbtest.Config(dsn))
		if err == nil {
			db.Close()
			t.Errorf("%s: opened", name)
			continue
		}
		if !strings.Contains(err.Error(), c.says) || c.says == "pool_mode = session" && !errors.Is(err, tenancy.ErrPooler) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The catalogue's login in one mode, those of the cells in another.
	cell := line(t, e.DSN, "select login_role from control.cell limit 1")
	dsn := bouncer(t, e.DSN, modeSession+"\n"+passOn+"\n[users]\n"+cell+" = pool_mode=transaction")
	db, err := tenancy.Open(context.Background(), dbtest.Config(dsn))
	worked(t, err)
	defer db.Close()
	if err := db.Read(context.Background(), dbtest.Alpha, run("select id from unit")); !errors.Is(err, tenancy.ErrPooler) {
		t.Errorf("a cell in transaction mode: %v", err)
	}
}
