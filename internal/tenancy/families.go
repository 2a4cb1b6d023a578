package tenancy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Families is the guardians' part of the schema control for a served process: their
// accounts, which tenants they have tied to them, and their sessions. It knows no
// name, no hetu and no child.
type Families struct{ pool *pgxpool.Pool }

// familyConns bounds the connections of the guardians' host. They are apart from the
// operators', so that neither waits for the other.
const familyConns = 6

// Families returns the guardians' part. No connection is opened before the first use.
func (db *DB) Families() (*Families, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.families == nil {
		pool, err := db.controlPool(familyConns)
		if err != nil {
			return nil, fmt.Errorf("open guardians' part: %w", err)
		}
		db.families = &Families{pool}
	}
	return db.families, nil
}

// FamilySession is a signed-in browser at the guardians' host.
type FamilySession struct {
	Account         uuid.UUID
	Issuer, Subject string
	CSRF            string
	Strong          bool
	SeenAt          time.Time
	Wish            FamilyWish
}

// FamilyWish is a tenant that is being tied: asked for, and after the next sign-in
// what its own hash has found. Without a tenant there is none.
type FamilyWish struct {
	Tenant ID
	State  WishState
	Person uuid.UUID // only when found
}

// WishState is how far a wish has come.
type WishState string

// The states: a sign-in is due, one person fits, nobody does, or it could not be asked.
const (
	WishAsked WishState = "asked"
	WishFound WishState = "found"
	WishNone  WishState = "none"
	WishLater WishState = "later"
)

// BeginSignIn keeps a sign-in until it comes back or expires.
func (f *Families) BeginSignIn(ctx context.Context, state []byte, in OperatorSignIn, now, expires time.Time) error {
	b := &pgx.Batch{}
	b.Queue(`delete from control.family_sign_in where expires_at <= @now`, pgx.StrictNamedArgs{"now": now})
	b.Queue(sqlInsertFamilySignIn, pgx.StrictNamedArgs{"state": state, "nonce": in.Nonce, "verifier": in.Verifier,
		"return_to": in.ReturnTo, "expires_at": expires})
	if err := f.pool.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("insert guardian's sign-in: %w", err)
	}
	return nil
}

const sqlInsertFamilySignIn = `
insert into control.family_sign_in (state_hash, nonce, verifier, return_to, expires_at)
values (@state, @nonce, @verifier, @return_to, @expires_at)`

const sqlTakeFamilySignIn = `
delete from control.family_sign_in where state_hash = @state and expires_at > @now returning nonce, verifier, return_to`

// TakeSignIn returns a sign-in and forgets it: of two with the same state, one gets it.
func (f *Families) TakeSignIn(ctx context.Context, state []byte, now time.Time) (in OperatorSignIn, ok bool, err error) {
	err = f.pool.QueryRow(ctx, sqlTakeFamilySignIn, pgx.StrictNamedArgs{"state": state, "now": now}).Scan(&in.Nonce, &in.Verifier, &in.ReturnTo)
	if errors.Is(err, pgx.ErrNoRows) {
		return OperatorSignIn{}, false, nil
	}
	if err != nil {
		return OperatorSignIn{}, false, fmt.Errorf("take guardian's sign-in: %w", err)
	}
	return in, true, nil
}

// FamilyEntering is a session that begins.
type FamilyEntering struct {
	Token, Former   []byte // hashes; Former is of what the browser had
	Issuer, Subject string
	CSRF            string
	Strong          bool
	Wish            FamilyWish // found out by this sign-in
	Now, Until      time.Time
	WishUntil       time.Time
}

// An account that ties nothing and is signed in nowhere is forgotten after a day.
const sqlSweepFamilies = `
with s as (delete from control.family_session where expires_at <= @now),
     e as (delete from control.family_entry where expires_at <= @now)
delete from control.family_account a
 where a.created_at < @now::timestamptz - interval '1 day'
   and (a.issuer, a.subject) <> (@issuer, @subject)
   and not exists (select from control.family_link l where l.account = a.id)
   and not exists (select from control.family_session s where s.account = a.id and s.expires_at > @now)`

const sqlPutFamilyAccount = `
with made as (
  insert into control.family_account (id, issuer, subject) values (@id, @issuer, @subject)
  on conflict (issuer, subject) do nothing
  returning id
)
select id from made union all select id from control.family_account where issuer = @issuer and subject = @subject
limit 1`

const sqlInsertFamilySession = `
insert into control.family_session (token_hash, account, csrf, strong, wish, wish_state, wish_person, wish_until, created_at, seen_at, expires_at)
values (@token, @account, @csrf, @strong, @wish, @wish_state, @wish_person, @wish_until, @now, @now, @expires_at)`

// Who signs in anew as the same person keeps what is open in tenants.
const sqlKeepFamilyVisits = `
update control.family_visit v set session = @token
  from control.family_session s
 where v.session = @former and s.token_hash = @former and s.account = @account and s.expires_at > @now`

const sqlDeleteFamilySession = `delete from control.family_session where token_hash = @token`

// BeginSession starts a session, and makes the account where there is none yet. The
// session that the browser had ends.
func (f *Families) BeginSession(ctx context.Context, in FamilyEntering) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make account id: %w", err)
	}
	err = pgx.BeginFunc(ctx, f.pool, func(tx pgx.Tx) error {
		who := pgx.StrictNamedArgs{"issuer": in.Issuer, "subject": in.Subject, "now": in.Now}
		if _, err := tx.Exec(ctx, sqlSweepFamilies, who); err != nil {
			return err
		}
		var account uuid.UUID
		if err := tx.QueryRow(ctx, sqlPutFamilyAccount, pgx.StrictNamedArgs{"id": id, "issuer": in.Issuer, "subject": in.Subject}).Scan(&account); err != nil {
			return err
		}
		args := pgx.StrictNamedArgs{"token": in.Token, "account": account, "csrf": in.CSRF, "strong": in.Strong, "now": in.Now, "expires_at": in.Until,
			"wish": nil, "wish_state": string(in.Wish.State), "wish_person": nil, "wish_until": nil}
		if in.Wish.Tenant != "" {
			args["wish"], args["wish_until"] = in.Wish.Tenant, in.WishUntil
		}
		if in.Wish.State == WishFound {
			args["wish_person"] = in.Wish.Person
		}
		if _, err := tx.Exec(ctx, sqlInsertFamilySession, args); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sqlKeepFamilyVisits, pgx.StrictNamedArgs{"token": in.Token, "former": in.Former, "account": account, "now": in.Now}); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sqlDeleteFamilySession, pgx.StrictNamedArgs{"token": in.Former})
		return err
	})
	if err != nil {
		return fmt.Errorf("begin guardian's session: %w", err)
	}
	return nil
}

// sessionLives is what every look at a session asks for.
const sessionLives = `
       s.expires_at > @now
   and a.issuer = @issuer`

const sqlFindFamilySession = `
select s.account, a.issuer, a.subject, s.csrf, s.strong, s.seen_at, coalesce(w.tenant, ''), coalesce(w.state, ''), w.person
  from control.family_session s
  join control.family_account a on a.id = s.account
  left join lateral (select s.wish as tenant, s.wish_state as state, s.wish_person as person where s.wish_until > @now) w on true
 where s.token_hash = @token
   and s.seen_at > @idle_since
   and ` + sessionLives

// FindSession returns a living session by the issuer that is in use.
func (f *Families) FindSession(ctx context.Context, token []byte, issuer string, now, idleSince time.Time) (s FamilySession, ok bool, err error) {
	var person *uuid.UUID
	err = f.pool.QueryRow(ctx, sqlFindFamilySession, pgx.StrictNamedArgs{"token": token, "issuer": issuer, "now": now, "idle_since": idleSince}).
		Scan(&s.Account, &s.Issuer, &s.Subject, &s.CSRF, &s.Strong, &s.SeenAt, &s.Wish.Tenant, &s.Wish.State, &person)
	if errors.Is(err, pgx.ErrNoRows) {
		return FamilySession{}, false, nil
	}
	if err != nil {
		return FamilySession{}, false, fmt.Errorf("find guardian's session: %w", err)
	}
	if person != nil {
		s.Wish.Person = *person
	}
	return s, true, nil
}

const sqlTouchFamilySession = `update control.family_session set seen_at = @now where token_hash = @token and seen_at < @now`

// TouchSession notes that a session is in use.
func (f *Families) TouchSession(ctx context.Context, token []byte, now time.Time) error {
	return f.run(ctx, "touch guardian's session", sqlTouchFamilySession, pgx.StrictNamedArgs{"token": token, "now": now})
}

// EndSession ends a session, and whatever it has opened in tenants.
func (f *Families) EndSession(ctx context.Context, token []byte) error {
	return f.run(ctx, "end guardian's session", sqlDeleteFamilySession, pgx.StrictNamedArgs{"token": token})
}

const sqlWish = `
update control.family_session set wish = @tenant, wish_state = 'asked', wish_person = null, wish_until = @until where token_hash = @token`

// Wish notes which tenant is to be tied; what was found before is forgotten.
func (f *Families) Wish(ctx context.Context, token []byte, tenant ID, until time.Time) error {
	return f.run(ctx, "note wish", sqlWish, pgx.StrictNamedArgs{"token": token, "tenant": tenant, "until": until})
}

func (f *Families) run(ctx context.Context, what, sql string, args pgx.StrictNamedArgs) error {
	if _, err := f.pool.Exec(ctx, sql, args); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// changed runs a statement and reports whether it changed a row.
func (f *Families) changed(ctx context.Context, what, sql string, args pgx.StrictNamedArgs) (bool, error) {
	tag, err := f.pool.Exec(ctx, sql, args)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return isOne(tag), nil
}

func isOne(tag pgconn.CommandTag) bool { return tag.RowsAffected() == 1 }
