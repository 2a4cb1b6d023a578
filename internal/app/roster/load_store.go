package roster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy"
)

// load reads what the tenant has of a type, once in a run.
func (r *run) load(t oneroster.Type) error {
	if r.known[t] != nil {
		return nil
	}
	args := []any{}
	if bulkOf(t).Table == records.Table {
		args = append(args, pgx.StrictNamedArgs{"type": string(t)})
	}
	rows, err := r.tx.Query(r.ctx, statementsOf(t).load, args...)
	if err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	m := make(map[key]*stored, r.expected[t])
	var sum digest
	had := 0
	users := r.userIDs(t)
	var sid, from, to string
	var hash []byte
	var at time.Time
	var id, unit, person, user uuid.UUID
	var active bool
	var nunit, nperson, nuser pgtype.UUID // not *uuid.UUID, which goes by way of text
	_, err = pgx.ForEachRow(rows, []any{&sid, &hash, &id, &active, &at, &nunit, &nperson, &nuser, &from, &to}, func() error {
		unit, person, user = nunit.Bytes, nperson.Bytes, nuser.Bytes
		s := r.slab.take()
		s.id, s.modified, s.unit, s.aux, s.active = id, at.UnixMicro(), r.unitIndex(unit), -1, active
		copy(s.hash[:], hash)
		k := keyOf(sid)
		sum.add([]byte(t), k[:], s.hash[:], []byte{b2i(active)})
		if to, own := r.opts.renamed(t, sid); to != "" {
			k, s.renamed, s.paired = keyOf(to), true, own
		}
		switch t {
		case oneroster.AcademicSessions:
			s.aux = int32(len(r.spans))
			r.spans = append(r.spans, span{from, to})
		case oneroster.Users, oneroster.Roles, oneroster.Enrollments:
			s.aux = r.personIndex(person)
		}
		if owner, ok := users[user]; ok {
			if r.cut != nil {
				r.cut.owners[id] = owner
			} else {
				r.owners[owner] = append(r.owners[owner], k)
			}
		}
		if active {
			had++
		}
		if active && s.unit >= 0 {
			r.tallyOf(t, s.unit).active++
		}
		m[k] = s
		return nil
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	r.known[t], r.states[t], r.had[t] = m, sum, had
	return nil
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// userIDs inverts the users for the roles that a 1.1 delta derives, and for a cut,
// which asks whose a role or an enrolment is.
func (r *run) userIDs(t oneroster.Type) map[uuid.UUID]key {
	byCut := r.cut != nil && (t == oneroster.Roles || t == oneroster.Enrollments)
	if !byCut && (t != oneroster.Roles || !r.src.RolesFromUsers()) {
		return nil
	}
	out := make(map[uuid.UUID]key, len(r.known[oneroster.Users]))
	for k, s := range r.known[oneroster.Users] {
		out[s.id] = k
	}
	return out
}

func (r *run) personIndex(id uuid.UUID) int32 {
	if id == uuid.Nil {
		return -1
	}
	if i, ok := r.personOf[id]; ok {
		return i
	}
	i := int32(len(r.persons))
	r.persons = append(r.persons, id)
	r.personOf[id] = i
	return i
}

// edit is a field that was changed here on a row that the roster owns.
type edit struct {
	id        uuid.UUID
	delivered string // when it was edited
	edited    string
	policy    string
	field     string
}

type editKey struct {
	t oneroster.Type
	k key
	n int // several fields of one row are counted from 0
}

const sqlLocalEdits = `
select id, type, sourced_id, field, delivered, edited, policy
  from local_edit
 order by type, sourced_id, field`

func (r *run) loadEdits() error {
	rows, err := r.tx.Query(r.ctx, sqlLocalEdits)
	if err != nil {
		return fmt.Errorf("read local edits: %w", err)
	}
	r.edits = map[editKey]edit{}
	var e edit
	var t, sid string
	_, err = pgx.ForEachRow(rows, []any{&e.id, &t, &sid, &e.field, &e.delivered, &e.edited, &e.policy}, func() error {
		k := editKey{t: oneroster.Type(t), k: keyOf(sid)}
		for r.edits[k].field != "" {
			k.n++
		}
		r.edits[k] = e
		return nil
	})
	return err
}

const sqlDropEdits = `delete from local_edit where id = any (@ids)`

// dropEdits forgets edits that the source has overwritten.
func (r *run) dropEdits(ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := r.write.Exec(r.ctx, sqlDropEdits, pgx.StrictNamedArgs{"ids": ids})
	return err
}

// keep stores the images of rows that are about to change.
func (r *run) keep(t oneroster.Type, ids []uuid.UUID, kinds []string) error {
	args := pgx.StrictNamedArgs{"seq": r.seq, "type": string(t), "ids": ids, "kinds": kinds}
	if _, err := r.write.Exec(r.ctx, statementsOf(t).keep, args); err != nil {
		return fmt.Errorf("keep %s as they were: %w", t, err)
	}
	return nil
}

// markRemoved keeps and removes rows, in chunks.
func (r *run) markRemoved(t oneroster.Type, ids []uuid.UUID) error {
	for len(ids) > 0 {
		n := min(5000, len(ids))
		kinds := make([]string, n)
		for i := range kinds {
			kinds[i] = string(remove)
		}
		if err := r.keep(t, ids[:n], kinds); err != nil {
			return err
		}
		if _, err := r.write.Exec(r.ctx, bulkOf(t).Remove, pgx.StrictNamedArgs{"ids": ids[:n], "at": r.at}); err != nil {
			return fmt.Errorf("remove %s: %w", t, err)
		}
		ids = ids[n:]
	}
	return nil
}

const sqlNameUnits = `select id, coalesce(sourced_id, ''), name from unit where id = any (@ids)`

// unitNames returns sourcedId and name of the units at the given indices.
func (r *run) unitNames(at []int32) (map[int32][2]string, error) {
	ids := make([]uuid.UUID, len(at))
	for i, k := range at {
		ids[i] = r.units[k]
	}
	rows, err := r.tx.Query(r.ctx, sqlNameUnits, pgx.StrictNamedArgs{"ids": ids})
	if err != nil {
		return nil, fmt.Errorf("read schools: %w", err)
	}
	out := map[int32][2]string{}
	var id uuid.UUID
	var sid, name string
	_, err = pgx.ForEachRow(rows, []any{&id, &sid, &name}, func() error {
		out[r.unitOf[id]] = [2]string{sid, name}
		return nil
	})
	return out, err
}

const sqlUserTraits = `select id, sourced_id, lower(username), identifier, lower(email), given_name || ' ' || family_name from roster_user where id = any (@ids)`

// traits are what makes a user recognisable under another sourcedId.
type traits struct {
	id                                    uuid.UUID
	sourcedID, username, identifier, mail string
	name                                  string
}

func (r *run) userTraits(ids []uuid.UUID, f func(traits) error) error {
	for len(ids) > 0 {
		n := min(20000, len(ids))
		rows, err := r.tx.Query(r.ctx, sqlUserTraits, pgx.StrictNamedArgs{"ids": ids[:n]})
		if err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		var u traits
		if _, err := pgx.ForEachRow(rows, []any{&u.id, &u.sourcedID, &u.username, &u.identifier, &u.mail, &u.name}, func() error { return f(u) }); err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		ids = ids[n:]
	}
	return nil
}

const sqlActiveEnrolments = `
select id from enrolment
 where status = 'active' and (teaching_group = any (@groups) or person in (select person from roster_user where id = any (@users)))`

// strandedEnrolments counts active enrolments whose user or class goes and which
// stay themselves.
func (r *run) strandedEnrolments() (n int, err error) {
	users, groups := nilIDs(r.gone[oneroster.Users]), nilIDs(r.gone[oneroster.Classes])
	if len(users)+len(groups) == 0 {
		return 0, nil
	}
	rows, err := r.tx.Query(r.ctx, sqlActiveEnrolments, pgx.StrictNamedArgs{"users": users, "groups": groups})
	if err != nil {
		return 0, fmt.Errorf("read enrolments: %w", err)
	}
	var id uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
		if _, goes := r.goneEnrol[id]; !goes {
			n++
		}
		return nil
	})
	return n, err
}

const sqlImages = `
select type, sourced_id, before
  from roster_change
 where import_seq = @seq
 order by type, sourced_id`

// images reads the rows as they were before an import.
func images(ctx context.Context, tx tenancy.Read, seq int, f func(t oneroster.Type, sourcedID string, i image) error) error {
	rows, err := tx.Query(ctx, sqlImages, pgx.StrictNamedArgs{"seq": seq})
	if err != nil {
		return fmt.Errorf("read kept rows: %w", err)
	}
	var t, sid string
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&t, &sid, &doc}, func() error {
		i, err := parseImage(doc)
		if err != nil {
			return err
		}
		return f(oneroster.Type(t), sid, i)
	})
	return err
}

// document is a row as an export or a rollback says it.
type document struct {
	sourcedID string
	modified  time.Time
	image
}

// documents streams the rows of a type as delivered, by sourcedId. seq 0 is all
// rows, else those that an import inserted.
func documents(ctx context.Context, tx tenancy.Read, t oneroster.Type, seq int, f func(document) error) error {
	st := statementsOf(t)
	// The statements are constants; where and order are put around them here so
	// that each is written once.
	sql := "select d.sourced_id, d.status, d.date_last_modified, d.hetu, d.doc from (" + st.docs
	args := pgx.NamedArgs{"type": string(t)}
	if seq > 0 {
		sql += " and " + st.inserted + " = @seq"
		args["seq"] = seq
	}
	rows, err := tx.Query(ctx, sql+`) d order by d.sourced_id collate "C"`, args)
	if err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	var d document
	var cipher, doc []byte
	_, err = pgx.ForEachRow(rows, []any{&d.sourcedID, &d.Status, &d.modified, &cipher, &doc}, func() error {
		d.Hetu, d.Fields = nil, map[string]string{}
		if cipher != nil {
			text := base64.StdEncoding.EncodeToString(cipher)
			d.Hetu = &text
		}
		if err := json.Unmarshal(doc, &d.Fields); err != nil {
			return fmt.Errorf("read %s: %w", label(t, d.sourcedID), err)
		}
		return f(d)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}
