package roster

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

type sampledDoc struct {
	document
	person *uuid.UUID
}

const (
	sqlPersonOfUser       = `select id, person from roster_user where id = any (@ids)`
	sqlPersonOfGrant      = `select id, person from role_grant where id = any (@ids)`
	sqlPersonOfEnrolment  = `select id, person from enrolment where id = any (@ids)`
	sqlPersonOfDemography = `
select d.id, u.person
  from roster_record d
  join roster_user u on u.sourced_id = d.sourced_id collate "C"
 where d.id = any (@ids) and d.type = 'demographics'`
)

// personsSQL tells whom rows of a type are about, empty where about nobody.
func personsSQL(t oneroster.Type) string {
	switch t {
	case oneroster.Users:
		return sqlPersonOfUser
	case oneroster.Roles:
		return sqlPersonOfGrant
	case oneroster.Enrollments:
		return sqlPersonOfEnrolment
	case oneroster.Demographics:
		return sqlPersonOfDemography
	}
	return ""
}

// docsByID reads rows as delivered, by their ids, and whom they are about.
func (r *run) docsByID(t oneroster.Type, ids []uuid.UUID) (map[uuid.UUID]sampledDoc, error) {
	out := map[uuid.UUID]sampledDoc{}
	if len(ids) == 0 {
		return out, nil
	}
	sql := "select d.id, d.sourced_id, d.status, d.doc from (" + statementsOf(t).docs + ") d where d.id = any (@ids)"
	rows, err := r.tx.Query(r.ctx, sql, pgx.NamedArgs{"ids": ids, "type": string(t)})
	if err != nil {
		return nil, fmt.Errorf("read samples of %s: %w", t, err)
	}
	var id uuid.UUID
	var d document
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &d.sourcedID, &d.Status, &doc}, func() error {
		one := sampledDoc{document: d}
		one.Fields = map[string]string{}
		err := json.Unmarshal(doc, &one.Fields)
		out[id] = one
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read samples of %s: %w", t, err)
	}
	return out, r.personsOf(t, ids, out)
}

func (r *run) personsOf(t oneroster.Type, ids []uuid.UUID, docs map[uuid.UUID]sampledDoc) error {
	sql := personsSQL(t)
	if sql == "" {
		return nil
	}
	rows, err := r.tx.Query(r.ctx, sql, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return fmt.Errorf("read persons of %s: %w", t, err)
	}
	var id, person uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &person}, func() error {
		d, who := docs[id], person
		d.person = &who
		docs[id] = d
		return nil
	})
	return err
}

// The indexes of sourcedIds and usernames are in the order of bytes ("C"): a comparison in
// another order cannot use them.
const (
	sqlNamesOfUnits  = `select sourced_id, name from unit where sourced_id collate "C" = any (@ids)`
	sqlNamesOfTerms  = `select sourced_id, title from term where sourced_id collate "C" = any (@ids)`
	sqlNamesOfCourse = `select sourced_id, title from course where sourced_id collate "C" = any (@ids)`
	sqlNamesOfGroups = `select sourced_id, title from teaching_group where sourced_id collate "C" = any (@ids)`
	sqlNamesOfUsers  = `
select u.sourced_id, btrim(coalesce(nullif(p.call_name, ''), p.given_names) || ' ' || p.family_name)
  from roster_user u
  join person p on p.id = u.person
 where u.sourced_id collate "C" = any (@ids)`
)

func storedNames(ctx context.Context, tx tenancy.Read, t oneroster.Type, names map[string]string) error {
	sql := map[oneroster.Type]string{oneroster.Orgs: sqlNamesOfUnits, oneroster.AcademicSessions: sqlNamesOfTerms,
		oneroster.Courses: sqlNamesOfCourse, oneroster.Classes: sqlNamesOfGroups, oneroster.Users: sqlNamesOfUsers}[t]
	ids := make([]string, 0, len(names))
	for id := range names {
		ids = append(ids, id)
	}
	rows, err := tx.Query(ctx, sql, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return fmt.Errorf("name %s: %w", t, err)
	}
	var id, name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil })
	return err
}

const sqlInsertSamples = `
insert into roster_sample (plan, type, kind, n, sourced_id, school, person, doc)
select @plan, s.type, s.kind, s.n, s.sourced_id, s.school, s.person, s.doc
  from jsonb_to_recordset(@rows::jsonb) as s(type text, kind text, n integer, sourced_id text, school text, person uuid, doc jsonb)`

// keepSamples stores a plan's samples, numbered within their type and kind.
func keepSamples(ctx context.Context, tx tenancy.Write, plan string, list []Sample) error {
	n := map[string]int{}
	for len(list) > 0 {
		size := min(1000, len(list))
		rows := make([]map[string]any, size)
		for i, s := range list[:size] {
			k := string(s.Type) + " " + s.Kind
			n[k]++
			rows[i] = map[string]any{"type": s.Type, "kind": s.Kind, "n": n[k], "sourced_id": s.SourcedID, "school": s.School, "person": s.Person, "doc": s.Doc}
		}
		text, err := json.Marshal(rows)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlInsertSamples, pgx.StrictNamedArgs{"plan": plan, "rows": string(text)}); err != nil {
			return fmt.Errorf("keep samples: %w", err)
		}
		list = list[size:]
	}
	return nil
}

const sqlSamples = `
select s.type, s.kind, s.sourced_id, s.school, s.person, s.doc, coalesce(p.protected @> current_date, false)
  from roster_sample s
  left join person p on p.id = s.person
 where s.plan = @plan and s.type = @type and s.kind = @kind and (@school = '' or s.school = @school)
 order by s.n
 limit 20`

// readSamples returns up to twenty samples of a type and kind. What protects a
// person holds for them too: contact details are left out.
func readSamples(ctx context.Context, tx tenancy.Read, plan string, t oneroster.Type, kind, school string) ([]Sample, error) {
	rows, err := tx.Query(ctx, sqlSamples, pgx.StrictNamedArgs{"plan": plan, "type": string(t), "kind": kind, "school": school})
	if err != nil {
		return nil, fmt.Errorf("read samples: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Sample, err error) {
		var doc []byte
		var protected bool
		if err = row.Scan(&s.Type, &s.Kind, &s.SourcedID, &s.School, &s.Person, &doc, &protected); err != nil {
			return s, err
		}
		if err = json.Unmarshal(doc, &s.Doc); err == nil {
			s.Doc.veil(protected)
		}
		return s, err
	})
}

const sqlSampledKinds = `select distinct type || ' ' || kind from roster_sample where plan = @plan order by 1 limit 200`

// sampledKinds tells of which types and kinds a plan has samples.
func sampledKinds(ctx context.Context, tx tenancy.Read, plan string) (map[string]bool, error) {
	rows, err := tx.Query(ctx, sqlSampledKinds, pgx.StrictNamedArgs{"plan": plan})
	if err != nil {
		return nil, fmt.Errorf("read kinds of samples: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	out := map[string]bool{}
	for _, k := range list {
		out[k] = true
	}
	return out, err
}

// contacts are the columns that leave the database for nobody when a person is
// protected.
var contacts = []string{"email", "sms", "phone", "metadata.homeMunicipality"}

func (d *SampleDoc) veil(protected bool) {
	for _, fields := range []map[string]string{d.Before, d.After} {
		protected = protected || fields["metadata.turvakielto"] == "true"
	}
	for _, fields := range []map[string]string{d.Before, d.After} {
		for _, c := range contacts {
			if _, ok := fields[c]; ok && protected {
				fields[c] = hidden
			}
		}
	}
}
