package authz

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// What the roster told of a person counts for access while the roster still has
// that user, and lets them in.
const (
	grantLives     = ` (g.source_user is null or exists (select from roster_user ru where ru.id = g.source_user and ru.status = 'active' and ru.enabled)) `
	enrolmentLives = ` (e.source_user is null or exists (select from roster_user ru where ru.id = e.source_user and ru.status = 'active' and ru.enabled)) `
)

// While a municipality joins, only some of its schools are open: the roles of
// closed ones count for nothing yet. Those of the provider itself do.
const (
	unitOpen  = ` (@open::text[] is null or u.kind = 'provider' or u.sourced_id = any (@open) or exists (select from unit up where up.id = u.parent and up.sourced_id = any (@open))) `
	groupOpen = ` (@open::text[] is null or exists (select from unit u where u.id = t.unit and ` + unitOpen + `)) `
	childOpen = ` (@open::text[] is null or exists (select from role_grant o join unit u on u.id = o.unit where o.person = c.id and o.role = 'student' and o.status = 'active' and ` + unitOpen + `)) `
)

const sqlGrants = `
with recursive granted as (
  select g.role, g.unit as root, u.kind, u.id as unit
    from role_grant g
    join unit u on u.id = g.unit
   where g.person = @person
     and g.status = 'active'
     and g.validity @> @today::date
     and ` + grantLives + `
     and u.status = 'active'
     and ` + unitOpen + `
   union
  select d.role, d.root, d.kind, u.id
    from granted d
    join unit u on u.parent = d.unit and u.status = 'active'
)
select role, kind, root, array_agg(unit order by unit) as units
  from granted
 group by role, kind, root
 order by role, root
 limit 200`

const sqlStaffGroups = `
select e.teaching_group
  from enrolment e
  join teaching_group t on t.id = e.teaching_group
 where e.person = @person
   and e.role in ('teacher', 'proctor', 'administrator', 'aide')
   and e.status = 'active'
   and e.validity @> @today::date
   and ` + enrolmentLives + `
   and t.status = 'active'
   and t.validity @> @today::date
   and ` + groupOpen + `
 group by e.teaching_group
 order by e.teaching_group
 limit 500`

// A guardianship that the roster told of holds while the roster also has the
// guardian as a guardian: who is removed there loses access at once. The
// population register's word, and a decision by hand, stand alone.
const sqlChildren = `
select s.child
  from guardianship s
  join person c on c.id = s.child
 where s.guardian = @person
   and s.validity @> @today::date
   and (c.birth_date is null or c.birth_date + interval '18 years' > @today::date)
   and ` + childOpen + `
   and (s.source <> 'roster' or exists (
         select from role_grant g
          where g.person = s.guardian
            and g.role in ('guardian', 'parent')
            and g.status = 'active'
            and g.validity @> @today::date
            and ` + grantLives + `))
 group by s.child
 order by s.child
 limit 50`

type grantRow struct {
	word, kind string
	root       uuid.UUID
	units      []uuid.UUID
}

// Load returns the person as an actor on a day: grants, groups and children that
// are valid then. One round trip; a person without any is an actor without reach
// beyond themselves.
func Load(ctx context.Context, tx tenancy.Read, person uuid.UUID, today time.Time) (Actor, error) {
	a := Actor{Person: person}
	args := pgx.StrictNamedArgs{"person": person, "today": today, "open": nil}
	if o := tx.Opening(); o != nil {
		args["open"] = append([]string{}, o.Schools...)
	}
	var b pgx.Batch
	b.Queue(sqlGrants, args).Query(func(rows pgx.Rows) error {
		var g grantRow
		_, err := pgx.ForEachRow(rows, []any{&g.word, &g.kind, &g.root, &g.units}, func() error {
			if role, ok := RoleOf(g.word, g.kind); ok {
				a.Grants = append(a.Grants, Grant{role, g.root, g.units})
			}
			g.units = nil
			return nil
		})
		return err
	})
	b.Queue(sqlStaffGroups, args).Query(func(rows pgx.Rows) (err error) {
		a.Groups, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	b.Queue(sqlChildren, args).Query(func(rows pgx.Rows) (err error) {
		a.Children, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	if err := tx.Batch(ctx, &b); err != nil {
		return Actor{}, fmt.Errorf("load actor %s: %w", person, err)
	}
	return a, nil
}
