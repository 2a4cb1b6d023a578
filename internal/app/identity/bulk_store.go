package identity

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Grants takes the roles of an import.
var Grants = tenancy.Bulk{
	Table: "role_grant",
	Columns: []string{"id", "person", "role", "unit", "is_primary", "validity", "source", "sourced_id", "status",
		"date_last_modified", "row_hash", "imported_in", "source_user", "extra"},
	Update: sqlUpdateGrants, Remove: sqlRemoveGrants,
}

const sqlUpdateGrants = `
update role_grant g
   set person = n.person, role = n.role, unit = n.unit, is_primary = n.is_primary, validity = n.validity, sourced_id = n.sourced_id,
       status = n.status, date_last_modified = n.date_last_modified, row_hash = n.row_hash, source_user = n.source_user, extra = n.extra::jsonb
  from jsonb_to_recordset(@rows::jsonb) as n(id uuid, person uuid, role text, unit uuid, is_primary boolean, validity daterange,
       sourced_id text, status text, date_last_modified timestamptz, row_hash bytea, source_user uuid, extra text)
 where g.id = n.id`

const sqlRemoveGrants = `update role_grant set status = 'tobedeleted', date_last_modified = @at where id = any (@ids) and status = 'active'`

const sqlPurgeGrants = `
with gone as (delete from role_grant where status = 'tobedeleted' and date_last_modified < @before returning 1)
select count(*)::int from gone`

// PurgeGrants deletes roles that were removed before a moment.
func PurgeGrants(ctx context.Context, tx tenancy.Write, before time.Time) (n int, err error) {
	err = tx.QueryRow(ctx, sqlPurgeGrants, pgx.StrictNamedArgs{"before": before}).Scan(&n)
	return n, err
}
