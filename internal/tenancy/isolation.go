package tenancy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/schemas"
)

// Certificate is the proof, from PostgreSQL's own catalogue, that no tenant can
// reach another.
type Certificate struct {
	Time       time.Time       `json:"time"`
	Version    string          `json:"version"`
	Server     string          `json:"server"`
	Tenants    int             `json:"tenants"`
	Cells      int             `json:"cells"`
	Pairs      int64           `json:"pairs"`
	Checks     []IsolationRule `json:"checks"`
	Violations []Violation     `json:"violations"`
}

// IsolationRule is one thing that was looked at, and how often.
type IsolationRule struct {
	Name       string `json:"name"`
	Meaning    string `json:"meaning"`
	Examined   int64  `json:"examined"`
	Violations int    `json:"violations"`
}

// Violation is a path between tenants that must not be.
type Violation struct {
	Check  string `json:"check"`
	Role   string `json:"role"`
	Object string `json:"object"`
	Detail string `json:"detail"`
}

// scope is what all checks speak of: the tenants' schemas and roles, the cells'
// logins, and the owner of each schema.
const scope = `
with tn as materialized (
  select t.slug, t.schema_name, t.role_name, t.cell, n.oid as nsp, n.nspowner as owner, r.oid as role, c.oid as login
    from control.tenant t
    join control.cell l on l.name = t.cell
    join pg_namespace n on n.nspname = t.schema_name
    join pg_roles r on r.rolname = t.role_name
    join pg_roles c on c.rolname = l.login_role
), runtime as materialized (
  select role as oid from tn union select r.oid from control.cell l join pg_roles r on r.rolname = l.login_role
)`

// Each check returns its violations as (role, object, detail) and counts what it
// looked at in the statement beside it.
var isolationRules = []struct{ name, meaning, count, find string }{
	{"pairs", "no tenant's role has usage on, or may create in, another tenant's schema",
		`select count(*) * greatest(count(*) - 1, 0) from tn`,
		`select a.role_name, b.schema_name, 'tenant role can use the schema'
		   from tn a join tn b on a.nsp <> b.nsp
		  where has_schema_privilege(a.role, b.nsp, 'USAGE') or has_schema_privilege(a.role, b.nsp, 'CREATE')`},
	{"membership", "no tenant's role is a member of another role, and none but its own cell's login is a member of it",
		`select count(*) from pg_auth_members`,
		`select m.member::regrole::text, m.roleid::regrole::text, 'membership'
		   from pg_auth_members m
		   left join tn granted on granted.role = m.roleid
		  where (m.member in (select role from tn) )
		     or (granted.role is not null and m.member <> granted.login and m.member <> granted.owner
		         and not (select rolsuper from pg_roles where oid = m.member))
		     or (m.member in (select oid from runtime) and granted.role is null)`},
	{"attributes", "no runtime role is a superuser, bypasses row security, creates roles or databases, replicates, or inherits",
		`select count(*) from runtime`,
		`select r.rolname, '', 'forbidden attribute'
		   from pg_roles r join runtime u on u.oid = r.oid
		  where r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolinherit
		     or (r.oid in (select role from tn) and r.rolcanlogin)`},
	{"schema grants", "a tenant's schema is granted to its own role alone",
		`select count(*) from tn`,
		`select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name, a.privilege_type
		   from tn join pg_namespace n on n.oid = tn.nsp
		  cross join aclexplode(n.nspacl) a
		  where a.grantee not in (tn.owner, tn.role) or (a.grantee = tn.role and a.privilege_type <> 'USAGE')`},
	{"table grants", "a tenant's tables, views and sequences are granted to its own role alone",
		`select count(*) from tn join pg_class c on c.relnamespace = tn.nsp where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')`,
		`select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name || '.' || c.relname, a.privilege_type
		   from tn join pg_class c on c.relnamespace = tn.nsp
		  cross join aclexplode(c.relacl) a
		  where a.grantee not in (tn.owner, tn.role)`},
	{"append-only", "what a tenant may only add to, its role can neither change nor empty, nor reach by a partition",
		`select count(*) from tn join pg_class c on c.relnamespace = tn.nsp where c.relname = any ('{` + strings.Join(schemas.AppendOnly, ",") + `}')`,
		`select tn.role_name, tn.schema_name || '.' || c.relname, 'may be changed'
		   from tn join pg_class c on c.relnamespace = tn.nsp
		   left join pg_inherits i on i.inhrelid = c.oid
		   join pg_class top on top.oid = coalesce(i.inhparent, c.oid)
		  where top.relname = any ('{` + strings.Join(schemas.AppendOnly, ",") + `}') and c.relkind in ('r', 'p')
		    and (has_table_privilege(tn.role, c.oid, 'UPDATE, DELETE, TRUNCATE')
		         or (i.inhrelid is not null and has_table_privilege(tn.role, c.oid, 'SELECT, INSERT')))`},
	{"column grants", "no column is granted by itself",
		`select count(*) from tn`,
		`select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name || '.' || c.relname || '.' || t.attname, a.privilege_type
		   from tn join pg_class c on c.relnamespace = tn.nsp
		   join pg_attribute t on t.attrelid = c.oid and t.attacl is not null
		  cross join aclexplode(t.attacl) a
		  where a.grantee not in (tn.owner, tn.role)`},
	{"default grants", "what is made in a tenant's schema later will be granted to its own role alone",
		`select count(*) from pg_default_acl`,
		`select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name, 'default ' || a.privilege_type
		   from pg_default_acl d join tn on tn.nsp = d.defaclnamespace
		  cross join aclexplode(d.defaclacl) a
		  where a.grantee not in (tn.owner, tn.role)
		 union all
		 select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), 'every schema', 'default ' || a.privilege_type
		   from pg_default_acl d cross join aclexplode(d.defaclacl) a
		  where d.defaclnamespace = 0 and a.grantee <> d.defaclrole`},
	{"ownership", "no runtime role owns a schema, table or function",
		`select count(*) from runtime`,
		`select nspowner::regrole::text, nspname, 'owns schema' from pg_namespace where nspowner in (select oid from runtime)
		 union all
		 select relowner::regrole::text, relname, 'owns relation' from pg_class where relowner in (select oid from runtime)
		 union all
		 select proowner::regrole::text, proname, 'owns function' from pg_proc where proowner in (select oid from runtime)`},
	{"functions", "no function that a tenant can reach runs with its owner's rights",
		`select count(*) from pg_proc`,
		`select '', n.nspname || '.' || p.proname, 'security definer'
		   from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		  where p.prosecdef and (n.oid in (select nsp from tn) or has_schema_privilege('public', n.oid, 'USAGE'))`},
	{"views", "no view or foreign key of a tenant reaches out of its schema",
		`select count(*) from tn join pg_class c on c.relnamespace = tn.nsp where c.relkind in ('r', 'p', 'v', 'm')`,
		`select tn.role_name, tn.schema_name || '.' || v.relname, 'reads ' || n.nspname || '.' || c.relname
		   from tn join pg_class v on v.relnamespace = tn.nsp and v.relkind in ('v', 'm')
		   join pg_rewrite w on w.ev_class = v.oid
		   join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid and d.refclassid = 'pg_class'::regclass
		   join pg_class c on c.oid = d.refobjid
		   join pg_namespace n on n.oid = c.relnamespace
		  where n.oid <> tn.nsp and n.nspname <> 'pg_catalog'
		 union all
		 select tn.role_name, k.conrelid::regclass::text || '.' || k.conname, 'refers to ' || k.confrelid::regclass
		   from tn join pg_constraint k on k.connamespace = tn.nsp and k.contype = 'f'
		   join pg_class c on c.oid = k.confrelid
		  where c.relnamespace <> tn.nsp`},
	{"catalogue", "no tenant's role and no cell's login can use the schema control",
		`select count(*) from runtime`,
		`select u.oid::regrole::text, 'control', 'usage'
		   from runtime u where has_schema_privilege(u.oid, 'control', 'USAGE')`},
	{"operators", "nobody but the owner can list operators, change the catalogue, or change what the operator log says",
		`select count(*) from pg_class where relnamespace = 'control'::regnamespace and relkind in ('r', 'p')`,
		`select r.rolname, 'control.' || c.relname, 'may be changed'
		   from pg_class c
		   join pg_roles r on not r.rolsuper and r.rolname not like 'pg\_%' and not pg_has_role(r.oid, c.relowner, 'MEMBER')
		  where c.relnamespace = 'control'::regnamespace and c.relkind in ('r', 'p')
		    and c.relname in ('cluster', 'cell', 'tenant', 'tenant_host', 'step', 'operator', 'operator_log')
		    and (has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE') or has_any_column_privilege(r.oid, c.oid, 'UPDATE')
		         or (c.relname <> 'operator_log' and has_any_column_privilege(r.oid, c.oid, 'INSERT')))`},
	{"database", "runtime roles may neither create schemas nor temporary tables, nor anything in schema public or ext",
		`select count(*) from runtime`,
		`select u.oid::regrole::text, current_database(), 'create or temporary'
		   from runtime u
		  where has_database_privilege(u.oid, current_database(), 'CREATE') or has_database_privilege(u.oid, current_database(), 'TEMPORARY')
		     or has_schema_privilege(u.oid, 'public', 'CREATE') or has_schema_privilege(u.oid, 'ext', 'CREATE')`},
	{"default path", "a cell's login sees no schema and takes no role before it enters a tenant",
		`select count(*) from control.cell`,
		`select l.login_role, '', 'search_path is not empty by default'
		   from control.cell l join pg_roles r on r.rolname = l.login_role
		  where not exists (select from unnest(r.rolconfig) c where c in ('search_path=', 'search_path=""'))
		 union all
		 select l.login_role, current_database(), 'by default ' || c
		   from control.cell l join pg_roles r on r.rolname = l.login_role
		   join pg_db_role_setting s on s.setrole in (0, r.oid) and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
		  cross join unnest(s.setconfig) c
		  where (c like 'search\_path=%' and s.setdatabase <> 0 and s.setrole <> 0) or c like 'role=%' or c like 'session\_authorization=%'`},
	{"completeness", "every provisioned tenant has its schema and its role",
		`select count(*) from control.tenant where state not in ('provisioning', 'sealed', 'erased')`,
		`select t.role_name, t.schema_name, 'schema or role is missing'
		   from control.tenant t where t.state not in ('provisioning', 'sealed', 'erased') and t.schema_name not in (select schema_name from tn)`},
}

// VerifyIsolation looks at every ordered pair of tenants. It changes nothing.
func (o *Operator) VerifyIsolation(ctx context.Context, version string) (Certificate, error) {
	cert := Certificate{Time: time.Now().UTC(), Version: version, Violations: []Violation{}}
	tx, err := o.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return cert, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	err = tx.QueryRow(ctx, `select current_setting('server_version'), (select count(*) from control.tenant), (select count(*) from control.cell)`).
		Scan(&cert.Server, &cert.Tenants, &cert.Cells)
	if err != nil {
		return cert, fmt.Errorf("read catalogue: %w", err)
	}
	for _, rule := range isolationRules {
		done := IsolationRule{Name: rule.name, Meaning: rule.meaning}
		if err := tx.QueryRow(ctx, scope+rule.count).Scan(&done.Examined); err != nil {
			return cert, fmt.Errorf("check %s: %w", rule.name, err)
		}
		rows, err := tx.Query(ctx, scope+rule.find+" limit 1000")
		if err != nil {
			return cert, fmt.Errorf("check %s: %w", rule.name, err)
		}
		found, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Violation, error) {
			v := Violation{Check: rule.name}
			return v, r.Scan(&v.Role, &v.Object, &v.Detail)
		})
		if err != nil {
			return cert, fmt.Errorf("check %s: %w", rule.name, err)
		}
		if rule.name == "pairs" {
			cert.Pairs = done.Examined
		}
		done.Violations = len(found)
		cert.Checks = append(cert.Checks, done)
		cert.Violations = append(cert.Violations, found...)
	}
	return cert, nil
}
