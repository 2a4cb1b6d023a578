package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	defaultCellPool     = 4
	defaultCellCapacity = 75
)

// chooseCell returns the named cell, or the first shared one with room on the
// cluster (Home when none is named), making one when all are full. A tenant that
// moves takes room in both cells. The caller holds lockCells.
func (o *Operator) chooseCell(ctx context.Context, conn *pgxpool.Conn, name, cluster string) (string, error) {
	const roomy = `
select c.name, c.cluster
  from control.cell c
 where ($1 = '' or c.name = $1)
   and (select count(*) from control.tenant t where t.cell = c.name and t.state <> 'erased')
       + (select count(*) from control.tenant_move m join control.tenant t on t.id = m.tenant
           where m.to_cell = c.name and t.cell <> c.name and m.phase not in ('done', 'back')) < c.capacity
   and ($1 <> '' or (c.name like 'shared-%' and c.cluster = $2))
 order by length(c.name), c.name
 limit 1`
	where := cluster
	if where == "" {
		where = Home
	}
	var chosen, on string
	err := conn.QueryRow(ctx, roomy, name, where).Scan(&chosen, &on)
	if err == nil && cluster != "" && on != cluster {
		err = fmt.Errorf("cell %s is on cluster %s, not on %s; name another", name, on, cluster)
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return chosen, err
	}
	capacity := defaultCellCapacity
	if o.cfg.CellCapacity > 0 {
		capacity = o.cfg.CellCapacity
	}
	if chosen = name; name != "" {
		capacity = 1 // a cell asked for by name is the tenant's own
	} else {
		const free = `select 'shared-' || coalesce(max(substring(name from '^shared-([0-9]{1,8})$')::int), 0) + 1 from control.cell`
		if err := conn.QueryRow(ctx, free).Scan(&chosen); err != nil {
			return "", err
		}
	}
	return chosen, o.makeCell(ctx, conn, chosen, where, capacity)
}

// makeCell creates the login role first and the row last: a role without a row
// is found and used by the next attempt.
func (o *Operator) makeCell(ctx context.Context, home *pgxpool.Conn, name, cluster string, capacity int) error {
	var exists bool
	if err := home.QueryRow(ctx, "select exists (select from control.cell where name = $1)", name).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("cell %s is full; name another", name)
	}
	var role string
	var err error
	if cluster == Home {
		role, err = o.makeLogin(ctx, home, name)
	} else {
		var s *server
		if s, err = o.server(ctx, cluster); err == nil {
			role, err = o.makeLogin(ctx, s.pool, name)
		}
	}
	if err != nil {
		return err
	}
	size := defaultCellPool
	if o.cfg.CellPool > 0 {
		size = o.cfg.CellPool
	}
	_, err = home.Exec(ctx, "insert into control.cell (name, cluster, login_role, pool_size, capacity) values ($1, $2, $3, $4, $5)", name, cluster, role, size, capacity)
	if err != nil {
		return fmt.Errorf("make cell %s: %w", name, err)
	}
	return nil
}

// makeLogin makes the role by which a cell logs in on its cluster.
func (o *Operator) makeLogin(ctx context.Context, conn execer, name string) (role string, err error) {
	// Roles belong to the whole server: the database's number keeps the cells of
	// one name in several databases apart.
	rows, err := conn.Query(ctx, "select 'c_' || $1 || '_' || oid from pg_database where datname = current_database()", name)
	if err == nil {
		role, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[string])
	}
	if err != nil {
		return "", err
	}
	if err := createRole(ctx, conn, role, "login password '"+rolePassword(o.cfg.Secret, role)+"'"); err != nil {
		return "", err
	}
	for _, set := range []string{
		"search_path = ''", // outside of a tenant there is nothing to see
		"statement_timeout = '30s'",
		"idle_in_transaction_session_timeout = '60s'",
		"lock_timeout = '10s'",
		"plan_cache_mode = force_generic_plan",
		"jit = off",
	} {
		if _, err := conn.Exec(ctx, "alter role "+ident(role)+" set "+set, pgx.QueryExecModeSimpleProtocol); err != nil {
			return "", fmt.Errorf("make cell %s: %w", name, err)
		}
	}
	if _, err := conn.Exec(ctx, "do $$ begin execute format('grant connect on database %I to "+ident(role)+"', current_database()); end $$", pgx.QueryExecModeSimpleProtocol); err != nil {
		return "", fmt.Errorf("make cell %s: %w", name, err)
	}
	// Lets a session measure its own memory; where the owner may not grant it the
	// pool estimates instead.
	_, _ = conn.Exec(ctx, "grant select on pg_catalog.pg_backend_memory_contexts to "+ident(role)+"; grant execute on function pg_catalog.pg_get_backend_memory_contexts() to "+ident(role), pgx.QueryExecModeSimpleProtocol)
	return role, nil
}

// constraintOf returns the name of the violated constraint, "" for other errors.
func constraintOf(err error) string {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		return pe.ConstraintName
	}
	return ""
}
