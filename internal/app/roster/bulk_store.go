package roster

import "digione/internal/tenancy"

// users takes rows of users.csv.
var users = tenancy.Bulk{
	Table: "roster_user",
	Columns: []string{"id", "person", "unit", "enabled", "username", "given_name", "family_name", "middle_name", "user_ids",
		"identifier", "email", "sms", "phone", "agents", "grades", "master_identifier", "hetu_cipher", "hetu_hash", "source",
		"sourced_id", "status", "date_last_modified", "row_hash", "imported_in", "extra"},
	Update: sqlUpdateUsers, Remove: sqlRemoveUsers,
}

const sqlUpdateUsers = `
update roster_user u
   set person = n.person, unit = n.unit, enabled = n.enabled, username = n.username, given_name = n.given_name, family_name = n.family_name,
       middle_name = n.middle_name, user_ids = n.user_ids, identifier = n.identifier, email = n.email, sms = n.sms, phone = n.phone,
       agents = n.agents::text[], grades = n.grades::text[], master_identifier = n.master_identifier, hetu_cipher = n.hetu_cipher,
       hetu_hash = n.hetu_hash, sourced_id = n.sourced_id, status = n.status, date_last_modified = n.date_last_modified,
       row_hash = n.row_hash, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, person uuid, unit uuid, enabled boolean, username text, given_name text,
       family_name text, middle_name text, user_ids text, identifier text, email text, sms text, phone text, agents text, grades text,
       master_identifier text, hetu_cipher bytea, hetu_hash bytea, sourced_id text, status text, date_last_modified timestamptz,
       row_hash bytea, extra text)
 where u.id = n.id`

const sqlRemoveUsers = `update roster_user set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

// records takes rows of the types that are kept as delivered.
var records = tenancy.Bulk{
	Table:   "roster_record",
	Columns: []string{"id", "type", "fields", "source", "sourced_id", "status", "date_last_modified", "row_hash", "imported_in"},
	Update:  sqlUpdateRecords, Remove: sqlRemoveRecords,
}

const sqlUpdateRecords = `
update roster_record r
   set fields = n.fields::jsonb, sourced_id = n.sourced_id, status = n.status, date_last_modified = n.date_last_modified, row_hash = n.row_hash
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, fields text, sourced_id text, status text, date_last_modified timestamptz, row_hash bytea)
 where r.id = n.id`

const sqlRemoveRecords = `update roster_record set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`
