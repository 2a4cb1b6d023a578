package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Leave lets a tenant be read and no longer changed. Doing it twice changes
// nothing; `tenant resume` takes it back.
func (s *Service) Leave(ctx context.Context, t tenancy.Tenant, actor, reason string) (tenancy.Tenant, error) {
	if strings.TrimSpace(reason) == "" {
		return t, errors.New("a reason is missing; give --reason")
	}
	switch t.State {
	case tenancy.Leaving:
		return t, nil
	case tenancy.Active, tenancy.Suspended:
	default:
		return t, fmt.Errorf("tenant %s is %s; only an active or a suspended one can leave", t.Slug, t.State)
	}
	err := s.Operator.Step(ctx, t.ID, "leave", "leaving", func() error {
		return pgx.BeginFunc(ctx, s.Operator.Control(), func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sqlLeave, pgx.StrictNamedArgs{"id": t.ID, "reason": reason, "actor": actor, "at": s.Now()})
			if err == nil {
				_, err = tx.Exec(ctx, "update control.tenant set state = 'leaving' where id = $1 and state in ('active', 'suspended')", t.ID)
			}
			return err
		})
	})
	if err != nil {
		return t, fmt.Errorf("let %s leave: %w", t.Slug, err)
	}
	return s.Operator.Find(ctx, string(t.ID))
}

const sqlLeave = `
insert into control.leaving (tenant, reason, begun_by, begun_at)
values (@id, @reason, @actor, @at)
    on conflict (tenant) do update
   set reason = excluded.reason, begun_by = excluded.begun_by, begun_at = excluded.begun_at`

// DiffersError says that an export is not what the tenant keeps.
type DiffersError struct {
	Slug        string
	Differences []Difference
}

func (e *DiffersError) Error() string {
	d := e.Differences[0]
	return fmt.Sprintf("%s has changed since the export: %d differences, the first in %s %s (%d in the file, %d now); export again, then seal",
		e.Slug, len(e.Differences), d.Kind, d.Name, d.A, d.B)
}

// CheckExport compares a file with what the tenant keeps now.
func (s *Service) CheckExport(ctx context.Context, t tenancy.Tenant, f *File) error {
	if f.Manifest.Tenant != t.ID {
		return invalid("it is of another tenant than %s", t.Slug)
	}
	k, err := s.Operator.OpenKeyset(t)
	if err != nil {
		return err
	}
	is, err := s.contents(ctx, t, k, nil)
	if err != nil {
		return err
	}
	was := f.Manifest.contents()
	if was.version != is.version {
		return fmt.Errorf("tenant %s was migrated since the export; export again, then seal", t.Slug)
	}
	if d := compare(was, is); len(d) > 0 {
		return &DiffersError{t.Slug, d}
	}
	return nil
}

// Seal ends all reading of a tenant that leaves. The export must be what the
// tenant keeps: it is compared after the doors are shut, and they open again when
// it is not. Its hash is recorded. Killed in between, the same call goes on.
func (s *Service) Seal(ctx context.Context, t tenancy.Tenant, actor string, f *File) (tenancy.Tenant, error) {
	if t.State != tenancy.Leaving && t.State != tenancy.Sealed {
		return t, fmt.Errorf("tenant %s is %s; run first: tenantctl tenant leave %s --reason \"…\"", t.Slug, t.State, t.Slug)
	}
	if err := s.Operator.Settled(ctx, t); err != nil {
		return t, err
	}
	sealed, err := s.sealedWith(ctx, t)
	if err != nil || sealed != "" {
		return t, err
	}
	if f.Manifest.Tenant != t.ID {
		return t, invalid("it is of another tenant than %s", t.Slug)
	}
	err = s.Operator.Step(ctx, t.ID, "leave", "seal", func() error {
		if err := s.setState(ctx, t, tenancy.Leaving, tenancy.Sealed); err != nil {
			return err
		}
		err := s.Operator.Shut(ctx, t)
		if err == nil {
			err = s.CheckExport(ctx, t, f)
		}
		if err != nil {
			ctx := context.WithoutCancel(ctx)
			return errors.Join(err, s.Operator.Open(ctx, t), s.setState(ctx, t, tenancy.Sealed, tenancy.Leaving))
		}
		const q = `update control.leaving set export_sha256 = $2, sealed_by = $3, sealed_at = $4 where tenant = $1`
		_, err = s.Operator.Control().Exec(ctx, q, t.ID, f.SHA256, actor, s.Now())
		return err
	})
	if err != nil {
		return t, fmt.Errorf("seal %s: %w", t.Slug, err)
	}
	return s.Operator.Find(ctx, string(t.ID))
}

// sealedWith returns the hash of the export that a tenant was sealed with, "" when
// it was not, or not to the end.
func (s *Service) sealedWith(ctx context.Context, t tenancy.Tenant) (sum string, err error) {
	const q = `select coalesce(max(export_sha256), '') from control.leaving where tenant = $1`
	if err := s.Operator.Control().QueryRow(ctx, q, t.ID).Scan(&sum); err != nil {
		return "", fmt.Errorf("read leaving of %s: %w", t.Slug, err)
	}
	return sum, nil
}

func (s *Service) setState(ctx context.Context, t tenancy.Tenant, from, to tenancy.State) error {
	_, err := s.Operator.Control().Exec(ctx, "update control.tenant set state = $3 where id = $1 and state = $2", t.ID, string(from), string(to))
	return err
}
