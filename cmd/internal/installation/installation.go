// Package installation opens what the settings describe: the database (embedded
// or given), the keys, the files. Both programs start here.
package installation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"digione/cmd/internal/settings"
	"digione/internal/app/objects"
	"digione/internal/app/roster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/embedded"
	"digione/internal/tenancy/keys"
	"digione/internal/tenancy/transfer"
)

// Installation is an open one. Close it.
type Installation struct {
	Settings settings.Settings
	DSN      string
	Operator *tenancy.Operator
	Objects  objects.Store

	server *embedded.Server
	secret []byte
	master keys.Master
	mu     sync.Mutex
	db     *tenancy.DB
	opened map[tenancy.ID]openedKeys
}

type openedKeys struct {
	stored string
	keys   *keys.Keyset
}

// Open starts or finds the database and brings its control schema up to date. It
// logs in as the owner of the schemas.
func Open(ctx context.Context, s settings.Settings) (*Installation, error) {
	in, err := OpenServing(ctx, s)
	if err != nil {
		return nil, err
	}
	if in.Operator, err = in.OpenOperator(ctx, nil); err == nil {
		err = in.Operator.Init(ctx)
	}
	if err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// OpenOperator opens another operator, with tenant migrations of its own where they
// are not nil: for those who try an upgrade.
func (in *Installation) OpenOperator(ctx context.Context, migrations fs.FS) (*tenancy.Operator, error) {
	s := in.Settings
	return tenancy.OpenOperator(ctx, tenancy.OperatorConfig{DSN: in.DSN, Resolve: settings.Address, Secret: in.secret, Master: in.master,
		HostSuffix: s.HostSuffix, OperatorHost: s.OperatorHost, FamilyHost: s.FamilyHost, Migrations: migrations,
		Objects: func(ctx context.Context, id tenancy.ID) error { return objects.Prepare(ctx, in.Objects, id) }})
}

// OpenServing opens what a serving process may use: it never logs in as the
// owner, and has no Operator.
func OpenServing(ctx context.Context, s settings.Settings) (*Installation, error) {
	in := &Installation{Settings: s, DSN: s.DatabaseURL, opened: map[tenancy.ID]openedKeys{}}
	if err := in.open(ctx); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func (in *Installation) open(ctx context.Context) (err error) {
	s := in.Settings
	if in.DSN == "" {
		if in.server, err = embedded.Start(ctx, s.Data, embedded.Options{}); err != nil {
			return err
		}
		in.DSN = in.server.DSN()
	}
	if in.secret, err = secretFile(or(s.DatabaseSecretFile, filepath.Join(s.Data, "database.secret"))); err != nil {
		return err
	}
	if in.master, err = in.openMaster(ctx); err != nil {
		return err
	}
	in.Objects, err = in.openObjects(ctx)
	return err
}

// Doctor examines the installation, or one tenant of it, and changes nothing.
func (in *Installation) Doctor(ctx context.Context, slug string) ([]tenancy.Diagnosis, error) {
	list, err := in.Operator.Doctor(ctx, slug)
	if err != nil || slug != "" {
		return list, err
	}
	where := "folder"
	if in.Settings.ObjectsBucket != "" {
		where = "bucket " + in.Settings.ObjectsBucket
	}
	d := tenancy.Diagnosis{Check: "objects", OK: true, Found: where}
	if err := objects.Reach(ctx, in.Objects); err != nil {
		d.OK, d.Found, d.Next = false, err.Error(), "look whether the object store is up; pages that need no file are served meanwhile"
	}
	return append(list, d), nil
}

// Close ends connections and gives the share in an embedded server back.
func (in *Installation) Close() {
	if in.db != nil {
		in.db.Close()
	}
	if in.Operator != nil {
		in.Operator.Close()
	}
	if in.server != nil {
		if err := in.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "digione:", err)
		}
	}
}

// Leave lets an embedded server run on after Close, until the next program that
// uses it ends.
func (in *Installation) Leave() {
	if in.server != nil {
		_ = in.server.Leave()
		in.server = nil
	}
}

// DB returns the way to tenants' data, opened at the first call.
func (in *Installation) DB(ctx context.Context) (*tenancy.DB, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.db != nil {
		return in.db, nil
	}
	db, err := tenancy.Open(ctx, tenancy.Config{DSN: in.DSN, Resolve: settings.Address, Secret: in.secret, MaxConns: in.Settings.MaxConns, PerTenant: in.Settings.PerTenant, AtOnce: in.Settings.AtOnce})
	in.db = db
	return db, err
}

// Roster returns the importer.
func (in *Installation) Roster(ctx context.Context) (*roster.Service, error) {
	db, err := in.DB(ctx)
	if err != nil {
		return nil, err
	}
	return &roster.Service{DB: db, Objects: in.Objects, Keyset: in.Keyset, Now: time.Now}, nil
}

// Transfer returns what moves whole tenants, over this installation's files.
func (in *Installation) Transfer() *transfer.Service {
	of := func(t tenancy.Tenant, k *keys.Keyset) objects.Files { return objects.For(in.Objects, t.ID, k) }
	kept := transfer.Retention{BackupDays: in.Settings.BackupDays, FormerVersionDays: in.Settings.FormerVersionDays}
	return &transfer.Service{Operator: in.Operator, Now: time.Now, Retention: kept, Files: transfer.Files{
		Get: func(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, key string, sum [32]byte) (io.ReadCloser, error) {
			return of(t, k).Get(ctx, key, sum)
		},
		Put: func(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, key string, r io.Reader) ([32]byte, error) {
			i, err := of(t, k).Put(ctx, key, r)
			return i.SHA256, err
		},
		Erase: func(ctx context.Context, id tenancy.ID) (int, error) { return objects.Erase(ctx, in.Objects, id) },
	}}
}

// Keyset opens a tenant's keys once and again after they have rotated.
func (in *Installation) Keyset(t tenancy.Tenant) (*keys.Keyset, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if k, ok := in.opened[t.ID]; ok && k.stored == string(t.WrappedKeyset()) {
		return k.keys, nil
	}
	k, err := keys.Unwrap(in.master, string(t.ID), t.WrappedKeyset())
	if err == nil {
		in.opened[t.ID] = openedKeys{string(t.WrappedKeyset()), k}
	}
	return k, err
}

func (in *Installation) openMaster(ctx context.Context) (keys.Master, error) {
	s := in.Settings
	if s.KMSKey == "" {
		return keys.File(or(s.MasterKeyFile, filepath.Join(s.Data, "keys", "master.key")))
	}
	cfg, err := awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	return keys.KMS(kms.NewFromConfig(cfg), s.KMSKey), nil
}

func (in *Installation) openObjects(ctx context.Context) (objects.Store, error) {
	s := in.Settings
	if s.ObjectsBucket == "" {
		return objects.Folder(filepath.Join(s.Data, "objects"))
	}
	c, err := in.S3(ctx)
	if err != nil {
		return nil, err
	}
	return objects.S3(c, s.ObjectsBucket, s.ObjectsKMSKey), nil
}

// S3 returns a client by the environment's credentials.
func (in *Installation) S3(ctx context.Context) (*s3.Client, error) { return S3(ctx, in.Settings) }

// S3 returns a client by the environment's credentials, without an installation.
func S3(ctx context.Context, s settings.Settings) (*s3.Client, error) {
	cfg, err := awsConfig(ctx)
	if err != nil {
		return nil, err
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.DisableLogOutputChecksumValidationSkipped = true // content has a hash of its own
		if s.S3Endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(s.S3Endpoint), true
		}
	}), nil
}

func awsConfig(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(objects.Usual.HTTP()))
	if err != nil {
		return cfg, fmt.Errorf("read AWS settings: %w", err)
	}
	return cfg, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// secretFile reads a secret, making it when there is none: linked into place, so
// that of two that race both read the winner's.
func secretFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeSecret(path); err == nil {
			b, err = os.ReadFile(path)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read database secret: %w; see --database-secret-file", err)
	}
	s := strings.TrimSpace(string(b))
	if len(s) < 32 {
		return nil, fmt.Errorf("database secret %s is too short: want at least 32 characters", path)
	}
	return []byte(s), nil
}

func makeSecret(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.WriteFile(tmp, []byte(hex.EncodeToString(raw[:])+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
