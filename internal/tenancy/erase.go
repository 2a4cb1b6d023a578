package tenancy

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DestroyKeys forgets a tenant's keyset: what it encrypted cannot be read again,
// wherever it lies. Only a sealed tenant, or one that was never routable.
func (o *Operator) DestroyKeys(ctx context.Context, t Tenant) error {
	const q = `update control.tenant set keyset = null where id = $1 and state in ('sealed', 'provisioning')`
	tag, err := o.pool.Exec(ctx, q, t.ID)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("tenant %s is not sealed; run: tenantctl tenant seal %s --export FILE", t.Slug, t.Slug)
	}
	return err
}

// DropSchema drops the schema and the role of a tenant whose keys are destroyed,
// both in one transaction, and nothing when they are gone.
func (o *Operator) DropSchema(ctx context.Context, t Tenant) error {
	return o.locked(ctx, lockRoles, func(conn *pgxpool.Conn) error {
		var gone bool
		const q = `select keyset is null and state in ('sealed', 'provisioning') from control.tenant where id = $1`
		if err := conn.QueryRow(ctx, q, t.ID).Scan(&gone); err != nil {
			return err
		}
		if !gone {
			return fmt.Errorf("the keys of %s still stand; they are destroyed first", t.Slug)
		}
		drop := "drop schema if exists " + ident(t.Schema) + " cascade; drop role if exists " + ident(t.Role)
		_, err := conn.Exec(ctx, drop, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

// Forget removes the row of a tenant that was never routable, with its marks: for
// the side tenants of drills.
func (o *Operator) Forget(ctx context.Context, t Tenant) error {
	return pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		for _, q := range []string{
			"delete from control.step where tenant = $1",
			"delete from control.restore where tenant = $1",
			"delete from control.tenant where id = $1 and state = 'provisioning'",
		} {
			if _, err := tx.Exec(ctx, q, t.ID); err != nil {
				return fmt.Errorf("forget %s: %w", t.Slug, err)
			}
		}
		return nil
	})
}
