package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/authz"
	"digione/internal/tenancy"
)

// found is a session that lives.
type found struct {
	ID, Person           uuid.UUID
	CSRF, Language, Name string
	SeenAt               time.Time
	Strong               bool
	Kinds                []authz.Kind
}

const sqlFindSession = `
select s.id, s.person, s.csrf, s.language, coalesce(nullif(p.call_name, ''), p.given_names) || ' ' || p.family_name, s.seen_at, s.strength = 'strong', i.meant_for
  from session s
  join person p on p.id = s.person
  join account a on a.id = s.account and a.person = s.person
  join identity_provider i on i.id = a.provider and i.enabled
 where s.token_hash = @token
   and s.expires_at > @now
   and s.seen_at > @idle_since`

func findSession(ctx context.Context, tx tenancy.Read, token string, now, idleSince time.Time) (s found, ok bool, err error) {
	err = tx.QueryRow(ctx, sqlFindSession, pgx.StrictNamedArgs{"token": HashOf(token), "now": now, "idle_since": idleSince}).
		Scan(&s.ID, &s.Person, &s.CSRF, &s.Language, &s.Name, &s.SeenAt, &s.Strong, &s.Kinds)
	if errors.Is(err, pgx.ErrNoRows) {
		return found{}, false, nil
	}
	if err != nil {
		return found{}, false, fmt.Errorf("find session: %w", err)
	}
	return s, true, nil
}

const sqlTouchSession = `update session set seen_at = @now where token_hash = @token and seen_at < @now`

func touchSession(ctx context.Context, tx tenancy.Write, token string, now time.Time) error {
	if _, err := tx.Exec(ctx, sqlTouchSession, pgx.StrictNamedArgs{"token": HashOf(token), "now": now}); err != nil {
		return fmt.Errorf("touch session: %w", err)
	}
	return nil
}

const sqlSweepSessions = `
delete from session
 where token_hash in (select token_hash from session where expires_at <= @now order by expires_at, token_hash limit 50 for update skip locked)`

const sqlInsertSession = `
insert into session (token_hash, account, person, csrf, started_at, seen_at, expires_at, strength, device)
values (@token, @account, @person, @csrf, @now, @now, @expires_at, @strength, @device)`

// insertSession begins a session under a new token, and takes away some of
// those that are over.
func insertSession(ctx context.Context, tx tenancy.Write, a account, how entered, now, expires time.Time) (token string, err error) {
	if _, err := tx.Exec(ctx, sqlSweepSessions, pgx.StrictNamedArgs{"now": now}); err != nil {
		return "", fmt.Errorf("sweep sessions: %w", err)
	}
	token = NewToken()
	_, err = tx.Exec(ctx, sqlInsertSession, pgx.StrictNamedArgs{
		"token": HashOf(token), "account": a.ID, "person": a.Person, "csrf": NewToken(), "now": now, "expires_at": expires,
		"strength": strength(how.strong), "device": how.device,
	})
	if err != nil {
		return "", fmt.Errorf("insert session: %w", err)
	}
	return token, nil
}

const sqlDeleteSession = `delete from session where token_hash = @token`

// deleteSession ends a session; one that is over already is no error.
func deleteSession(ctx context.Context, tx tenancy.Write, token string) error {
	if _, err := tx.Exec(ctx, sqlDeleteSession, pgx.StrictNamedArgs{"token": HashOf(token)}); err != nil {
		return fmt.Errorf("delete session: %w", err)
	}
	return nil
}

// Open is a session of a person, as they see it.
type Open struct {
	ID                    uuid.UUID
	Device, Provider      string
	Started, Seen, Expire time.Time
	Strong                bool
}

const sqlSessionsOf = `
select s.id, s.device, i.name, s.started_at, s.seen_at, s.expires_at, s.strength = 'strong'
  from session s
  join account a on a.id = s.account
  join identity_provider i on i.id = a.provider
 where s.person = @person
   and s.expires_at > @now
   and s.seen_at > @idle_since
 order by s.seen_at desc, s.id
 limit 100`

func sessionsOf(ctx context.Context, tx tenancy.Read, person uuid.UUID, now, idleSince time.Time) ([]Open, error) {
	rows, err := tx.Query(ctx, sqlSessionsOf, pgx.StrictNamedArgs{"person": person, "now": now, "idle_since": idleSince})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Open])
}

const sqlEndSession = `delete from session where id = @id and person = @person`

const sqlEndOthers = `delete from session where person = @person and id <> @id`

// endSession ends one session of a person; of another's it knows nothing.
func endSession(ctx context.Context, tx tenancy.Write, person, id uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, sqlEndSession, pgx.StrictNamedArgs{"person": person, "id": id})
	return tag.RowsAffected() == 1, err
}

// endOthers ends all sessions of a person but one.
func endOthers(ctx context.Context, tx tenancy.Write, person, but uuid.UUID) error {
	_, err := tx.Exec(ctx, sqlEndOthers, pgx.StrictNamedArgs{"person": person, "id": but})
	return err
}
