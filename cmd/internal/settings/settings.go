// Package settings reads the configuration of both programs: flags, environment
// (DIGIONE_…) and a file, in this order, into one struct. Nothing else of the
// house reads the environment.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
	"gopkg.in/yaml.v3"

	"digione/internal/tenancy"
)

// Settings of an installation. Every field has a flag and a variable of its
// name: DatabaseURL is --database-url and DIGIONE_DATABASE_URL.
type Settings struct {
	Data               string        `mapstructure:"data"`
	DatabaseURL        string        `mapstructure:"database-url"`
	DatabaseSecretFile string        `mapstructure:"database-secret-file"`
	MasterKeyFile      string        `mapstructure:"master-key-file"`
	KMSKey             string        `mapstructure:"kms-key"`
	ObjectsBucket      string        `mapstructure:"objects-bucket"`
	ObjectsKMSKey      string        `mapstructure:"objects-kms-key"`
	S3Endpoint         string        `mapstructure:"s3-endpoint"`
	HostSuffix         string        `mapstructure:"host-suffix"`
	OperatorHost       string        `mapstructure:"operator-host"`
	OperatorIssuer     string        `mapstructure:"operator-issuer"`
	OperatorClientID   string        `mapstructure:"operator-client-id"`
	OperatorSecretFile string        `mapstructure:"operator-client-secret-file"`
	FamilyHost         string        `mapstructure:"family-host"`
	FamilyIssuer       string        `mapstructure:"family-issuer"`
	FamilyClientID     string        `mapstructure:"family-client-id"`
	FamilySecretFile   string        `mapstructure:"family-client-secret-file"`
	MaxConns           int           `mapstructure:"max-conns"`
	PerTenant          int           `mapstructure:"per-tenant"`
	AtOnce             int           `mapstructure:"at-once"`
	Listen             string        `mapstructure:"listen"`
	MetricsListen      string        `mapstructure:"metrics-listen"`
	TLS                bool          `mapstructure:"tls"`
	TrustedProxies     []string      `mapstructure:"trusted-proxies"`
	SessionIdle        time.Duration `mapstructure:"session-idle"`
	SessionIdleStaff   time.Duration `mapstructure:"session-idle-staff"`
	SessionLife        time.Duration `mapstructure:"session-life"`
	LogLevel           string        `mapstructure:"log-level"`
	SMTP               string        `mapstructure:"smtp"`
	MailFrom           string        `mapstructure:"mail-from"`
	TieraMail          string        `mapstructure:"tiera-mail"`
	BackupDays         int           `mapstructure:"backup-days"`
	FormerVersionDays  int           `mapstructure:"former-version-days"`
}

type option struct {
	name  string
	value any
	usage string
}

// shared are the options of both programs, serving those of digione alone.
var (
	shared = []option{
		{"data", ".digione", "folder of the embedded server, of keys and of files"},
		{"database-url", "", "PostgreSQL 15 or newer to use instead of the embedded one; the user owns the schemas"},
		{"database-secret-file", "", "file with the secret that runtime roles' passwords come from (default DATA/database.secret)"},
		{"master-key-file", "", "file with the master key that wraps tenants' keys (default DATA/keys/master.key)"},
		{"kms-key", "", "AWS KMS key (id, ARN or alias) that wraps tenants' keys instead of a file"},
		{"objects-bucket", "", "S3 bucket for tenants' files instead of DATA/objects"},
		{"objects-kms-key", "", "KMS key by which the bucket encrypts"},
		{"s3-endpoint", "", "address of an S3-compatible server, for others than AWS"},
		{"host-suffix", "localhost", "a new tenant is reached at SLUG.SUFFIX"},
		{"operator-host", "", "the operators' own host, which no tenant can have (default operator.SUFFIX)"},
		{"family-host", "", "the guardians' own host, where children of several tenants are seen together (default koti.SUFFIX)"},
		{"backup-days", 0, "days for which backups of the database are kept, as receipts of erasures name them (0: not said)"},
		{"former-version-days", 0, "days for which the bucket keeps former versions of files, likewise (0: not said)"},
		{"log-level", "info", "debug, info, warn or error"},
	}
	serving = []option{
		{"listen", "127.0.0.1:8080", "address to serve on"},
		{"metrics-listen", "127.0.0.1:9090", "address for Prometheus; empty for none"},
		{"tls", false, "users reach this host by https (a proxy in front ends TLS): secure cookies, HSTS"},
		{"trusted-proxies", []string{}, "addresses of proxies whose X-Forwarded-Host is believed"},
		{"operator-issuer", "", "OpenID Connect issuer by which operators sign in; without it nobody can"},
		{"operator-client-id", "", "client id at the operators' issuer"},
		{"operator-client-secret-file", "", "file with the client secret at the operators' issuer"},
		{"family-issuer", "", "OpenID Connect issuer by which guardians sign in at their own host; it vouches for a hetu"},
		{"family-client-id", "", "client id at the guardians' issuer"},
		{"family-client-secret-file", "", "file with the client secret at the guardians' issuer"},
		{"max-conns", 64, "most connections to PostgreSQL"},
		{"per-tenant", 0, "most transactions of one tenant at a time (0: its cell's pool less one)"},
		{"at-once", 0, "transactions at a time from which on a tenant's further ones give way to others' (0: as many as processors)"},
		{"session-idle", time.Hour, "a session ends after this time without use"},
		{"session-idle-staff", 30 * time.Minute, "the same for staff"},
		{"session-life", 12 * time.Hour, "a session ends after this time anyway"},
	}
	mailing = []option{
		{"smtp", "", "mail server, as HOST:PORT"},
		{"mail-from", "", "address that mail comes from"},
		{"tiera-mail", "", "address for what waits for Tiera; without it Tiera is not written to"},
	}
)

// ServeMailFlags adds those by which the served program sends mail.
func ServeMailFlags(fs *pflag.FlagSet) { add(fs, mailing[:2]) }

// MailFlags adds the flags of a command that sends mail.
func MailFlags(fs *pflag.FlagSet) { add(fs, mailing) }

// Flags adds the flags of both programs, and with serve those of serving.
func Flags(fs *pflag.FlagSet, serve bool) {
	fs.String("config", "", "configuration file (YAML); default digione.yaml here or in /etc/digione")
	list := shared
	if serve {
		list = slices.Concat(shared, serving)
	}
	add(fs, list)
}

func add(fs *pflag.FlagSet, list []option) {
	for _, o := range list {
		switch v := o.value.(type) {
		case string:
			fs.String(o.name, v, o.usage)
		case bool:
			fs.Bool(o.name, v, o.usage)
		case int:
			fs.Int(o.name, v, o.usage)
		case time.Duration:
			fs.Duration(o.name, v, o.usage)
		case []string:
			fs.StringSlice(o.name, v, o.usage)
		}
	}
}

// Read collects the settings and reports all faults at once.
func Read(fs *pflag.FlagSet) (Settings, error) {
	v := viper.New()
	v.SetEnvPrefix("DIGIONE")
	v.SetEnvKeyReplacer(strings.NewReplacer("-", "_"))
	v.AutomaticEnv()
	for _, o := range options() {
		v.SetDefault(o.name, o.value)
	}
	if err := v.BindPFlags(fs); err != nil {
		return Settings{}, err
	}
	var s Settings
	faults, err := readFile(v, v.GetString("config"))
	if err != nil {
		return s, err
	}
	for _, o := range options() {
		if !fits(o.name, v.Get(o.name)) {
			faults = append(faults, fmt.Errorf("--%s: %s", o.name, o.wrong(v.Get(o.name))))
			v.Set(o.name, o.value) // so that the other faults are told too
		}
	}
	if err := v.Unmarshal(&s); err != nil {
		return s, fmt.Errorf("read settings: %w", err)
	}
	if s.OperatorHost == "" {
		s.OperatorHost = tenancy.OperatorSlug + "." + s.HostSuffix
	}
	if s.FamilyHost == "" {
		s.FamilyHost = tenancy.FamilySlug + "." + s.HostSuffix
	}
	return s, errors.Join(append(faults, s.Validate())...)
}

func options() []option { return slices.Concat(shared, serving, mailing) }

// fits tells whether a value becomes what its setting is.
func fits(name string, value any) bool {
	one := viper.New()
	one.Set(name, value)
	var s Settings
	return one.Unmarshal(&s) == nil
}

// wrong says what a value is not. One of a text is not repeated: it may hold a secret.
func (o option) wrong(value any) string {
	switch o.value.(type) {
	case bool:
		return fmt.Sprintf("%v is neither true nor false", value)
	case int:
		return fmt.Sprintf("%v is no whole number", value)
	case time.Duration:
		return fmt.Sprintf("%v is no time; an example: 30m", value)
	case []string:
		return "give a list of texts"
	}
	return "give one text"
}

// readFile reads the named file, or the first that is there, and returns the keys
// that are no setting. Files are looked for by their whole name: "digione" alone is
// the program.
func readFile(v *viper.Viper, name string) (unknown []error, err error) {
	for _, usual := range []string{"digione.yaml", "/etc/digione/digione.yaml"} {
		if _, err := os.Stat(usual); name == "" && !errors.Is(err, fs.ErrNotExist) {
			name = usual
		}
	}
	if name == "" {
		return nil, nil
	}
	v.SetConfigFile(name)
	v.SetConfigType("yaml")
	if err := v.ReadInConfig(); err != nil {
		return nil, fmt.Errorf("read settings: %w; see --config", err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w; see --config", err)
	}
	return unknownKeys(name, text), nil
}

// unknownKeys names the keys of a file that are no setting, with their lines: a
// setting that is misspelt is not one that was left out.
func unknownKeys(name string, text []byte) (out []error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil || len(doc.Content) == 0 {
		return nil // empty, or viper has told
	}
	root := doc.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i]
		if !slices.ContainsFunc(options(), func(o option) bool { return strings.EqualFold(o.name, key.Value) }) {
			out = append(out, fmt.Errorf("%s:%d: unknown setting %q; correct the spelling or delete the line", name, key.Line, key.Value))
		}
	}
	return out
}

// Validate returns every fault, each with the setting's name and an example.
func (s Settings) Validate() error {
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(s.Data == "", "--data is empty; give a folder, such as .digione")
	if s.DatabaseURL != "" {
		u, err := url.Parse(s.DatabaseURL)
		add(err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql"), "--database-url is no PostgreSQL URL; an example: postgres://digione@db.example:5432/digione")
	}
	add(s.BackupDays < 0 || s.FormerVersionDays < 0, "--backup-days and --former-version-days count days; give 0 or more")
	add(s.KMSKey != "" && s.MasterKeyFile != "", "--kms-key and --master-key-file exclude each other; give one")
	add(tenancy.CheckHost(s.HostSuffix) != nil, "--host-suffix %q is no host name; an example: digione.fi", s.HostSuffix)
	for _, site := range []struct{ name, host, issuer, client, secret string }{
		{"operator", s.OperatorHost, s.OperatorIssuer, s.OperatorClientID, s.OperatorSecretFile},
		{"family", s.FamilyHost, s.FamilyIssuer, s.FamilyClientID, s.FamilySecretFile},
	} {
		add(site.host != "" && tenancy.CheckHost(site.host) != nil, "--%[1]s-host %[2]q is no host name; an example: %[1]s.digione.fi", site.name, site.host)
		if site.issuer != "" {
			u, err := url.Parse(site.issuer)
			add(err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || s.TLS), "--%s-issuer %q is no issuer; an example: https://login.example.fi", site.name, site.issuer)
		}
		given := site.issuer != ""
		add(given != (site.client != "") || given != (site.secret != ""), "--%[1]s-issuer, --%[1]s-client-id and --%[1]s-client-secret-file belong together; give all three or none", site.name)
	}
	add(s.FamilyHost != "" && s.FamilyHost == s.OperatorHost, "--family-host %q is the operators' host as well; give each its own", s.FamilyHost)
	for name, a := range map[string]string{"mail-from": s.MailFrom, "tiera-mail": s.TieraMail} {
		if a != "" {
			_, err := mail.ParseAddress(a)
			add(err != nil, "--%s is no address; an example: ei-vastausta@digione.example", name)
		}
	}
	for name, addr := range map[string]string{"listen": s.Listen, "metrics-listen": s.MetricsListen, "smtp": s.SMTP} {
		if addr != "" {
			_, _, err := net.SplitHostPort(addr)
			add(err != nil, "--%s %q is no address; an example: 127.0.0.1:8080", name, addr)
		}
	}
	add(s.MaxConns < 2, "--max-conns %d is too few; give at least 2", s.MaxConns)
	add(s.PerTenant < 0, "--per-tenant %d is negative", s.PerTenant)
	add(s.AtOnce < 0, "--at-once %d is negative", s.AtOnce)
	for _, p := range s.TrustedProxies {
		_, _, err := net.ParseCIDR(p)
		add(err != nil && net.ParseIP(p) == nil, "--trusted-proxies %q is no address or network; an example: 10.0.0.0/8", p)
	}
	add(s.SessionIdle < time.Minute || s.SessionLife < s.SessionIdle, "--session-idle %s and --session-life %s: use at least a minute, and a life not shorter than idle", s.SessionIdle, s.SessionLife)
	add(s.SessionIdleStaff < time.Minute, "--session-idle-staff %s: use at least a minute", s.SessionIdleStaff)
	add(!slices.Contains([]string{"debug", "info", "warn", "error"}, s.LogLevel), "--log-level %q: use debug, info, warn or error", s.LogLevel)
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(faults...)
}

// Redacted is what may be printed: without secrets, wherever in the URL they stand.
func (s Settings) Redacted() Settings {
	if s.DatabaseURL == "" {
		return s
	}
	u, err := url.Parse(s.DatabaseURL)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		s.DatabaseURL = "xxxxx"
		return s
	}
	q := u.Query()
	for key := range q {
		if word := strings.ToLower(key); strings.Contains(word, "password") || strings.Contains(word, "secret") {
			q.Set(key, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	s.DatabaseURL = u.Redacted()
	return s
}

// Address resolves the reference to a cluster's address: env:VARIABLE or
// file:/PATH. Its errors hold no secret.
func Address(ref string) (string, error) {
	kind, name, _ := strings.Cut(ref, ":")
	var dsn string
	switch kind {
	case "env":
		if dsn = os.Getenv(name); dsn == "" {
			return "", fmt.Errorf("the variable %s is not set; set it to the cluster's URL", name)
		}
	case "file":
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read the cluster's URL: %w", err)
		}
		dsn = strings.TrimSpace(string(b))
	default:
		return "", fmt.Errorf("reference %q is neither env:VARIABLE nor file:/PATH", ref)
	}
	if u, err := url.Parse(dsn); err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", fmt.Errorf("%s holds no PostgreSQL URL; an example: postgres://digione@db2.example:5432/digione", ref)
	}
	return dsn, nil
}

// Actor is who runs a command when --actor does not say.
func Actor(given string) string {
	for _, who := range []string{given, os.Getenv("DIGIONE_ACTOR"), os.Getenv("SUDO_USER")} {
		if who != "" {
			return who
		}
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("uid %d", os.Getuid())
}
