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
	Issuers  []string // of the enabled providers
	Staff    int      // staff who signed in since the day asked for
	Learners int      // learners likewise
	// Guardians of learners in open schools: those who signed in since then, and all.
	Guardians    int
	AllGuardians int
	AllLearners  int // of open schools and of others
	Entered      int // sign-ins that ended in a session since then
	// TurnedOut are sign-ins that were refused since then, without those that were
	// broken off by their person and those to a school that is not open yet.
	TurnedOut int
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
), guardian as (
  select distinct s.guardian as person
    from guardianship s
    join role_grant g on g.person = s.child and g.role = 'student' and g.status = 'active' and g.validity @> @today::date
    join unit u on u.id = g.unit
   where s.validity @> @today::date
     and (@open::text[] is null or u.sourced_id = any (@open) or exists (select from unit up where up.id = u.parent and up.sourced_id = any (@open)))
)
select coalesce((select array_agg(p.issuer order by p.issuer) from identity_provider p where p.enabled), '{}'),
       count(*) filter (where r.staff and c.person is not null)::int,
       count(*) filter (where r.learner and c.person is not null)::int,
       (select count(*) from guardian x where x.person in (select y.person from came y))::int,
       (select count(*) from guardian)::int,
       count(*) filter (where r.learner)::int,
       (select count(*) from audit_event e where e.at >= @since and e.action = @entered)::int,
       (select count(*) from audit_event e where e.at >= @since and e.action = @turned_out
           and e.reason not in (@not_open, @cancelled))::int
  from role r
  left join came c on c.person = r.person`

// ReadFacts counts who signed in since a moment.
func ReadFacts(ctx context.Context, tx tenancy.Read, today, since time.Time) (f Facts, err error) {
	args := pgx.StrictNamedArgs{"today": today, "since": since, "entered": SignedIn, "turned_out": turnedOut, "open": nil,
		"not_open": notOpen.code, "cancelled": cancelled.code}
	if o := tx.Opening(); o != nil {
		args["open"] = append([]string{}, o.Schools...)
	}
	err = tx.QueryRow(ctx, sqlFacts, args).
		Scan(&f.Issuers, &f.Staff, &f.Learners, &f.Guardians, &f.AllGuardians, &f.AllLearners, &f.Entered, &f.TurnedOut)
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of sign-ins: %w", err)
	}
	return f, nil
}
