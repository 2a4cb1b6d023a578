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
	Issuers   []string // of the enabled providers
	Staff     int      // staff who signed in since the day asked for
	Learners  int      // learners likewise
	Guardians int      // guardians likewise
	// All of them, of schools that are open.
	AllLearners  int
	AllGuardians int
	Entered      int // sign-ins that ended in a session since then
	TurnedOut    int // sign-ins that were refused since then
}

const sqlFacts = `
with role as (
  select g.person,
         bool_or(g.role = 'student') as learner,
         bool_or(g.role in ('guardian', 'parent')) as guardian,
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
       count(*) filter (where r.guardian and c.person is not null)::int,
       count(*) filter (where r.learner)::int,
       count(*) filter (where r.guardian)::int,
       (select count(*) from audit_event e where e.at >= @since and e.action = @entered)::int,
       (select count(*) from audit_event e where e.at >= @since and e.action = @turned_out)::int
  from role r
  left join came c on c.person = r.person`

// ReadFacts counts who signed in since a moment.
func ReadFacts(ctx context.Context, tx tenancy.Read, today, since time.Time) (f Facts, err error) {
	err = tx.QueryRow(ctx, sqlFacts, pgx.StrictNamedArgs{"today": today, "since": since, "entered": signedIn, "turned_out": turnedOut}).
		Scan(&f.Issuers, &f.Staff, &f.Learners, &f.Guardians, &f.AllLearners, &f.AllGuardians, &f.Entered, &f.TurnedOut)
	if err != nil {
		return Facts{}, fmt.Errorf("read facts of sign-ins: %w", err)
	}
	return f, nil
}
