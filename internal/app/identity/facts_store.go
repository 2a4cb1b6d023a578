package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"digione/internal/tenancy"
)

// Facts are what joining asks of a tenant's people and how they sign in.
type Facts struct {
	Issuers     []string // of the enabled providers
	Staff       int      // staff who signed in since the day asked for
	Learners    int      // learners likewise
	AllLearners int      // of open schools and of others
}

const sqlFacts = `
with role as (
  select g.person,
         bool_or(g.role = 'student') as learner,
         bool_or(g.role not in ('student', 'guardian', 'parent', 'relative')) as staff
    from role_grant g
   where g.status = 'active'
     and g.validity @> @today::date
   group by g.person
), came as (
  select distinct a.person from account a where a.last_login_at >= @since
)
select coalesce((select array_agg(p.issuer order by p.issuer) from identity_provider p where p.enabled), '{}'),
       count(*) filter (where r.staff and c.person is not null)::int,
       count(*) filter (where r.learner and c.person is not null)::int,
       count(*) filter (where r.learner)::int
  from role r
  left join came c on c.person = r.person`

// ReadFacts counts who signed in since a moment.
func ReadFacts(ctx context.Context, tx tenancy.Read, today, since time.Time) (f Facts, err error) {
	err = tx.QueryRow(ctx, sqlFacts, pgx.StrictNamedArgs{"today": today, "since": since}).
		Scan(&f.Issuers, &f.Staff, &f.Learners, &f.AllLearners)
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of sign-ins: %w", err)
	}
	return f, nil
}

// Pilot are the sign-ins of the people of some schools.
type Pilot struct {
	Staff int // sign-ins of the schools' staff that ended in a session
	// Refused are sign-ins that were refused, without those that were broken off by
	// their person and those to a school that is not open yet. They are everybody's:
	// who is refused is not known.
	Refused int
	// Guardians of the schools' learners: those who have signed in, and all.
	Guardians    int
	AllGuardians int
}

const sqlPilot = `
with place as (
  select u.id
    from unit u
   where u.sourced_id collate "C" = any (@schools)
      or exists (select from unit up where up.id = u.parent and up.sourced_id collate "C" = any (@schools))
), staff as (
  select distinct g.person
    from role_grant g
    join place p on p.id = g.unit
   where g.role not in ('student', 'guardian', 'parent', 'relative')
     and g.status = 'active'
     and g.validity @> @today::date
), guardian as (
  select distinct s.guardian as person
    from guardianship s
    join role_grant g on g.person = s.child and g.role = 'student' and g.status = 'active' and g.validity @> @today::date
    join place p on p.id = g.unit
   where s.validity @> @today::date
), tried as (
  select e.actor, e.action
    from audit_event e
   where e.at >= @since
     and (e.action = @entered or e.action = @turned_out and e.reason not in (@not_open, @cancelled))
     and (e.at at time zone 'Europe/Helsinki')::date = any (@days::date[])
)
select (select count(*) from tried t join staff s on s.person = t.actor where t.action = @entered)::int,
       (select count(*) from tried t where t.action = @turned_out)::int,
       (select count(*) from guardian g where exists (select from account a where a.person = g.person and a.last_login_at >= @since))::int,
       (select count(*) from guardian)::int`

// ReadPilot counts the sign-ins at some schools, by their sourcedIds, since a moment;
// those of staff on some days alone, those of guardians on any.
func ReadPilot(ctx context.Context, tx tenancy.Read, today time.Time, schools []string, since time.Time, days []time.Time) (p Pilot, err error) {
	err = tx.QueryRow(ctx, sqlPilot, pgx.StrictNamedArgs{"today": today, "schools": append([]string{}, schools...), "since": since, "days": append([]time.Time{}, days...),
		"entered": SignedIn, "turned_out": turnedOut, "not_open": notOpen.code, "cancelled": cancelled.code}).
		Scan(&p.Staff, &p.Refused, &p.Guardians, &p.AllGuardians)
	if err != nil {
		return Pilot{}, fmt.Errorf("read sign-ins of the pilot: %w", err)
	}
	return p, nil
}
