package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	netmail "net/mail"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"digione/cmd/internal/installation"
	"digione/cmd/internal/settings"
	"digione/cmd/tenantctl/kit"
	"digione/internal/app"
	"digione/internal/app/identity"
	"digione/internal/app/mail"
)

func newServe() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve all tenants",
		Long: `Serve all tenants of the installation. The process logs in to PostgreSQL as the
cells' roles alone, never as the owner of the schemas. On SIGTERM it reports not
ready, finishes the requests under way and ends.`,
		Example: "  DIGIONE_DATABASE_URL=postgres://db.example/digione DIGIONE_TLS=true digione serve --listen 0.0.0.0:8080",
		Args:    kit.Exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := read(cmd)
			if err != nil {
				return err
			}
			if s.SMTP != "" && s.MailFrom == "" {
				return kit.Usage("--smtp without --mail-from; an example: --mail-from ei-vastausta@digione.example")
			}
			log := logger(s)
			log.Info("settings", "settings", fmt.Sprintf("%+v", s.Redacted()))
			desk, home, err := sites(s)
			if err != nil {
				return err
			}
			in, err := installation.OpenServing(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer in.Close()
			if _, err := in.DB(cmd.Context()); err != nil { // whoever connects is answered
				return err
			}
			l, err := listen(s)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), in, l, desk, home, log, func() {})
		},
	}
}

func logger(s settings.Settings) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // Validate has seen that it is one
	return slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// drainTime is how long requests under way may take to end.
const drainTime = 20 * time.Second

func listen(s settings.Settings) (net.Listener, error) {
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w; choose another address with --listen", err)
	}
	return l, nil
}

// serve runs the application until ctx ends; up is called when it answers.
func serve(ctx context.Context, in *installation.Installation, l net.Listener, desk app.Operators, home app.Family, log *slog.Logger, up func()) error {
	s := in.Settings
	db, err := in.DB(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	began := time.Now()
	warmed := make(chan struct{})
	a := app.New(app.Config{DB: db, Keyset: in.Keyset, Objects: in.Objects, TLS: s.TLS, TrustedProxies: prefixes(s.TrustedProxies), Log: log,
		Operators: desk, Family: home, Mail: mailServer(s),
		Sessions: identity.Limits{Idle: s.SessionIdle, Staff: s.SessionIdleStaff, Absolute: s.SessionLife},
		Ready: func(context.Context) error {
			select {
			case <-warmed:
				return nil
			default:
				return errors.New("warming up")
			}
		}})
	go func() {
		defer close(warmed)
		if err := db.Warm(ctx); err != nil && ctx.Err() == nil {
			log.Warn("warm up", "error", err)
		}
		log.Info("ready", "seconds", time.Since(began).Seconds())
	}()
	stopMetrics, err := serveMetrics(s.MetricsListen, a.Metrics, log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer stopMetrics()
	failed := make(chan error, 1)
	go func() { failed <- a.Router.Serve(l) }()
	background := make(chan struct{})
	go func() {
		defer close(background)
		a.Jobs.Run(ctx)
	}()
	up()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("draining")
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	err = a.Router.Shutdown(drain)
	a.Rosters.Shutdown(drain)
	select {
	case <-background: // a task that is cut short is taken up by another process
	case <-drain.Done():
	}
	return err
}

// mailServer is where mail is handed in; the zero one when none is set.
func mailServer(s settings.Settings) mail.Server {
	from, err := netmail.ParseAddress(s.MailFrom)
	if s.SMTP == "" || err != nil {
		return mail.Server{}
	}
	return mail.Server{Addr: s.SMTP, From: *from}
}

// sites are the operators' and the guardians' sites as the settings describe them.
func sites(s settings.Settings) (o app.Operators, f app.Family, err error) {
	o = app.Operators{Host: s.OperatorHost, Issuer: s.OperatorIssuer, ClientID: s.OperatorClientID}
	f = app.Family{Host: s.FamilyHost, Issuer: s.FamilyIssuer, ClientID: s.FamilyClientID}
	if o.Secret, err = clientSecretIn(s.OperatorSecretFile, "--operator-client-secret-file"); err != nil {
		return o, f, err
	}
	f.Secret, err = clientSecretIn(s.FamilySecretFile, "--family-client-secret-file")
	return o, f, err
}

func clientSecretIn(file, flag string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read client secret: %w; see %s", err, flag)
	}
	secret := strings.TrimSpace(string(b))
	if secret == "" {
		return "", fmt.Errorf("client secret %s is empty; see %s", file, flag)
	}
	return secret, nil
}

func serveMetrics(addr string, h http.Handler, log *slog.Logger) (stop func(), err error) {
	if addr == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w; choose another address with --metrics-listen, or none with --metrics-listen ''", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := srv.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics", "error", err)
		}
	}()
	return func() { _ = srv.Close() }, nil
}

func prefixes(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			out = append(out, p)
		} else if a, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}
