package roster

import (
	"context"
	"io"
	"slices"
	"strings"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// Export writes the tenant's active roster as a OneRoster 1.2 bulk package: what
// came in, with all its columns, and what was edited here since.
func (s *Service) Export(ctx context.Context, t tenancy.Tenant, w io.Writer) (map[oneroster.Type]int, error) {
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	rows := map[oneroster.Type]int{}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		modes, metas, final, err := outline(ctx, tx)
		if err != nil {
			return err
		}
		variant := oneroster.V121
		if final {
			variant = oneroster.V12Final
		}
		out := oneroster.NewWriter(w, variant, modes, "DigiOne")
		for _, table := range oneroster.Tables() {
			if modes[table.Type] == oneroster.Absent {
				continue
			}
			if err := out.Begin(table.Type, metas[table.Type]); err != nil {
				return err
			}
			err := documents(ctx, tx, table.Type, 0, func(d document) error {
				if d.Status != "active" {
					return nil
				}
				rec, err := d.record(table.Type, d.sourcedID, ks)
				if err != nil {
					return err
				}
				rec.Status = "" // bulk says it by being there
				rec.Meta = allMeta(metas[table.Type], rec)
				rows[table.Type]++
				return out.Write(rec)
			})
			if err != nil {
				return err
			}
		}
		return out.Close()
	}, within)
	return rows, err
}

// outline finds which types have rows, with which metadata columns, and whether
// users have the column that only 1.2 Final knows.
func outline(ctx context.Context, tx tenancy.Read) (modes map[oneroster.Type]oneroster.Mode, metas map[oneroster.Type][]string, final bool, err error) {
	modes, metas = map[oneroster.Type]oneroster.Mode{}, map[oneroster.Type][]string{}
	for _, table := range oneroster.Tables() {
		t := table.Type
		modes[t] = oneroster.Absent
		names := map[string]bool{}
		err := documents(ctx, tx, t, 0, func(d document) error {
			if d.Status != "active" {
				return nil
			}
			modes[t] = oneroster.Bulk
			for c := range d.Fields {
				if strings.HasPrefix(c, "metadata.") {
					names[c] = true
				}
				final = final || c == "resourceSourcedIds"
			}
			return nil
		})
		if err != nil {
			return nil, nil, false, err
		}
		for n := range names {
			metas[t] = append(metas[t], n)
		}
		slices.Sort(metas[t])
	}
	return modes, metas, final, nil
}

// allMeta gives a row a value, be it empty, for every metadata column of its file.
func allMeta(names []string, rec *oneroster.Record) []oneroster.Meta {
	given := map[string]string{}
	for _, m := range rec.Meta {
		given[m.Name] = m.Value
	}
	out := make([]oneroster.Meta, len(names))
	for i, n := range names {
		out[i] = oneroster.Meta{Name: n, Value: given[n]}
	}
	return out
}
