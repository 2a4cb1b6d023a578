package roster

import (
	"context"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// Edit changes one field of a row that the roster owns. The product shows the
// new value at once; the next plan that would change the row shows the field as
// a conflict, and the tenant's policy says whose value stays. Editing a field
// back to what was delivered forgets the edit.
func (s *Service) Edit(ctx context.Context, t tenancy.Tenant, typ oneroster.Type, sourcedID, field, value, who string) error {
	table := oneroster.TableOf(typ)
	if table == nil || table.Index(field) < 0 {
		return fault.New(fault.Invalid, "roster.error.field", "%s has no field %q", typ, field)
	}
	for _, c := range table.Columns {
		if c.Name == field && (c.Ref != "" || field == "password") {
			return fault.New(fault.Invalid, "roster.error.field", "%s of %s cannot be edited here; change it in the source", field, typ)
		}
	}
	ks, err := s.Keyset(t)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := lockRoster(ctx, tx); err != nil {
			return err
		}
		r, err := newRun(ctx, tx.Read, &undo{}, Options{}, ks, s.Now())
		if err != nil {
			return err
		}
		r.write = &tx
		for _, need := range append(referred, typ) {
			if err := r.load(need); err != nil {
				return err
			}
		}
		row := r.known[typ][keyOf(sourcedID)]
		if row == nil || !row.active {
			return fault.New(fault.NotFound, "roster.error.norow", "%s has no active %s", t.Slug, label(typ, sourcedID))
		}
		return r.edit(row, typ, sourcedID, field, value, who)
	}, within)
}

func (r *run) edit(row *stored, typ oneroster.Type, sourcedID, field, value, who string) error {
	img, err := r.document(typ, row.id)
	if err != nil {
		return err
	}
	before := img.Fields[field]
	rec, err := img.record(typ, sourcedID, r.keys)
	if err != nil {
		return err
	}
	rec.Fields[rec.Table.Index(field)] = value
	// The hash stays that of what was delivered: the next bulk file with the same
	// row is no change.
	cells, err := r.row(rec, mark{id: row.id, status: "active", modified: r.atCell, hash: row.hash})
	if err != nil {
		return err
	}
	if err := bulkOf(typ).Change(r.ctx, *r.write, [][]string{cells}); err != nil {
		return err
	}
	return r.noteEdit(typ, sourcedID, field, before, value, who)
}
