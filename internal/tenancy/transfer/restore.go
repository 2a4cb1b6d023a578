package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// Spec is the description of the tenant that a file is of, under another slug.
// Codes that a tenant here has already are left out and named.
func (s *Service) Spec(ctx context.Context, m *Manifest, slug string) (spec tenancy.Spec, leftOut []string, err error) {
	spec = tenancy.Spec{Slug: slug, Kind: m.Kind, NameFi: m.NameFi, NameSv: m.NameSv, NameEn: m.NameEn, MunicipalityCode: m.MunicipalityCode,
		BusinessID: m.BusinessID, OrganisationOID: m.OrganisationOID, Settings: m.Settings}
	list, err := s.Operator.Tenants(ctx)
	if err != nil {
		return spec, nil, err
	}
	for _, t := range list {
		if t.Slug == slug {
			continue
		}
		if spec.MunicipalityCode != "" && t.MunicipalityCode == spec.MunicipalityCode && t.Kind == "municipality" {
			leftOut, spec.MunicipalityCode = append(leftOut, "municipality code "+m.MunicipalityCode), ""
		}
		if spec.BusinessID != "" && t.BusinessID == spec.BusinessID {
			leftOut, spec.BusinessID = append(leftOut, "business id "+m.BusinessID), ""
		}
		if spec.OrganisationOID != "" && t.OrganisationOID == spec.OrganisationOID {
			leftOut, spec.OrganisationOID = append(leftOut, "organisation oid "+m.OrganisationOID), ""
		}
	}
	return spec, leftOut, nil
}

// Restored tells whether a tenant was restored from a file, to its end.
func (s *Service) Restored(ctx context.Context, t tenancy.Tenant, sha256 string) (yes bool, err error) {
	const q = `select exists (select from control.restore where tenant = $1 and sha256 = $2 and done_at is not null)`
	err = s.Operator.Control().QueryRow(ctx, q, t.ID, sha256).Scan(&yes)
	return yes, err
}

// Standing returns the tenant of a slug when there is one, and an error when it
// stands and was not restored from this file, or when this program cannot.
func (s *Service) Standing(ctx context.Context, slug string, f *File) (*tenancy.Tenant, error) {
	if err := s.Operator.Knows(f.Manifest.SchemaVersion); err != nil {
		return nil, err
	}
	t, err := s.Operator.Find(ctx, slug)
	if errors.Is(err, tenancy.ErrNoTenant) {
		return nil, nil
	}
	if err != nil || t.State == tenancy.Provisioning {
		return &t, err
	}
	done, err := s.Restored(ctx, t, f.SHA256)
	if err == nil && !done {
		err = fmt.Errorf("tenant %s stands already and is not of this file; restore into another slug", slug)
	}
	return &t, err
}

// Restore makes a tenant of a file, or finishes making it. The tenant is routable
// at the very end; until then a kill leaves something that the same call goes on
// with. Sessions are not restored.
func (s *Service) Restore(ctx context.Context, spec tenancy.Spec, f *File, heard tenancy.StepFunc) (tenancy.Tenant, error) {
	if t, err := s.Standing(ctx, spec.Slug, f); err != nil {
		return tenancy.Tenant{}, err
	} else if t != nil && t.State != tenancy.Provisioning {
		return *t, nil
	}
	return s.Operator.Restore(ctx, spec, s.load(f), heard)
}

func (s *Service) load(f *File) tenancy.Load {
	return tenancy.Load{
		SHA256: f.SHA256, Source: f.Manifest.Tenant, Version: f.Manifest.SchemaVersion, HashKey: f.Manifest.HashKey,
		Discard: func(ctx context.Context, t tenancy.Tenant) error { _, err := s.Files.Erase(ctx, t.ID); return err },
		Rows: func(ctx context.Context, tx pgx.Tx, t tenancy.Tenant) error {
			k, err := s.Operator.OpenKeyset(t)
			if err != nil {
				return err
			}
			return f.loadTables(ctx, tx, t, k)
		},
		Files: func(ctx context.Context, t tenancy.Tenant) error {
			k, err := s.Operator.OpenKeyset(t)
			if err != nil {
				return err
			}
			for _, o := range f.Manifest.Objects {
				if err := s.restoreObject(ctx, t, k, f, o); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (f *File) loadTables(ctx context.Context, tx pgx.Tx, t tenancy.Tenant, k *keys.Keyset) error {
	list, err := shapes(ctx, tx, t)
	if err != nil {
		return err
	}
	var all []string
	for _, sh := range list {
		all = append(all, pgx.Identifier{sh.Name}.Sanitize())
	}
	if _, err := tx.Exec(ctx, "truncate "+strings.Join(all, ", ")); err != nil { // migrations may have put rows in
		return fmt.Errorf("empty the new tables: %w", err)
	}
	byName := map[string]Table{}
	for _, table := range f.Manifest.Tables {
		byName[table.Name] = table
	}
	for _, sh := range list { // in the order of references
		table, ok := byName[sh.Name]
		if delete(byName, sh.Name); !ok || sh.Transient {
			continue
		}
		r, err := f.open(tableFolder + table.Name + ".csv")
		if err != nil {
			return err
		}
		err = load(ctx, tx, table, k, r)
		_ = r.Close()
		if err != nil {
			return err
		}
	}
	for name := range byName {
		return invalid("table %s of the file is unknown to schema version %d", name, f.Manifest.SchemaVersion)
	}
	return nil
}

func (s *Service) restoreObject(ctx context.Context, t tenancy.Tenant, k *keys.Keyset, f *File, o Object) error {
	r, err := f.open(objectFolder + o.Key)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	sum, err := s.Files.Put(ctx, t, k, o.Key, r)
	if err == nil && hexOf(sum[:]) != o.SHA256 {
		err = errors.New("its content is not what the manifest says")
	}
	if err != nil {
		return fmt.Errorf("restore object %s: %w", o.Key, err)
	}
	return nil
}
