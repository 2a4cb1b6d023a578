package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

// Rows that would contradict one of the other record stay where they are: nobody
// reaches them there.
const (
	sqlRepointIdentifiers = `update person_identifier set person = @to where person = @from and (@ids::uuid[] is null or id = any (@ids)) returning id`
	sqlRepointChildren    = `
update guardianship s
   set child = @to
 where s.child = @from and s.guardian <> @to
   and (@ids::uuid[] is null or s.id = any (@ids))
   and not exists (select from guardianship o where o.child = @to and o.guardian = s.guardian and o.source = s.source)
returning s.id`
	sqlRepointGuardians = `
update guardianship s
   set guardian = @to
 where s.guardian = @from and s.child <> @to
   and (@ids::uuid[] is null or s.id = any (@ids))
   and not exists (select from guardianship o where o.child = s.child and o.guardian = @to and o.source = s.source)
returning s.id`
	sqlRepointBlockedChildren = `
update guardian_block b
   set child = @to
 where b.child = @from and b.guardian <> @to
   and (@ids::uuid[] is null or b.id = any (@ids))
   and not exists (select from guardian_block o where o.child = @to and o.guardian = b.guardian and o.lifted_at is null and b.lifted_at is null)
returning b.id`
	sqlRepointBlockedGuardians = `
update guardian_block b
   set guardian = @to
 where b.guardian = @from and b.child <> @to
   and (@ids::uuid[] is null or b.id = any (@ids))
   and not exists (select from guardian_block o where o.child = b.child and o.guardian = @to and o.lifted_at is null and b.lifted_at is null)
returning b.id`
	sqlRepointDisclosed  = `update disclosure set learner = @to where learner = @from and recipient <> @to and (@ids::uuid[] is null or id = any (@ids)) returning id`
	sqlRepointRecipients = `update disclosure set recipient = @to where recipient = @from and learner <> @to and (@ids::uuid[] is null or id = any (@ids)) returning id`
	sqlRepointMerged     = `update person set merged_into = @to where merged_into = @from and id <> @to and (@ids::uuid[] is null or id = any (@ids)) returning id`
)

// steps are the columns of this package that name a person.
var steps = []struct{ what, sql string }{
	{"person_identifier.person", sqlRepointIdentifiers},
	{"guardianship.child", sqlRepointChildren}, {"guardianship.guardian", sqlRepointGuardians},
	{"guardian_block.child", sqlRepointBlockedChildren}, {"guardian_block.guardian", sqlRepointBlockedGuardians},
	{"disclosure.learner", sqlRepointDisclosed}, {"disclosure.recipient", sqlRepointRecipients}, {"person.merged_into", sqlRepointMerged},
}

// Run points the rows of one statement and notes them.
func (r Repoint) Run(ctx context.Context, tx tenancy.Write, what, sql string, more pgx.StrictNamedArgs) error {
	args := pgx.StrictNamedArgs{"from": r.From, "to": r.To, "ids": r.Take(what)}
	for k, v := range more {
		args[k] = v
	}
	rows, err := tx.Query(ctx, sql, args)
	if err != nil {
		return fmt.Errorf("re-point %s: %w", what, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("re-point %s: %w", what, err)
	}
	r.Note(what, ids)
	return nil
}

// Where both records have a guardianship of the same pair and source, and only the
// going one's holds today, the two rows exchange what they say; done twice it is
// undone.
const (
	sqlContradicting = `
select k.id, g.id
  from guardianship g
  join guardianship k on k.source = g.source
                     and (k.child = g.child and k.guardian = @kept and g.guardian = @gone
                       or k.guardian = g.guardian and k.child = @kept and g.child = @gone)
 where g.validity @> @today::date and (g.ended_on is null or g.ended_on > @today::date)
   and not (k.validity @> @today::date and (k.ended_on is null or k.ended_on > @today::date))
 order by k.id, g.id`
	sqlExchange = `
update guardianship a
   set validity = b.validity, ended_on = b.ended_on, kind = b.kind, reason = b.reason
  from (select l as x, r as y from unnest(@left::uuid[], @right::uuid[]) as p (l, r)
         union all
        select r, l from unnest(@left::uuid[], @right::uuid[]) as p (l, r)) pair
  join guardianship b on b.id = pair.y
 where a.id = pair.x`
)

func exchange(ctx context.Context, tx tenancy.Write, m Moved) error {
	if len(m["exchanged.left"]) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, sqlExchange, pgx.StrictNamedArgs{"left": m["exchanged.left"], "right": m["exchanged.right"]})
	if err != nil {
		return fmt.Errorf("exchange guardianships: %w", err)
	}
	return nil
}

// The going record's identifiers become former ones of the one that stays, which
// takes those that it lacks, its birth date and its protection.
const (
	sqlLockTwo = `
select count(*)::int
  from (select p.id from person p where p.id in (@kept, @gone) and p.merged_into is null order by p.id for update) two`
	sqlRelated = `
select exists (select from guardianship s where s.child in (@kept::uuid, @gone::uuid) and s.guardian in (@kept::uuid, @gone::uuid))`
	sqlSetAside = `
insert into person_identifier (id, person, kind, value_hash, cipher, value, source, validity)
select gen_random_uuid(), @kept::uuid, i.kind, i.hash, i.cipher, i.value, 'merge', daterange(null, null)
  from person p
 cross join lateral (values ('hetu', p.hetu_hash, p.hetu_cipher, null), ('oppijanumero', convert_to(p.oppijanumero, 'UTF8'), null, p.oppijanumero)) i (kind, hash, cipher, value)
 where p.id = @gone
   and i.hash is not null
returning id`
	sqlGo   = `update person set merged_into = @kept, hetu_hash = null, hetu_cipher = null, oppijanumero = null where id = @gone`
	sqlTake = `
update person k
   set hetu_hash = coalesce(k.hetu_hash, h.value_hash), hetu_cipher = case when k.hetu_hash is null then h.cipher else k.hetu_cipher end,
       oppijanumero = coalesce(k.oppijanumero, o.value), birth_date = coalesce(k.birth_date, g.birth_date),
       protected = case when k.protected is null then g.protected when g.protected is null then k.protected else range_merge(k.protected, g.protected) end
  from person g
  left join person_identifier h on h.id = any (@aside) and h.kind = 'hetu'
  left join person_identifier o on o.id = any (@aside) and o.kind = 'oppijanumero'
 where k.id = @kept and g.id = @gone`
	sqlStayed = `
select hetu_hash is not null, oppijanumero is not null, birth_date is not null, protected::text from person where id = @kept`
	sqlInsertMerge = `
insert into person_merge (id, kept, gone, reason, moved, merged_by, merged_at)
values (@id, @kept, @gone, @reason, @moved, @by, @at)`
)

// stayed is what the record that stays had of its own before.
type stayed struct {
	Hetu, Oppijanumero, Birth bool
	Protected                 *string
}

// moved is what person_merge keeps.
type moved struct {
	Rows   Moved  `json:"rows"`
	Stayed stayed `json:"stayed"`
}

// MergePersons makes one person of two: what names gone names kept afterwards. also
// points the rows of other packages.
func MergePersons(ctx context.Context, tx tenancy.Write, kept, gone uuid.UUID, d Decision, also func(Repoint) error) error {
	pair := pgx.StrictNamedArgs{"kept": kept, "gone": gone}
	var n int
	if err := tx.QueryRow(ctx, sqlLockTwo, pair).Scan(&n); err != nil || n != 2 {
		return errors.Join(fault.New(fault.Conflict, "error.conflict", "two records that are there to be merged"), err)
	}
	var related bool
	if err := tx.QueryRow(ctx, sqlRelated, pair).Scan(&related); err != nil || related {
		return errors.Join(fault.New(fault.Invalid, "merge.wrong.related", "a child and their guardian are two people"), err)
	}
	m := moved{Rows: Moved{}}
	if err := tx.QueryRow(ctx, sqlStayed, pgx.StrictNamedArgs{"kept": kept}).Scan(&m.Stayed.Hetu, &m.Stayed.Oppijanumero, &m.Stayed.Birth, &m.Stayed.Protected); err != nil {
		return fmt.Errorf("read the record that stays: %w", err)
	}
	if err := contradictions(ctx, tx, kept, gone, d, m.Rows); err != nil {
		return err
	}
	r := Repoint{From: gone, To: kept, Moved: m.Rows}
	if err := r.people(ctx, tx); err != nil {
		return err
	}
	aside := Repoint{Moved: m.Rows}
	rows, err := tx.Query(ctx, sqlSetAside, pair)
	if err != nil {
		return fmt.Errorf("set identifiers aside: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("set identifiers aside: %w", err)
	}
	aside.Note("aside", ids)
	if _, err := tx.Exec(ctx, sqlGo, pair); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	if _, err := tx.Exec(ctx, sqlTake, pgx.StrictNamedArgs{"kept": kept, "gone": gone, "aside": append([]uuid.UUID{}, ids...)}); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	if err := also(r); err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlInsertMerge, pgx.StrictNamedArgs{"id": id, "kept": kept, "gone": gone, "reason": d.Reason, "moved": string(text), "by": d.By, "at": d.At})
	return err
}

func contradictions(ctx context.Context, tx tenancy.Write, kept, gone uuid.UUID, d Decision, m Moved) error {
	rows, err := tx.Query(ctx, sqlContradicting, pgx.StrictNamedArgs{"kept": kept, "gone": gone, "today": d.Today})
	if err != nil {
		return fmt.Errorf("read guardianships of both: %w", err)
	}
	var left, right uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&left, &right}, func() error {
		m["exchanged.left"], m["exchanged.right"] = append(m["exchanged.left"], left), append(m["exchanged.right"], right)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read guardianships of both: %w", err)
	}
	return exchange(ctx, tx, m)
}

func (r Repoint) people(ctx context.Context, tx tenancy.Write) error {
	for _, s := range steps {
		if err := r.Run(ctx, tx, s.what, s.sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// What an import has given the record that stays since then it keeps, unless it is
// the other's own.
const (
	sqlFindMerge = `
select m.kept, m.gone, m.moved::text
  from person_merge m
  join person k on k.id = m.kept and k.merged_into is null
  join person g on g.id = m.gone and g.merged_into = m.kept
 where m.id = @id
   and m.undone_at is null
   for update of m`
	sqlGiveBack = `
update person k
   set hetu_hash = case when k.hetu_hash = h.value_hash then null else k.hetu_hash end,
       hetu_cipher = case when k.hetu_hash = h.value_hash then null else k.hetu_cipher end,
       oppijanumero = case when k.oppijanumero = o.value then null else k.oppijanumero end,
       birth_date = case when @birth then k.birth_date end,
       protected = case when g.protected is null then k.protected else @protected::text::daterange end
  from person g
  left join person_identifier h on h.id = any (@aside) and h.kind = 'hetu'
  left join person_identifier o on o.id = any (@aside) and o.kind = 'oppijanumero'
 where k.id = @kept and g.id = @gone`
	sqlComeBack = `
update person g
   set merged_into = null,
       hetu_hash = (select h.value_hash from person_identifier h where h.id = any (@aside) and h.kind = 'hetu'),
       hetu_cipher = (select h.cipher from person_identifier h where h.id = any (@aside) and h.kind = 'hetu'),
       oppijanumero = (select o.value from person_identifier o where o.id = any (@aside) and o.kind = 'oppijanumero')
 where g.id = @gone`
	sqlDropAside = `delete from person_identifier where id = any (@aside)`
	sqlUndoMerge = `update person_merge set undone_at = @at, undone_by = @by, undo_reason = @reason where id = @id`
)

// UndoMerge makes two persons of one again. It returns who they are; the newest of
// several merges goes first.
func UndoMerge(ctx context.Context, tx tenancy.Write, id uuid.UUID, d Decision, also func(Repoint) error) (kept, gone uuid.UUID, err error) {
	var text string
	err = tx.QueryRow(ctx, sqlFindMerge, pgx.StrictNamedArgs{"id": id}).Scan(&kept, &gone, &text)
	if errors.Is(err, pgx.ErrNoRows) {
		return kept, gone, fault.New(fault.Conflict, "error.conflict", "no such merge to undo")
	}
	if err != nil {
		return kept, gone, fmt.Errorf("find merge: %w", err)
	}
	var m moved
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return kept, gone, fmt.Errorf("read merge: %w", err)
	}
	r := Repoint{From: kept, To: gone, Moved: m.Rows, Back: true}
	if err := also(r); err != nil {
		return kept, gone, err
	}
	if err := r.people(ctx, tx); err != nil {
		return kept, gone, err
	}
	if err := exchange(ctx, tx, m.Rows); err != nil {
		return kept, gone, err
	}
	aside := append([]uuid.UUID{}, m.Rows["aside"]...)
	for _, step := range []struct {
		sql  string
		args pgx.StrictNamedArgs
	}{
		{sqlGiveBack, pgx.StrictNamedArgs{"kept": kept, "gone": gone, "aside": aside, "birth": m.Stayed.Birth, "protected": m.Stayed.Protected}},
		{sqlComeBack, pgx.StrictNamedArgs{"gone": gone, "aside": aside}}, {sqlDropAside, pgx.StrictNamedArgs{"aside": aside}},
		{sqlUndoMerge, pgx.StrictNamedArgs{"id": id, "at": d.At, "by": d.By, "reason": d.Reason}},
	} {
		if _, err := tx.Exec(ctx, step.sql, step.args); err != nil {
			return kept, gone, fmt.Errorf("undo merge: %w", err)
		}
	}
	return kept, gone, nil
}

const sqlMerges = `
select m.id, m.kept, m.gone,
       k.family_name || ' ' || k.given_names as kept_name, g.family_name || ' ' || g.given_names as gone_name, m.reason,
       coalesce(coalesce(nullif(b.call_name, ''), split_part(b.given_names, ' ', 1)) || ' ' || b.family_name, '') as by,
       m.merged_at as at, m.undone_at, m.undo_reason, m.undone_at is null and k.merged_into is null as undoable
  from person_merge m
  join person k on k.id = m.kept
  join person g on g.id = m.gone
  left join person b on b.id = m.merged_by
 order by m.merged_at desc, m.id
 limit 100`

// ListMerges lists merges, the newest first, undone ones included.
func ListMerges(ctx context.Context, tx tenancy.Read) ([]Merge, error) {
	rows, err := tx.Query(ctx, sqlMerges)
	if err != nil {
		return nil, fmt.Errorf("list merges: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Merge])
}
