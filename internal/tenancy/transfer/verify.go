package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
	"digione/schemas"
)

// Control is a connection to the schema control: the owner's, or the application's.
type Control interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Offer is the last export of a tenant that leaves: what its municipality was handed.
type Offer struct {
	Reason    string    // why it leaves
	BegunAt   time.Time // since when it does
	SHA256    string    // of the file; empty while there is none
	At        time.Time // of the export
	Contents  Contents
	AskedBy   string // who has asked to seal it, "" for nobody
	SealedBy  string // who has sealed it, "" for nobody
	SealedAt  time.Time
	SealedSum string // hash of the export that it was sealed with
}

// Contents are the sums of an export: by them two exports are compared when their
// files are elsewhere.
type Contents struct {
	SchemaVersion int64    `json:"schema_version"`
	Tables        []Table  `json:"tables"`
	Objects       []Object `json:"objects"`
}

// Rows counts the rows of all tables.
func (c Contents) Rows() (n int64) {
	for _, t := range c.Tables {
		n += t.Rows
	}
	return n
}

// Bytes counts those of all objects.
func (c Contents) Bytes() (n int64) {
	for _, o := range c.Objects {
		n += o.Size
	}
	return n
}

// lasting are the contents that nobody changes while a tenant leaves: what is noted
// of who reads, its sign-in among it, goes on.
func (c Contents) lasting() contents {
	out := contents{version: c.SchemaVersion, objects: c.Objects}
	for _, t := range c.Tables {
		if !t.Transient && !slices.Contains(schemas.Traces, t.Name) {
			out.tables = append(out.tables, t)
		}
	}
	return out
}

// Verification is the word of a municipality that it has an export, and found in it
// what it should hold.
type Verification struct {
	SHA256 string
	Side   string // municipality: its admin said so; tiera: an operator noted it from a paper
	Actor  string // who noted it
	Name   string // who gave the word
	Reason string // where it was given, for a paper
	At     time.Time

	Contents Contents
}

// The sides of a verification.
const (
	ByMunicipality = "municipality"
	OnPaper        = "tiera"
)

// ErrUnverified says that a municipality has not verified its export.
var ErrUnverified = errors.New("its municipality has not verified an export")

// ErrOtherExport says that a hash is not that of the export that was offered.
var ErrOtherExport = errors.New("this is not the hash of the last export")

const sqlOffer = `
select reason, begun_at, coalesce(offered_sha256, ''), coalesce(offered_at, begun_at), coalesce(offered, '{}'),
       coalesce(seal_asked_by, ''), coalesce(sealed_by, ''), coalesce(sealed_at, begun_at), coalesce(export_sha256, '')
  from control.leaving
 where tenant = $1`

// Offered returns what a tenant that leaves was handed; ok is false for one that does
// not leave.
func Offered(ctx context.Context, q Control, id tenancy.ID) (o Offer, ok bool, err error) {
	err = q.QueryRow(ctx, sqlOffer, id).Scan(&o.Reason, &o.BegunAt, &o.SHA256, &o.At, &o.Contents, &o.AskedBy, &o.SealedBy, &o.SealedAt, &o.SealedSum)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, false, nil
	}
	if err != nil {
		return o, false, fmt.Errorf("read leaving of %s: %w", id, err)
	}
	return o, true, nil
}

const sqlVerified = `
select v.export_sha256, v.side, v.actor, v.name, v.reason, v.at, v.contents
  from control.export_verification v
  join control.leaving l on l.tenant = v.tenant and v.at >= l.begun_at
 where v.tenant = $1
 order by v.id desc
 limit 1`

// Verified returns the last word of a municipality about an export, since it began to
// leave; ok is false when there is none.
func Verified(ctx context.Context, q Control, id tenancy.ID) (v Verification, ok bool, err error) {
	err = q.QueryRow(ctx, sqlVerified, id).Scan(&v.SHA256, &v.Side, &v.Actor, &v.Name, &v.Reason, &v.At, &v.Contents)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("read verification of %s: %w", id, err)
	}
	return v, true, nil
}

const sqlVerify = `
insert into control.export_verification (tenant, export_sha256, contents, side, actor, name, reason, at)
select tenant, offered_sha256, offered, @side, @actor, @name, @reason, @at
  from control.leaving
 where tenant = @id
   and offered_sha256 = @sum
   and not exists (select from control.export_verification v where v.tenant = leaving.tenant and v.export_sha256 = @sum and v.at >= leaving.begun_at)
returning id`

// CheckVerification tells whether a word about an export could be noted. It returns
// ErrOtherExport for another hash than that of the last export.
func CheckVerification(ctx context.Context, q Control, t tenancy.Tenant, v Verification) error {
	if t.State != tenancy.Leaving {
		return fmt.Errorf("tenant %s is %s; an export is verified while a tenant leaves", t.Slug, t.State)
	}
	o, ok, err := Offered(ctx, q, t.ID)
	if err == nil && (!ok || o.SHA256 == "" || o.SHA256 != plainSum(v.SHA256)) {
		err = fmt.Errorf("%w of %s; compare it with the file's own, as sha256sum prints it", ErrOtherExport, t.Slug)
	}
	return err
}

// Verify notes a municipality's word about the export that it was offered last. Twice
// is once. It refuses what CheckVerification does.
func Verify(ctx context.Context, q Control, t tenancy.Tenant, v Verification) error {
	if err := CheckVerification(ctx, q, t, v); err != nil {
		return err
	}
	var id int64
	args := pgx.StrictNamedArgs{"id": t.ID, "sum": plainSum(v.SHA256), "side": v.Side, "actor": v.Actor, "name": v.Name, "reason": v.Reason, "at": v.At}
	if err := q.QueryRow(ctx, sqlVerify, args).Scan(&id); err != nil && !errors.Is(err, pgx.ErrNoRows) { // none: it was said before
		return fmt.Errorf("note verification of %s: %w", t.Slug, err)
	}
	return nil
}

// plainSum is a hash as people copy it: with blanks, in capitals.
func plainSum(text string) string { return strings.ToLower(strings.Join(strings.Fields(text), "")) }

// offer notes the export of a tenant that leaves.
func (s *Service) offer(ctx context.Context, t tenancy.Tenant, m *Manifest, sum string) error {
	if t.State != tenancy.Leaving {
		return nil
	}
	b, err := json.Marshal(Contents{m.SchemaVersion, m.Tables, m.Objects})
	if err == nil {
		_, err = s.Operator.Control().Exec(ctx, "update control.leaving set offered_sha256 = $2, offered_at = $3, offered = $4 where tenant = $1", t.ID, sum, m.ExportedAt, b)
	}
	if err != nil {
		return fmt.Errorf("note export of %s: %w", t.Slug, err)
	}
	return nil
}

// agreed checks that an export holds what the municipality verified, but for what was
// noted since of who reads.
func (s *Service) agreed(ctx context.Context, t tenancy.Tenant, f *File) (Verification, error) {
	v, ok, err := Verified(ctx, s.Operator.Control(), t.ID)
	if err != nil {
		return v, err
	}
	if !ok {
		return v, fmt.Errorf("tenant %s: %w; its admin does so on the page /lahto, or a paper is noted by: tenantctl tenant verify-export %s", t.Slug, ErrUnverified, t.Slug)
	}
	m := f.Manifest
	if d := compare(v.Contents.lasting(), Contents{m.SchemaVersion, m.Tables, m.Objects}.lasting()); len(d) > 0 || v.Contents.SchemaVersion != m.SchemaVersion {
		return v, fmt.Errorf("this export of %s is not what its municipality verified (%s): hand it over and have it verified", t.Slug, v.SHA256[:12])
	}
	return v, nil
}
