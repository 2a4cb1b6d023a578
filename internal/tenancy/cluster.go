package tenancy

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is a PostgreSQL server that tenants can lie on. Reference is where the
// programs find its address: the address itself is in no catalogue.
type Cluster struct {
	Name      string    `json:"name"`
	Reference string    `json:"reference"`
	Cells     int       `json:"cells"`
	Tenants   int       `json:"tenants"`
	CreatedAt time.Time `json:"created_at"`
}

var referenceForm = regexp.MustCompile(`^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$`)

// CheckReference tells whether a reference to an address has a form that programs
// can resolve.
func CheckReference(ref string) error {
	if !referenceForm.MatchString(ref) {
		return errors.New("a reference names where the URL is found: use env:VARIABLE, or file: and an absolute path") // it may be the URL
	}
	return nil
}

const sqlClusters = `
select c.id, c.dsn_ref, (select count(*) from control.cell l where l.cluster = c.id)::int,
       (select count(*) from control.tenant t join control.cell l on l.name = t.cell where l.cluster = c.id and t.state <> 'erased')::int, c.created_at
  from control.cluster c
 order by c.id <> 'main', c.id`

// Clusters lists the clusters, the home first.
func (o *Operator) Clusters(ctx context.Context) ([]Cluster, error) {
	rows, err := o.pool.Query(ctx, sqlClusters)
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Cluster])
	if err != nil {
		return nil, fmt.Errorf("list clusters: %w", err)
	}
	list[0].Reference = "--database-url" // whatever its row says
	return list, nil
}

// AddCluster prepares a database for tenants and enters it into the catalogue, or,
// where a cluster of that name stands, changes how its address is found. With
// prepare false it only looks whether it could.
func (o *Operator) AddCluster(ctx context.Context, name, ref string, prepare bool) error {
	if !cellForm.MatchString(name) || name == Home {
		return fmt.Errorf("cluster %q: use up to 31 of a-z, 0-9 and hyphens, beginning with a letter, and not %s", name, Home)
	}
	if err := CheckReference(ref); err != nil {
		return err
	}
	s, err := o.reach(ctx, name, ref)
	if err != nil {
		return err
	}
	defer s.pool.Close()
	if err := o.suits(ctx, s); err != nil || !prepare {
		return err
	}
	// The stamp last but one: a database without it is nobody's, a row without the
	// stamp there is not.
	if _, err := s.pool.Exec(ctx, shutScript+stampScript, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("prepare cluster %s: %w", name, err)
	}
	const stamped = `insert into digione.cluster (stamp) values ($1) on conflict do nothing`
	if _, err := s.pool.Exec(ctx, stamped, o.stampOf(name)); err != nil {
		return fmt.Errorf("prepare cluster %s: %w", name, err)
	}
	const q = `
insert into control.cluster (id, dsn_ref) values ($1, $2)
on conflict (id) do update set dsn_ref = excluded.dsn_ref where cluster.dsn_ref <> excluded.dsn_ref`
	if _, err := o.pool.Exec(ctx, q, name, ref); err != nil {
		return fmt.Errorf("enter cluster %s: %w", name, err)
	}
	return nil
}

// stampScript makes the place where a cluster's database says whose it is. One
// database has one stamp.
const stampScript = `
create schema if not exists digione;
create table if not exists digione.cluster (
  stamp       text        not null constraint cluster_pk primary key,
  one         boolean     not null default true constraint cluster_one_uq unique constraint cluster_one_ck check (one),
  created_at  timestamptz not null default now()
);
comment on table digione.cluster is 'Which cluster of which installation this database is. Owned by internal/tenancy.';`

const sqlSuits = `
select to_regnamespace('control') is not null, (select system_identifier from pg_control_system()),
       (select rolcreaterole or rolsuper from pg_roles where rolname = current_user),
       has_database_privilege(current_database(), 'create')`

// suits tells whether a database can become a cluster: a server of its own, since
// roles belong to the whole server, with an owner who can make what tenants need.
func (o *Operator) suits(ctx context.Context, s *server) error {
	stamp, err := s.stamp(ctx)
	if err != nil {
		return err
	}
	if stamp != "" && stamp != o.stampOf(s.name) {
		return fmt.Errorf("cluster %s: this database is another cluster already, or another installation's; give an empty one", s.name)
	}
	var control, roles, create bool
	var id int64
	if err := s.pool.QueryRow(ctx, sqlSuits).Scan(&control, &id, &roles, &create); err != nil {
		return fmt.Errorf("look at cluster %s: %w", s.name, err)
	}
	switch {
	case control:
		return fmt.Errorf("cluster %s: this database has a catalogue of its own; give an empty one", s.name)
	case !roles || !create:
		return fmt.Errorf("cluster %s: its user may not create roles and schemas; see docs/operators-guide.md, A second cluster", s.name)
	}
	list, err := o.Clusters(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.Name == s.name {
			continue
		}
		other, err := o.server(ctx, c.Name)
		if errors.Is(err, ErrNoCluster) {
			continue // whether it is the same shows when it is reached
		}
		if err != nil {
			return err
		}
		var its int64
		if err := other.pool.QueryRow(ctx, "select system_identifier from pg_control_system()").Scan(&its); err != nil {
			return err
		}
		if its == id {
			return fmt.Errorf("cluster %s: it is the server of cluster %s; a cluster is a server of its own", s.name, c.Name)
		}
	}
	return nil
}

// CheckCluster examines one cluster and changes nothing.
func (o *Operator) CheckCluster(ctx context.Context, name string) ([]Diagnosis, error) {
	list, err := o.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.Name == name {
			return o.examineCluster(ctx, c)
		}
	}
	return nil, fmt.Errorf("cluster %q: there is none; see: tenantctl cluster list", name)
}

func (o *Operator) examineCluster(ctx context.Context, c Cluster) ([]Diagnosis, error) {
	name := "cluster " + c.Name
	s, err := o.server(ctx, c.Name)
	if errors.Is(err, ErrNoCluster) {
		return []Diagnosis{{Check: name, Found: err.Error(), Next: "set what " + c.Reference + " names to this cluster's address, on every host; its tenants are not served where it is missing"}}, nil
	}
	if err != nil {
		return nil, err
	}
	out := []Diagnosis{{Check: name, OK: true, Found: fmt.Sprintf("PostgreSQL %d.%d, %d cells, %d tenants", s.version/10000, s.version%10000, c.Cells, c.Tenants)}}
	rows, err := o.pool.Query(ctx, "select name, login_role from control.cell where cluster = $1 order by name", c.Name)
	if err != nil {
		return nil, err
	}
	var cell, role string
	_, err = pgx.ForEachRow(rows, []any{&cell, &role}, func() error {
		conn, err := o.loginAs(ctx, s, role)
		if err != nil {
			out = append(out, Diagnosis{Check: "cell " + cell, Found: err.Error(), Next: "let the cells' roles log in from here; see docs/operators-guide.md, The database and its owner"})
			return nil
		}
		return conn.Close(ctx)
	})
	return out, err
}
