package roster

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

const sqlImportOf = `select seq, counts from roster_import where id = @id and seq is not null`

// importOf returns an import's number and the types that it spoke of.
func importOf(ctx context.Context, tx tenancy.Read, id string) (int, []oneroster.Type, error) {
	var seq int
	var doc []byte
	if err := tx.QueryRow(ctx, sqlImportOf, pgx.StrictNamedArgs{"id": id}).Scan(&seq, &doc); err != nil {
		return 0, nil, fmt.Errorf("read import %s: %w", id, err)
	}
	counts := map[oneroster.Type]Counts{}
	if err := json.Unmarshal(doc, &counts); err != nil {
		return 0, nil, fmt.Errorf("read import %s: %w", id, err)
	}
	var types []oneroster.Type
	for t := range counts {
		types = append(types, t)
	}
	return seq, types, nil
}

// Later imports that were taken back, and the runs that did so, do not count.
const sqlOverlaps = `
select count(*)::int
  from roster_change later
  join roster_import i on i.seq = later.import_seq and i.state <> 'rolled_back'
  left join roster_import undone on undone.id = i.undoes
 where later.import_seq > @seq and undone.state is distinct from 'rolled_back'
   and exists (select from roster_change c where c.import_seq = @seq and c.type = later.type and c.sourced_id = later.sourced_id)`

const (
	sqlInsertedUnits      = `select id, sourced_id, null::uuid from unit where imported_in = @seq and status = 'active'`
	sqlInsertedTerms      = `select id, sourced_id, null::uuid from term where imported_in = @seq and status = 'active'`
	sqlInsertedCourses    = `select id, sourced_id, null::uuid from course where imported_in = @seq and status = 'active'`
	sqlInsertedGroups     = `select id, sourced_id, null::uuid from teaching_group where imported_in = @seq and status = 'active'`
	sqlInsertedUsers      = `select id, sourced_id, person from roster_user where imported_in = @seq and status = 'active'`
	sqlInsertedGrants     = `select id, sourced_id, person from role_grant where imported_in = @seq and status = 'active'`
	sqlInsertedEnrolments = `select id, sourced_id, person from enrolment where imported_in = @seq and status = 'active'`
	sqlInsertedRecords    = `select id, sourced_id, null::uuid from roster_record where imported_in = @seq and status = 'active' and type = @type`
)

func insertedSQL(t oneroster.Type) string {
	switch t {
	case oneroster.Orgs:
		return sqlInsertedUnits
	case oneroster.AcademicSessions:
		return sqlInsertedTerms
	case oneroster.Courses:
		return sqlInsertedCourses
	case oneroster.Classes:
		return sqlInsertedGroups
	case oneroster.Users:
		return sqlInsertedUsers
	case oneroster.Roles:
		return sqlInsertedGrants
	case oneroster.Enrollments:
		return sqlInsertedEnrolments
	}
	return sqlInsertedRecords
}

const sqlTouchedLater = `
select count(distinct later.sourced_id)::int
  from roster_change later
  join roster_import i on i.seq = later.import_seq and i.state <> 'rolled_back'
 where later.import_seq > @seq and later.type = @type and later.kind <> 'remove'
   and later.sourced_id = any (@ids)`

// overlaps counts the rows of an import that later ones have changed again.
func overlaps(ctx context.Context, tx tenancy.Read, seq int, types []oneroster.Type) (int, error) {
	var n int
	if err := tx.QueryRow(ctx, sqlOverlaps, pgx.StrictNamedArgs{"seq": seq}).Scan(&n); err != nil {
		return 0, fmt.Errorf("look for later changes: %w", err)
	}
	for _, t := range types {
		var sids []string
		if err := eachInserted(ctx, tx, t, seq, func(_ uuid.UUID, sid string, _ *uuid.UUID) { sids = append(sids, sid) }); err != nil {
			return 0, err
		}
		var more int
		if len(sids) > 0 {
			if err := tx.QueryRow(ctx, sqlTouchedLater, pgx.StrictNamedArgs{"seq": seq, "type": string(t), "ids": sids}).Scan(&more); err != nil {
				return 0, fmt.Errorf("look for later changes: %w", err)
			}
		}
		n += more
	}
	return n, nil
}

func eachInserted(ctx context.Context, tx tenancy.Read, t oneroster.Type, seq int, f func(id uuid.UUID, sid string, person *uuid.UUID)) error {
	args := pgx.NamedArgs{"seq": seq, "type": string(t)}
	rows, err := tx.Query(ctx, insertedSQL(t), args)
	if err != nil {
		return fmt.Errorf("read added %s: %w", t, err)
	}
	var id uuid.UUID
	var sid string
	var person *uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &sid, &person}, func() error { f(id, sid, person); return nil })
	return err
}

// inserted lists the rows that an import added and that are still there.
func (r *run) inserted(t oneroster.Type, seq int) (ids, persons []uuid.UUID, err error) {
	err = eachInserted(r.ctx, r.tx, t, seq, func(id uuid.UUID, _ string, person *uuid.UUID) {
		ids = append(ids, id)
		if person != nil {
			persons = append(persons, *person)
		}
	})
	return ids, persons, err
}
