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

// chooseCell returns the named cell, or the first shared one with room, making
// one when all are full. The caller holds lockCells.
func (o *Operator) chooseCell(ctx context.Context, conn *pgxpool.Conn, name string) (string, error) {
	const roomy = `
select c.name
  from control.cell c
 where ($1 = '' or c.name = $1)
   and (select count(*) from control.tenant t where t.cell = c.name and t.state <> 'erased') < c.capacity
   and ($1 <> '' or c.name like 'shared-%')
 order by length(c.name), c.name
 limit 1`
	var chosen string
	err := conn.QueryRow(ctx, roomy, name).Scan(&chosen)
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
	return chosen, o.makeCell(ctx, conn, chosen, capacity)
}

// makeCell creates the login role first and the row last: a role without a row
// is found and used by the next attempt.
func (o *Operator) makeCell(ctx context.Context, conn *pgxpool.Conn, name string, capacity int) error {
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select from control.cell where name = $1)", name).Scan(&exists); err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("cell %s is full; name another", name)
	}
	// Roles belong to the whole server: the database's number keeps the cells of
	// one name in several databases apart.
	var role string
	if err := conn.QueryRow(ctx, "select 'c_' || $1 || '_' || oid from pg_database where datname = current_database()", name).Scan(&role); err != nil {
		return err
	}
	if err := createRole(ctx, conn, role, "login password '"+rolePassword(o.cfg.Secret, role)+"'"); err != nil {
		return err
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
			return fmt.Errorf("make cell %s: %w", name, err)
		}
	}
	if _, err := conn.Exec(ctx, "do $$ begin execute format('grant connect on database %I to "+ident(role)+"', current_database()); end $$", pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("make cell %s: %w", name, err)
	}
	// Lets a session measure its own memory; where the owner may not grant it the
	// pool estimates instead.
	_, _ = conn.Exec(ctx, "grant select on pg_catalog.pg_backend_memory_contexts to "+ident(role)+"; grant execute on function pg_catalog.pg_get_backend_memory_contexts() to "+ident(role), pgx.QueryExecModeSimpleProtocol)
	size := defaultCellPool
	if o.cfg.CellPool > 0 {
		size = o.cfg.CellPool
	}
	_, err := conn.Exec(ctx, "insert into control.cell (name, cluster, login_role, pool_size, capacity) values ($1, 'main', $2, $3, $4)", name, role, size, capacity)
	if err != nil {
		return fmt.Errorf("make cell %s: %w", name, err)
	}
	return nil
}

// constraintOf returns the name of the violated constraint, "" for other errors.
func constraintOf(err error) string {
	if pe := (*pgconn.PgError)(nil); errors.As(err, &pe) {
		return pe.ConstraintName
	}
	return ""
}
