package tenancy_test

import (
	"strings"
	"testing"

	"digione/internal/tenancy"
)

// sqlGrants lists every privilege in a schema, its default privileges, and who is
// a member of its role.
const sqlGrants = `
select 'schema ' || coalesce(nullif(a.grantee, 0)::regrole::text, 'public') || ' ' || a.privilege_type
  from pg_namespace n cross join aclexplode(n.nspacl) a where n.nspname = $1
union all
select 'relation ' || c.relname || ' ' || coalesce(nullif(a.grantee, 0)::regrole::text, 'public') || ' ' || a.privilege_type
  from pg_class c cross join aclexplode(c.relacl) a where c.relnamespace = $1::regnamespace
union all
select 'column ' || c.relname || '.' || t.attname || ' ' || a.grantee::regrole || ' ' || a.privilege_type
  from pg_class c join pg_attribute t on t.attrelid = c.oid cross join aclexplode(t.attacl) a where c.relnamespace = $1::regnamespace
union all
select 'default ' || a.grantee::regrole || ' ' || a.privilege_type
  from pg_default_acl d cross join aclexplode(d.defaclacl) a where d.defaclnamespace = $1::regnamespace
union all
select 'members ' || count(*) || ' ' || bool_or(m.member::regrole::text like '%c\_%') from pg_auth_members m where m.roleid = quote_ident($2)::regrole
 order by 1`

// grants are a tenant's privileges in words that are the same for every tenant.
func grants(t testing.TB, dsn string, tn tenancy.Tenant) string {
	t.Helper()
	text := line(t, dsn, sqlGrants, tn.Schema, tn.Role)
	return strings.ReplaceAll(strings.ReplaceAll(text, `"`+tn.Role+`"`, "its-role"), tn.Role, "its-role")
}
