package roster

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/people"
	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

const sqlPersonKeys = `
select id, coalesce(oppijanumero, ''), hetu_hash
  from person
 where oppijanumero = any (@learners) or hetu_hash = any (@codes)`

const sqlFormerKeys = `
select person, coalesce(value, ''), value_hash, kind
  from person_identifier
 where (kind = 'hetu' and value_hash = any (@codes) or kind = 'oppijanumero' and value = any (@learners))
   and (upper(validity) is null or upper(validity) > current_date - 365)`

// keysAsked are the identifiers of the rows that are new, changed, or come back: while
// a row was away, its identifiers may have become another's.
func (r *run) keysAsked() (learners []string, codes [][]byte, err error) {
	learners, codes = []string{}, [][]byte{}
	err = r.src.Each(func(rec *oneroster.Record) error {
		if s := r.known[oneroster.Users][keyOf(rec.SourcedID)]; s != nil && s.active && !s.added {
			if h, _ := r.hashOf(rec); h == s.hash {
				return nil
			}
		}
		who, err := r.identityOf(rec)
		if err != nil {
			return err
		}
		if who.learner != "" {
			learners = append(learners, who.learner)
		}
		if who.code != nil {
			codes = append(codes, who.code)
		}
		return nil
	}, oneroster.Users)
	return learners, codes, err
}

// prepareUsers loads who is known by which identifier, those given up within a
// year included, and the birth dates of the package.
func (r *run) prepareUsers() error {
	if err := r.birthDates(); err != nil {
		return err
	}
	m := &matcher{learner: map[key]uuid.UUID{}, code: map[[16]byte]uuid.UUID{}}
	r.people = m
	if r.first {
		return nil
	}
	learners, codes, err := r.keysAsked()
	if err != nil {
		return err
	}
	args := pgx.StrictNamedArgs{"learners": learners, "codes": codes}
	var id uuid.UUID
	var learner, what string
	var hash []byte
	rows, err := r.tx.Query(r.ctx, sqlFormerKeys, args)
	if err != nil {
		return fmt.Errorf("read former identifiers: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &learner, &hash, &what}, func() error {
		if what == "oppijanumero" {
			m.learner[keyOf(learner)] = id
		} else if len(hash) == 16 {
			m.code[[16]byte(hash)] = id
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read former identifiers: %w", err)
	}
	if rows, err = r.tx.Query(r.ctx, sqlPersonKeys, args); err != nil {
		return fmt.Errorf("read identifiers: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &learner, &hash}, func() error {
		if learner != "" {
			m.learner[keyOf(learner)] = id
		}
		if len(hash) == 16 {
			m.code[[16]byte(hash)] = id
		}
		return nil
	})
	return err
}

func (r *run) changePersons(rows [][]string) error {
	// Two rows may be one person; the last one speaks.
	last := map[string]int{}
	for i, row := range rows {
		last[row[0]] = i
	}
	kept := rows[:0:0]
	for i, row := range rows {
		if last[row[0]] == i {
			kept = append(kept, row)
		}
	}
	text, err := identifierRows(kept)
	if err != nil {
		return err
	}
	if err := people.KeepIdentifiers(r.ctx, *r.write, text, today(r.at)); err != nil {
		return err
	}
	return people.Persons.Change(r.ctx, *r.write, kept)
}

// identifierRows is the part of persons' rows that KeepIdentifiers reads.
func identifierRows(rows [][]string) (string, error) {
	cols := people.Persons.Columns
	out := make([]map[string]string, 0, len(rows))
	for _, row := range rows {
		o := map[string]string{}
		for i, c := range cols {
			if row[i] != tenancy.Null && (c == "id" || c == "hetu_hash" || c == "oppijanumero") {
				o[c] = row[i]
			}
		}
		out = append(out, o)
	}
	b, err := json.Marshal(out)
	return string(b), err
}

const sqlInsertDoubt = `
insert into match_review (id, sourced_id, person, reason, import_seq)
values (@id, @sourced_id, @person, @reason, @seq)`

// noteDoubts puts rows whose person is in doubt on the review list.
func (r *run) noteDoubts() error {
	for _, d := range r.people.doubts {
		_, err := r.write.Exec(r.ctx, sqlInsertDoubt, pgx.StrictNamedArgs{"id": uuid.New(), "sourced_id": d.sourcedID,
			"person": d.person, "reason": d.reason, "seq": r.seq})
		if err != nil {
			return fmt.Errorf("note %s for review: %w", label(oneroster.Users, d.sourcedID), err)
		}
	}
	return nil
}

// setRemoved marks rows whose images are kept already.
func (r *run) setRemoved(t oneroster.Type, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := r.write.Exec(r.ctx, bulkOf(t).Remove, pgx.StrictNamedArgs{"ids": ids, "at": r.at}); err != nil {
		return fmt.Errorf("remove %s: %w", t, err)
	}
	return nil
}
