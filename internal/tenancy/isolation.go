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
	Clusters   []ClusterProof  `json:"clusters"`
	Checks     []IsolationRule `json:"checks"`
	Violations []Violation     `json:"violations"`
}

// ClusterProof is how much was looked at on one cluster. Pairs are of tenants that
// lie on it together: of others the servers keep each from the other.
type ClusterProof struct {
	Cluster string `json:"cluster"`
	Server  string `json:"server"`
	Tenants int    `json:"tenants"`
	Cells   int    `json:"cells"`
	Pairs   int64  `json:"pairs"`
}

// IsolationRule is one thing that was looked at, and how often.
type IsolationRule struct {
	Cluster    string `json:"cluster"`
	Name       string `json:"name"`
	Meaning    string `json:"meaning"`
	Examined   int64  `json:"examined"`
	Violations int    `json:"violations"`
}

// Violation is a path between tenants that must not be.
type Violation struct {
	Cluster string `json:"cluster"`
	Check   string `json:"check"`
	Role    string `json:"role"`
	Object  string `json:"object"`
	Detail  string `json:"detail"`
}

// scope is what all checks speak of: the tenants' schemas and roles, the cells'
// logins, and the owner of each schema. roled has those too that are being made
// and have a role but no schema yet.
const scope = `
with tenant as materialized (
  select * from jsonb_to_recordset($1::jsonb -> 'tenants') as t (slug text, schema_name text, role_name text, cell text, state text)
), cell as materialized (
  select * from jsonb_to_recordset($1::jsonb -> 'cells') as c (name text, login_role text)
), roled as materialized (
  select t.slug, t.schema_name, t.role_name, t.cell, n.oid as nsp, n.nspowner as owner, r.oid as role, c.oid as login
    from tenant t
    join cell l on l.name = t.cell
    join pg_roles r on r.rolname = t.role_name
    join pg_roles c on c.rolname = l.login_role
    left join pg_namespace n on n.nspname = t.schema_name
), tn as materialized (
  select * from roled where nsp is not null
), runtime as materialized (
  select role as oid from roled union select r.oid from cell l join pg_roles r on r.rolname = l.login_role
)`

// isolationRule returns its violations as (role, object, detail) and counts what
// it looked at. One of home speaks of the schema control; one of elsewhere gets
// what may not be on this cluster as $2.
type isolationRule struct {
	name, meaning, count, find string
	home, elsewhere            bool
}

var isolationRules = []isolationRule{
	{name: "pairs", meaning: "no tenant's role has usage on, or may create in, another tenant's schema",
		count: `select count(*) * greatest(count(*) - 1, 0) from tn`,
		find: `select a.role_name, b.schema_name, 'tenant role can use the schema'
		   from tn a join tn b on a.nsp <> b.nsp
		  where has_schema_privilege(a.role, b.nsp, 'USAGE') or has_schema_privilege(a.role, b.nsp, 'CREATE')`},
	{name: "membership", meaning: "no tenant's role is a member of another role, and none but its own cell's login is a member of it",
		count: `select count(*) from pg_auth_members`,
		find: `select m.member::regrole::text, m.roleid::regrole::text, 'membership'
		   from pg_auth_members m
		   left join roled granted on granted.role = m.roleid
		  where m.member in (select role from roled)
		     or (granted.role is not null and m.member <> granted.login and m.member is distinct from granted.owner
		         and not (select rolsuper from pg_roles where oid = m.member))
		     or (m.member in (select oid from runtime) and granted.role is null)`},
	{name: "attributes", meaning: "no runtime role is a superuser, bypasses row security, creates roles or databases, replicates, or inherits",
		count: `select count(*) from runtime`,
		find: `select r.rolname, '', 'forbidden attribute'
		   from pg_roles r join runtime u on u.oid = r.oid
		  where r.rolsuper or r.rolbypassrls or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolinherit
		     or (r.oid in (select role from tn) and r.rolcanlogin)`},
	{name: "schema grants", meaning: "a tenant's schema is granted to its own role alone",
		count: `select count(*) from tn`,
		find: `select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name, a.privilege_type
		   from tn join pg_namespace n on n.oid = tn.nsp
		  cross join aclexplode(n.nspacl) a
		  where a.grantee not in (tn.owner, tn.role) or (a.grantee = tn.role and a.privilege_type <> 'USAGE')`},
	{name: "table grants", meaning: "a tenant's tables, views and sequences are granted to its own role alone",
		count: `select count(*) from tn join pg_class c on c.relnamespace = tn.nsp where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')`,
		find: `select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name || '.' || c.relname, a.privilege_type
		   from tn join pg_class c on c.relnamespace = tn.nsp
		  cross join aclexplode(c.relacl) a
		  where a.grantee not in (tn.owner, tn.role)`},
	{name: "append-only", meaning: "what a tenant may only add to, its role can neither change nor empty, nor reach by a partition",
		count: `select count(*) from tn join pg_class c on c.relnamespace = tn.nsp where c.relname = any ('{` + strings.Join(schemas.AppendOnly, ",") + `}')`,
		find: `select tn.role_name, tn.schema_name || '.' || c.relname, 'may be changed'
		   from tn join pg_class c on c.relnamespace = tn.nsp
		   left join pg_inherits i on i.inhrelid = c.oid
		   join pg_class top on top.oid = coalesce(i.inhparent, c.oid)
		  where top.relname = any ('{` + strings.Join(schemas.AppendOnly, ",") + `}') and c.relkind in ('r', 'p')
		    and (has_table_privilege(tn.role, c.oid, 'UPDATE, DELETE, TRUNCATE')
		         or (i.inhrelid is not null and has_table_privilege(tn.role, c.oid, 'SELECT, INSERT')))`},
	{name: "column grants", meaning: "no column is granted by itself",
		count: `select count(*) from tn`,
		find: `select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name || '.' || c.relname || '.' || t.attname, a.privilege_type
		   from tn join pg_class c on c.relnamespace = tn.nsp
		   join pg_attribute t on t.attrelid = c.oid and t.attacl is not null
		  cross join aclexplode(t.attacl) a
		  where a.grantee not in (tn.owner, tn.role)`},
	{name: "default grants", meaning: "what is made in a tenant's schema later will be granted to its own role alone",
		count: `select count(*) from pg_default_acl`,
		find: `select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), tn.schema_name, 'default ' || a.privilege_type
		   from pg_default_acl d join tn on tn.nsp = d.defaclnamespace
		  cross join aclexplode(d.defaclacl) a
		  where a.grantee not in (tn.owner, tn.role)
		 union all
		 select coalesce(nullif(a.grantee, 0)::regrole::text, 'public'), 'every schema', 'default ' || a.privilege_type
		   from pg_default_acl d cross join aclexplode(d.defaclacl) a
		  where d.defaclnamespace = 0 and a.grantee <> d.defaclrole`},
	{name: "ownership", meaning: "no runtime role owns a schema, table or function",
		count: `select count(*) from runtime`,
		find: `select nspowner::regrole::text, nspname, 'owns schema' from pg_namespace where nspowner in (select oid from runtime)
		 union all
		 select relowner::regrole::text, relname, 'owns relation' from pg_class where relowner in (select oid from runtime)
		 union all
		 select proowner::regrole::text, proname, 'owns function' from pg_proc where proowner in (select oid from runtime)`},
	{name: "functions", meaning: "no function that a tenant can reach runs with its owner's rights",
		count: `select count(*) from pg_proc`,
		find: `select '', n.nspname || '.' || p.proname, 'security definer'
		   from pg_proc p join pg_namespace n on n.oid = p.pronamespace
		  where p.prosecdef and (n.oid in (select nsp from tn) or has_schema_privilege('public', n.oid, 'USAGE'))`},
	{name: "views", meaning: "no view or foreign key of a tenant reaches out of its schema",
		count: `select count(*) from tn join pg_class c on c.relnamespace = tn.nsp where c.relkind in ('r', 'p', 'v', 'm')`,
		find: `select tn.role_name, tn.schema_name || '.' || v.relname, 'reads ' || n.nspname || '.' || c.relname
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
	{name: "catalogue", home: true, meaning: "no tenant's role and no cell's login can use the schema control",
		count: `select count(*) from runtime`,
		find: `select u.oid::regrole::text, 'control', 'usage'
		   from runtime u where has_schema_privilege(u.oid, 'control', 'USAGE')`},
	{name: "operators", home: true, meaning: "nobody but the owner can list operators, change the catalogue, or change what the operator log says",
		count: `select count(*) from pg_class where relnamespace = 'control'::regnamespace and relkind in ('r', 'p')`,
		find: `select r.rolname, 'control.' || c.relname, 'may be changed'
		   from pg_class c
		   join pg_roles r on not r.rolsuper and r.rolname not like 'pg\_%' and not pg_has_role(r.oid, c.relowner, 'MEMBER')
		  where c.relnamespace = 'control'::regnamespace and c.relkind in ('r', 'p')
		    and c.relname in ('cluster', 'cell', 'tenant', 'tenant_host', 'step', 'operator', 'operator_log')
		    and (has_table_privilege(r.oid, c.oid, 'UPDATE, DELETE, TRUNCATE') or has_any_column_privilege(r.oid, c.oid, 'UPDATE')
		         or (c.relname <> 'operator_log' and has_any_column_privilege(r.oid, c.oid, 'INSERT')))`},
	{name: "database", meaning: "runtime roles may neither create schemas nor temporary tables, nor anything in schema public or ext",
		count: `select count(*) from runtime`,
		find: `select u.oid::regrole::text, current_database(), 'create or temporary'
		   from runtime u
		  where has_database_privilege(u.oid, current_database(), 'CREATE') or has_database_privilege(u.oid, current_database(), 'TEMPORARY')
		     or has_schema_privilege(u.oid, 'public', 'CREATE') or has_schema_privilege(u.oid, 'ext', 'CREATE')`},
	{name: "default path", meaning: "a cell's login sees no schema and takes no role before it enters a tenant",
		count: `select count(*) from cell`,
		find: `select l.login_role, '', 'search_path is not empty by default'
		   from cell l join pg_roles r on r.rolname = l.login_role
		  where not exists (select from unnest(r.rolconfig) c where c in ('search_path=', 'search_path=""'))
		 union all
		 select l.login_role, current_database(), 'by default ' || c
		   from cell l join pg_roles r on r.rolname = l.login_role
		   join pg_db_role_setting s on s.setrole in (0, r.oid) and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
		  cross join unnest(s.setconfig) c
		  where (c like 'search\_path=%' and s.setdatabase <> 0 and s.setrole <> 0) or c like 'role=%' or c like 'session\_authorization=%'`},
	{name: "completeness", meaning: "every provisioned tenant has its schema and its role",
		count: `select count(*) from tenant where state not in ('provisioning', 'sealed', 'erased')`,
		find: `select t.role_name, t.schema_name, 'schema or role is missing'
		   from tenant t where t.state not in ('provisioning', 'sealed', 'erased') and t.schema_name not in (select schema_name from tn)`},
	{name: "elsewhere", elsewhere: true, meaning: "no schema, role or login lies on a cluster that is not its own, but for a move that is under way",
		count: `select count(*) from pg_namespace`,
		// Logins carry the number of the database that they were made in, which a database of
		// somebody else's on this server may have as well: ours is one that may enter this one.
		find: `select coalesce(e.role_name, ''), coalesce(n.nspname, ''), 'belongs to another cluster'
		   from jsonb_to_recordset($2::jsonb) as e (schema_name text, role_name text)
		   left join pg_namespace n on n.nspname = e.schema_name
		   left join pg_roles r on r.rolname = e.role_name
		  where n.oid is not null
		     or (r.oid is not null and (e.schema_name is not null
		         or exists (select from pg_database d, aclexplode(d.datacl) a where d.datname = current_database() and a.grantee = r.oid)))`},
}

// VerifyIsolation looks at every ordered pair of tenants of each cluster, and for
// what lies on a cluster that is not its own. It changes nothing. A cluster that is
// not reached proves nothing: that is an error.
func (o *Operator) VerifyIsolation(ctx context.Context, version string) (Certificate, error) {
	cert := Certificate{Time: time.Now().UTC(), Version: version, Violations: []Violation{}}
	list, err := o.Clusters(ctx)
	if err != nil {
		return cert, err
	}
	for _, c := range list {
		s, err := o.server(ctx, c.Name)
		if err == nil {
			err = o.verifyServer(ctx, s, &cert)
		}
		if err != nil {
			return cert, fmt.Errorf("verify cluster %s: %w", c.Name, err)
		}
	}
	return cert, nil
}

// placed is the catalogue as the checks read it: what is of this cluster, and
// the names that are of another one.
type placed struct {
	tenants, cells int
	of, elsewhere  []byte
}

const sqlPlaced = `
with t as (
  select t.slug, t.schema_name, t.role_name, t.cell, t.state, c.cluster,
         coalesce((select array_agg(distinct l.cluster) from control.tenant_move m join control.cell l on l.name in (m.from_cell, m.to_cell)
                    where m.tenant = t.id and m.phase not in ('done', 'back')), '{}') as under_way
    from control.tenant t join control.cell c on c.name = t.cell
)
select (select count(*) from t where cluster = $1 and state <> 'erased')::int, (select count(*) from control.cell where cluster = $1)::int,
       json_build_object('tenants', coalesce((select json_agg(t) from t where cluster = $1), '[]'),
                         'cells', coalesce((select json_agg(c) from (select name, login_role from control.cell where cluster = $1) c), '[]')),
       coalesce((select json_agg(e) from (
         select schema_name, role_name from t where cluster <> $1 and $1 <> all (under_way)
         union all
         select null, login_role from control.cell where cluster <> $1) e), '[]')`

func (o *Operator) verifyServer(ctx context.Context, s *server, cert *Certificate) error {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	catalogue := querier(o.pool)
	if s.home() {
		catalogue = tx
	}
	rows, err := catalogue.Query(ctx, sqlPlaced, s.name)
	if err != nil {
		return fmt.Errorf("read catalogue: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, func(r pgx.CollectableRow) (p placed, err error) {
		return p, r.Scan(&p.tenants, &p.cells, &p.of, &p.elsewhere)
	})
	if err != nil {
		return fmt.Errorf("read catalogue: %w", err)
	}
	on := ClusterProof{Cluster: s.name, Tenants: p.tenants, Cells: p.cells}
	if err := tx.QueryRow(ctx, "select current_setting('server_version')").Scan(&on.Server); err != nil {
		return err
	}
	for _, rule := range isolationRules {
		if rule.home && !s.home() {
			continue
		}
		done, found, err := rule.examine(ctx, tx, s.name, p)
		if err != nil {
			return fmt.Errorf("check %s: %w", rule.name, err)
		}
		if rule.name == "pairs" {
			on.Pairs = done.Examined
		}
		cert.Checks = append(cert.Checks, done)
		cert.Violations = append(cert.Violations, found...)
	}
	cert.Clusters = append(cert.Clusters, on)
	cert.Tenants, cert.Cells, cert.Pairs = cert.Tenants+on.Tenants, cert.Cells+on.Cells, cert.Pairs+on.Pairs
	if s.home() {
		cert.Server = on.Server
	}
	return nil
}

// examine asks one rule of one server.
func (r isolationRule) examine(ctx context.Context, tx pgx.Tx, cluster string, p placed) (IsolationRule, []Violation, error) {
	done := IsolationRule{Cluster: cluster, Name: r.name, Meaning: r.meaning}
	args := []any{p.of}
	if r.elsewhere {
		args = append(args, p.elsewhere)
	}
	if err := tx.QueryRow(ctx, scope+r.count, args[:1]...).Scan(&done.Examined); err != nil {
		return done, nil, err
	}
	rows, err := tx.Query(ctx, scope+r.find+" limit 1000", args...)
	if err != nil {
		return done, nil, err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Violation, error) {
		v := Violation{Cluster: cluster, Check: r.name}
		return v, row.Scan(&v.Role, &v.Object, &v.Detail)
	})
	done.Violations = len(found)
	return done, found, err
}
