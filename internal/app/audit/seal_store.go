package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/audit/seal"
	"digione/internal/tenancy"
)

// batch is how many events one head covers at most.
const batch = 10_000

const sqlTakePending = `
with taken as (
  delete from audit_pending
   where event in (select p.event from audit_pending p order by p.event limit @batch)
  returning event, at)
select e.id, e.at, coalesce(e.actor, '00000000-0000-0000-0000-000000000000'), e.actor_kind, e.actor_role, e.action,
       coalesce(e.target, '00000000-0000-0000-0000-000000000000'), e.target_kind, e.reason, e.request
  from taken t
  join audit_event e on e.at = t.at and e.id = t.event
 order by e.at, e.id`

const sqlLastSeal = `
select s.tenant, s.seq, cardinality(s.events), s.root, s.before, s.hash, s.public_key, s.signature, s.sealed_at
  from audit_seal s
 order by s.seq desc
 limit 1`

const sqlInsertSeal = `
insert into audit_seal (seq, tenant, events, first_at, last_at, root, before, hash, public_key, signature, sealed_at)
values (@seq, @tenant, @events, @first, @last, @root, @before, @hash, @key, @signature, @sealed)`

// Seal puts what waits under new heads, a batch in a transaction each, and returns
// how many events that were. Of two who seal at once one fails and changes nothing.
// A pending row whose event is gone fails it too: nothing in the product takes
// events away.
func Seal(ctx context.Context, db *tenancy.DB, t tenancy.Tenant, s seal.Signer, now func() time.Time) (sealed int, err error) {
	for {
		n, err := sealOne(ctx, db, t, s, now())
		if sealed += n; err != nil || n < batch {
			return sealed, err
		}
	}
}

func sealOne(ctx context.Context, db *tenancy.DB, t tenancy.Tenant, s seal.Signer, now time.Time) (n int, err error) {
	err = db.Write(ctx, t.ID, func(tx tenancy.Write) error {
		events, err := takePending(ctx, tx)
		if n = len(events); err != nil || n == 0 {
			return err
		}
		last, _, err := LastHead(ctx, tx.Read)
		if err != nil {
			return err
		}
		h, err := seal.Next(last, string(t.ID), events, now, s)
		if err != nil {
			return err
		}
		ids := make([]uuid.UUID, n)
		for i, e := range events {
			ids[i] = e.ID
		}
		_, err = tx.Exec(ctx, sqlInsertSeal, pgx.StrictNamedArgs{"seq": h.Seq, "tenant": h.Tenant, "events": ids, "first": events[0].At, "last": events[n-1].At,
			"root": h.Root, "before": h.Before, "hash": h.Hash, "key": h.PublicKey, "signature": h.Signature, "sealed": h.Sealed})
		return err
	}, tenancy.Trace())
	if err != nil {
		return 0, fmt.Errorf("seal audit events of %s: %w", t.Slug, err)
	}
	return n, nil
}

func takePending(ctx context.Context, tx tenancy.Write) ([]seal.Event, error) {
	rows, err := tx.Query(ctx, sqlTakePending, pgx.StrictNamedArgs{"batch": batch})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanEvent)
}

func scanEvent(row pgx.CollectableRow) (e seal.Event, err error) {
	err = row.Scan(&e.ID, &e.At, &e.Actor, &e.ActorKind, &e.ActorRole, &e.Action, &e.Target, &e.TargetKind, &e.Reason, &e.Request)
	e.At = e.At.UTC()
	return e, err
}

func scanHead(row pgx.CollectableRow) (h seal.Head, err error) {
	err = row.Scan(&h.Tenant, &h.Seq, &h.Events, &h.Root, &h.Before, &h.Hash, &h.PublicKey, &h.Signature, &h.Sealed)
	h.Sealed = h.Sealed.UTC()
	return h, err
}

// LastHead returns the end of the chain; false when nothing is sealed.
func LastHead(ctx context.Context, tx tenancy.Read) (seal.Head, bool, error) {
	rows, err := tx.Query(ctx, sqlLastSeal)
	if err != nil {
		return seal.Head{}, false, fmt.Errorf("read the last head: %w", err)
	}
	h, err := pgx.CollectExactlyOneRow(rows, scanHead)
	if errors.Is(err, pgx.ErrNoRows) {
		return seal.Head{}, false, nil
	}
	return h, err == nil, err
}

const sqlNextSeal = `
select s.tenant, s.seq, cardinality(s.events), s.root, s.before, s.hash, s.public_key, s.signature, s.sealed_at
  from audit_seal s
 where s.seq > @after
 order by s.seq
 limit 1`

const sqlSealed = `
select e.id, e.at, coalesce(e.actor, '00000000-0000-0000-0000-000000000000'), e.actor_kind, e.actor_role, e.action,
       coalesce(e.target, '00000000-0000-0000-0000-000000000000'), e.target_kind, e.reason, e.request
  from audit_seal s
 cross join unnest(s.events) with ordinality as m (id, place)
  join audit_event e on e.at >= s.first_at and e.at <= s.last_at and e.id = m.id
 where s.seq = @seq
 order by m.place`

const sqlWaiting = `
select e.id, e.at, coalesce(e.actor, '00000000-0000-0000-0000-000000000000'), e.actor_kind, e.actor_role, e.action,
       coalesce(e.target, '00000000-0000-0000-0000-000000000000'), e.target_kind, e.reason, e.request
  from audit_pending p
  join audit_event e on e.at = p.at and e.id = p.event
 order by e.at, e.id`

// sqlStray: events that wait for no seal and stand in none.
const sqlStray = `
select count(*)::int
  from audit_event e
 where not exists (select 1
                     from (select unnest(s.events) as id from audit_seal s
                           union all
                           select p.event from audit_pending p) known
                    where known.id = e.id)`

// ErrStray says that events stand outside of the chain: somebody put them there, or
// took them out, past the product.
var ErrStray = errors.New("audit events stand under no head and wait for none")

// Export writes the whole chain with its events, a batch in memory at a time. What
// is sealed while it runs may stand as a head or as pending, not both.
func Export(ctx context.Context, db *tenancy.DB, t tenancy.Tenant, w io.Writer, now time.Time) error {
	out, err := seal.NewWriter(w, seal.Title{Tenant: string(t.ID), Name: t.NameFi, Exported: now.UTC()})
	if err != nil {
		return err
	}
	for seq, more := 0, true; more; {
		err := db.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
			seq, more, err = exportNext(ctx, tx, out, seq)
			return err
		}, tenancy.Once())
		if err != nil {
			return fmt.Errorf("export audit events of %s: %w", t.Slug, err)
		}
	}
	return out.Close()
}

// exportNext writes the next head, or what waits once there is none.
func exportNext(ctx context.Context, tx tenancy.Read, out *seal.Writer, after int) (seq int, more bool, err error) {
	heads, err := collect(ctx, tx, scanHead, sqlNextSeal, pgx.StrictNamedArgs{"after": after})
	if err != nil {
		return after, false, err
	}
	if len(heads) == 0 {
		waiting, err := collect(ctx, tx, scanEvent, sqlWaiting, pgx.StrictNamedArgs{})
		for _, e := range waiting {
			err = errors.Join(err, out.Pending(e))
		}
		return after, false, err
	}
	events, err := collect(ctx, tx, scanEvent, sqlSealed, pgx.StrictNamedArgs{"seq": heads[0].Seq})
	if err != nil {
		return after, false, err
	}
	return heads[0].Seq, true, out.Batch(heads[0], events)
}

func collect[T any](ctx context.Context, tx tenancy.Read, scan pgx.RowToFunc[T], sql string, args pgx.StrictNamedArgs) ([]T, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// Stray returns how many events stand outside of the chain.
func Stray(ctx context.Context, tx tenancy.Read) (n int, err error) {
	err = tx.QueryRow(ctx, sqlStray).Scan(&n)
	return n, err
}
