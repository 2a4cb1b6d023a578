package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

const uploadColumns = `id, name, size, part_size, parts, state, options, totals, coalesce(plan, ''), failure, sent_by, created_at`

const sqlUpload = `select ` + uploadColumns + ` from roster_upload where id = @id`

// Upload returns a package on its way in.
func (s *Service) Upload(ctx context.Context, t tenancy.Tenant, id uuid.UUID) (*Upload, error) {
	var list []*Upload
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) (err error) {
		list, err = uploads(ctx, tx, sqlUpload, pgx.StrictNamedArgs{"id": id})
		return err
	})
	if err == nil && len(list) == 0 {
		err = noUpload(id)
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

func uploads(ctx context.Context, tx tenancy.Read, sql string, args pgx.StrictNamedArgs) ([]*Upload, error) {
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return nil, fmt.Errorf("read uploads: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*Upload, error) {
		u := &Upload{}
		var options, totals []byte
		err := row.Scan(&u.ID, &u.Name, &u.Size, &u.PartSize, &u.Parts, &u.State, &options, &totals, &u.Plan, &u.Failure, &u.SentBy, &u.SentAt)
		if err != nil {
			return nil, err
		}
		return u, errors.Join(json.Unmarshal(options, &u.Options), json.Unmarshal(totals, &u.Totals))
	})
}

const sqlOpenUploads = `
select ` + uploadColumns + `
  from roster_upload
 where state <> 'planned'
 order by created_at desc, id
 limit 20`

// openUploads lists packages that have not become a plan, the newest first.
func openUploads(ctx context.Context, tx tenancy.Read) ([]*Upload, error) {
	return uploads(ctx, tx, sqlOpenUploads, pgx.StrictNamedArgs{})
}

const sqlOldUploads = `
select ` + uploadColumns + `
  from roster_upload u
 where touched_at < case when state = 'invalid' or sent_by = 'inbox' then @before::timestamptz - interval '13 days' else @before::timestamptz end
   and not exists (select from roster_work w where w.upload = u.id and w.state = 'running')
 order by created_at, id
 limit 10`

func oldUploads(ctx context.Context, tx tenancy.Read, before time.Time) ([]*Upload, error) {
	return uploads(ctx, tx, sqlOldUploads, pgx.StrictNamedArgs{"before": before})
}

const sqlLockUploads = `select pg_advisory_xact_lock(hashtextextended(current_schema() || ' roster uploads', 0))`

func lockUploads(ctx context.Context, tx tenancy.Write) error {
	if _, err := tx.Exec(ctx, sqlLockUploads); err != nil {
		return fmt.Errorf("lock uploads: %w", err)
	}
	return nil
}

const sqlFindBegun = `
select ` + uploadColumns + `
  from roster_upload
 where state in ('receiving', 'received') and sent_by = @by and name = @name and size = @size and mark = @mark and part_size = @part_size
 order by created_at desc, id
 limit 1`

func findBegun(ctx context.Context, tx tenancy.Read, u *Upload, mark string) (*Upload, bool, error) {
	list, err := uploads(ctx, tx, sqlFindBegun, pgx.StrictNamedArgs{"by": u.SentBy, "name": u.Name, "size": u.Size, "mark": mark, "part_size": u.PartSize})
	if err != nil || len(list) == 0 {
		return u, false, err
	}
	return list[0], true, nil
}

const sqlCountOpen = `select count(*)::int from roster_upload where state in ('receiving', 'received')`

func countOpen(ctx context.Context, tx tenancy.Read) (n int, err error) {
	if err = tx.QueryRow(ctx, sqlCountOpen).Scan(&n); err != nil {
		return 0, fmt.Errorf("count uploads: %w", err)
	}
	return n, nil
}

const sqlInsertUpload = `
insert into roster_upload (id, name, size, part_size, mark, state, options, sent_by, touched_at, created_at)
values (@id, @name, @size, @part_size, @mark, 'receiving', @options, @by, @at, @at)`

func insertUpload(ctx context.Context, tx tenancy.Write, u *Upload, mark string) error {
	options, err := json.Marshal(u.Options)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlInsertUpload, pgx.StrictNamedArgs{"id": u.ID, "name": u.Name, "size": u.Size, "part_size": u.PartSize, "mark": mark,
		"options": string(options), "by": u.SentBy, "at": u.SentAt})
	if err != nil {
		return fmt.Errorf("begin upload: %w", err)
	}
	return nil
}

const sqlAddPart = `
update roster_upload set parts = @parts, state = @state, touched_at = @at
 where id = @id and state = 'receiving' and parts = @parts - 1`

func addPart(ctx context.Context, tx tenancy.Write, u *Upload, at time.Time) (bool, error) {
	tag, err := tx.Exec(ctx, sqlAddPart, pgx.StrictNamedArgs{"id": u.ID, "parts": u.Parts, "state": u.State, "at": at})
	if err != nil {
		return false, fmt.Errorf("note part: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

const sqlPartHashes = `select key, sha256 from object where key = any (@keys)`

func partHashes(ctx context.Context, tx tenancy.Read, u *Upload) (map[string][32]byte, error) {
	rows, err := tx.Query(ctx, sqlPartHashes, pgx.StrictNamedArgs{"keys": u.keys()})
	if err != nil {
		return nil, fmt.Errorf("read parts: %w", err)
	}
	out := map[string][32]byte{}
	var key string
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&key, &hash}, func() error {
		if len(hash) == 32 {
			out[key] = [32]byte(hash)
		}
		return nil
	})
	return out, err
}

// Only what has come whole becomes something.
const sqlSettleUpload = `
update roster_upload
   set state = @state, findings = @findings, totals = @totals, plan = nullif(@plan, ''), failure = @failure, touched_at = @at
 where id = @id and state in ('received', 'failed')`

// settleUpload notes what became of a checked package; false when it has become a
// plan already, or is here no more.
func settleUpload(ctx context.Context, tx tenancy.Write, u *Upload, findings []oneroster.Finding, at time.Time) (bool, error) {
	f, err := json.Marshal(nonNil(findings))
	if err != nil {
		return false, err
	}
	totals, err := json.Marshal(nonNil(u.Totals))
	if err != nil {
		return false, err
	}
	tag, err := tx.Exec(ctx, sqlSettleUpload, pgx.StrictNamedArgs{"id": u.ID, "state": u.State, "findings": string(f), "totals": string(totals),
		"plan": u.Plan, "failure": u.Failure, "at": at})
	if err != nil {
		return false, fmt.Errorf("note what became of an upload: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

const sqlDeleteUpload = `
delete from roster_upload u
 where id = @id
   and not exists (select from roster_work w where w.upload = u.id and w.state = 'running')`

func deleteUpload(ctx context.Context, tx tenancy.Write, u *Upload) error {
	if _, err := tx.Exec(ctx, sqlDeleteUpload, pgx.StrictNamedArgs{"id": u.ID}); err != nil {
		return fmt.Errorf("delete upload: %w", err)
	}
	return nil
}
