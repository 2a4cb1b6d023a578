package roster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

const planColumns = `id, coalesce(seq, 0), state, kind, coalesce(undoes, ''), source_name, encode(source_hash, 'hex'), object_key, version, options,
       base_seq, state_hash, change_hash, counts, holds, conflicts, findings, planned_by, planned_at, approved_by, reason,
       applied_by, applied_at, coalesce(seconds, 0), rekeyed, totals, leavers, failure, closed_by, pruned_at, row_count`

const sqlLatest = `select ` + planColumns + `
  from roster_import
 where seq = (select max(seq) from roster_import)`

const sqlShow = `select ` + planColumns + `
  from roster_import
 where id = @id or seq = @seq`

const sqlHistory = `select ` + planColumns + `
  from roster_import
 where @parts or kind <> 'part'
 order by planned_at desc, id desc
 limit @limit`

// latest returns the newest applied import; its seq is 0 when there is none.
func latest(ctx context.Context, tx tenancy.Read) (*Plan, error) {
	list, err := plans(ctx, tx, sqlLatest, pgx.StrictNamedArgs{})
	if err != nil || len(list) == 0 {
		return &Plan{}, err
	}
	return list[0], nil
}

const sqlNothingYet = `
select not exists (
  select from roster_import i, jsonb_each(i.counts) c
   where i.seq <= @base and (c.value->>'insert')::int > 0)`

// nothingYet tells that no import up to base has brought a row: what comes next has
// nothing to be compared with, however many empty packages came before.
func nothingYet(ctx context.Context, tx tenancy.Read, base int) (yes bool, err error) {
	if err = tx.QueryRow(ctx, sqlNothingYet, pgx.StrictNamedArgs{"base": base}).Scan(&yes); err != nil {
		return false, fmt.Errorf("look for rows: %w", err)
	}
	return yes, nil
}

func plans(ctx context.Context, tx tenancy.Read, sql string, args pgx.StrictNamedArgs) ([]*Plan, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanPlan)
	if err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	return list, nil
}

func scanPlan(row pgx.CollectableRow) (*Plan, error) {
	p := &Plan{}
	var options, counts, holds, conflicts, findings, state, change, rekeyed, totals, leavers []byte
	err := row.Scan(&p.ID, &p.seq, &p.State, &p.Kind, &p.Undoes, &p.SourceName, &p.SourceSHA256, &p.objectKey, &p.Version, &options,
		&p.baseSeq, &state, &change, &counts, &holds, &conflicts, &findings, &p.PlannedBy, &p.PlannedAt, &p.ApprovedBy, &p.Reason,
		&p.AppliedBy, &p.AppliedAt, &p.Seconds, &rekeyed, &totals, &leavers, &p.Failure, &p.ClosedBy, &p.PrunedAt, &p.Rows)
	if err != nil {
		return nil, err
	}
	p.Import, p.Held = importName(p.seq), p.State == Held
	p.stateHash, p.changeHash, p.Rekeyed = digestOf(state), digestOf(change), []Rekey{}
	for _, c := range []struct {
		from []byte
		to   any
	}{{options, &p.Options}, {counts, &p.Changes}, {holds, &p.Holds}, {conflicts, &p.Conflicts}, {findings, &p.Findings},
		{rekeyed, &p.Rekeyed}, {totals, &p.Totals}, {leavers, &p.Leavers}} {
		if err := json.Unmarshal(c.from, c.to); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Show returns a plan by its id (pln_…), or an import by its name (imp_N).
func (s *Service) Show(ctx context.Context, t tenancy.Tenant, id string) (*Plan, error) {
	seq := -1
	if n, ok := strings.CutPrefix(id, "imp_"); ok {
		if v, err := strconv.Atoi(n); err == nil {
			seq = v
		}
	}
	var list []*Plan
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		list, err = plans(ctx, tx, sqlShow, pgx.StrictNamedArgs{"id": id, "seq": seq})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, "roster.error.noplan", "%s has no plan or import %q; see: tenantctl roster history %s", t.Slug, id, t.Slug)
	}
	list[0].Tenant = t.Slug
	return list[0], nil
}

// History lists plans and imports, newest first.
func (s *Service) History(ctx context.Context, t tenancy.Tenant, limit int) ([]*Plan, error) {
	return s.history(ctx, t, limit, true)
}

// history lists with or without the parts of published school years, which a page of
// their own tells.
func (s *Service) history(ctx context.Context, t tenancy.Tenant, limit int, parts bool) ([]*Plan, error) {
	var list []*Plan
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		list, err = plans(ctx, tx, sqlHistory, pgx.StrictNamedArgs{"limit": limit, "parts": parts})
		return err
	})
	for _, p := range list {
		p.Tenant = t.Slug
	}
	return append([]*Plan{}, list...), err // none is [] in JSON
}

const sqlInsertPlan = `
insert into roster_import (id, state, kind, undoes, source_name, source_hash, object_key, version, options, base_seq, state_hash,
                           change_hash, counts, holds, conflicts, findings, rekeyed, totals, schools, leavers, planned_by, planned_at, row_count)
values (@id, @state, @kind, nullif(@undoes, ''), @source_name, @source_hash, @object_key, @version, @options, @base_seq, @state_hash,
        @change_hash, @counts, @holds, @conflicts, @findings, @rekeyed, @totals, @schools, @leavers, @planned_by, @planned_at, @row_count)`

func insertPlan(ctx context.Context, tx tenancy.Write, p *Plan) error {
	hash, err := hex.DecodeString(p.SourceSHA256)
	if err != nil {
		return err
	}
	args := pgx.StrictNamedArgs{"id": p.ID, "state": p.State, "kind": p.Kind, "undoes": p.Undoes, "source_name": p.SourceName,
		"source_hash": hash, "object_key": p.objectKey, "version": p.Version, "base_seq": p.baseSeq,
		"state_hash": p.stateHash.bytes(), "change_hash": p.changeHash.bytes(), "planned_by": p.PlannedBy, "planned_at": p.PlannedAt,
		"row_count": p.Rows}
	if p.Changes == nil {
		p.Changes = map[oneroster.Type]Counts{}
	}
	for name, v := range map[string]any{"options": p.Options, "counts": p.Changes, "holds": p.Holds, "conflicts": p.Conflicts, "findings": p.Findings,
		"rekeyed": nonNil(p.Rekeyed), "totals": nonNil(p.Totals), "schools": nonNil(p.Schools), "leavers": p.Leavers} {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		args[name] = string(b)
	}
	if _, err := tx.Exec(ctx, sqlInsertPlan, args); err != nil {
		return fmt.Errorf("store plan: %w", err)
	}
	if err := keepLosses(ctx, tx, p.ID, p.losses); err != nil {
		return err
	}
	return keepSamples(ctx, tx, p.ID, p.samples)
}

// nonNil keeps an empty list from reaching the database as null.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// beginImport gives the plan its number, under which images are kept; it is
// committed with them or not at all.
const sqlBeginImport = `
update roster_import
   set seq = @seq, state = 'applied', failure = '', approved_by = @approved_by, approved_at = @at, reason = @reason
 where id = @id and seq is null and state in ('planned', 'held')`

func beginImport(ctx context.Context, tx tenancy.Write, p *Plan, a Approval) error {
	by := ""
	if a.Approve {
		by = a.Who
	}
	p.ApprovedBy, p.Reason, p.Failure = by, a.Reason, ""
	tag, err := tx.Exec(ctx, sqlBeginImport, pgx.StrictNamedArgs{"id": p.ID, "seq": p.seq, "approved_by": by, "at": time.Now(), "reason": a.Reason})
	if err != nil {
		return fmt.Errorf("begin import: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "roster.error.applied", "plan %s was applied meanwhile", p.ID)
	}
	return nil
}

const sqlFinishImport = `
update roster_import
   set applied_by = @by, applied_at = @at, seconds = @seconds, counts = @counts, state_hash = @state_hash, change_hash = @change_hash,
       row_count = @row_count
 where id = @id`

const sqlMarkRolledBack = `update roster_import set state = 'rolled_back' where id = @id`

func finishImport(ctx context.Context, tx tenancy.Write, p *Plan, at time.Time) error {
	p.AppliedAt = &at
	counts, err := json.Marshal(p.Changes)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlFinishImport, pgx.StrictNamedArgs{"id": p.ID, "by": p.AppliedBy, "at": at, "seconds": p.Seconds,
		"counts": string(counts), "state_hash": p.stateHash.bytes(), "change_hash": p.changeHash.bytes(), "row_count": p.Rows})
	if err == nil && p.Undoes != "" {
		_, err = tx.Exec(ctx, sqlMarkRolledBack, pgx.StrictNamedArgs{"id": p.Undoes})
	}
	if err != nil {
		return fmt.Errorf("finish import: %w", err)
	}
	return nil
}

const sqlLockRoster = `select pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' roster', 0))`

// lockRoster lets one import run at a time in a tenant.
func lockRoster(ctx context.Context, tx tenancy.Write) error {
	var got bool
	if err := tx.QueryRow(ctx, sqlLockRoster).Scan(&got); err != nil {
		return fmt.Errorf("lock roster: %w", err)
	}
	if !got {
		return fault.New(fault.Conflict, "roster.error.running", "another import of this tenant is running; wait for it and try again")
	}
	return nil
}

// storeView is what the tenant has, for the references of delta files.
func (r *run) storeView() (oneroster.Store, error) {
	v := storeView{run: r, kinds: map[oneroster.Type]map[key]oneroster.Known{}}
	for _, table := range oneroster.Tables() {
		t := table.Type
		if err := r.load(t); err != nil {
			return nil, err
		}
		if t != oneroster.Orgs && t != oneroster.AcademicSessions && t != oneroster.Classes && t != oneroster.UserProfiles {
			continue
		}
		kinds := map[key]oneroster.Known{}
		err := documents(r.ctx, r.tx, t, 0, func(d document) error {
			k := oneroster.Known{Active: d.Status == "active", Kind: d.Fields["type"], Parent: d.Fields["parentSourcedId"],
				Owner: d.Fields["userSourcedId"], From: d.Fields["startDate"], Until: d.Fields["endDate"]}
			if t == oneroster.Classes {
				k.Parent = d.Fields["schoolSourcedId"]
			}
			kinds[keyOf(d.sourcedID)] = k
			return nil
		})
		if err != nil {
			return nil, err
		}
		v.kinds[t] = kinds
	}
	return v, nil
}

type storeView struct {
	run   *run
	kinds map[oneroster.Type]map[key]oneroster.Known
}

func (v storeView) Lookup(t oneroster.Type, id string) (oneroster.Known, bool) {
	k := keyOf(id)
	if m, ok := v.kinds[t]; ok {
		known, ok := m[k]
		return known, ok
	}
	s := v.run.known[t][k]
	if s == nil {
		return oneroster.Known{}, false
	}
	return oneroster.Known{Active: s.active}, true
}
