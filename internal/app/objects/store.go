package objects

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

const sqlRecord = `
insert into object (key, sha256, size, encrypted)
values (@key, @sha256, @size, true)
    on conflict (key) do update
   set sha256 = excluded.sha256, size = excluded.size
 where object.sha256 <> excluded.sha256`

// Record enters a stored file into the tenant's inventory.
func Record(ctx context.Context, tx tenancy.Write, i Info) error {
	_, err := tx.Exec(ctx, sqlRecord, pgx.StrictNamedArgs{"key": i.Key, "sha256": i.SHA256[:], "size": i.Size})
	if err != nil {
		return fmt.Errorf("record object %s: %w", i.Key, err)
	}
	return nil
}

const sqlRenew = `update object set created_at = now() where key = @key`

// Renew says that a file is about to be stored anew, if it is in the inventory: what
// deletes old files finds it young.
func Renew(ctx context.Context, tx tenancy.Write, key string) error {
	if _, err := tx.Exec(ctx, sqlRenew, pgx.StrictNamedArgs{"key": key}); err != nil {
		return fmt.Errorf("renew object %s: %w", key, err)
	}
	return nil
}

const sqlForget = `delete from object where key = any (@keys)`

// Forget takes deleted files out of the tenant's inventory.
func Forget(ctx context.Context, tx tenancy.Write, keys ...string) error {
	if _, err := tx.Exec(ctx, sqlForget, pgx.StrictNamedArgs{"keys": keys}); err != nil {
		return fmt.Errorf("forget objects: %w", err)
	}
	return nil
}
