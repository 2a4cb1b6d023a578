package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/internal/tenancy"
)

// TestDev lives through a day of `digione dev`: begun, used, stopped, begun again,
// killed, begun again.
func TestDev(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the program several times")
	}
	t.Parallel()
	bin, data := workshop(t)
	port := block(t)

	// Stopped and killed while it makes its database: the next start begins anew.
	r := begin(t, bin, data, port)
	eventually(t, "it is at work", 20*time.Second, func() bool { return atWork(filepath.Join(data, "postgres")) })
	if code := r.stop(syscall.SIGINT); code != 2 || !strings.Contains(r.out.String(), "Cancelled. What was finished is kept") || strings.Contains(r.out.String(), "digione:") {
		t.Errorf("stopped at its first start: exit %d, %s", code, r.out)
	}
	r = begin(t, bin, data, port)
	time.Sleep(300 * time.Millisecond)
	r.stop(syscall.SIGKILL)
	eventually(t, "initdb of the killed one ends", 20*time.Second, func() bool { return !atWork(data) })

	r = up(t, bin, data, port)
	t.Logf("the first start took %s", r.ready)
	cluster := clusterOf(t, data)
	if postmaster(cluster) == 0 {
		t.Fatalf("no server in %s", cluster)
	}
	for _, w := range []string{data, fmt.Sprintf("http://SLUG.localhost:%d", port), fmt.Sprintf("http://localhost:%d", port+2), "--data " + data, fmt.Sprintf("http://operator.localhost:%d", port), "paula.operaattori", fmt.Sprintf("http://koti.localhost:%d", port)} {
		if !strings.Contains(r.out.String(), w) {
			t.Errorf("does not print %s: %s", w, r.out)
		}
	}
	if r.signIn("inkoo.localhost") {
		t.Error("a tenant that is not there leads to a sign-in")
	}

	if !r.signIn("operator.localhost") {
		t.Error("the operators' host leads to no sign-in")
	}
	if list := tenantctl(t, data, "operator", "list"); !strings.Contains(list, "\tPaula Operaattori\toperator\t") || !strings.Contains(list, "\tOlli Operaattori\tviewer\t") {
		t.Errorf("operators: %s", list)
	}

	// A tenant that is made beside it is served at once.
	tenantctl(t, data, "tenant", "create", "inkoo", "--name-fi", "Inkoo", "--name-sv", "Ingå", "--municipality-code", "149")
	eventually(t, "inkoo is served", 10*time.Second, func() bool { return r.signIn("inkoo.localhost") })
	roster := filepath.Join(t.TempDir(), "inkoo.zip")
	tenantctl(t, data, "roster", "generate", "--tenant", "inkoo", "--learners", "60", "--out", roster)
	tenantctl(t, data, "roster", "import", "inkoo", roster, "--initial")
	for _, host := range []string{"nosuch.localhost", "localhost", "127.0.0.1", "inkoo.localhost.evil.example"} {
		if resp, body := r.get(host, "/"); resp.StatusCode != http.StatusNotFound || strings.Contains(body, "Inkoo") {
			t.Errorf("host %s: %d", host, resp.StatusCode)
		}
	}
	eventually(t, "inkoo, made meanwhile, has a way in", 10*time.Second, func() bool {
		_, page := r.get("inkoo.localhost", "/kirjaudu")
		return wayIn.MatchString(page)
	})
	tenantctl(t, data, "tenant", "suspend", "inkoo")
	eventually(t, "inkoo is suspended", 10*time.Second, func() bool { return !r.signIn("inkoo.localhost") })
	tenantctl(t, data, "tenant", "resume", "inkoo")
	eventually(t, "inkoo is resumed", 10*time.Second, func() bool { return r.signIn("inkoo.localhost") })

	// A second one on the same folder says which flags to use, on whatever ports, and
	// harms nothing.
	for _, at := range []int{port, block(t)} {
		second := begin(t, bin, data, at)
		<-second.ended
		if code := second.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(second.out.String(), "another digione dev runs on "+data) || !strings.Contains(second.out.String(), "--listen") {
			t.Errorf("a second one: exit %d, %s", code, second.out)
		}
	}
	if !r.signIn("inkoo.localhost") {
		t.Error("a second one has harmed the first")
	}
	oneWayIn(t, r)

	stopped(t, r, syscall.SIGINT, cluster)

	r = up(t, bin, data, port)
	t.Logf("the second start took %s", r.ready)
	if r.ready > 10*time.Second {
		t.Errorf("started again in %s", r.ready)
	}
	kept(t, r, data)
	neighbours(t, r)

	// A port that is taken is met before anything is changed; on other ports there is
	// one way in as before, and one tenant that is broken stops nobody else's.
	tenantctl(t, data, "tenant", "create", "rikki", "--name-fi", "Rikki", "--kind", "private")
	sql(t, data, `update control.tenant set keyset = '\x00' where slug = 'rikki'`)
	stopped(t, r, syscall.SIGINT, cluster)
	other := block(t)
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", other+3))
	if err != nil {
		t.Fatal(err)
	}
	r = begin(t, bin, data, other)
	<-r.ended
	if code := r.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(r.out.String(), "neighbour of --listen's") {
		t.Errorf("with a port taken: exit %d, %s", code, r.out)
	}
	_ = taken.Close()
	r = up(t, bin, data, other)
	kept(t, r, data)
	neighbours(t, r)
	oneWayIn(t, r)
	if !strings.Contains(r.out.String(), "rikki has no sign-in by this provider") {
		t.Errorf("the broken tenant is not told: %s", r.out)
	}
	stopped(t, r, syscall.SIGINT, cluster)
	r = up(t, bin, data, port)
	oneWayIn(t, r)

	// Killed: the server lives on, and the next start takes it over.
	r.stop(syscall.SIGKILL)
	if postmaster(cluster) == 0 {
		t.Error("the server went with the killed program")
	}
	r = up(t, bin, data, port)
	t.Logf("the start after kill -9 took %s", r.ready)
	kept(t, r, data)

	// Killed with its server, as when the machine goes down: PostgreSQL recovers.
	all := family(postmaster(cluster))
	r.stop(syscall.SIGKILL)
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	eventually(t, "the server is gone", 10*time.Second, func() bool {
		return !slices.ContainsFunc(all, func(pid int) bool { return syscall.Kill(pid, 0) == nil })
	})
	r = up(t, bin, data, port)
	t.Logf("the start after kill -9 of both took %s", r.ready)
	kept(t, r, data)
	stopped(t, r, syscall.SIGTERM, cluster)
}

// stopped ends a run in good order and checks that nothing is left of it.
func stopped(t *testing.T, r *running, sig syscall.Signal, cluster string) {
	t.Helper()
	pid := postmaster(cluster)
	if code := r.stop(sig); code != 0 {
		t.Errorf("%s: exit %d, %s", sig, code, r.out)
	}
	if postmaster(cluster) != 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		t.Errorf("%s has left PostgreSQL running (%d)", sig, pid)
	}
	if !allFree(r.port) {
		t.Errorf("%s has left a port taken", sig)
	}
}

// kept checks that what was there before the start is there.
func kept(t *testing.T, r *running, data string) {
	t.Helper()
	if !r.signIn("inkoo.localhost") {
		t.Errorf("inkoo is not served: %s", r.out)
	}
	if !strings.Contains(r.out.String(), fmt.Sprintf("http://inkoo.localhost:%d", r.port)) {
		t.Errorf("does not print where inkoo is: %s", r.out)
	}
	if h := tenantctl(t, data, "roster", "history", "inkoo"); !strings.Contains(h, "\timp_1\tapplied\t") {
		t.Errorf("the roster is gone: %s", h)
	}
}

// oneWayIn checks that the sign-in page offers this run's provider and no other.
func oneWayIn(t *testing.T, r *running) {
	t.Helper()
	if _, page := r.get("inkoo.localhost", "/kirjaudu"); len(wayIn.FindAllString(page, -1)) != 1 {
		t.Errorf("not one way in: %s", page)
	}
}

// TestSeedSkips: a demo municipality that is gone, or rests, stops no start.
func TestSeedSkips(t *testing.T) {
	t.Parallel()
	_, data := workshop(t)
	tenantctl(t, data, "tenant", "create", "inkoo", "--name-fi", "Inkoo", "--municipality-code", "149")
	clusterOf(t, data)
	for _, state := range []tenancy.State{tenancy.Suspended, tenancy.Leaving, tenancy.Sealed, tenancy.Erased} {
		sql(t, data, "update control.tenant set state = '"+string(state)+"' where slug = 'inkoo'")
		in, err := installation.Open(context.Background(), settings.Settings{Data: data, HostSuffix: "localhost", MaxConns: 8})
		if err != nil {
			t.Fatal(err)
		}
		if err := seedOne(context.Background(), in, demos[2]); err != nil {
			t.Errorf("%s: %v", state, err)
		}
		in.Close()
	}
}

var wayIn = regexp.MustCompile(`href="(/kirjaudu/[0-9a-f-]+/alku)"`)

// neighbours asks what runs beside the application: the sign-in provider, the mail
// page and SMTP.
func neighbours(t *testing.T, r *running) {
	t.Helper()
	_, page := r.get("inkoo.localhost", "/kirjaudu")
	button := wayIn.FindStringSubmatch(page)
	if button == nil {
		t.Fatalf("no way to sign in: %s", page)
	}
	resp, _ := r.get("inkoo.localhost", button[1])
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(to, fmt.Sprintf("http://localhost:%d/", r.port+1)) {
		t.Errorf("sign-in: %d to %q", resp.StatusCode, to)
	}
	for _, url := range []string{fmt.Sprintf("http://localhost:%d/.well-known/openid-configuration", r.port+1), fmt.Sprintf("http://localhost:%d/", r.port+2)} {
		resp, err := http.Get(url)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", url, resp.StatusCode)
		}
	}
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("localhost:%d", r.port+3), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	hello := make([]byte, 3)
	if _, err := io.ReadFull(conn, hello); err != nil || string(hello) != "220" {
		t.Errorf("SMTP: %q, %v", hello, err)
	}
}
