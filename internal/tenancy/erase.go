package tenancy

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// patience is how long a tenant that is shut waits for those who are inside.
const patience = 30 * time.Second

// Shut takes the tenant's role from its cell, so that not even a process that has
// not heard of it enters, and waits until nobody is inside. Open takes it back.
func (o *Operator) Shut(ctx context.Context, t Tenant) error {
	e, err := o.find(ctx, string(t.ID))
	if err != nil {
		return err
	}
	e.cellRole = "" // no cell keeps it
	if err := o.stepRevoke(ctx, e, Spec{}); err != nil {
		return err
	}
	s, err := o.at(ctx, t)
	if err != nil {
		return err
	}
	const q = `
select exists (select from pg_locks l join pg_class c on c.oid = l.relation
                where l.database = (select oid from pg_database where datname = current_database())
                  and c.relnamespace = $1::regnamespace and l.pid <> pg_backend_pid())`
	for end := time.Now().Add(patience); ; {
		var inside bool
		if err := s.pool.QueryRow(ctx, q, t.Schema).Scan(&inside); err != nil || !inside {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("somebody is still inside of %s; wait for the end of what runs there, then run the command again", t.Slug)
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// Open gives the tenant's role to its cell again.
func (o *Operator) Open(ctx context.Context, t Tenant) error {
	e, err := o.find(ctx, string(t.ID))
	if err != nil {
		return err
	}
	return o.stepRole(ctx, e, Spec{})
}

// DestroyKeys forgets a tenant's keyset: what it encrypted cannot be read again,
// wherever it lies. Only a sealed tenant, or one that was never routable. Who was a
// guardian there is forgotten with it.
func (o *Operator) DestroyKeys(ctx context.Context, t Tenant) error {
	const q = `
with t as (update control.tenant set keyset = null where id = $1 and state in ('sealed', 'provisioning') returning id),
     w as (update control.family_session set wish = null, wish_state = '', wish_person = null, wish_until = null where wish in (select id from t)),
     l as (delete from control.family_link where tenant in (select id from t))
select from t`
	tag, err := o.pool.Exec(ctx, q, t.ID)
	if err == nil && tag.RowsAffected() == 0 {
		err = fmt.Errorf("tenant %s is not sealed; run: tenantctl tenant seal %s --export FILE", t.Slug, t.Slug)
	}
	return err
}

// DropSchema drops the schema and the role of a tenant whose keys are destroyed,
// both in one transaction, and nothing when they are gone.
func (o *Operator) DropSchema(ctx context.Context, t Tenant) error {
	var gone bool
	const q = `select keyset is null and state in ('sealed', 'provisioning') from control.tenant where id = $1`
	if err := o.pool.QueryRow(ctx, q, t.ID).Scan(&gone); err != nil {
		return err
	}
	if !gone {
		return fmt.Errorf("the keys of %s still stand; they are destroyed first", t.Slug)
	}
	s, err := o.at(ctx, t)
	if err != nil {
		return err
	}
	return s.dropSchema(ctx, t)
}

func (s *server) dropSchema(ctx context.Context, t Tenant) error {
	return s.locked(ctx, lockRoles, func(conn *pgxpool.Conn) error {
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
			"delete from control.tenant_move where tenant = $1",
			"delete from control.tenant where id = $1 and state = 'provisioning'",
		} {
			if _, err := tx.Exec(ctx, q, t.ID); err != nil {
				return fmt.Errorf("forget %s: %w", t.Slug, err)
			}
		}
		return nil
	})
}
