package transfer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

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
   set reason = excluded.reason, begun_by = excluded.begun_by, begun_at = excluded.begun_at,
       offered_sha256 = null, offered_at = null, offered = null, seal_asked_by = null, seal_asked_at = null`

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

// Sealing is where the sealing of a tenant stands: what will be read by nobody any
// more, and who has agreed.
type Sealing struct {
	Tenant       tenancy.ID    `json:"tenant"`
	Slug         string        `json:"slug"`
	State        tenancy.State `json:"state"`
	Rows         int64         `json:"rows"`
	Objects      int           `json:"objects"`
	Bytes        int64         `json:"bytes"`
	ExportSHA256 string        `json:"export_sha256"`
	VerifiedBy   string        `json:"verified_by"` // of the municipality
	VerifiedOn   string        `json:"verified_on"` // page or paper
	VerifiedAt   time.Time     `json:"verified_at"`
	RequestedBy  string        `json:"requested_by"`
	SealedBy     string        `json:"sealed_by"`
	DryRun       bool          `json:"dry_run"`
}

// SealHeldError says that a sealing waits for a second person.
type SealHeldError struct{ Sealing Sealing }

func (e *SealHeldError) Error() string {
	return fmt.Sprintf("%s asked to seal %s; it is still read. Somebody else confirms: tenantctl tenant seal %s --confirm %s --export FILE --actor NAME",
		e.Sealing.RequestedBy, e.Sealing.Slug, e.Sealing.Slug, e.Sealing.Tenant)
}

// PreviewSeal says what a sealing with an export would shut, and where it stands. It
// refuses whatever a sealing would refuse, but for what comes in between.
func (s *Service) PreviewSeal(ctx context.Context, t tenancy.Tenant, f *File) (Sealing, error) {
	g := Sealing{Tenant: t.ID, Slug: t.Slug, State: t.State}
	if t.State != tenancy.Leaving && t.State != tenancy.Sealed {
		return g, fmt.Errorf("tenant %s is %s; run first: tenantctl tenant leave %s --reason \"…\"", t.Slug, t.State, t.Slug)
	}
	o, _, err := Offered(ctx, s.Operator.Control(), t.ID)
	if err != nil {
		return g, err
	}
	g.RequestedBy, g.SealedBy, g.ExportSHA256 = o.AskedBy, o.SealedBy, o.SealedSum
	if v, ok, err := Verified(ctx, s.Operator.Control(), t.ID); err != nil {
		return g, err
	} else if ok {
		g.VerifiedBy, g.VerifiedAt, g.VerifiedOn = v.Name, v.At, "page"
		if v.Side == OnPaper {
			g.VerifiedOn = "paper, noted by " + v.Actor
		}
	}
	m := f.Manifest
	if m.Tenant != t.ID {
		return g, invalid("it is of another tenant than %s", t.Slug)
	}
	c := Contents{m.SchemaVersion, m.Tables, m.Objects}
	g.Rows, g.Objects, g.Bytes = c.Rows(), len(c.Objects), c.Bytes()
	if g.ExportSHA256 != "" { // it is done
		return g, nil
	}
	g.ExportSHA256 = f.SHA256
	if err := s.Operator.Settled(ctx, t); err != nil {
		return g, err
	}
	_, err = s.agreed(ctx, t, f)
	return g, err
}

// Seal ends all reading of a tenant that leaves, when its municipality has verified
// the export and a second person agrees: the first call returns SealHeldError. The
// export must be what the tenant keeps: it is compared after the doors are shut, and
// they open again when it is not. Its hash is recorded. Killed in between, anybody's
// call goes on.
func (s *Service) Seal(ctx context.Context, t tenancy.Tenant, actor string, f *File) (Sealing, error) {
	g, err := s.PreviewSeal(ctx, t, f)
	if err != nil || g.SealedBy != "" {
		return g, err
	}
	if t.State == tenancy.Leaving { // else a second person has agreed already
		if g.RequestedBy == "" {
			if err := s.CheckExport(ctx, t, f); err != nil {
				return g, err
			}
			const q = `update control.leaving set seal_asked_by = $2, seal_asked_at = $3 where tenant = $1 and seal_asked_by is null`
			if _, err := s.Operator.Control().Exec(ctx, q, t.ID, actor, s.Now()); err != nil {
				return g, fmt.Errorf("record request: %w", err)
			}
			g.RequestedBy = actor
			return g, &SealHeldError{g}
		}
		if tenancy.SamePerson(g.RequestedBy, actor) {
			return g, fmt.Errorf("%w: %s asked to seal %s; another person runs the command with --actor", ErrOtherPerson, actor, t.Slug)
		}
	}
	err = s.Operator.Step(ctx, t.ID, "leave", "seal", func() error { return s.shut(ctx, t, actor, f) })
	if err != nil {
		return g, fmt.Errorf("seal %s: %w", t.Slug, err)
	}
	g.State, g.SealedBy = tenancy.Sealed, actor
	return g, nil
}

func (s *Service) shut(ctx context.Context, t tenancy.Tenant, actor string, f *File) error {
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
