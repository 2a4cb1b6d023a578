package transfer

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

//go:embed README.txt
var readme string

const (
	manifestName = "manifest.json"
	tableFolder  = "tables/"
	objectFolder = "objects/"
)

// Export writes everything of a tenant into one zip: every row as it was at one
// moment, and every object. It changes nothing. The content is open: hetus, the
// sign-in secrets and the hash key stand in it.
func (s *Service) Export(ctx context.Context, t tenancy.Tenant, w io.Writer) (*Manifest, error) {
	if t.State == tenancy.Provisioning || t.State == tenancy.Erased {
		return nil, fmt.Errorf("tenant %s is %s: there is nothing to export", t.Slug, t.State)
	}
	k, err := s.Operator.OpenKeyset(t)
	if err != nil {
		return nil, err
	}
	m := &Manifest{Format: Format, Tenant: t.ID, Slug: t.Slug, Kind: t.Kind, NameFi: t.NameFi, NameSv: t.NameSv, NameEn: t.NameEn,
		MunicipalityCode: t.MunicipalityCode, BusinessID: t.BusinessID, OrganisationOID: t.OrganisationOID, Settings: t.Settings,
		ExportedAt: s.Now().UTC()}
	if m.HashKey, err = k.HashKey(); err != nil {
		return nil, err
	}
	z := zip.NewWriter(w)
	if err := put(z, m, "README.txt", readme); err != nil {
		return nil, err
	}
	if err := s.exportTables(ctx, t, k, m, z); err != nil {
		return nil, err
	}
	for _, o := range m.Objects {
		if err := s.exportObject(ctx, t, k, o, m, z); err != nil {
			return nil, err
		}
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err == nil {
		err = put(z, m, manifestName, string(b)+"\n")
	}
	return m, errors.Join(err, z.Close())
}

// entry begins a file in the zip.
func entry(z *zip.Writer, m *Manifest, name string, method uint16) (io.Writer, error) {
	return z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: m.ExportedAt})
}

func put(z *zip.Writer, m *Manifest, name, text string) error {
	w, err := entry(z, m, name, zip.Deflate)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	return err
}

var snapshotted = pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}

func (s *Service) exportTables(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, m *Manifest, z *zip.Writer) error {
	return s.Operator.InSchema(ctx, t, snapshotted, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, "select max(version_id) from goose_db_version").Scan(&m.SchemaVersion); err != nil {
			return fmt.Errorf("read schema version: %w", err)
		}
		list, err := shapes(ctx, tx, t)
		if err != nil {
			return err
		}
		for _, sh := range list {
			w, err := entry(z, m, tableFolder+sh.Name+".csv", zip.Deflate)
			if err != nil {
				return err
			}
			table, err := dump(ctx, tx, sh, k, w)
			if err != nil {
				return err
			}
			m.Tables = append(m.Tables, table)
		}
		m.Objects, err = inventory(ctx, tx)
		return err
	})
}

const sqlObjects = `
select key, size, encode(sha256, 'hex')
  from object
 order by key collate "C"`

func inventory(ctx context.Context, tx pgx.Tx) ([]Object, error) {
	rows, err := tx.Query(ctx, sqlObjects)
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Object])
	if err != nil {
		return nil, fmt.Errorf("list objects: %w", err)
	}
	return list, nil
}

func (s *Service) exportObject(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, o Object, m *Manifest, z *zip.Writer) error {
	r, err := s.object(ctx, t, k, o)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	w, err := entry(z, m, objectFolder+o.Key, zip.Store) // mostly zips
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err != nil {
		return fmt.Errorf("export object %s: %w", o.Key, err)
	}
	return nil
}

// object opens an object of a tenant; its content is what the inventory says.
func (s *Service) object(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, o Object) (io.ReadCloser, error) {
	var sum [sha256.Size]byte
	if n, err := hex.Decode(sum[:], []byte(o.SHA256)); err != nil || n != len(sum) {
		return nil, fmt.Errorf("object %s has no sha256 in the inventory", o.Key)
	}
	r, err := s.Files.Get(ctx, t, k, o.Key, sum)
	if err != nil {
		return nil, fmt.Errorf("object %s of %s: %w", o.Key, t.Slug, err)
	}
	return r, nil
}

// ExportFile is Export into a file that only its owner can read. A run that ends
// half-way leaves no file of that name, and an older one as it was.
func (s *Service) ExportFile(ctx context.Context, t tenancy.Tenant, name string) (m *Manifest, sum string, err error) {
	f, err := os.CreateTemp(filepath.Dir(name), ".export-*") // mode 0600
	if err != nil {
		return nil, "", fmt.Errorf("make export file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	h := sha256.New()
	m, err = s.Export(ctx, t, io.MultiWriter(f, h))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, "", err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return nil, "", fmt.Errorf("name export file: %w", err)
	}
	sum = hexOf(h.Sum(nil))
	return m, sum, s.offer(ctx, t, m, sum)
}
