package tenancy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/schemas"
)

// set takes the move from one phase to the next, if it is still this call's.
func (m *mover) set(ctx context.Context, to phase, from ...phase) error {
	const q = `
update control.tenant_move
   set phase = $2,
       held_at = case $2 when 'held' then coalesce(held_at, now()) when 'preparing' then null when 'back' then null else held_at end,
       closed_at = case $2 when 'closing' then now() when 'preparing' then null when 'back' then null else closed_at end,
       done_at = case $2 when 'done' then now() end
 where tenant = $1 and run = $3 and phase = any ($4)`
	names := []string{string(to)}
	for _, f := range from {
		names = append(names, string(f))
	}
	tag, err := m.o.pool.Exec(ctx, q, m.was.ID, string(to), m.run, names)
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("another command has taken this move over")
	}
	if err == nil {
		m.phase = to
	}
	return err
}

// prepare makes role and schema in the new place. Nobody is sent there yet.
func (m *mover) prepare(ctx context.Context) error {
	version, err := versionOf(ctx, m.src, m.was.Schema)
	if err != nil {
		return err
	}
	if err := m.o.stepRole(ctx, m.will, Spec{}); err != nil {
		return err
	}
	if err := m.o.schemaAt(ctx, m.will, version); err != nil {
		return err
	}
	at, err := versionOf(ctx, m.dst, m.was.Schema)
	if err != nil {
		return err
	}
	if at != version {
		return fmt.Errorf("the schema in the new place is of version %d, not %d; take the move back: tenantctl tenant move %s --back", at, version, m.was.Slug)
	}
	return m.o.stepSmoke(ctx, m.will, Spec{})
}

// hold lets the tenant be read only. Those who write already are waited for.
func (m *mover) hold(ctx context.Context) error {
	if err := m.set(ctx, held, preparing, closing); err != nil {
		return err
	}
	if err := m.o.stepRole(ctx, m.was, Spec{}); err != nil { // a killed call may have shut the doors
		return err
	}
	return m.freeze(ctx, false)
}

// freeze takes the right to write from the tenant's role, on the tables that note
// who reads or on the others, and waits until nobody writes there. Whoever begins
// after the right is gone is refused, whatever their process has heard; who began
// before holds a lock that is waited for.
func (m *mover) freeze(ctx context.Context, traces bool) error {
	tables, err := m.tables(ctx, traces)
	if err != nil {
		return err
	}
	list := strings.Join(tables, ", ")
	if _, err := m.src.Exec(ctx, "revoke insert, update, delete on "+list+" from "+ident(m.was.Role), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("take the right to write: %w", err)
	}
	wait := fmt.Sprintf("begin; set local lock_timeout = '%dms'; lock table %s in share mode; commit", patience.Milliseconds(), list)
	_, err = m.src.Exec(ctx, wait, pgx.QueryExecModeSimpleProtocol)
	if sqlState(err) == "55P03" {
		_, _ = m.src.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol)
		return fmt.Errorf("somebody has been writing for %s, perhaps an import; wait for its end, then run the command again", patience)
	}
	return err
}

// tables lists a tenant's tables where it was, partitions through their parent.
func (m *mover) tables(ctx context.Context, traces bool) ([]string, error) {
	const q = `
select relname::text from pg_class
 where relnamespace = $1::regnamespace and relkind in ('r', 'p') and not relispartition and relname <> 'goose_db_version'
 order by relname`
	rows, err := m.src.Query(ctx, q, m.was.Schema)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(schemas.Traces, n) != traces })
	for i, n := range names {
		names[i] = ident(m.was.Schema) + "." + ident(n)
	}
	return names, err
}

// copy carries what nobody changes any more. Its transaction in the new place
// stays open: either all of the tenant is there, or nothing.
func (m *mover) copy(ctx context.Context) (err error) {
	if m.into, err = m.dst.Begin(ctx); err != nil {
		return err
	}
	if err := standIn(ctx, m.into, m.was.Schema); err != nil {
		return err
	}
	return m.bring(ctx, m.carry.Held)
}

// bring runs a part of the carrying over one snapshot of the source.
func (m *mover) bring(ctx context.Context, carry func(ctx context.Context, from, to pgx.Tx, t Tenant) (int64, error)) error {
	out, err := m.src.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = out.Rollback(context.WithoutCancel(ctx)) }()
	if err := standIn(ctx, out, m.was.Schema); err != nil {
		return err
	}
	n, err := carry(ctx, out, m.into, m.was.Tenant)
	m.rows += n
	return err
}

// newsTime is how long processes may take to hear that the doors are shut: then
// they wait, and PostgreSQL refuses only those who have not heard.
const newsTime = 150 * time.Millisecond

// shut takes the tenant's role from the old cell's login, carries what readers
// have written meanwhile, and commits the whole in the new place.
func (m *mover) shut(ctx context.Context) error {
	if err := m.set(ctx, closing, held); err != nil {
		return err
	}
	if err := sleep(ctx, newsTime); err != nil {
		return err
	}
	nowhere := *m.was
	nowhere.cellRole = ""
	if err := m.o.stepRevoke(ctx, &nowhere, Spec{}); err != nil {
		return err
	}
	if err := m.freeze(ctx, true); err != nil {
		return err
	}
	if err := m.bring(ctx, m.carry.Traces); err != nil {
		return err
	}
	if _, err := m.into.Exec(ctx, "set local synchronous_commit = on"); err != nil {
		return err
	}
	return m.into.Commit(ctx)
}

// change names the new cell in the catalogue: from here on the tenant is there.
func (m *mover) change(ctx context.Context) error {
	return pgx.BeginFunc(ctx, m.o.pool, func(tx pgx.Tx) error {
		const note = `
update control.tenant_move set phase = 'switched', switched_at = clock_timestamp(), rows = $3
 where tenant = $1 and run = $2 and phase = 'closing'`
		tag, err := tx.Exec(ctx, note, m.was.ID, m.run, m.rows)
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("another command has taken this move over")
		}
		if err != nil {
			return err
		}
		tag, err = tx.Exec(ctx, "update control.tenant set cell = $2 where id = $1 and cell = $3 and state in ('active', 'suspended', 'leaving')", m.was.ID, m.will.Cell, m.was.Cell)
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("the tenant's state or cell was changed meanwhile")
		}
		return err
	})
}

// dropSource drops what is left where the tenant was: its rows were proven to be
// in the new place before the catalogue named that.
func (m *mover) dropSource(ctx context.Context) error {
	if err := m.from.dropSchema(ctx, m.was.Tenant); err != nil {
		return err
	}
	return m.set(ctx, moved, switched)
}

// reopen gives the tenant back where it was all that hold and shut have taken.
func (m *mover) reopen(ctx context.Context) error {
	if m.into != nil {
		_ = m.into.Rollback(ctx)
	}
	if m.src.IsClosed() { // what failed may have been this connection
		conn, err := lockedConn(ctx, m.from, m.was.Schema, lockMigrate)
		if err != nil {
			return err
		}
		m.src = conn
	} else if _, err := m.src.Exec(ctx, "rollback", pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	// Not if the switch was committed after all: then the tenant is elsewhere.
	if err := m.set(ctx, held, preparing, closing); err != nil {
		return err
	}
	var tables []string
	for _, traces := range []bool{false, true} {
		list, err := m.tables(ctx, traces)
		if err != nil {
			return err
		}
		tables = append(tables, list...)
	}
	give := "begin; grant insert, update, delete on " + strings.Join(tables, ", ") + " to " + ident(m.was.Role) + ";" + lockdown(m.was) + " commit"
	if _, err := m.src.Exec(ctx, give, pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("give back the right to write: %w", err)
	}
	if err := m.o.stepRole(ctx, m.was, Spec{}); err != nil {
		return err
	}
	return m.set(ctx, preparing, held)
}

// standIn lets a transaction of the owner stand in a tenant's schema. Values as
// text must be the same on every server and for every owner.
func standIn(ctx context.Context, tx pgx.Tx, schema string) error {
	const q = `
select set_config('search_path', $1, true), set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true),
       set_config('intervalstyle', 'iso_8601', true), set_config('bytea_output', 'hex', true), set_config('extra_float_digits', '1', true)`
	if _, err := tx.Exec(ctx, q, schema+", ext"); err != nil {
		return fmt.Errorf("enter schema %s: %w", schema, err)
	}
	return nil
}
