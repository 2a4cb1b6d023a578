package roster

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/tenancy"
)

// A delivery is open while somebody has to look at it: its plan waits, or its
// findings were not put away, and nothing that came later was brought in.
const deliveryColumns = `d.id, d.name, d.tag, d.size, d.modified_at, d.state, coalesce(encode(d.sha256, 'hex'), ''), d.attempts, coalesce(d.plan, ''), d.upload,
       d.failure, d.seen_at, d.ended_at, d.moved_at, d.told_at,
       d.state in ('held', 'failed')
       and (d.upload is not null or exists (select from roster_import p where p.id = d.plan and p.state = 'held'))
       and not exists (select from roster_import l where l.state = 'applied' and l.kind = 'package' and l.applied_at > d.ended_at)`

const sqlWaitingDeliveries = `
select ` + deliveryColumns + `
  from roster_delivery d
 where d.moved_at is null and d.state <> 'gone'
 order by d.modified_at, d.name, d.id
 limit 2000`

// listWaiting returns what has not left the inbox, the oldest first.
func listWaiting(ctx context.Context, tx tenancy.Read) ([]*Delivery, error) {
	return deliveries(ctx, tx, sqlWaitingDeliveries, pgx.StrictNamedArgs{})
}

const sqlUnmovedDeliveries = `
select ` + deliveryColumns + `
  from roster_delivery d
 where d.moved_at is null and d.state in ('done', 'held', 'failed')
 order by d.ended_at, d.id
 limit 100`

func listUnmoved(ctx context.Context, tx tenancy.Read) ([]*Delivery, error) {
	return deliveries(ctx, tx, sqlUnmovedDeliveries, pgx.StrictNamedArgs{})
}

const sqlDeliveries = `
select ` + deliveryColumns + `
  from roster_delivery d
 where d.state <> 'gone'
 order by d.seen_at desc, d.id
 limit 50`

// listDeliveries returns the newest deliveries.
func listDeliveries(ctx context.Context, tx tenancy.Read) ([]*Delivery, error) {
	return deliveries(ctx, tx, sqlDeliveries, pgx.StrictNamedArgs{})
}

const sqlUntoldDeliveries = `
select ` + deliveryColumns + `
  from roster_delivery d
 where d.told_at is null and d.state in ('held', 'failed') and d.ended_at > @since
 order by d.ended_at, d.id
 limit 20`

func listUntold(ctx context.Context, tx tenancy.Read, since time.Time) ([]*Delivery, error) {
	return deliveries(ctx, tx, sqlUntoldDeliveries, pgx.StrictNamedArgs{"since": since})
}

func deliveries(ctx context.Context, tx tenancy.Read, sql string, args pgx.StrictNamedArgs) ([]*Delivery, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Delivery, error) {
		d := &Delivery{}
		return d, row.Scan(&d.ID, &d.Name, &d.Tag, &d.Size, &d.ModifiedAt, &d.State, &d.SHA256, &d.Attempts, &d.Plan, &d.Upload,
			&d.Failure, &d.SeenAt, &d.EndedAt, &d.MovedAt, &d.ToldAt, &d.open)
	})
}

const (
	sqlNoteArrival = `
insert into roster_delivery (id, name, tag, size, modified_at, state, seen_at)
select gen_random_uuid(), a.name, a.tag, a.size, a.modified_at, 'arriving', @now
  from unnest(@names::text[], @tags::text[], @sizes::bigint[], @times::timestamptz[]) as a (name, tag, size, modified_at)
on conflict (name, tag) do nothing`
	sqlForgetArrivals = `
delete from roster_delivery d
 where d.state = 'arriving'
   and not exists (select from unnest(@names::text[], @tags::text[]) as a (name, tag) where a.name = d.name and a.tag = d.tag)`
)

// noteArrivals notes what lies in the inbox now, and forgets what was there but was
// never taken.
func noteArrivals(ctx context.Context, tx tenancy.Write, files []objects.Entry, now time.Time) error {
	names, tags, sizes, times := []string{}, []string{}, []int64{}, []time.Time{}
	for _, e := range files {
		names, tags, sizes, times = append(names, e.Name), append(tags, e.Tag), append(sizes, e.Size), append(times, e.Modified)
	}
	_, err := tx.Exec(ctx, sqlNoteArrival, pgx.StrictNamedArgs{"names": names, "tags": tags, "sizes": sizes, "times": times, "now": now})
	if err == nil {
		_, err = tx.Exec(ctx, sqlForgetArrivals, pgx.StrictNamedArgs{"names": names, "tags": tags})
	}
	if err != nil {
		return fmt.Errorf("note arrivals: %w", err)
	}
	return nil
}

// One that has ended stays as it ended: of two programs that bring in the same file
// the second changes nothing.
const sqlEndDelivery = `
update roster_delivery
   set state = @state, sha256 = @sha256, attempts = @attempts, plan = nullif(@plan, ''), failure = @failure, ended_at = @ended
 where id = @id and state in ('arriving', 'taken')`

func endDelivery(ctx context.Context, tx tenancy.Write, d *Delivery) error {
	hash, err := hex.DecodeString(d.SHA256)
	if err != nil {
		return fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	tag, err := tx.Exec(ctx, sqlEndDelivery, pgx.StrictNamedArgs{"id": d.ID, "state": d.State, "sha256": hash, "attempts": d.Attempts,
		"plan": d.Plan, "failure": d.Failure, "ended": d.EndedAt})
	if err != nil {
		return fmt.Errorf("note delivery: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "roster.error.running", "file %s of the inbox was taken by another program meanwhile", d.Name)
	}
	return nil
}

const sqlPointDelivery = `update roster_delivery set upload = @upload where id = @id`

func pointDelivery(ctx context.Context, tx tenancy.Write, d *Delivery) error {
	if _, err := tx.Exec(ctx, sqlPointDelivery, pgx.StrictNamedArgs{"id": d.ID, "upload": d.Upload}); err != nil {
		return fmt.Errorf("note delivery: %w", err)
	}
	return nil
}

const sqlReceivedUpload = `update roster_upload set state = 'received' where id = @id and state = 'receiving'`

// receivedUpload says that a package that never came in parts is here.
func receivedUpload(ctx context.Context, tx tenancy.Write, id uuid.UUID) error {
	if _, err := tx.Exec(ctx, sqlReceivedUpload, pgx.StrictNamedArgs{"id": id}); err != nil {
		return fmt.Errorf("note upload: %w", err)
	}
	return nil
}

// Whatever comes by the same name and tag after a file has left is another delivery.
const sqlMarkMoved = `update roster_delivery set moved_at = @at, tag = tag || ' ' || id where id = @id and moved_at is null`

func markMoved(ctx context.Context, tx tenancy.Write, id uuid.UUID, at time.Time) error {
	if _, err := tx.Exec(ctx, sqlMarkMoved, pgx.StrictNamedArgs{"id": id, "at": at}); err != nil {
		return fmt.Errorf("note delivery: %w", err)
	}
	return nil
}

const sqlMarkDeliveryTold = `update roster_delivery set told_at = @at where id = @id and told_at is null`

func markDeliveryTold(ctx context.Context, tx tenancy.Write, id uuid.UUID, at time.Time) error {
	if _, err := tx.Exec(ctx, sqlMarkDeliveryTold, pgx.StrictNamedArgs{"id": id, "at": at}); err != nil {
		return fmt.Errorf("note who was told: %w", err)
	}
	return nil
}

const sqlPruneDeliveries = `
delete from roster_delivery
 where (moved_at < @before or state = 'gone' and seen_at < @before)`

func pruneDeliveries(ctx context.Context, tx tenancy.Write, before time.Time) error {
	if _, err := tx.Exec(ctx, sqlPruneDeliveries, pgx.StrictNamedArgs{"before": before}); err != nil {
		return fmt.Errorf("prune deliveries: %w", err)
	}
	return nil
}
