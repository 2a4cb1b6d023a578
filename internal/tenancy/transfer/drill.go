package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Drill is a restore drill and how it ended.
type Drill struct {
	Tenant  tenancy.ID `json:"tenant"`
	At      time.Time  `json:"at"`
	OK      bool       `json:"ok"`
	Seconds float64    `json:"seconds"`
	Rows    int64      `json:"rows"`
	Objects int        `json:"objects"`
	Detail  string     `json:"detail"` // why not ok
}

// Drill proves that a tenant can be restored: export, restore into a side tenant
// that no host reaches, comparison with the export, erasure of the side tenant.
// The tenant itself is only read. The result is recorded, a bad one as well; what
// a killed drill has left goes first.
func (s *Service) Drill(ctx context.Context, t tenancy.Tenant) (d Drill, err error) {
	err = s.Operator.Alone(ctx, "drill of "+t.Slug, func() error {
		if err := s.clearDrills(ctx, t.ID); err != nil {
			return err
		}
		began := s.Now()
		d = Drill{Tenant: t.ID, At: began}
		differences, err := s.drill(ctx, t, &d)
		switch {
		case ctx.Err() != nil:
			return ctx.Err() // broken off is no result
		case err != nil:
			d.Detail = err.Error()
		case len(differences) > 0:
			d.Detail = fmt.Sprintf("%d differences, the first in %s %s", len(differences), differences[0].Kind, differences[0].Name)
		default:
			d.OK = true
		}
		d.Seconds = s.Now().Sub(began).Seconds()
		return errors.Join(s.insertDrill(ctx, d), s.clearDrills(ctx, t.ID))
	})
	return d, err
}

func (s *Service) drill(ctx context.Context, t tenancy.Tenant, d *Drill) ([]Difference, error) {
	w, err := os.CreateTemp("", "digione-*")
	if err != nil {
		return nil, fmt.Errorf("make export file: %w", err)
	}
	defer func() { _ = w.Close() }()
	if err := os.Remove(w.Name()); err != nil { // nameless: a kill leaves nothing to read
		return nil, fmt.Errorf("hide export file: %w", err)
	}
	if _, err := s.Export(ctx, t, w); err != nil {
		return nil, err
	}
	f, err := check(ctx, w)
	if err != nil {
		return nil, err
	}
	d.Rows, d.Objects = f.Manifest.Rows(), len(f.Manifest.Objects)
	run, err := uuid.NewRandom()
	if err != nil {
		return nil, err
	}
	spec, _, err := s.Spec(ctx, f.Manifest, "drill-"+strings.ReplaceAll(run.String(), "-", "")[:8])
	if err != nil {
		return nil, err
	}
	spec.MunicipalityCode, spec.BusinessID = "", "" // the tenant's own, in any case
	spec.Cluster = t.Cluster                        // its rows come to lie nowhere else
	l := s.load(f)
	l.Drill = true
	side, err := s.Operator.Restore(ctx, spec, l, nil)
	if err != nil {
		return nil, err
	}
	k, err := s.Operator.OpenKeyset(side)
	if err != nil {
		return nil, err
	}
	is, err := s.contents(ctx, side, k, nil)
	if err != nil {
		return nil, err
	}
	if was := f.Manifest.contents(); was.version == is.version {
		return compare(was, is), nil
	}
	return nil, fmt.Errorf("tenant %s is on schema version %d, the drill went to %d; run: tenantctl migrate up --tenant %s", t.Slug, f.Manifest.SchemaVersion, is.version, t.Slug)
}

// clearDrills erases the side tenants of a tenant's drills.
func (s *Service) clearDrills(ctx context.Context, id tenancy.ID) error {
	ctx = context.WithoutCancel(ctx)
	rows, err := s.Operator.Control().Query(ctx, "select tenant from control.restore where source = $1 and drill order by tenant", id)
	if err != nil {
		return err
	}
	sides, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, side := range sides {
		t, err := s.Operator.Find(ctx, side)
		if err != nil {
			return err
		}
		for _, step := range s.eraseSteps(t, nil) {
			if err := step.run(ctx); err != nil {
				return fmt.Errorf("erase side tenant %s: %w", t.Slug, err)
			}
		}
		if err := s.Operator.Forget(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

const sqlDue = `
select t.id
  from control.tenant t
       left join control.drill d on d.tenant = t.id
 where t.state = 'active'
 group by t.id, t.slug
having coalesce(max(d.at) filter (where d.ok), '-infinity') < @before
 order by max(d.at) nulls first, t.slug`

// Due returns the active tenants without a good drill since a time: those never
// drilled first, then by their last drill, so that one that always fails does not
// keep the others waiting.
func (s *Service) Due(ctx context.Context, before time.Time) ([]tenancy.Tenant, error) {
	rows, err := s.Operator.Control().Query(ctx, sqlDue, pgx.StrictNamedArgs{"before": before})
	if err != nil {
		return nil, fmt.Errorf("list due drills: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list due drills: %w", err)
	}
	list := make([]tenancy.Tenant, len(ids))
	for i, id := range ids {
		if list[i], err = s.Operator.Find(ctx, id); err != nil {
			return nil, err
		}
	}
	return list, nil
}

const sqlInsertDrill = `
insert into control.drill (tenant, at, ok, seconds, rows, objects, detail)
values (@tenant, @at, @ok, @seconds, @rows, @objects, @detail)`

func (s *Service) insertDrill(ctx context.Context, d Drill) error {
	_, err := s.Operator.Control().Exec(ctx, sqlInsertDrill, pgx.StrictNamedArgs{"tenant": d.Tenant, "at": d.At, "ok": d.OK,
		"seconds": d.Seconds, "rows": d.Rows, "objects": d.Objects, "detail": d.Detail})
	if err != nil {
		return fmt.Errorf("record drill: %w", err)
	}
	return nil
}

const sqlLastDrill = `
select tenant, at, ok, seconds, rows, objects, detail
  from control.drill
 where tenant = $1
 order by at desc, id desc
 limit 1`

// LastDrill returns a tenant's newest drill; false when it has had none.
func LastDrill(ctx context.Context, o *tenancy.Operator, id tenancy.ID) (Drill, bool, error) {
	rows, err := o.Control().Query(ctx, sqlLastDrill, id)
	if err != nil {
		return Drill{}, false, fmt.Errorf("read drill: %w", err)
	}
	d, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Drill])
	if errors.Is(err, pgx.ErrNoRows) {
		return Drill{}, false, nil
	}
	if err != nil {
		return Drill{}, false, fmt.Errorf("read drill: %w", err)
	}
	return d, true, nil
}
