package roster

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

// undo is the source that takes an import back: the rows as they were before it.
// What the import had added is removed beside it.
type undo struct {
	seq  int
	rows map[oneroster.Type][]*oneroster.Record
	all  []oneroster.Type
}

func (u *undo) Mode(t oneroster.Type) oneroster.Mode {
	if slices.Contains(u.all, t) {
		return oneroster.Delta
	}
	return oneroster.Absent
}

func (u *undo) Each(f func(*oneroster.Record) error, t oneroster.Type) error {
	for _, rec := range u.rows[t] {
		if err := f(rec); err != nil {
			return err
		}
	}
	return nil
}

func (u *undo) Full() bool           { return true }
func (u *undo) RolesFromUsers() bool { return false }

// loadUndo reads what an import had changed. Memory grows with the changes, not
// with the roster.
func loadUndo(ctx context.Context, tx tenancy.Read, id string, ks *keys.Keyset) (*undo, error) {
	seq, types, err := importOf(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	u := &undo{seq: seq, rows: map[oneroster.Type][]*oneroster.Record{}, all: types}
	err = images(ctx, tx, seq, func(t oneroster.Type, sourcedID string, i image) error {
		rec, err := i.record(t, sourcedID, ks)
		u.rows[t] = append(u.rows[t], rec)
		return err
	})
	return u, err
}

// record says a kept row in the words of its file again.
func (i image) record(t oneroster.Type, sourcedID string, ks *keys.Keyset) (*oneroster.Record, error) {
	table := oneroster.TableOf(t)
	if table == nil {
		return nil, fmt.Errorf("kept row of unknown type %q", t)
	}
	if i.Hetu != nil {
		cipher, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(*i.Hetu, "\n", ""))
		if err != nil {
			return nil, fmt.Errorf("read hetu of %s: %w", label(t, sourcedID), err)
		}
		plain, err := ks.Open(cipher, contextHetu)
		if err != nil {
			return nil, fmt.Errorf("decrypt hetu of %s: %w", label(t, sourcedID), err)
		}
		for c, v := range i.Fields {
			i.Fields[c] = strings.ReplaceAll(v, placeholder, string(plain))
		}
	}
	rec := &oneroster.Record{Table: table, SourcedID: sourcedID, Status: i.Status, Fields: make([]string, len(table.Columns))}
	for k, c := range table.Columns {
		v := i.Fields[c.Name]
		if sealed, ok := strings.CutPrefix(v, sealedPrefix); ok && c.Name == "password" {
			b, err := base64.StdEncoding.DecodeString(sealed)
			if err == nil {
				b, err = ks.Open(b, contextSecret)
			}
			if err != nil {
				return nil, fmt.Errorf("decrypt password of %s: %w", label(t, sourcedID), err)
			}
			v = string(b)
		}
		rec.Fields[k] = v
	}
	for c, v := range i.Fields {
		if strings.HasPrefix(c, "metadata.") {
			rec.Meta = append(rec.Meta, oneroster.Meta{Name: c, Value: v})
		}
	}
	slices.SortFunc(rec.Meta, func(a, b oneroster.Meta) int { return strings.Compare(a.Name, b.Name) })
	return rec, nil
}

// Rollback plans to take an applied import back, values included, and applies
// that unless dry. It refuses when a later import has changed the same rows,
// unless forced: then those rows too become what they were before this import.
func (s *Service) Rollback(ctx context.Context, t tenancy.Tenant, id string, force, dry bool, a Approval, progress Progress) (*Plan, error) {
	plan, err := s.PlanRollback(ctx, t, id, force, dry, a.Who)
	if err != nil || dry {
		return plan, err
	}
	return s.Apply(ctx, t, plan.ID, a, progress)
}

// PlanRollback says what taking an import back would change and, unless dry, keeps
// that as a plan to be applied like any other. It takes the place of an earlier plan
// to do the same, which somebody has left or a program has died on.
func (s *Service) PlanRollback(ctx context.Context, t tenancy.Tenant, id string, force, dry bool, who string) (*Plan, error) {
	done, err := s.Show(ctx, t, id)
	if err != nil {
		return nil, err
	}
	if done.PrunedAt != nil {
		return nil, fault.New(fault.Conflict, "roster.error.pruned", "what %s had changed is kept no longer; it cannot be rolled back", id)
	}
	if err := s.lastStage(ctx, t, done); err != nil {
		return nil, err
	}
	if done.State != Applied {
		return nil, fault.New(fault.Conflict, "roster.error.notapplied", "%s is %s; only an applied import can be rolled back", id, done.State)
	}
	ks, err := s.Keyset(t)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Tenant: t.Slug, Kind: "rollback", Undoes: done.ID, SourceName: "undo of " + done.Import, SourceSHA256: done.SourceSHA256,
		Version: done.Version, State: Planned, PlannedBy: who, PlannedAt: s.Now(), Holds: []Hold{}, Conflicts: []Conflict{},
		Rekeyed: []Rekey{}, Findings: []oneroster.Finding{}}
	err = s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error { return s.planUndo(ctx, tx, t, done, plan, ks, force) }, within)
	if err != nil || dry {
		return plan, err
	}
	if plan.ID, err = newPlanID(); err != nil {
		return nil, err
	}
	plan.objectKey = done.objectKey
	return plan, s.DB.Write(ctx, t.ID, func(tx tenancy.Write) error {
		if err := closeUndoing(ctx, tx, done.ID, who, s.Now()); err != nil {
			return err
		}
		return insertPlan(ctx, tx, plan)
	})
}

// lastStage refuses to take back a part of a published school year on which others
// stand.
func (s *Service) lastStage(ctx context.Context, t tenancy.Tenant, done *Plan) error {
	if done.Kind != "part" {
		return nil
	}
	return s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		n, err := laterParts(ctx, tx, done.ID)
		if err == nil && n > 0 {
			err = fault.New(fault.Conflict, "roster.error.publish.later", "%d parts of the publication build on %s; take those back first", n, done.Import)
		}
		return err
	})
}

func (s *Service) planUndo(ctx context.Context, tx tenancy.Read, t tenancy.Tenant, done, plan *Plan, ks *keys.Keyset, force bool) error {
	last, err := latest(ctx, tx)
	if err != nil {
		return err
	}
	plan.baseSeq = last.seq
	u, err := loadUndo(ctx, tx, done.ID, ks)
	if err != nil {
		return err
	}
	n, err := overlaps(ctx, tx, done.seq, u.all)
	if err != nil {
		return err
	}
	if n > 0 && !force {
		return fault.New(fault.Conflict, "roster.error.overlap",
			"%d rows of %s were changed by later imports; roll those back first (see: tenantctl roster history %s), or add --force", n, done.Import, t.Slug)
	}
	r, err := newRun(ctx, tx, u, Options{}, ks, plan.PlannedAt)
	if err != nil {
		return err
	}
	r.watch = newWatch()
	if err := r.loadEdits(); err != nil {
		return err
	}
	if err := r.all(); err != nil {
		return err
	}
	if err := r.undoInserts(u.seq); err != nil {
		return err
	}
	r.count(plan)
	return r.show(plan)
}

// undoInserts removes the rows that an import had added, leaf types first.
func (r *run) undoInserts(seq int) error {
	tables := oneroster.Tables()
	for i := len(tables) - 1; i >= 0; i-- {
		t := tables[i].Type
		if r.src.Mode(t) == oneroster.Absent {
			continue
		}
		ids, persons, err := r.inserted(t, seq)
		if err != nil {
			return err
		}
		r.counts[t].Remove += len(ids)
		for _, id := range ids {
			r.change.add([]byte(remove), []byte(t), id[:])
		}
		for i, id := range ids {
			if r.watching() {
				r.watch.pick(picked{pickKey: pickKey{t, remove, -1}, id: id})
			}
			if i < len(persons) {
				r.touch(persons[i])
			}
		}
		if r.watching() {
			r.watch.undone(t, ids, persons)
		}
		if r.write == nil || len(ids) == 0 {
			continue
		}
		if err := r.markRemoved(t, ids); err != nil {
			return err
		}
	}
	return nil
}
