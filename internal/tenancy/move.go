package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// MoveSteps names the steps of a move in their order.
func MoveSteps() []string { return []string{"grant", "smoke test", "catalogue", "revoke"} }

// MakeCell finds or makes the cell that a tenant is to move to, and returns its
// cluster: of a cell that stands, or the one named, or the tenant's own.
func (o *Operator) MakeCell(ctx context.Context, t Tenant, cell, cluster string) (on string, err error) {
	if on, err = o.ClusterOf(ctx, t, cell, cluster); err != nil || t.Cell == cell {
		return on, err
	}
	return on, o.home.locked(ctx, lockCells, func(conn *pgxpool.Conn) error {
		_, err := o.chooseCell(ctx, conn, cell, on)
		return err
	})
}

// ClusterOf is MakeCell that makes nothing.
func (o *Operator) ClusterOf(ctx context.Context, t Tenant, cell, cluster string) (on string, err error) {
	if !cellForm.MatchString(cell) {
		return "", fmt.Errorf("cell %q: use up to 31 of a-z, 0-9 and hyphens, beginning with a letter", cell)
	}
	err = o.pool.QueryRow(ctx, "select cluster from control.cell where name = $1", cell).Scan(&on)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && cluster == "":
		return t.Cluster, nil
	case errors.Is(err, pgx.ErrNoRows):
		_, err = o.server(ctx, cluster)
		return cluster, err
	case err == nil && cluster != "" && on != cluster:
		err = fmt.Errorf("cell %s is on cluster %s, not on %s; name another", cell, on, cluster)
	}
	return on, err
}

// Move brings a tenant to another cell of the same cluster, which is made when
// there is none of that name. No row is copied: the new cell's login may take the
// tenant's role, a smoke test enters as that login, the catalogue names the cell,
// and the old login loses the role. Between the last two steps both may take it;
// a process that has not heard of the move is refused until it has (30 s at most).
// Killed anywhere, the same call goes on.
func (o *Operator) Move(ctx context.Context, t Tenant, cell string, heard StepFunc) (Tenant, error) {
	if !cellForm.MatchString(cell) {
		return t, fmt.Errorf("cell %q: use up to 31 of a-z, 0-9 and hyphens, beginning with a letter", cell)
	}
	if t.State == Provisioning {
		return t, fmt.Errorf("tenant %s: %w", t.Slug, ErrNotReady)
	}
	if t.State.Gone() {
		return t, fmt.Errorf("tenant %s: %w", t.Slug, ErrGone)
	}
	if err := o.Settled(ctx, t); err != nil {
		return t, err
	}
	// The place in the cell is taken under the lock that it was found under.
	err := o.home.locked(ctx, lockCells, func(conn *pgxpool.Conn) error {
		e, err := o.find(ctx, t.Slug)
		if err != nil {
			return err
		}
		if e.Cell != cell {
			if _, err := o.chooseCell(ctx, conn, cell, e.Cluster); err != nil {
				return err
			}
		}
		if err := conn.QueryRow(ctx, "select login_role from control.cell where name = $1", cell).Scan(&e.cellRole); err != nil {
			return fmt.Errorf("find cell %s: %w", cell, err)
		}
		for _, step := range []provisionStep{
			{"grant", (*Operator).stepRole},
			{"smoke test", (*Operator).stepSmoke},
			{"catalogue", func(o *Operator, ctx context.Context, e *entry, _ Spec) error {
				_, err := conn.Exec(ctx, "update control.tenant set cell = $2 where id = $1 and cell <> $2", e.ID, cell)
				return err
			}},
			{"revoke", (*Operator).stepRevoke},
		} {
			err := o.record(ctx, e.ID, "move", step.name, func() error { return step.run(o, ctx, e, Spec{}) })
			if heard != nil {
				heard(step.name, err)
			}
			if err != nil {
				return fmt.Errorf("move %s, step %s: %w; mend the cause and run the command again", t.Slug, step.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	return o.Find(ctx, string(t.ID))
}

// stepRevoke takes the tenant's role from every cell but its own.
func (o *Operator) stepRevoke(ctx context.Context, t *entry, _ Spec) error {
	s, err := o.at(ctx, t.Tenant)
	if err != nil {
		return err
	}
	return s.locked(ctx, lockRoles, func(conn *pgxpool.Conn) error {
		const q = `
select l.rolname::text
  from pg_auth_members m
  join pg_roles l on l.oid = m.member
  join pg_roles r on r.oid = m.roleid
 where r.rolname = $1 and l.rolname <> $2 and l.rolname like 'c\_%' and l.rolcanlogin
 order by l.rolname`
		rows, err := conn.Query(ctx, q, t.Role, t.cellRole)
		if err != nil {
			return err
		}
		logins, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, login := range logins {
			if _, err := conn.Exec(ctx, "revoke "+ident(t.Role)+" from "+ident(login), pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("take the role from %s: %w", login, err)
			}
		}
		return nil
	})
}
