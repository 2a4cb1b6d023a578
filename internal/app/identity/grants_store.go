package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/app/fault"
	"digione/internal/tenancy"
)

// NewGrant is a right that somebody gives by hand. That the giver may is the
// caller's to know.
type NewGrant struct {
	Person uuid.UUID
	Role   authz.Role
	Unit   uuid.UUID
	Group  *uuid.UUID // of the unit or below it; nil is the whole unit
	From   time.Time
	Last   *time.Time
	Reason string
	By     uuid.UUID
	Now    time.Time
}

func (n NewGrant) check() error {
	wrong := func(key, what string) error {
		return fault.New(fault.Invalid, key, "a right of a %s: %s", n.Role, what)
	}
	switch {
	case n.Role.Word() == "":
		return wrong("error.invalid", "cannot be given by hand")
	case n.Person == n.By:
		return wrong("rights.wrong.self", "to oneself")
	case n.Role.NeedsGroup() && n.Group == nil, !n.Role.TakesGroup() && n.Group != nil:
		return wrong("rights.wrong.group", "with or without a group")
	case n.Role.NeedsEnd() && n.Last == nil:
		return wrong("rights.wrong.end", "without a last day")
	case n.Last != nil && n.Last.Before(n.From):
		return wrong("rights.wrong.days", "ends before it begins")
	}
	return nil
}

const sqlSameGrant = `
select exists (select from role_grant g
                where g.person = @person and g.role = @role and g.unit = @unit and g.teaching_group is not distinct from @group::uuid
                  and g.source = 'hand' and g.status = 'active' and g.validity && daterange(@from::date, @last::date + 1))`

const sqlInsertGrant = `
insert into role_grant (id, person, role, unit, teaching_group, validity, source, date_last_modified, reason, granted_by)
select @id, p.id, @role, u.id, @group::uuid, daterange(@from::date, @last::date + 1), 'hand', @now, @reason, @by
  from person p
  join unit u on u.id = @unit and u.status = 'active'
 where p.id = @person
   and p.merged_into is null
   and (@group::uuid is null or exists (
         select from teaching_group t
           left join unit below on below.id = t.unit
          where t.id = @group and t.status = 'active' and (t.unit = u.id or below.parent = u.id)))`

// Give notes a right that is given by hand. The same one twice, as by a form that is
// sent again, is refused.
func Give(ctx context.Context, tx tenancy.Write, n NewGrant) error {
	if err := n.check(); err != nil {
		return err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make grant id: %w", err)
	}
	var same bool
	err = tx.QueryRow(ctx, sqlSameGrant, pgx.StrictNamedArgs{"person": n.Person, "role": n.Role.Word(), "unit": n.Unit, "group": n.Group, "from": n.From, "last": n.Last}).Scan(&same)
	if err != nil {
		return fmt.Errorf("look for the same right: %w", err)
	}
	if same {
		return fault.New(fault.Invalid, "rights.wrong.twice", "a right that is there already")
	}
	done, err := tx.Exec(ctx, sqlInsertGrant, pgx.StrictNamedArgs{"id": id, "person": n.Person, "role": n.Role.Word(), "unit": n.Unit,
		"group": n.Group, "from": n.From, "last": n.Last, "now": n.Now, "reason": n.Reason, "by": n.By})
	if err != nil {
		return fmt.Errorf("give a right: %w", err)
	}
	if done.RowsAffected() == 0 {
		return fault.New(fault.Invalid, "rights.wrong.group", "no such person, unit or group to give a right for")
	}
	return nil
}

const sqlEndGrant = `
update role_grant
   set status = 'tobedeleted', date_last_modified = @now, ended_by = @by, end_reason = @reason
 where id = @id
   and unit = @unit
   and source = 'hand'
   and status = 'active'
   and role = any (@roles)
returning person`

// EndGrant ends a right that was given by hand, at once, when it is one of the given
// roles; what the roster gave only the roster ends. It returns whose it was.
func EndGrant(ctx context.Context, tx tenancy.Write, id, unit uuid.UUID, roles []authz.Role, by uuid.UUID, reason string, now time.Time) (person uuid.UUID, err error) {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = r.Word()
	}
	err = tx.QueryRow(ctx, sqlEndGrant, pgx.StrictNamedArgs{"id": id, "unit": unit, "roles": words, "now": now, "by": by, "reason": reason}).Scan(&person)
	if errors.Is(err, pgx.ErrNoRows) {
		return person, authz.Missing("right")
	}
	if err != nil {
		return person, fmt.Errorf("end a right: %w", err)
	}
	return person, nil
}
