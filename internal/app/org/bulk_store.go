package org

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Units takes the organisations of an import.
var Units = tenancy.Bulk{
	Table: "unit",
	Columns: []string{"id", "parent", "kind", "name", "name_sv", "school_code", "oid", "source", "sourced_id", "status",
		"date_last_modified", "row_hash", "imported_in", "extra"},
	Update: sqlUpdateUnits, Remove: sqlRemoveUnits,
}

const sqlUpdateUnits = `
update unit u
   set parent = n.parent, kind = n.kind, name = n.name, name_sv = n.name_sv, school_code = n.school_code, oid = n.oid, sourced_id = n.sourced_id,
       status = n.status, date_last_modified = n.date_last_modified, row_hash = n.row_hash, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, parent uuid, kind text, name text, name_sv text, school_code text, oid text, sourced_id text,
       status text, date_last_modified timestamptz, row_hash bytea, extra text)
 where u.id = n.id`

const sqlRemoveUnits = `update unit set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

// Terms takes the school years, terms and periods of an import.
var Terms = tenancy.Bulk{
	Table: "term",
	Columns: []string{"id", "parent", "kind", "title", "validity", "school_year", "source", "sourced_id", "status",
		"date_last_modified", "row_hash", "imported_in", "extra"},
	Update: sqlUpdateTerms, Remove: sqlRemoveTerms,
}

const sqlUpdateTerms = `
update term t
   set parent = n.parent, kind = n.kind, title = n.title, validity = n.validity, school_year = n.school_year, sourced_id = n.sourced_id,
       status = n.status, date_last_modified = n.date_last_modified, row_hash = n.row_hash, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, parent uuid, kind text, title text, validity daterange, school_year integer,
       sourced_id text, status text, date_last_modified timestamptz, row_hash bytea, extra text)
 where t.id = n.id`

const sqlRemoveTerms = `update term set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

// Courses takes the courses of an import.
var Courses = tenancy.Bulk{
	Table: "course",
	Columns: []string{"id", "unit", "school_year_term", "title", "code", "grades", "subjects", "subject_codes", "source",
		"sourced_id", "status", "date_last_modified", "row_hash", "imported_in", "extra"},
	Update: sqlUpdateCourses, Remove: sqlRemoveCourses,
}

const sqlUpdateCourses = `
update course c
   set unit = n.unit, school_year_term = n.school_year_term, title = n.title, code = n.code, grades = n.grades::text[],
       subjects = n.subjects::text[], subject_codes = n.subject_codes::text[], sourced_id = n.sourced_id, status = n.status,
       date_last_modified = n.date_last_modified, row_hash = n.row_hash, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, unit uuid, school_year_term uuid, title text, code text, grades text,
       subjects text, subject_codes text, sourced_id text, status text, date_last_modified timestamptz, row_hash bytea, extra text)
 where c.id = n.id`

const sqlRemoveCourses = `update course set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

// Groups takes the classes of an import.
var Groups = tenancy.Bulk{
	Table: "teaching_group",
	Columns: []string{"id", "unit", "course", "kind", "title", "code", "location", "grades", "subjects", "subject_codes",
		"periods", "terms", "validity", "source", "sourced_id", "status", "date_last_modified", "row_hash", "imported_in", "extra"},
	Update: sqlUpdateGroups, Remove: sqlRemoveGroups,
}

const sqlUpdateGroups = `
update teaching_group g
   set unit = n.unit, course = n.course, kind = n.kind, title = n.title, code = n.code, location = n.location,
       grades = n.grades::text[], subjects = n.subjects::text[], subject_codes = n.subject_codes::text[],
       periods = n.periods::text[], terms = n.terms::uuid[], validity = n.validity, sourced_id = n.sourced_id, status = n.status,
       date_last_modified = n.date_last_modified, row_hash = n.row_hash, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, unit uuid, course uuid, kind text, title text, code text, location text,
       grades text, subjects text, subject_codes text, periods text, terms text, validity daterange, sourced_id text, status text,
       date_last_modified timestamptz, row_hash bytea, extra text)
 where g.id = n.id`

const sqlRemoveGroups = `update teaching_group set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

// Enrolments takes the enrollments of an import.
var Enrolments = tenancy.Bulk{
	Table: "enrolment",
	Columns: []string{"id", "teaching_group", "person", "role", "is_primary", "validity", "source", "sourced_id", "status",
		"date_last_modified", "row_hash", "imported_in", "source_user", "extra"},
	Update: sqlUpdateEnrolments, Remove: sqlRemoveEnrolments,
}

const sqlUpdateEnrolments = `
update enrolment e
   set teaching_group = n.teaching_group, person = n.person, role = n.role, is_primary = n.is_primary, validity = n.validity,
       sourced_id = n.sourced_id, status = n.status, date_last_modified = n.date_last_modified, row_hash = n.row_hash,
       source_user = n.source_user, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, teaching_group uuid, person uuid, role text, is_primary boolean,
       validity daterange, sourced_id text, status text, date_last_modified timestamptz, row_hash bytea, source_user uuid, extra text)
 where e.id = n.id`

const sqlRemoveEnrolments = `update enrolment set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

const sqlRebuildGroupValidity = `
update teaching_group g
   set validity = v.validity
  from (select k.id, daterange(min(lower(t.validity)), max(upper(t.validity))) as validity
          from teaching_group k
          join term t on t.id = any (k.terms)
         group by k.id) v
 where v.id = g.id and v.validity is distinct from g.validity`

// RebuildGroupValidity derives the groups' validity from their terms anew, after
// terms have moved.
func RebuildGroupValidity(ctx context.Context, tx tenancy.Write) error {
	if _, err := tx.Exec(ctx, sqlRebuildGroupValidity); err != nil {
		return fmt.Errorf("rebuild validity of groups: %w", err)
	}
	return nil
}

// A learner's home group is the homeroom class of the school in which they are
// enrolled; of several the one that began last. Everyone's and a few people's are
// two statements: one plan cannot be good for both.
const (
	placementHead = `
insert into grade_placement (id, learner, unit, grade, home_group, validity, source)
select distinct on (r.person, r.unit)
       gen_random_uuid(), r.person, r.unit, coalesce(ltrim(u.grades[1], '0'), ''), h.id, r.validity, 'roster'
  from `
	placementTail = `
  join roster_user u on u.id = r.source_user and u.status = 'active'
  left join (select e.person, g.unit, g.id, g.validity
               from enrolment e
               join teaching_group g on g.id = e.teaching_group and g.kind = 'homeroom' and g.status = 'active'
              where e.role = 'student' and e.status = 'active') h on h.person = r.person and h.unit = r.unit
 where r.role = 'student' and r.status = 'active'
 order by r.person, r.unit, r.is_primary desc, r.id, lower(h.validity) desc nulls last, h.id
    on conflict (learner, unit, source) do update
   set grade = excluded.grade, home_group = excluded.home_group, validity = excluded.validity
 where (grade_placement.grade, grade_placement.home_group, grade_placement.validity)
       is distinct from (excluded.grade, excluded.home_group, excluded.validity)`

	sqlUpsertAllPlacements  = placementHead + `role_grant r` + placementTail
	sqlUpsertSomePlacements = placementHead + `unnest(@persons::uuid[]) as t(person) join role_grant r on r.person = t.person` + placementTail
)

const sqlEndPlacements = `
update grade_placement p
   set validity = daterange(lower(p.validity), greatest(@today::date, lower(p.validity)))
 where p.source = 'roster' and p.learner = any (@persons) and p.validity @> @today::date
   and not exists (select from role_grant r
                     join roster_user u on u.id = r.source_user and u.status = 'active'
                    where r.person = p.learner and r.unit = p.unit and r.role = 'student' and r.status = 'active')`

// The kind follows the grade; a grade that is neither basic education's nor
// lukio's proposes nothing. What the office has confirmed is not touched.
const (
	studyRightHead = `
insert into study_right (id, learner, unit, kind, source, confirmed, states)
select gen_random_uuid(), p.learner, p.unit,
       case when p.grade ~ '^[1-9]$' then 'perusopetus' else 'lukiokoulutus' end, 'roster', false,
       jsonb_build_array(jsonb_build_object('alku', lower(p.validity), 'tila', 'lasna'))
  from `
	studyRightTail = `
 where p.source = 'roster' and p.grade ~ '^([1-9]|1[0-3])$'
    on conflict (learner, unit, kind) do nothing`

	sqlProposeAllStudyRights  = studyRightHead + `grade_placement p` + studyRightTail
	sqlProposeSomeStudyRights = studyRightHead + `unnest(@persons::uuid[]) as t(person) join grade_placement p on p.learner = t.person` + studyRightTail
)

// DerivePlacements brings grade placements of the given learners to what roles,
// users and enrolments say, and proposes their study rights.
// With many of them it looks at everyone.
func DerivePlacements(ctx context.Context, tx tenancy.Write, many bool, persons []uuid.UUID, today string) error {
	if many {
		if err := DeriveAllPlacements(ctx, tx); err != nil {
			return err
		}
	} else if _, err := tx.Exec(ctx, sqlUpsertSomePlacements, pgx.StrictNamedArgs{"persons": persons}); err != nil {
		return fmt.Errorf("derive grade placements: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlEndPlacements, pgx.StrictNamedArgs{"persons": persons, "today": today}); err != nil {
		return fmt.Errorf("end grade placements: %w", err)
	}
	if many {
		return nil
	}
	if _, err := tx.Exec(ctx, sqlProposeSomeStudyRights, pgx.StrictNamedArgs{"persons": persons}); err != nil {
		return fmt.Errorf("propose study rights: %w", err)
	}
	return nil
}

// Tables that were filled in this very transaction have no statistics yet:
// without this the planner takes them for small and loops.
const sqlNestedLoops = `select set_config('enable_nestloop', @loops, true)`

// DeriveAllPlacements does the same for everyone, after a first import.
func DeriveAllPlacements(ctx context.Context, tx tenancy.Write) error {
	if _, err := tx.Exec(ctx, sqlNestedLoops, pgx.StrictNamedArgs{"loops": "off"}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlUpsertAllPlacements); err != nil {
		return fmt.Errorf("derive grade placements: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlNestedLoops, pgx.StrictNamedArgs{"loops": "on"}); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, sqlProposeAllStudyRights); err != nil {
		return fmt.Errorf("propose study rights: %w", err)
	}
	return nil
}

const sqlPurgeEnrolments = `
with gone as (delete from enrolment where status = 'tobedeleted' and date_last_modified < @before returning 1)
select count(*)::int from gone`

// PurgeEnrolments deletes enrolments that were removed before a moment.
func PurgeEnrolments(ctx context.Context, tx tenancy.Write, before time.Time) (n int, err error) {
	err = tx.QueryRow(ctx, sqlPurgeEnrolments, pgx.StrictNamedArgs{"before": before}).Scan(&n)
	return n, err
}
