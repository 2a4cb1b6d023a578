// Package dbtest gives tests a real PostgreSQL with two migrated tenants in
// every database, so that a test for a leak between tenants costs nothing
// extra. It is imported by tests only.
package dbtest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"

	"digione/internal/tenancy"
	"digione/internal/tenancy/embedded"
	"digione/internal/tenancy/keys"
	"digione/schemas"
)

// The twins: both stand in every test database, provisioned by the code that
// production uses. Their hosts are alpha.test and beta.test.
var (
	Alpha = twin("alpha")
	Beta  = twin("beta")
)

// Secret and Master are those of all test installations.
var (
	Secret = []byte("a secret of the tests alone")
	Master = master()
)

// Env is a test's own installation.
type Env struct {
	DSN      string // the owner's
	DB       *tenancy.DB
	Operator *tenancy.Operator
}

// Open returns the tenants of a database of the test's own.
func Open(t testing.TB) *tenancy.DB { t.Helper(); return New(t).DB }

// New returns a database of the test's own, cloned from a template that is made
// once for each state of the migrations. It is dropped when the test ends.
func New(t testing.TB) *Env {
	t.Helper()
	ctx := context.Background()
	admin := server(t)
	tpl := template(t, ctx, admin)
	name := "dt_" + random()
	exec(t, admin, fmt.Sprintf("create database %s template %s strategy file_copy", name, tpl))
	t.Cleanup(func() { drop(t, admin, name) })
	// A clone does not take over the privileges of the database itself.
	e := &Env{DSN: withDatabase(admin, name)}
	exec(t, e.DSN, fmt.Sprintf("do $$ declare r text; begin revoke all on database %s from public; for r in select rolname from pg_roles where rolname like 'digione_app_%%' or rolname in (select login_role from control.cell) loop execute format('grant connect on database %s to %%I', r); end loop; end $$", name, name))
	var err error
	e.Operator, err = tenancy.OpenOperator(ctx, OperatorConfig(e.DSN))
	ok(t, err)
	t.Cleanup(e.Operator.Close)
	e.DB, err = tenancy.Open(ctx, Config(e.DSN))
	ok(t, err)
	t.Cleanup(e.DB.Close)
	return e
}

// Config is how tests reach tenants: every transaction asserts where it stands.
func Config(dsn string) tenancy.Config {
	return tenancy.Config{DSN: dsn, Resolve: Address, Secret: Secret, Assert: true, Patience: 10 * time.Second}
}

// OperatorConfig is how tests change structure.
func OperatorConfig(dsn string) tenancy.OperatorConfig {
	return tenancy.OperatorConfig{DSN: dsn, Resolve: Address, Secret: Secret, Master: Master, HostSuffix: "test"}
}

// Exec runs SQL as the owner, outside of every tenant.
func (e *Env) Exec(t testing.TB, sql string) { t.Helper(); exec(t, e.DSN, sql) }

type shared struct {
	once sync.Once
	srv  *embedded.Server
	dsn  string
	err  error
}

// share is the tests' server, and second another one, for tests of clusters.
var share, second shared

// server starts the tests' PostgreSQL, shared by all packages under test, or
// uses DIGIONE_TEST_DSN: a URL of a superuser.
func server(t testing.TB) string {
	t.Helper()
	return share.start(t, os.Getenv("DIGIONE_TEST_DSN"), "")
}

func (s *shared) start(t testing.TB, given, suffix string) string {
	t.Helper()
	s.once.Do(func() {
		if s.dsn = given; s.dsn != "" {
			return
		}
		dir := filepath.Join(os.TempDir(), fmt.Sprintf("digione-test-%d%s", os.Getuid(), suffix))
		// The share is given back when the process ends; the last one to ask
		// stops the server (make test does).
		s.srv, s.err = embedded.Start(context.Background(), dir, embedded.Options{Unsafe: true, Settings: []string{"max_connections=400"}})
		if s.err == nil {
			s.dsn = s.srv.DSN()
		}
	})
	if s.err != nil {
		t.Fatalf("no PostgreSQL to test on: %v", s.err)
	}
	return s.dsn
}

func fingerprint() string {
	h := sha256.New()
	_ = fs.WalkDir(schemas.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(schemas.FS, p)
		_, _ = fmt.Fprintf(h, "%s\x00%s\x00", p, b)
		return err
	})
	_, _ = h.Write(schemas.Codes)
	return hex.EncodeToString(h.Sum(nil))[:24]
}

func twin(name string) tenancy.ID {
	sum := sha256.Sum256([]byte(name + fingerprint()))
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	id := make([]byte, 26)
	for i := range id {
		id[i] = digits[sum[i]%32]
	}
	return tenancy.ID("tnt_" + string(id))
}

func template(t testing.TB, ctx context.Context, admin string) string {
	t.Helper()
	name := "tpl_" + fingerprint()
	conn, err := pgx.Connect(ctx, admin)
	ok(t, err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "select pg_advisory_lock(7310)") // packages run in parallel
	ok(t, err)
	var exists bool
	ok(t, conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists))
	if exists {
		return name
	}
	exec(t, admin, "drop database if exists tmp_"+name+" with (force)")
	exec(t, admin, "create database tmp_"+name)
	cfg := OperatorConfig(withDatabase(admin, "tmp_"+name))
	cfg.CellCapacity = 2 // the twins' cell is full: tenants of a test get a cell of their own
	op, err := tenancy.OpenOperator(ctx, cfg)
	ok(t, err)
	defer op.Close()
	ok(t, op.Init(ctx))
	for i, s := range []tenancy.Spec{
		{ID: Alpha, Slug: "alpha", NameFi: "Alfa", MunicipalityCode: "901"},
		{ID: Beta, Slug: "beta", NameFi: "Beeta", MunicipalityCode: "902"},
	} {
		s.Ring = tenancy.Rings[i]
		_, err := op.Provision(ctx, s, nil)
		ok(t, err)
	}
	op.Close()
	// Renamed last: a template that broke half-way is never used.
	exec(t, admin, fmt.Sprintf("alter database tmp_%s rename to %s", name, name))
	return name
}

// drop removes a test's database and the roles that only it knew.
func drop(t testing.TB, admin, name string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, withDatabase(admin, name))
	ok(t, err)
	rows, err := conn.Query(ctx, "select role_name from control.tenant where id <> all ($1) union all select login_role from control.cell where name <> 'shared-1'",
		[]string{string(Alpha), string(Beta)})
	ok(t, err)
	roles, err := pgx.CollectRows(rows, pgx.RowTo[string])
	ok(t, err)
	ok(t, conn.Close(ctx))
	exec(t, admin, "drop database "+name+" with (force)")
	for _, r := range roles {
		exec(t, admin, "drop role if exists "+pgx.Identifier{r}.Sanitize())
	}
}

func exec(t testing.TB, dsn, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	ok(t, err)
	defer func() { _ = conn.Close(ctx) }()
	for try := 0; ; try++ {
		_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		// Roles belong to the whole server: tests that run at a time meet there.
		if pe := (*pgconn.PgError)(nil); try < 20 && errors.As(err, &pe) && pe.Code == "XX000" && strings.HasPrefix(pe.Message, "tuple concurrently") {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		break
	}
	ok(t, err)
}

func withDatabase(dsn, name string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err)
	}
	u.Path = "/" + name
	return u.String()
}

func master() keys.Master {
	sum := sha256.Sum256([]byte("master key of the tests alone"))
	m, err := subtle.NewAESGCM(sum[:])
	if err != nil {
		panic(err)
	}
	return m
}

func random() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Empty returns the owner's URL of an empty database, dropped when the test ends.
func Empty(t testing.TB) string {
	t.Helper()
	admin := server(t)
	name := "de_" + random()
	exec(t, admin, "create database "+name)
	t.Cleanup(func() { exec(t, admin, "drop database "+name+" with (force)") })
	return withDatabase(admin, name)
}
