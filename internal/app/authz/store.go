package authz

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
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
	unitOpen  = ` (@open::text[] is null or u.kind = 'provider' or u.sourced_id collate "C" = any (@open) or exists (select from unit up where up.id = u.parent and up.sourced_id collate "C" = any (@open))) `
	groupOpen = ` (@open::text[] is null or exists (select from unit u where u.id = t.unit and ` + unitOpen + `)) `
	childOpen = ` (@open::text[] is null or exists (select from role_grant o join unit u on u.id = o.unit where o.person = c.id and o.role = 'student' and o.status = 'active' and ` + unitOpen + `)) `
)

// A special-needs teacher has a whole school by hand alone; from the roster they
// have the groups where they are staff.
const sqlGrants = `
with recursive granted as (
  select g.role, g.unit as root, (g.teaching_group is not null or g.role = 'ext:specialTeacher' and g.source <> 'hand') as narrow, upper_inf(g.validity) as endless, u.kind, u.id as unit
    from role_grant g
    join unit u on u.id = g.unit
   where g.person = @person
     and g.status = 'active'
     and g.validity @> @today::date
     and ` + grantLives + `
     and (g.source = 'hand' or g.role not like 'hand:%')
     and u.status = 'active'
     and ` + unitOpen + `
   union
  select d.role, d.root, d.narrow, d.endless, d.kind, u.id
    from granted d
    join unit u on u.parent = d.unit and u.status = 'active'
)
select role, kind, root, narrow, endless, array_agg(unit order by unit) as units
  from granted
 group by role, kind, root, narrow, endless
 order by role, root, narrow, endless
 limit 200`

// A group is reached by an enrolment as its staff, or by a right that was given for it.
const sqlStaffGroups = `
select t.id
  from (select e.teaching_group
          from enrolment e
         where e.person = @person
           and e.role in ('teacher', 'proctor', 'administrator', 'aide')
           and e.status = 'active'
           and e.validity @> @today::date
           and ` + enrolmentLives + `
         union
        select g.teaching_group
          from role_grant g
         where g.person = @person
           and g.teaching_group is not null
           and g.source = 'hand'
           and g.status = 'active'
           and g.validity @> @today::date) s
  join teaching_group t on t.id = s.teaching_group
 where t.status = 'active'
   and t.validity @> @today::date
   and ` + groupOpen + `
 order by t.id
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
   and (s.ended_on is null or s.ended_on > @today::date)
   and (c.birth_date is null or c.birth_date + interval '18 years' > @today::date)
   and not exists (select from guardian_block b where b.child = s.child and b.guardian = s.guardian and b.lifted_at is null)
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

const sqlDisclosed = `
select d.learner, bool_or(d.contacts)
  from disclosure d
  join person c on c.id = d.learner
 where d.recipient = @person
   and d.ended_at is null
   and d.validity @> @today::date
   and ` + childOpen + `
 group by d.learner
 order by d.learner
 limit 500`

// Scoped is a statement about what belongs to units, in a text for a reach over all
// and one for a reach over some. PostgreSQL plans a statement once for whatever its
// arguments will be: with (@all or g.unit = any(@units)) it would read every row.
type Scoped struct{ all, some string }

var within = regexp.MustCompile(`within\(([a-z.]+)(?:, ([a-z.]+))?\)`)

// Scope makes the two texts. In sql, within(g.unit) says of a column that it is one
// of the reach's units, and within(t.unit, t.id) that it is, or the other is one of
// its groups.
func Scope(sql string) Scoped {
	if !within.MatchString(sql) {
		panic("a scoped statement without within: " + sql)
	}
	return Scoped{
		all: within.ReplaceAllString(sql, "true"),
		some: within.ReplaceAllStringFunc(sql, func(part string) string {
			m := within.FindStringSubmatch(part)
			if m[2] == "" {
				return m[1] + " = any(@units)"
			}
			return "(" + m[1] + " = any(@units) or " + m[2] + " = any(@groups))"
		}),
	}
}

// For returns the text for a reach, and its arguments with those of the reach.
func (s Scoped) For(r Reach, args pgx.StrictNamedArgs) (string, pgx.StrictNamedArgs) {
	if r.All {
		return s.all, args
	}
	out := maps.Clone(args)
	out["units"] = r.Units
	if strings.Contains(s.some, "@groups") {
		out["groups"] = r.Groups
	}
	return s.some, out
}

type grantRow struct {
	word, kind      string
	root            uuid.UUID
	narrow, endless bool
	units           []uuid.UUID
}

// grant returns what the row gives; a substitute without a last day is nothing.
func (g grantRow) grant() (Grant, bool) {
	role, ok := RoleOf(g.word, g.kind)
	return Grant{Role: role, Unit: g.root, Units: g.units, Narrow: g.narrow}, ok && (role != Substitute || !g.endless)
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
		_, err := pgx.ForEachRow(rows, []any{&g.word, &g.kind, &g.root, &g.narrow, &g.endless, &g.units}, func() error {
			if grant, ok := g.grant(); ok {
				a.Grants = append(a.Grants, grant)
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
	b.Queue(sqlDisclosed, args).Query(func(rows pgx.Rows) (err error) {
		a.Disclosed, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Disclosed])
		return err
	})
	if err := tx.Batch(ctx, &b); err != nil {
		return Actor{}, fmt.Errorf("load actor %s: %w", person, err)
	}
	return a, nil
}
