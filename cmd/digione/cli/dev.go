package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/mail/catch"
	"digione/internal/app/roster"
	"digione/internal/app/roster/generate"
	"digione/internal/tenancy"
)

func newDev() *cobra.Command {
	var empty bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on embedded defaults, with demo municipalities",
		Long: `Run a PostgreSQL of its own in the data folder, a local object folder, a local
sign-in provider and a mail catcher, with three invented municipalities that were
provisioned and imported as in production. Ctrl-C stops all of it, nothing is
lost; after a kill -9 the next start goes on.

The neighbouring ports of --listen are used as well: +1 for the sign-in provider,
+2 for the mail page, +3 for SMTP. One runs on a data folder at a time.`,
		Example: "  digione dev\n  digione dev --data /tmp/try --listen 127.0.0.1:9000 --empty",
		Args:    kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := read(cmd)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("metrics-listen") {
				s.MetricsListen = "" // nobody scrapes a development run
			}
			return dev(cmd.Context(), s, empty)
		},
	}
	cmd.Flags().BoolVar(&empty, "empty", false, "no demo municipalities")
	return cmd
}

// demos are invented; only the names of the municipalities are real.
var demos = []generate.Spec{
	{Tenant: "vantaa", NameFi: "Vantaa", NameSv: "Vanda", MunicipalityCode: "092", Learners: 6000, Seed: 7},
	{Tenant: "oulu", NameFi: "Oulu", NameSv: "Uleåborg", MunicipalityCode: "564", Learners: 2500, Seed: 11},
	{Tenant: "inkoo", NameFi: "Inkoo", NameSv: "Ingå", MunicipalityCode: "149", Learners: 620, Seed: 13},
}

// shared is the demo whose roster has a guardian in common with the first one's.
const shared = 1

var demoBusinessIDs = map[string]string{"vantaa": "0124610-9", "oulu": "0187690-1"}

func dev(ctx context.Context, s settings.Settings, empty bool) error {
	at, err := portsOf(s.Listen)
	if err != nil {
		return err
	}
	// Nothing is changed before this run has the folder and its ports to itself.
	alone, err := lock(s.Data)
	if err != nil {
		return err
	}
	defer func() { _ = alone.Close() }()
	doors, err := open(s, at)
	if err != nil {
		return err
	}
	defer doors.close()
	in, err := installation.Open(ctx, s)
	if err != nil {
		return err
	}
	defer in.Close()
	log := slog.New(slog.NewTextHandler(logFile(s), nil))
	if !empty {
		if err := seed(ctx, in); err != nil {
			return err
		}
	}
	if err := listOperators(ctx, in, at); err != nil {
		return err
	}
	idp, err := startSignIn(ctx, in, at, doors.idp, log)
	if err != nil {
		return err
	}
	defer idp()
	mail, err := startMail(s, doors)
	if err != nil {
		return err
	}
	defer mail()
	in.Settings.SMTP, in.Settings.MailFrom = fmt.Sprintf("localhost:%d", at.smtp), "ei-vastausta@digione.example"
	db, err := in.DB(ctx)
	if err != nil {
		return err
	}
	return serve(ctx, in, doors.app, devOperators(in, at), devFamily(in, at), log, func() { welcome(in, db, at, empty) })
}

// lock keeps a second run off the data folder: of the provider's ways in and the
// people that it lists there are those of one. It ends with the process.
func lock(data string) (*os.File, error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("make data folder: %w; choose another with --data", err)
	}
	f, err := os.OpenFile(filepath.Join(data, "dev.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w; choose one of your own with --data", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another digione dev runs on %s; stop it, or give this one a folder and ports of its own: --data /tmp/other --listen 127.0.0.1:9000", data)
	}
	return f, nil
}

// doors are the listeners of one run.
type doors struct{ app, idp, mailPage, smtp net.Listener }

func open(s settings.Settings, p ports) (d doors, err error) {
	if d.app, err = listen(s); err != nil {
		return d, err
	}
	for _, n := range []struct {
		l      *net.Listener
		port   int
		listen func(string) (net.Listener, error)
	}{{&d.idp, p.idp, devidp.Listen}, {&d.mailPage, p.mailPage, devidp.Listen}, {&d.smtp, p.smtp, catch.Listen}} {
		if *n.l, err = n.listen(fmt.Sprintf("localhost:%d", n.port)); err != nil {
			d.close()
			return d, fmt.Errorf("%w; its port is a neighbour of --listen's, choose another, such as --listen 127.0.0.1:9000", err)
		}
	}
	return d, nil
}

// close closes what is open still; what was served is closed already.
func (d doors) close() {
	for _, l := range []net.Listener{d.app, d.idp, d.mailPage, d.smtp} {
		if l != nil {
			_ = l.Close()
		}
	}
}

// ports are those of one development run, all on this machine.
type ports struct {
	host                     string
	app, idp, mailPage, smtp int
}

func portsOf(listen string) (ports, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ports{}, kit.Usage("--listen %s: name an address and a port, such as 127.0.0.1:8080", listen)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n == 0 {
		return ports{}, kit.Usage("--listen %s: name a port, such as 127.0.0.1:8080", listen)
	}
	return ports{host, n, n + 1, n + 2, n + 3}, nil
}

func (p ports) issuer() string { return fmt.Sprintf("http://localhost:%d", p.idp) }

// seed brings the demo municipalities in, by the code that production uses. What
// stands is left as it is; what a kill left half done is finished. One that cannot
// be brought in is told and left out: the others are there to work with.
func seed(ctx context.Context, in *installation.Installation) error {
	for _, d := range demos {
		if err := seedOne(ctx, in, d); err != nil {
			if ctx.Err() != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "%s is left out: %v\n", d.Tenant, err)
		}
	}
	return nil
}

func seedOne(ctx context.Context, in *installation.Installation, d generate.Spec) error {
	began := time.Now()
	t, err := in.Operator.Find(ctx, d.Tenant)
	if err != nil && !errors.Is(err, tenancy.ErrNoTenant) {
		return err
	}
	if err == nil && t.State != tenancy.Provisioning && t.State != tenancy.Active {
		return nil // suspended, leaving or gone by hand: it stays so
	}
	if t, err = in.Operator.Provision(ctx, tenancy.Spec{Slug: d.Tenant, NameFi: d.NameFi, NameSv: d.NameSv,
		MunicipalityCode: d.MunicipalityCode, BusinessID: demoBusinessIDs[d.Tenant]}, nil); err != nil {
		return err
	}
	db, err := in.DB(ctx)
	if err != nil {
		return err
	}
	if err := db.Refresh(ctx); err != nil {
		return err
	}
	svc, err := in.Roster(ctx)
	if err != nil {
		return err
	}
	if done, err := imported(ctx, svc, t); err != nil || done {
		return err
	}
	plan, err := importDemo(ctx, svc, t, d)
	if err != nil {
		return fmt.Errorf("import demo roster of %s: %w", d.Tenant, err)
	}
	if err := in.Operator.Analyze(ctx, t); err != nil {
		return err
	}
	fmt.Printf("%-7s provisioned, %d learners, %d rows imported in %.1f s\n", d.Tenant, d.Learners, plan.Rows, time.Since(began).Seconds())
	return nil
}

func imported(ctx context.Context, svc *roster.Service, t tenancy.Tenant) (bool, error) {
	list, err := svc.History(ctx, t, 50)
	for _, p := range list {
		if p.State == roster.Applied {
			return true, err
		}
	}
	return false, err
}

func importDemo(ctx context.Context, svc *roster.Service, t tenancy.Tenant, d generate.Spec) (*roster.Plan, error) {
	var b bytes.Buffer
	if _, err := generate.Write(ctx, &b, thisYear(d)); err != nil {
		return nil, err
	}
	return svc.Import(ctx, t, roster.Package{Name: d.Tenant + "-demo.zip", Content: bytes.NewReader(b.Bytes()), Size: int64(b.Len())},
		roster.Options{}, roster.Approval{Who: "digione dev", Initial: true}, nil)
}

// thisYear is the spec of the school year that began last August.
func thisYear(d generate.Spec) generate.Spec {
	now := time.Now()
	if d.SchoolYear = now.Year(); now.Month() >= time.August {
		d.SchoolYear++
	}
	if d.Tenant == demos[shared].Tenant {
		d.Elsewhere = &generate.Elsewhere{Spec: thisYear(demos[0])}
	}
	return d
}

// logFile keeps the log of a development run out of the way of what it says.
func logFile(s settings.Settings) *os.File {
	f, err := os.OpenFile(filepath.Join(s.Data, "digione.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return os.Stderr
	}
	return f
}

func startMail(s settings.Settings, d doors) (stop func(), err error) {
	c, err := catch.New(filepath.Join(s.Data, "mail"))
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: c.Handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(d.mailPage) }()
	go func() { _ = c.Serve(d.smtp) }()
	return func() { _ = srv.Close(); _ = c.Close() }, nil
}

func welcome(in *installation.Installation, db *tenancy.DB, p ports, empty bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nDigiOne is up (data in %s, log in %s)\n\n", in.Settings.Data, filepath.Join(in.Settings.Data, "digione.log"))
	tenants := db.Tenants()
	for _, t := range tenants {
		if t.State != tenancy.Active {
			continue
		}
		for _, h := range t.Hosts {
			fmt.Fprintf(&b, "  http://%s:%d\n", h, p.app)
		}
		for _, d := range demos {
			if empty || d.Tenant != t.Slug {
				continue
			}
			for _, u := range cast(d) {
				fmt.Fprintf(&b, "      %-24s %-20s %s\n", u.Username, u.Note, u.Name)
			}
		}
	}
	if len(tenants) == 0 {
		fmt.Fprintf(&b, "  No tenants yet: one that you create is at http://SLUG.%s:%d\n", in.Settings.HostSuffix, p.app)
	}
	fmt.Fprintf(&b, "  http://%s:%d\n", in.Settings.OperatorHost, p.app)
	for _, u := range operatorUsers {
		fmt.Fprintf(&b, "      %-24s %-20s %s\n", u.Username, u.Note, u.Name)
	}
	fmt.Fprintf(&b, "  http://%s:%d\n", in.Settings.FamilyHost, p.app)
	for _, u := range familyUsers() {
		if !empty {
			fmt.Fprintf(&b, "      %-24s %-20s %s\n", u.Username, u.Note, u.Name)
		}
	}
	tenantctl := "bin/tenantctl"
	if in.Settings.Data != ".digione" {
		tenantctl += " --data " + in.Settings.Data
	}
	fmt.Fprintf(&b, `
Sign in with any of these names (for a municipality, any username of its roster); no password.
Mail that would have been sent: http://localhost:%[1]d (its server: localhost:%[3]d)

Try next, in another terminal:
  %[2]s tenant list
  bin/tenantctl roster generate --tenant inkoo --learners 620 --seed 13 --name-fi Inkoo --name-sv Ingå --municipality-code 149 --mutate 2%% --out /tmp/night.zip
  %[2]s roster plan inkoo /tmp/night.zip
  %[2]s join remind --smtp localhost:%[3]d --mail-from digione@digione.test --tiera-mail tiera@digione.test
  %[2]s verify isolation

Ctrl-C stops everything; nothing is lost.
`, p.mailPage, tenantctl, p.smtp)
	fmt.Print(b.String())
}
