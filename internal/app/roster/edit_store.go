package roster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// document reads one row as delivered.
func (r *run) document(t oneroster.Type, id uuid.UUID) (image, error) {
	var i image
	var cipher, doc []byte
	sql := "select d.status, d.hetu, d.doc from (" + statementsOf(t).docs + ") d where d.id = @id"
	err := r.tx.QueryRow(r.ctx, sql, pgx.NamedArgs{"id": id, "type": string(t)}).Scan(&i.Status, &cipher, &doc)
	if err != nil {
		return i, fmt.Errorf("read %s: %w", t, err)
	}
	if cipher != nil {
		text := base64.StdEncoding.EncodeToString(cipher)
		i.Hetu = &text
	}
	return i, json.Unmarshal(doc, &i.Fields)
}

// The first edit of a field keeps what was delivered; later ones keep that.
const sqlUpsertEdit = `
insert into local_edit (id, type, sourced_id, field, delivered, edited, edited_by, edited_at)
values (@id, @type, @sourced_id, @field, @delivered, @edited, @by, @at)
    on conflict (type, sourced_id, field) do update
   set edited = excluded.edited, edited_by = excluded.edited_by, edited_at = excluded.edited_at`

const sqlForgetEdits = `delete from local_edit where type = @type and sourced_id = @sourced_id and edited = delivered`

func (r *run) noteEdit(t oneroster.Type, sourcedID, field, before, value, who string) error {
	_, err := r.write.Exec(r.ctx, sqlUpsertEdit, pgx.StrictNamedArgs{"id": uuid.New(), "type": string(t), "sourced_id": sourcedID,
		"field": field, "delivered": before, "edited": value, "by": who, "at": r.at})
	if err == nil {
		_, err = r.write.Exec(r.ctx, sqlForgetEdits, pgx.StrictNamedArgs{"type": string(t), "sourced_id": sourcedID})
	}
	if err != nil {
		return fmt.Errorf("note edit of %s: %w", label(t, sourcedID), err)
	}
	return nil
}

// Review is a row of users.csv whose person is in doubt.
type Review struct {
	SourcedID string    `json:"sourcedId"`
	Person    uuid.UUID `json:"person"`
	Reason    string    `json:"reason"`
	Import    string    `json:"import"`
	At        time.Time `json:"at"`
}

const sqlReviews = `
select sourced_id, person, reason, 'imp_' || import_seq, created_at
  from match_review
 where resolved_at is null
 order by created_at, id
 limit 1000`

// Reviews lists the rows whose person a human must decide.
func (s *Service) Reviews(ctx context.Context, t tenancy.Tenant) ([]Review, error) {
	list := []Review{}
	err := s.DB.Read(ctx, t.ID, func(tx tenancy.Read) error {
		rows, err := tx.Query(ctx, sqlReviews)
		if err != nil {
			return fmt.Errorf("read reviews: %w", err)
		}
		list, err = pgx.AppendRows(list, rows, func(row pgx.CollectableRow) (v Review, err error) {
			err = row.Scan(&v.SourcedID, &v.Person, &v.Reason, &v.Import, &v.At)
			return v, err
		})
		return err
	})
	return list, err
}
