package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// FamilyLink ties an account at the guardians' host to a person of a tenant.
type FamilyLink struct {
	ID        uuid.UUID
	Tenant    ID
	Person    uuid.UUID
	CreatedAt time.Time
}

// familyLinks is how many tenants one account can tie.
const familyLinks = 12

const sqlFamilyLinks = `
select id, tenant, person, created_at
  from control.family_link
 where account = @account
 order by created_at, id
 limit 50`

// Links lists what an account has tied, the oldest first.
func (f *Families) Links(ctx context.Context, account uuid.UUID) ([]FamilyLink, error) {
	rows, err := f.pool.Query(ctx, sqlFamilyLinks, pgx.StrictNamedArgs{"account": account})
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[FamilyLink])
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return list, nil
}

// Whom the link leads to is what the sign-in before has found, and nothing that a
// form says. One that is there leads to them from now on.
const sqlInsertFamilyLink = `
insert into control.family_link (id, account, tenant, person, created_at)
select @id, s.account, s.wish, s.wish_person, @now
  from control.family_session s
 where s.token_hash = @token
   and s.wish = @tenant
   and s.wish_state = 'found'
   and s.wish_until > @now
   and (select count(*) from control.family_link l where l.account = s.account and l.tenant <> s.wish) < @most
on conflict (account, tenant) do update set person = excluded.person, created_at = excluded.created_at`

const sqlForgetWish = `
update control.family_session set wish = null, wish_state = '', wish_person = null, wish_until = null where token_hash = @token`

// Link ties the tenant for which the session has found a person; ok is false where
// it has found none, or the account has tied as many as it can.
func (f *Families) Link(ctx context.Context, token []byte, tenant ID, now time.Time) (ok bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, fmt.Errorf("make link id: %w", err)
	}
	err = pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlInsertFamilyLink, pgx.StrictNamedArgs{"id": id, "token": token, "tenant": tenant, "now": now, "most": familyLinks})
		if ok = isOne(tag); err != nil || !ok {
			return err
		}
		_, err = tx.Exec(ctx, sqlForgetWish, pgx.StrictNamedArgs{"token": token})
		return err
	})
	if err != nil {
		return false, fmt.Errorf("link: %w", err)
	}
	return ok, nil
}

const sqlDeleteFamilyLink = `delete from control.family_link where id = @id and account = @account`

// Unlink undoes an account's own link, and ends what it has opened; ok is false where
// it has none of that id.
func (f *Families) Unlink(ctx context.Context, account, link uuid.UUID) (ok bool, err error) {
	return f.changed(ctx, "unlink", sqlDeleteFamilyLink, pgx.StrictNamedArgs{"id": link, "account": account})
}

const sqlInsertFamilyEntry = `
insert into control.family_entry (token_hash, link, session, child, expires_at)
select @entry, l.id, s.token_hash, @child, @expires_at
  from control.family_link l
  join control.family_session s on s.account = l.account and s.token_hash = @session and s.expires_at > @now
 where l.id = @link`

// OpenEntry keeps a one-time way into the tenant of the account's own link, to a
// child's page where one is given; ok is false where the link is not theirs.
func (f *Families) OpenEntry(ctx context.Context, entry, session []byte, link uuid.UUID, child *uuid.UUID, now, expires time.Time) (ok bool, err error) {
	return f.changed(ctx, "open entry", sqlInsertFamilyEntry, pgx.StrictNamedArgs{"entry": entry, "session": session, "link": link, "child": child,
		"now": now, "expires_at": expires})
}

// FamilyVisit is a guardian's browser inside a tenant.
type FamilyVisit struct {
	Person  uuid.UUID
	Child   *uuid.UUID // whose page to go to; only on entering
	CSRF    string
	Strong  bool
	SeenAt  time.Time
	Expires time.Time
}

// Of two with the same token one gets it, and at another tenant it is not there.
const sqlTakeFamilyEntry = `
with taken as (
  delete from control.family_entry e
   using control.family_link l, control.family_session s, control.family_account a
   where e.token_hash = @entry
     and e.expires_at > @now
     and l.id = e.link
     and l.tenant = @tenant
     and s.token_hash = e.session
     and s.account = l.account
     and a.id = l.account
     and ` + sessionLives + `
  returning l.id as link, l.person, e.child, s.token_hash as session, s.strong, s.expires_at
), made as (
  insert into control.family_visit (token_hash, link, session, csrf, created_at, seen_at)
  select @token, t.link, t.session, @csrf, @now, @now from taken t
)
select person, child, strong, expires_at from taken`

// EnterVisit turns an entry token into a visit. ok is false for a token that is
// unknown, used, too old, of another tenant, or whose link or session is over.
func (f *Families) EnterVisit(ctx context.Context, tenant ID, issuer string, entry, token []byte, csrf string, now time.Time) (v FamilyVisit, ok bool, err error) {
	err = f.pool.QueryRow(ctx, sqlTakeFamilyEntry, pgx.StrictNamedArgs{"entry": entry, "token": token, "csrf": csrf, "tenant": tenant, "issuer": issuer, "now": now}).
		Scan(&v.Person, &v.Child, &v.Strong, &v.Expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return FamilyVisit{}, false, nil
	}
	if err != nil {
		return FamilyVisit{}, false, fmt.Errorf("enter by link: %w", err)
	}
	return v, true, nil
}

const sqlFindFamilyVisit = `
select l.person, v.csrf, s.strong, v.seen_at, s.expires_at
  from control.family_visit v
  join control.family_link l on l.id = v.link
  join control.family_session s on s.token_hash = v.session and s.account = l.account
  join control.family_account a on a.id = l.account
 where v.token_hash = @token
   and v.seen_at > @idle_since
   and l.tenant = @tenant
   and ` + sessionLives

// FindVisit returns a living visit in a tenant, whose link and session are not over.
func (f *Families) FindVisit(ctx context.Context, tenant ID, issuer string, token []byte, now, idleSince time.Time) (v FamilyVisit, ok bool, err error) {
	err = f.pool.QueryRow(ctx, sqlFindFamilyVisit, pgx.StrictNamedArgs{"token": token, "tenant": tenant, "issuer": issuer, "now": now, "idle_since": idleSince}).
		Scan(&v.Person, &v.CSRF, &v.Strong, &v.SeenAt, &v.Expires)
	if errors.Is(err, pgx.ErrNoRows) {
		return FamilyVisit{}, false, nil
	}
	if err != nil {
		return FamilyVisit{}, false, fmt.Errorf("find visit: %w", err)
	}
	return v, true, nil
}

// Who is at work in a tenant is not idle at the guardians' host.
const sqlTouchFamilyVisit = `
with v as (update control.family_visit set seen_at = @now where token_hash = @token and seen_at < @now returning session)
update control.family_session s set seen_at = @now from v where s.token_hash = v.session and s.seen_at < @now`

// TouchVisit notes that a visit is in use, and with it the session it came by.
func (f *Families) TouchVisit(ctx context.Context, token []byte, now time.Time) error {
	return f.run(ctx, "touch visit", sqlTouchFamilyVisit, pgx.StrictNamedArgs{"token": token, "now": now})
}

const sqlDeleteFamilyVisit = `delete from control.family_visit where token_hash = @token`

// LeaveVisit ends a visit; the link and the session stay.
func (f *Families) LeaveVisit(ctx context.Context, token []byte) error {
	return f.run(ctx, "leave visit", sqlDeleteFamilyVisit, pgx.StrictNamedArgs{"token": token})
}
