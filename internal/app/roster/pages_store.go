package roster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

const sqlNamesOfPersons = `
select id, btrim(coalesce(nullif(call_name, ''), given_names) || ' ' || family_name)
  from person
 where id = any (@ids)
 order by 2, 1`

// namesOfAccounts returns the names of the persons behind accounts.
func namesOfAccounts(ctx context.Context, tx tenancy.Read, accounts []string) (map[string]string, error) {
	ids := []uuid.UUID{}
	for _, a := range accounts {
		if id, ok := PersonOf(a); ok {
			ids = append(ids, id)
		}
	}
	names, err := namesOfPersons(ctx, tx, ids)
	out := map[string]string{}
	for _, n := range names {
		out[AccountOf(n.ID)] = n.Name
	}
	return out, err
}

// PersonName is a person and what they are called.
type PersonName struct {
	ID   uuid.UUID
	Name string
}

func namesOfPersons(ctx context.Context, tx tenancy.Read, ids []uuid.UUID) ([]PersonName, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := tx.Query(ctx, sqlNamesOfPersons, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[PersonName])
}

// filter chooses findings; empty fields choose all.
type filter struct {
	code, severity, file string
	page                 int // from 1
}

// perPage bounds the findings of a page, mostFindings those of a download.
const (
	perPage      = 50
	mostFindings = 50000
)

const (
	findingsHead  = `select e.f, count(*) over ()::int from `
	findingsWhere = ` cross join lateral jsonb_array_elements(case jsonb_typeof(s.findings) when 'array' then s.findings else '[]' end) with ordinality as e(f, n)
 where s.id = @id
   and (@code = '' or e.f ->> 'code' = @code)
   and (@severity = '' or e.f ->> 'severity' = @severity)
   and (@file = '' or e.f ->> 'file' = @file)
 order by e.n
 limit @limit offset @offset`
	sqlFindingsOfPlan   = findingsHead + `roster_import s` + findingsWhere
	sqlFindingsOfUpload = findingsHead + `roster_upload s` + findingsWhere

	filesWhere = ` cross join lateral jsonb_array_elements(case jsonb_typeof(s.findings) when 'array' then s.findings else '[]' end) as e(f)
 where s.id = @id
 group by 1
 order by 1
 limit 100`
	sqlFilesOfPlan   = `select e.f ->> 'file' from roster_import s` + filesWhere
	sqlFilesOfUpload = `select e.f ->> 'file' from roster_upload s` + filesWhere
)

// findingsOf reads the findings that a filter chooses, and how many there are.
// subject is a *Plan or an *Upload.
func findingsOf(ctx context.Context, tx tenancy.Read, subject any, f filter, limit int) (list []oneroster.Finding, total int, err error) {
	sql, id := sqlFindingsOfPlan, any(nil)
	switch s := subject.(type) {
	case *Plan:
		id = s.ID
	case *Upload:
		sql, id = sqlFindingsOfUpload, s.ID
	}
	rows, err := tx.Query(ctx, sql, pgx.StrictNamedArgs{"id": id, "code": f.code, "severity": f.severity, "file": f.file,
		"limit": limit, "offset": (max(1, f.page) - 1) * limit})
	if err != nil {
		return nil, 0, fmt.Errorf("read findings: %w", err)
	}
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&doc, &total}, func() error {
		var x oneroster.Finding
		err := json.Unmarshal(doc, &x)
		list = append(list, x)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read findings: %w", err)
	}
	return list, total, nil
}

func filesOf(ctx context.Context, tx tenancy.Read, subject any) ([]string, error) {
	sql, id := sqlFilesOfPlan, any(nil)
	switch s := subject.(type) {
	case *Plan:
		id = s.ID
	case *Upload:
		sql, id = sqlFilesOfUpload, s.ID
	}
	rows, err := tx.Query(ctx, sql, pgx.StrictNamedArgs{"id": id})
	if err != nil {
		return nil, fmt.Errorf("read files of findings: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// personChange is a row about a person as it was before an import changed it.
type personChange struct {
	seq       int
	plan      string
	source    string
	at        time.Time
	by        string
	typ       oneroster.Type
	sourcedID string
	kind      string
	before    map[string]string
}

const sqlPersonChanges = `
with mine as (
  select 'users' as type, sourced_id from roster_user where person = @person
   union all
  select 'demographics', sourced_id from roster_user where person = @person
   union all
  select 'roles', sourced_id from role_grant where person = @person and sourced_id is not null
   union all
  select 'enrollments', sourced_id from enrolment where person = @person and sourced_id is not null
)
select i.seq, i.id, i.source_name, i.applied_at, i.applied_by, c.type, c.sourced_id, c.kind, c.before -> 'fields'
  from mine m
  join roster_change c on c.type = m.type and c.sourced_id = m.sourced_id
  join roster_import i on i.seq = c.import_seq
 order by i.seq desc, c.type, c.sourced_id
 limit 300`

const sqlPersonAdded = `
with mine as (
  select 'users' as type, sourced_id, imported_in from roster_user where person = @person and imported_in is not null
   union all
  select 'roles', sourced_id, imported_in from role_grant where person = @person and imported_in is not null
   union all
  select 'enrollments', sourced_id, imported_in from enrolment where person = @person and imported_in is not null
)
select i.seq, i.id, i.source_name, i.applied_at, i.applied_by, m.type, m.sourced_id, 'insert', 'null'::jsonb
  from mine m
  join roster_import i on i.seq = m.imported_in
 order by i.seq desc, m.type, m.sourced_id
 limit 300`

func personChanges(ctx context.Context, tx tenancy.Read, person uuid.UUID) (out []personChange, err error) {
	for _, sql := range []string{sqlPersonChanges, sqlPersonAdded} {
		rows, err := tx.Query(ctx, sql, pgx.StrictNamedArgs{"person": person})
		if err != nil {
			return nil, fmt.Errorf("read changes of a person: %w", err)
		}
		var c personChange
		var doc []byte
		var at *time.Time
		_, err = pgx.ForEachRow(rows, []any{&c.seq, &c.plan, &c.source, &at, &c.by, &c.typ, &c.sourcedID, &c.kind, &doc}, func() error {
			c.before = nil
			if at != nil {
				c.at = *at
			}
			err := json.Unmarshal(doc, &c.before)
			out = append(out, c)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("read changes of a person: %w", err)
		}
	}
	return out, nil
}

const sqlPersonProtected = `select coalesce(protected @> current_date, false) from person where id = @person`

func personProtected(ctx context.Context, tx tenancy.Read, person uuid.UUID) (protected bool, err error) {
	err = tx.QueryRow(ctx, sqlPersonProtected, pgx.StrictNamedArgs{"person": person}).Scan(&protected)
	if err != nil {
		return true, fmt.Errorf("read person: %w", err)
	}
	return protected, nil
}

// currentDocs reads rows as they are now, by sourcedId.
func currentDocs(ctx context.Context, tx tenancy.Read, t oneroster.Type, ids []string) (map[string]map[string]string, error) {
	sql := "select d.sourced_id, d.doc from (" + statementsOf(t).docs + ") d where d.sourced_id collate \"C\" = any (@ids)"
	rows, err := tx.Query(ctx, sql, pgx.NamedArgs{"ids": ids, "type": string(t)})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t, err)
	}
	out := map[string]map[string]string{}
	var id string
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &doc}, func() error {
		fields := map[string]string{}
		err := json.Unmarshal(doc, &fields)
		out[id] = fields
		return err
	})
	return out, err
}

const sqlSuccessor = `
select id
  from roster_import
 where id <> @id and seq is null and state in ('planned', 'held')
   and (undoes = @id or @seq = 0 and source_hash = decode(@hash, 'hex') and kind = @kind and planned_at >= @at)
 order by planned_at desc, id
 limit 1`

// successor is the open plan that took a plan's place, or that takes it back; empty
// when there is none.
func successor(ctx context.Context, tx tenancy.Read, p *Plan) (string, error) {
	rows, err := tx.Query(ctx, sqlSuccessor, pgx.StrictNamedArgs{"id": p.ID, "seq": p.seq, "hash": p.SourceSHA256, "kind": p.Kind, "at": p.PlannedAt})
	if err != nil {
		return "", fmt.Errorf("look for a later plan: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}
