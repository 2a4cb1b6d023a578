package people

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

const sqlByUsername = `
select distinct u.person
  from roster_user u
 where u.username = @username collate "C" and u.status = 'active'
 order by u.person
 limit 2`

// FindByUsername returns the one person with a name of sign-in, letter by letter;
// ok is false for none and for several.
func FindByUsername(ctx context.Context, tx tenancy.Read, username string) (id uuid.UUID, ok bool, err error) {
	rows, err := tx.Query(ctx, sqlByUsername, pgx.StrictNamedArgs{"username": username})
	if err != nil {
		return id, false, fmt.Errorf("find username: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil || len(found) != 1 {
		return id, false, err
	}
	return found[0], true, nil
}

const sqlGuardianships = `
select s.id, s.guardian, p.family_name || ' ' || coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as name,
       s.kind, s.source, lower(s.validity) as "from",
       least(upper(s.validity), s.ended_on, (c.birth_date + interval '18 years')::date) as "to", s.reason,
       s.validity @> @today::date and (s.ended_on is null or s.ended_on > @today::date)
         and (c.birth_date is null or c.birth_date + interval '18 years' > @today::date) as live,
       b.id is not null as blocked, coalesce(b.reason, '') as block_reason
  from guardianship s
  left join guardian_block b on b.child = s.child and b.guardian = s.guardian and b.lifted_at is null
  join person c on c.id = s.child
  join person p on p.id = s.guardian
 where s.child = @child
 order by live desc, p.family_name collate "fi-x-icu", p.given_names, s.source, s.id
 limit 50`

// ListGuardianships lists all that is known of a child's guardians, former ones and
// those to come included.
func ListGuardianships(ctx context.Context, tx tenancy.Read, child uuid.UUID, today time.Time) ([]Guardianship, error) {
	rows, err := tx.Query(ctx, sqlGuardianships, pgx.StrictNamedArgs{"child": child, "today": today})
	if err != nil {
		return nil, fmt.Errorf("list guardianships: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Guardianship])
}

// One by hand that is over begins anew: of a pair and a source there is one row, and
// the audit has its past.
const sqlAddGuardianship = `
insert into guardianship (id, child, guardian, kind, source, validity, reason, decided_by)
select @id, c.id, g.id, @kind, 'hand', daterange(@from::date, e.ends), @reason, @by
  from person c
  join person g on g.id = @guardian and g.merged_into is null
 cross join lateral (select least(@last::date + 1, (c.birth_date + interval '18 years')::date) as ends) e
 where c.id = @child
   and (e.ends is null or e.ends > greatest(@from::date, @today::date))
    on conflict (child, guardian, source) do update
   set kind = excluded.kind, validity = excluded.validity, reason = excluded.reason, decided_by = excluded.decided_by, ended_on = null
 where not (upper_inf(guardianship.validity) or upper(guardianship.validity) > @today::date)
    or guardianship.ended_on <= @today::date`

// AddGuardianship adds a guardian by hand; it ends when the child is 18 at the latest.
func AddGuardianship(ctx context.Context, tx tenancy.Write, n NewGuardianship, d Decision) error {
	if err := n.check(); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	done, err := tx.Exec(ctx, sqlAddGuardianship, pgx.StrictNamedArgs{"id": id, "child": n.Child, "guardian": n.Guardian, "kind": n.Kind,
		"from": n.From, "last": n.Last, "reason": d.Reason, "by": d.By, "today": d.Today})
	if err != nil {
		return fmt.Errorf("add guardianship: %w", err)
	}
	if done.RowsAffected() == 0 {
		return fault.New(fault.Invalid, "people.guardians.wrong.days", "a guardianship that holds no day, or stands already")
	}
	return nil
}

const sqlEndGuardianship = `
update guardianship
   set ended_on = @day::date, reason = @reason, decided_by = @by
 where id = @id
   and child = @child
   and (ended_on is null or ended_on > @day::date)
   and (upper_inf(validity) or upper(validity) > @day::date)
returning guardian`

// EndGuardianship ends one on the given day, which is the first that it does not
// hold, whatever its source says later. It returns whose it was.
func EndGuardianship(ctx context.Context, tx tenancy.Write, child, id uuid.UUID, day time.Time, d Decision) (guardian uuid.UUID, err error) {
	if day.Before(d.Today) {
		return guardian, fault.New(fault.Invalid, "people.guardians.wrong.days", "a guardianship cannot end in the past")
	}
	err = tx.QueryRow(ctx, sqlEndGuardianship, pgx.StrictNamedArgs{"id": id, "child": child, "day": day, "reason": d.Reason, "by": d.By}).Scan(&guardian)
	if errors.Is(err, pgx.ErrNoRows) {
		return guardian, fault.New(fault.Conflict, "error.conflict", "no such guardianship to end")
	}
	if err != nil {
		return guardian, fmt.Errorf("end guardianship: %w", err)
	}
	return guardian, nil
}

const sqlBlockGuardian = `
insert into guardian_block (id, child, guardian, reason, blocked_by, blocked_at)
select @id, @child, @guardian, @reason, @by, @at
 where exists (select from guardianship s where s.child = @child and s.guardian = @guardian)
    on conflict (child, guardian) where lifted_at is null do nothing`

// BlockGuardian shuts somebody who is or was a guardian out from a child at once.
func BlockGuardian(ctx context.Context, tx tenancy.Write, child, guardian uuid.UUID, d Decision) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	done, err := tx.Exec(ctx, sqlBlockGuardian, pgx.StrictNamedArgs{"id": id, "child": child, "guardian": guardian, "reason": d.Reason, "by": d.By, "at": d.At})
	if err != nil {
		return fmt.Errorf("block guardian: %w", err)
	}
	if done.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "error.conflict", "no guardian to block")
	}
	return nil
}

const sqlLiftBlock = `
update guardian_block
   set lifted_at = @at, lifted_by = @by, lift_reason = @reason
 where child = @child and guardian = @guardian and lifted_at is null`

// LiftBlock lets a guardian in again.
func LiftBlock(ctx context.Context, tx tenancy.Write, child, guardian uuid.UUID, d Decision) error {
	done, err := tx.Exec(ctx, sqlLiftBlock, pgx.StrictNamedArgs{"child": child, "guardian": guardian, "reason": d.Reason, "by": d.By, "at": d.At})
	if err != nil {
		return fmt.Errorf("lift block: %w", err)
	}
	if done.RowsAffected() == 0 {
		return fault.New(fault.Conflict, "error.conflict", "no block to lift")
	}
	return nil
}

const sqlDisclosures = `
select d.id, p.family_name || ' ' || coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as name,
       d.contacts, d.reason, lower(d.validity) as "from",
       least(upper(d.validity), (d.ended_at at time zone 'Europe/Helsinki')::date) as "to",
       d.ended_at is null and d.validity @> @today::date as live
  from disclosure d
  join person p on p.id = d.recipient
 where d.learner = @learner
 order by live desc, d.created_at desc, d.id
 limit 50`

// ListDisclosures lists to whom a learner is or was disclosed.
func ListDisclosures(ctx context.Context, tx tenancy.Read, learner uuid.UUID, today time.Time) ([]Disclosure, error) {
	rows, err := tx.Query(ctx, sqlDisclosures, pgx.StrictNamedArgs{"learner": learner, "today": today})
	if err != nil {
		return nil, fmt.Errorf("list disclosures: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Disclosure, err error) {
		var to *time.Time
		if err = row.Scan(&d.ID, &d.Name, &d.Contacts, &d.Reason, &d.Start, &to, &d.Live); to != nil {
			d.To = *to
		}
		return d, err
	})
}

// Somebody to whom the learner can be disclosed has the right of welfare staff today,
// by hand, at a school where the learner has a role today.
const sqlWelfareAt = `
select distinct p.id, p.family_name || ' ' || coalesce(nullif(p.call_name, ''), split_part(p.given_names, ' ', 1)) as name
  from role_grant g
  join person p on p.id = g.person
 where g.role = 'hand:welfare' and g.source = 'hand' and g.status = 'active' and g.validity @> @today::date
   and g.unit in (select r.unit from role_grant r
                   where r.person = @learner and r.role = 'student' and r.status = 'active' and r.validity @> @today::date
                   union
                  select u.id from unit u where u.kind = 'provider')
 order by name, p.id
 limit 100`

// Recipient is somebody to whom a learner can be disclosed.
type Recipient struct {
	ID   uuid.UUID
	Name string
}

// ListRecipients lists the welfare staff of the learner's schools.
func ListRecipients(ctx context.Context, tx tenancy.Read, learner uuid.UUID, today time.Time) ([]Recipient, error) {
	rows, err := tx.Query(ctx, sqlWelfareAt, pgx.StrictNamedArgs{"learner": learner, "today": today})
	if err != nil {
		return nil, fmt.Errorf("list welfare staff: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[Recipient])
}

const sqlDisclose = `
insert into disclosure (id, learner, recipient, contacts, reason, validity, disclosed_by)
select @id, @learner, @recipient, @contacts, @reason, daterange(@today::date, @last::date + 1), @by
 where not exists (select from disclosure d
                    where d.learner = @learner and d.recipient = @recipient and d.ended_at is null and d.validity @> @today::date)`

// Disclose shows a learner to somebody of another organisation until a day. One that
// is under way must be ended before another begins.
func Disclose(ctx context.Context, tx tenancy.Write, n NewDisclosure, d Decision) error {
	if err := n.check(d.Today); err != nil {
		return err
	}
	fit, err := ListRecipients(ctx, tx.Read, n.Learner, d.Today)
	if err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	for _, r := range fit {
		if r.ID != n.Recipient || r.ID == n.Learner {
			continue
		}
		done, err := tx.Exec(ctx, sqlDisclose, pgx.StrictNamedArgs{"id": id, "learner": n.Learner, "recipient": n.Recipient, "contacts": n.Contacts,
			"reason": d.Reason, "today": d.Today, "last": n.Last, "by": d.By})
		if err != nil {
			return fmt.Errorf("disclose: %w", err)
		}
		if done.RowsAffected() == 0 {
			return fault.New(fault.Invalid, "people.disclose.wrong.twice", "a disclosure that is there already")
		}
		return nil
	}
	return fault.New(fault.Invalid, "people.disclose.wrong.who", "recipient without the right of welfare staff there")
}

const sqlEndDisclosure = `
update disclosure
   set ended_at = @at, ended_by = @by
 where id = @id and learner = @learner and ended_at is null
returning recipient`

// EndDisclosure ends one at once and returns whose it was.
func EndDisclosure(ctx context.Context, tx tenancy.Write, learner, id uuid.UUID, d Decision) (recipient uuid.UUID, err error) {
	err = tx.QueryRow(ctx, sqlEndDisclosure, pgx.StrictNamedArgs{"id": id, "learner": learner, "by": d.By, "at": d.At}).Scan(&recipient)
	if errors.Is(err, pgx.ErrNoRows) {
		return recipient, fault.New(fault.Conflict, "error.conflict", "no such disclosure to end")
	}
	return recipient, err
}
