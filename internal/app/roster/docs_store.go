package roster

import "digione/internal/app/roster/oneroster"

// For each table that holds rows of a source: how to load what a diff needs, and
// how to say a row as it was delivered. The second serves the images that undo
// an import, and the export: what came in can go out.

// A load gives sourced_id, row_hash, id, active, date_last_modified, unit,
// person, source user, and the two days of a term.
const (
	sqlLoadUnits = `
select sourced_id, row_hash, id, status = 'active', date_last_modified, id, null::uuid, null::uuid, '', ''
  from unit where sourced_id is not null`
	sqlLoadTerms = `
select sourced_id, row_hash, id, status = 'active', date_last_modified, null::uuid, null::uuid, null::uuid,
       coalesce(lower(validity)::text, ''), coalesce(upper(validity)::text, '')
  from term where sourced_id is not null`
	sqlLoadCourses = `
select sourced_id, row_hash, id, status = 'active', date_last_modified, unit, null::uuid, null::uuid, '', ''
  from course where sourced_id is not null`
	sqlLoadGroups = `
select sourced_id, row_hash, id, status = 'active', date_last_modified, unit, null::uuid, null::uuid,
       coalesce(lower(validity)::text, ''), coalesce(upper(validity)::text, '')
  from teaching_group where sourced_id is not null`
	sqlLoadUsers = `
select u.sourced_id, u.row_hash, u.id, u.status = 'active', u.date_last_modified,
       coalesce(u.unit, (select g.unit from role_grant g where g.person = u.person and g.status = 'active' order by g.is_primary desc, g.id limit 1)),
       u.person, null::uuid, '', ''
  from roster_user u`
	sqlLoadGrants = `
select sourced_id, row_hash, id, status = 'active', date_last_modified, unit, person, source_user, '', ''
  from role_grant where sourced_id is not null`
	sqlLoadEnrolments = `
select e.sourced_id, e.row_hash, e.id, e.status = 'active', e.date_last_modified, g.unit, e.person, e.source_user, '', ''
  from enrolment e join teaching_group g on g.id = e.teaching_group where e.sourced_id is not null`
	sqlLoadRecords = `
select sourced_id, row_hash, id, status = 'active', date_last_modified, null::uuid, null::uuid, null::uuid, '', ''
  from roster_record where type = @type`
)

// A doc gives id, sourced_id, status, date_last_modified, hetu (cipher) and doc:
// the delivered columns that have a value.
const (
	sqlUnitDocs = `
select u.id, u.sourced_id, u.status, u.date_last_modified, null::bytea as hetu,
       jsonb_strip_nulls(jsonb_build_object('name', u.name, 'identifier', u.school_code, 'parentSourcedId', p.sourced_id,
         'type', case u.kind when 'provider' then 'district' else u.kind end)) || u.extra as doc
  from unit u
  left join unit p on p.id = u.parent
 where u.sourced_id is not null`
	sqlTermDocs = `
select t.id, t.sourced_id, t.status, t.date_last_modified, null::bytea as hetu,
       jsonb_strip_nulls(jsonb_build_object('title', t.title, 'type', t.kind, 'startDate', lower(t.validity)::text,
         'endDate', upper(t.validity)::text, 'parentSourcedId', p.sourced_id, 'schoolYear', t.school_year::text)) || t.extra as doc
  from term t
  left join term p on p.id = t.parent
 where t.sourced_id is not null`
	sqlCourseDocs = `
select c.id, c.sourced_id, c.status, c.date_last_modified, null::bytea as hetu,
       jsonb_strip_nulls(jsonb_build_object('title', c.title, 'courseCode', nullif(c.code, ''), 'schoolYearSourcedId', t.sourced_id,
         'orgSourcedId', u.sourced_id, 'grades', nullif(array_to_string(c.grades, ','), ''),
         'subjects', nullif(array_to_string(c.subjects, ','), ''), 'subjectCodes', nullif(array_to_string(c.subject_codes, ','), ''))) || c.extra as doc
  from course c
  join unit u on u.id = c.unit
  left join term t on t.id = c.school_year_term
 where c.sourced_id is not null`
	sqlGroupDocs = `
select g.id, g.sourced_id, g.status, g.date_last_modified, null::bytea as hetu,
       jsonb_strip_nulls(jsonb_build_object('title', g.title, 'classCode', nullif(g.code, ''), 'location', nullif(g.location, ''),
         'classType', g.kind, 'courseSourcedId', c.sourced_id, 'schoolSourcedId', u.sourced_id,
         'termSourcedIds', (select string_agg(t.sourced_id, ',' order by o.n) from unnest(g.terms) with ordinality o(id, n) join term t on t.id = o.id),
         'grades', nullif(array_to_string(g.grades, ','), ''), 'subjects', nullif(array_to_string(g.subjects, ','), ''),
         'subjectCodes', nullif(array_to_string(g.subject_codes, ','), ''), 'periods', nullif(array_to_string(g.periods, ','), ''))) || g.extra as doc
  from teaching_group g
  join course c on c.id = g.course
  join unit u on u.id = g.unit
 where g.sourced_id is not null`
	sqlUserDocs = `
select r.id, r.sourced_id, r.status, r.date_last_modified, r.hetu_cipher as hetu,
       jsonb_strip_nulls(jsonb_build_object('enabledUser', r.enabled::text, 'username', r.username, 'givenName', r.given_name,
         'familyName', r.family_name, 'middleName', nullif(r.middle_name, ''), 'userIds', nullif(r.user_ids, ''),
         'identifier', nullif(r.identifier, ''), 'email', nullif(r.email, ''), 'sms', nullif(r.sms, ''), 'phone', nullif(r.phone, ''),
         'agentSourcedIds', nullif(array_to_string(r.agents, ','), ''), 'grades', nullif(array_to_string(r.grades, ','), ''),
         'userMasterIdentifier', nullif(r.master_identifier, ''), 'primaryOrgSourcedId', u.sourced_id)) || coalesce(r.extra, '{}') as doc
  from roster_user r
  left join unit u on u.id = r.unit
 where true`
	sqlGrantDocs = `
select g.id, g.sourced_id, g.status, g.date_last_modified, null::bytea as hetu,
       jsonb_strip_nulls(jsonb_build_object('userSourcedId', r.sourced_id, 'role', g.role, 'orgSourcedId', u.sourced_id,
         'roleType', case when g.is_primary then 'primary' else 'secondary' end,
         'beginDate', lower(g.validity)::text, 'endDate', upper(g.validity)::text)) || coalesce(g.extra, '{}') as doc
  from role_grant g
  join unit u on u.id = g.unit
  join roster_user r on r.id = g.source_user
 where g.sourced_id is not null`
	sqlEnrolmentDocs = `
select e.id, e.sourced_id, e.status, e.date_last_modified, null::bytea as hetu,
       jsonb_strip_nulls(jsonb_build_object('classSourcedId', g.sourced_id, 'schoolSourcedId', u.sourced_id, 'userSourcedId', r.sourced_id,
         'role', e.role, 'primary', e.is_primary::text,
         'beginDate', lower(e.validity)::text, 'endDate', upper(e.validity)::text)) || coalesce(e.extra, '{}') as doc
  from enrolment e
  join teaching_group g on g.id = e.teaching_group
  join unit u on u.id = g.unit
  join roster_user r on r.id = e.source_user
 where e.sourced_id is not null`
	sqlRecordDocs = `
select k.id, k.sourced_id, k.status, k.date_last_modified, null::bytea as hetu, k.fields as doc
  from roster_record k
 where k.type = @type`
)

// keepHead and keepTail make a doc into the images of the rows that a change
// touches; the ids bound what is read.
const (
	keepHead = `
insert into roster_change (import_seq, type, sourced_id, kind, before)
select @seq, @type, d.sourced_id, w.kind,
       jsonb_build_object('status', d.status, 'dateLastModified', d.date_last_modified, 'hetu', encode(d.hetu, 'base64'), 'fields', d.doc)
  from unnest(@ids::uuid[], @kinds::text[]) as w(id, kind)
  join lateral (`
	keepTail = `) d on d.id = w.id`

	sqlKeepUnits      = keepHead + sqlUnitDocs + ` and u.id = w.id` + keepTail
	sqlKeepTerms      = keepHead + sqlTermDocs + ` and t.id = w.id` + keepTail
	sqlKeepCourses    = keepHead + sqlCourseDocs + ` and c.id = w.id` + keepTail
	sqlKeepGroups     = keepHead + sqlGroupDocs + ` and g.id = w.id` + keepTail
	sqlKeepUsers      = keepHead + sqlUserDocs + ` and r.id = w.id` + keepTail
	sqlKeepGrants     = keepHead + sqlGrantDocs + ` and g.id = w.id` + keepTail
	sqlKeepEnrolments = keepHead + sqlEnrolmentDocs + ` and e.id = w.id` + keepTail
	sqlKeepRecords    = keepHead + sqlRecordDocs + ` and k.id = w.id` + keepTail
)

// statements are what the importer says about a type.
type statements struct{ load, docs, keep, inserted string }

func statementsOf(t oneroster.Type) statements {
	switch t {
	case oneroster.Orgs:
		return statements{sqlLoadUnits, sqlUnitDocs, sqlKeepUnits, "u.imported_in"}
	case oneroster.AcademicSessions:
		return statements{sqlLoadTerms, sqlTermDocs, sqlKeepTerms, "t.imported_in"}
	case oneroster.Courses:
		return statements{sqlLoadCourses, sqlCourseDocs, sqlKeepCourses, "c.imported_in"}
	case oneroster.Classes:
		return statements{sqlLoadGroups, sqlGroupDocs, sqlKeepGroups, "g.imported_in"}
	case oneroster.Users:
		return statements{sqlLoadUsers, sqlUserDocs, sqlKeepUsers, "r.imported_in"}
	case oneroster.Roles:
		return statements{sqlLoadGrants, sqlGrantDocs, sqlKeepGrants, "g.imported_in"}
	case oneroster.Enrollments:
		return statements{sqlLoadEnrolments, sqlEnrolmentDocs, sqlKeepEnrolments, "e.imported_in"}
	}
	return statements{sqlLoadRecords, sqlRecordDocs, sqlKeepRecords, "k.imported_in"}
}
