package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Going is what an erasure destroys.
type Going struct {
	Tables  map[string]int64 `json:"tables"`
	Rows    int64            `json:"rows"`
	Objects int64            `json:"objects"`
	Bytes   int64            `json:"bytes"`
}

// Erasure is a request to erase a tenant and what became of it.
type Erasure struct {
	Tenant      tenancy.ID `json:"tenant"`
	Slug        string     `json:"slug"`
	State       string     `json:"state"` // preview, requested or erased
	Reason      string     `json:"reason"`
	RequestedBy string     `json:"requested_by"`
	ConfirmedBy string     `json:"confirmed_by"`
	Going       Going      `json:"going"`
	Receipt     *Receipt   `json:"receipt"`
}

// Receipt is what is left of an erased tenant.
type Receipt struct {
	Tenant           tenancy.ID  `json:"tenant"`
	Slug             string      `json:"slug"`
	Name             string      `json:"name"`
	MunicipalityCode string      `json:"municipality_code"`
	BusinessID       string      `json:"business_id"`
	Reason           string      `json:"reason"`
	RequestedBy      string      `json:"requested_by"`
	RequestedAt      time.Time   `json:"requested_at"`
	ConfirmedBy      string      `json:"confirmed_by"`
	ConfirmedAt      time.Time   `json:"confirmed_at"`
	ErasedAt         time.Time   `json:"erased_at"`
	ExportSHA256     string      `json:"export_sha256"`
	VerifiedBy       string      `json:"verified_by"` // of the municipality: it has the export
	VerifiedAt       time.Time   `json:"verified_at"`
	SealedBy         []string    `json:"sealed_by"` // who asked, who confirmed
	SealedAt         time.Time   `json:"sealed_at"`
	Erased           Going       `json:"erased"`
	Remains          []Remaining `json:"remains"`
}

// Remaining is something that an erasure does not reach.
type Remaining struct {
	What  string     `json:"what"`
	Until string     `json:"until"`
	Date  *time.Time `json:"date"` // the last day of it, null where there is none
}

// Retention is for how many days copies outlive what they are of; 0 where the
// installation does not say.
type Retention struct{ BackupDays, FormerVersionDays int }

// remaining is what a receipt says of what an erasure at a time cannot reach.
func (r Retention) remaining(at time.Time) []Remaining {
	until := func(days int, otherwise string) (string, *time.Time) {
		if days == 0 {
			return otherwise, nil
		}
		day := at.AddDate(0, 0, days).UTC().Truncate(24 * time.Hour)
		return fmt.Sprintf("%s (%d days)", day.Format(time.DateOnly), days), &day
	}
	backups, last := until(r.BackupDays, "until the backups' own retention ends: set backup-days to have the day named")
	versions, gone := until(r.FormerVersionDays, "until the bucket's lifecycle rule removes them: set former-version-days to have the day named")
	return []Remaining{
		{"Backups of the database made before the erasure: rows as they were, and the wrapped keyset", backups, last},
		{"Former versions of objects, in a bucket that keeps versions: sealed by the destroyed keys", versions, gone},
		{"The operator log and this receipt: who did what to the tenant, without its people", "kept", nil},
		{"The log of its joining: who signed what for it, and the hashes of the files", "kept, as proof of the agreements", nil},
		{"Exports that were handed over", "until their holder deletes them", nil},
	}
}

// ErrOtherPerson says that the confirmation of a sealing or an erasure needs somebody else.
var ErrOtherPerson = errors.New("the one who asked cannot confirm it")

// HeldError says that an erasure waits for a second person.
type HeldError struct{ Erasure Erasure }

func (e *HeldError) Error() string {
	return fmt.Sprintf("%s asked to erase %s; nothing was erased. Somebody else confirms: tenantctl tenant erase %s --confirm %s --actor NAME",
		e.Erasure.RequestedBy, e.Erasure.Slug, e.Erasure.Slug, e.Erasure.Tenant)
}

// request is a row of control.erasure.
type request struct {
	reason, by, confirmedBy string
	at                      time.Time
	confirmedAt             *time.Time
	counts, receipt         []byte
}

const sqlRequest = `
select reason, requested_by, coalesce(confirmed_by, ''), requested_at, confirmed_at, counts, receipt
  from control.erasure
 where tenant = $1`

func (s *Service) request(ctx context.Context, t tenancy.Tenant) (*request, error) {
	r := &request{}
	err := s.Operator.Control().QueryRow(ctx, sqlRequest, t.ID).Scan(&r.reason, &r.by, &r.confirmedBy, &r.at, &r.confirmedAt, &r.counts, &r.receipt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read erasure of %s: %w", t.Slug, err)
	}
	return r, nil
}

// Preview says what an erasure would destroy and where it stands.
func (s *Service) Preview(ctx context.Context, t tenancy.Tenant) (Erasure, error) {
	e := Erasure{Tenant: t.ID, Slug: t.Slug, State: "preview"}
	r, err := s.request(ctx, t)
	if err != nil {
		return e, err
	}
	if r != nil {
		e.State, e.Reason, e.RequestedBy, e.ConfirmedBy = "requested", r.reason, r.by, r.confirmedBy
	}
	if t.State == tenancy.Erased {
		e.State = "erased"
		e.Receipt, err = s.Receipt(ctx, t)
		return e, err
	}
	if r != nil && r.confirmedBy != "" { // under way: the rows may be gone already
		return e, json.Unmarshal(r.counts, &e.Going)
	}
	if err := s.erasable(ctx, t); err != nil {
		return e, err
	}
	e.Going, err = s.Count(ctx, t)
	return e, err
}

func (s *Service) erasable(ctx context.Context, t tenancy.Tenant) error {
	sum, err := s.sealedWith(ctx, t)
	if err == nil && (t.State != tenancy.Sealed || sum == "") {
		err = fmt.Errorf("tenant %s is %s; an erasure begins with: tenantctl tenant seal %s --export FILE", t.Slug, t.State, t.Slug)
	}
	return err
}

// Erase records a request and returns HeldError; called by another actor it
// carries the request out, keys first. Killed anywhere after that, a call by
// anybody goes on. An erased tenant stays as it is.
func (s *Service) Erase(ctx context.Context, t tenancy.Tenant, actor, reason string, heard tenancy.StepFunc) (Erasure, error) {
	e, err := s.Preview(ctx, t)
	if err != nil || e.State == "erased" {
		return e, err
	}
	if e.State == "preview" {
		if strings.TrimSpace(reason) == "" {
			return e, errors.New("a reason is missing; give --reason")
		}
		const q = `insert into control.erasure (tenant, reason, requested_by, requested_at) values ($1, $2, $3, $4) on conflict do nothing`
		if _, err := s.Operator.Control().Exec(ctx, q, t.ID, reason, actor, s.Now()); err != nil {
			return e, fmt.Errorf("record request: %w", err)
		}
		e.State, e.Reason, e.RequestedBy = "requested", reason, actor
		return e, &HeldError{e}
	}
	if e.ConfirmedBy == "" {
		if tenancy.SamePerson(e.RequestedBy, actor) {
			return e, fmt.Errorf("%w: %s asked to erase %s; another person runs the command with --actor", ErrOtherPerson, actor, t.Slug)
		}
		counts, err := json.Marshal(e.Going)
		if err != nil {
			return e, err
		}
		const q = `update control.erasure set confirmed_by = $2, confirmed_at = $3, counts = $4 where tenant = $1 and confirmed_by is null`
		if _, err := s.Operator.Control().Exec(ctx, q, t.ID, actor, s.Now(), counts); err != nil {
			return e, fmt.Errorf("record confirmation: %w", err)
		}
		e.ConfirmedBy = actor
	}
	err = s.Operator.Alone(ctx, "erasure of "+t.Slug, func() error { return s.carryOut(ctx, t, &e, heard) })
	return e, err
}

func (s *Service) carryOut(ctx context.Context, t tenancy.Tenant, e *Erasure, heard tenancy.StepFunc) error {
	for _, step := range s.eraseSteps(t, e) {
		err := s.Operator.Step(ctx, t.ID, "erase", step.name, func() error { return step.run(ctx) })
		if heard != nil {
			heard(step.name, err)
		}
		if err != nil {
			return fmt.Errorf("erase %s, step %s: %w; mend the cause and run the command again, what is gone is gone", t.Slug, step.name, err)
		}
	}
	return nil
}

type eraseStep struct {
	name string
	run  func(ctx context.Context) error
}

// eraseSteps destroy a tenant, the keys first: from then on nothing that they
// encrypted can be read, wherever it lies. Each may run again.
func (s *Service) eraseSteps(t tenancy.Tenant, e *Erasure) []eraseStep {
	steps := []eraseStep{
		{"keys", func(ctx context.Context) error { return s.Operator.DestroyKeys(ctx, t) }},
		{"schema", func(ctx context.Context) error { return s.Operator.DropSchema(ctx, t) }},
		{"objects", func(ctx context.Context) error { _, err := s.Files.Erase(ctx, t.ID); return err }},
	}
	if e != nil {
		steps = append(steps, eraseStep{"receipt", func(ctx context.Context) (err error) {
			if e.Receipt, err = s.giveReceipt(ctx, t); err == nil {
				e.State = "erased"
			}
			return err
		}})
	}
	return steps
}

// EraseSteps names the steps in their order.
func EraseSteps() []string { return []string{"keys", "schema", "objects", "receipt"} }

// Count says what a tenant keeps.
func (s *Service) Count(ctx context.Context, t tenancy.Tenant) (g Going, err error) {
	g.Tables = map[string]int64{}
	err = s.Operator.InSchema(ctx, t, snapshotted, func(tx pgx.Tx) error {
		list, err := shapes(ctx, tx, t)
		if err != nil {
			return err
		}
		for _, sh := range list {
			var n int64
			if err := tx.QueryRow(ctx, "select count(*) from "+pgx.Identifier{sh.Name}.Sanitize()).Scan(&n); err != nil {
				return err
			}
			g.Tables[sh.Name], g.Rows = n, g.Rows+n
		}
		return tx.QueryRow(ctx, "select count(*), coalesce(sum(size), 0)::bigint from object").Scan(&g.Objects, &g.Bytes)
	})
	if err != nil {
		return g, fmt.Errorf("count %s: %w", t.Slug, err)
	}
	return g, nil
}

const sqlErased = `
update control.tenant
   set state = 'erased', municipality_code = null, business_id = null, settings = '{}', schema_version = 0
 where id = $1`

// giveReceipt writes the receipt and the last state in one transaction; codes and
// hosts are free for others from then on.
func (s *Service) giveReceipt(ctx context.Context, t tenancy.Tenant) (*Receipt, error) {
	r, err := s.request(ctx, t)
	if err != nil {
		return nil, err
	}
	o, _, err := Offered(ctx, s.Operator.Control(), t.ID)
	if err != nil {
		return nil, err
	}
	v, _, err := Verified(ctx, s.Operator.Control(), t.ID)
	if err != nil {
		return nil, err
	}
	rc := &Receipt{Tenant: t.ID, Slug: t.Slug, Name: t.NameFi, MunicipalityCode: t.MunicipalityCode, BusinessID: t.BusinessID, Reason: r.reason,
		RequestedBy: r.by, RequestedAt: r.at, ConfirmedBy: r.confirmedBy, ConfirmedAt: *r.confirmedAt, ErasedAt: s.Now(), ExportSHA256: o.SealedSum,
		VerifiedBy: v.Name, VerifiedAt: v.At, SealedBy: []string{o.AskedBy, o.SealedBy}, SealedAt: o.SealedAt, Remains: s.Retention.remaining(s.Now())}
	if err := json.Unmarshal(r.counts, &rc.Erased); err != nil {
		return nil, err
	}
	b, err := json.Marshal(rc)
	if err != nil {
		return nil, err
	}
	return rc, pgx.BeginFunc(ctx, s.Operator.Control(), func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "update control.erasure set receipt = $2 where tenant = $1", t.ID, b)
		if err == nil {
			_, err = tx.Exec(ctx, "delete from control.tenant_host where tenant = $1", t.ID)
		}
		if err == nil {
			_, err = tx.Exec(ctx, sqlErased, t.ID)
		}
		return err
	})
}

// Receipt returns the receipt of an erased tenant.
func (s *Service) Receipt(ctx context.Context, t tenancy.Tenant) (*Receipt, error) {
	r, err := s.request(ctx, t)
	if err != nil {
		return nil, err
	}
	if r == nil || r.receipt == nil {
		return nil, fmt.Errorf("tenant %s is %s and has no receipt; there is one when it is erased", t.Slug, t.State)
	}
	rc := &Receipt{}
	if err := json.Unmarshal(r.receipt, rc); err != nil {
		return nil, fmt.Errorf("read receipt of %s: %w", t.Slug, err)
	}
	return rc, nil
}
