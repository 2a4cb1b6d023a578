package identity

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"digione/internal/app/fault"
	"digione/internal/tenancy"
	"digione/internal/tenancy/keys"
)

const secretContext = "identity_provider.secret"

const sqlPutProvider = `
insert into identity_provider (id, name, issuer, client_id, secret_cipher, scopes, link_claim, link_to, also, require_claim, require_value,
                               meant_for, strength, strong_acr, enabled)
values (@id, @name, @issuer, @client_id, @secret, @scopes, @link_claim, @link_to, @also, @require_claim, @require_value,
        @meant_for, @strength, @strong_acr, @enabled)
on conflict (issuer, client_id) do update
   set name = excluded.name, secret_cipher = excluded.secret_cipher, scopes = excluded.scopes,
       link_claim = excluded.link_claim, link_to = excluded.link_to, also = excluded.also,
       require_claim = excluded.require_claim, require_value = excluded.require_value, meant_for = excluded.meant_for,
       strength = excluded.strength, strong_acr = excluded.strong_acr, enabled = excluded.enabled`

// strength is the column of a provider or a session.
func strength(strong bool) string {
	if strong {
		return "strong"
	}
	return "weak"
}

// PutProvider adds a tenant's provider, or changes the one with the same issuer
// and client. Accounts that are linked already stay linked.
func PutProvider(ctx context.Context, tx tenancy.Write, ks *keys.Keyset, p Provider) error {
	if err := p.Check(); err != nil {
		return err
	}
	sealed, err := ks.Seal([]byte(p.Secret), secretContext)
	if err != nil {
		return fmt.Errorf("seal secret of %s: %w", p.Issuer, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make provider id: %w", err)
	}
	_, err = tx.Exec(ctx, sqlPutProvider, pgx.StrictNamedArgs{
		"id": id, "name": p.Name, "issuer": p.Issuer, "client_id": p.ClientID, "secret": sealed,
		"scopes": p.scopes(), "link_claim": p.LinkClaim, "link_to": string(p.LinkTo), "enabled": !p.Disabled,
		"also": append([]Link{}, p.Also...), "require_claim": p.RequireClaim, "require_value": p.RequireValue,
		"meant_for": p.kinds(), "strength": strength(p.Strong), "strong_acr": append([]string{}, p.StrongACR...),
	})
	if err != nil {
		return fmt.Errorf("put provider %s: %w", p.Issuer, err)
	}
	return nil
}

const sqlFollowDevelopment = `
with mine as (
  select id
    from identity_provider
   where starts_with(issuer, 'http://localhost:')
     and starts_with(client_id, 'digione-')
   order by (issuer = @issuer and client_id = @client_id) desc, created_at desc, id desc
), one as (
  select id from mine limit 1
)
update identity_provider p
   set issuer = case when p.id = one.id then @issuer else p.issuer end,
       client_id = case when p.id = one.id then @client_id else p.client_id end,
       enabled = p.id = one.id
  from mine
  cross join one
 where p.id = mine.id`

// PutDevelopmentProvider is PutProvider for that of digione dev, of which a tenant has
// one: it follows the port, its accounts with it, and a row that another port has
// left, or the tenant that this one is restored from, is shut.
func PutDevelopmentProvider(ctx context.Context, tx tenancy.Write, ks *keys.Keyset, p Provider) error {
	if _, err := tx.Exec(ctx, sqlFollowDevelopment, pgx.StrictNamedArgs{"issuer": p.Issuer, "client_id": p.ClientID}); err != nil {
		return fmt.Errorf("follow provider to %s: %w", p.Issuer, err)
	}
	return PutProvider(ctx, tx, ks, p)
}

// how is how a provider is kept, but for its secret.
const how = ` name, issuer, client_id, scopes, link_claim, link_to, also, require_claim, require_value, meant_for, strength = 'strong', strong_acr, not enabled `

func (p *Provider) how() []any {
	return []any{&p.Name, &p.Issuer, &p.ClientID, &p.Scopes, &p.LinkClaim, &p.LinkTo, &p.Also, &p.RequireClaim, &p.RequireValue,
		&p.For, &p.Strong, &p.StrongACR, &p.Disabled}
}

const sqlFindProviderOfClient = `
select secret_cipher, ` + how + `
  from identity_provider
 where issuer = @issuer
   and client_id = @client_id`

// NewProvider is the difference that a provider makes where there is none.
func NewProvider(p Provider) tenancy.Change {
	return tenancy.Change{Field: "provider " + p.ClientID, To: p.Name + ", " + p.Issuer}
}

// DiffProvider says what PutProvider would change. Of the secret it says only
// that it is another one.
func DiffProvider(ctx context.Context, tx tenancy.Read, ks *keys.Keyset, p Provider) ([]tenancy.Change, error) {
	var is Provider
	var sealed []byte
	err := tx.QueryRow(ctx, sqlFindProviderOfClient, pgx.StrictNamedArgs{"issuer": p.Issuer, "client_id": p.ClientID}).
		Scan(append([]any{&sealed}, is.how()...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return []tenancy.Change{NewProvider(p)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find provider %s: %w", p.Issuer, err)
	}
	secret, err := ks.Open(sealed, secretContext)
	if err != nil {
		return nil, fmt.Errorf("open secret of %s: %w", p.Issuer, err)
	}
	var out []tenancy.Change
	add := func(field, from, to string) {
		if from != to {
			out = append(out, tenancy.Change{Field: "provider " + p.ClientID + " " + field, From: from, To: to})
		}
	}
	add("name", is.Name, p.Name)
	add("scopes", strings.Join(is.scopes(), " "), strings.Join(p.scopes(), " "))
	add("link_claim", is.LinkClaim, p.LinkClaim)
	add("link_to", string(is.LinkTo), string(p.LinkTo))
	add("also", fmt.Sprint(is.Also), fmt.Sprint(p.Also))
	add("require", is.RequireClaim+" "+is.RequireValue, p.RequireClaim+" "+p.RequireValue)
	add("for", fmt.Sprint(is.kinds()), fmt.Sprint(p.kinds()))
	add("strong", strconv.FormatBool(is.Strong), strconv.FormatBool(p.Strong))
	add("strong_acr", strings.Join(is.StrongACR, " "), strings.Join(p.StrongACR, " "))
	add("disabled", strconv.FormatBool(is.Disabled), strconv.FormatBool(p.Disabled))
	if subtle.ConstantTimeCompare(secret, []byte(p.Secret)) != 1 {
		add("secret", "the one that is kept", "another")
	}
	return out, nil
}

const sqlListProviders = `
select id, name, meant_for, strength = 'strong', strong_acr
  from identity_provider
 where enabled
 order by name, id
 limit 20`

// ListProviders returns the providers by which people sign in today, with their
// ids and names, for whom they are and whether they are strong.
func ListProviders(ctx context.Context, tx tenancy.Read) ([]Provider, error) {
	rows, err := tx.Query(ctx, sqlListProviders)
	if err != nil {
		return nil, fmt.Errorf("list providers: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Provider, err error) {
		return p, row.Scan(&p.ID, &p.Name, &p.For, &p.Strong, &p.StrongACR)
	})
}

const sqlFindProvider = `
select id, secret_cipher, ` + how + `
  from identity_provider
 where id = @id
   and enabled`

// findProvider returns an enabled provider with its secret still sealed.
func findProvider(ctx context.Context, tx tenancy.Read, id uuid.UUID) (p Provider, sealed []byte, ok bool, err error) {
	err = tx.QueryRow(ctx, sqlFindProvider, pgx.StrictNamedArgs{"id": id}).
		Scan(append([]any{&p.ID, &sealed}, p.how()...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return Provider{}, nil, false, nil
	}
	if err != nil {
		return Provider{}, nil, false, fmt.Errorf("find provider %s: %w", id, err)
	}
	return p, sealed, true, nil
}

const sqlSweepSignIns = `
delete from sign_in
 where state_hash in (select state_hash from sign_in where expires_at <= @now order by expires_at, state_hash limit 50 for update skip locked)`

const sqlInsertSignIn = `
insert into sign_in (state_hash, provider, nonce, verifier, return_to, expires_at)
values (@state, @provider, @nonce, @verifier, @return_to, @expires_at)`

func insertSignIn(ctx context.Context, tx tenancy.Write, state []byte, in Pending, now, expires time.Time) error {
	if _, err := tx.Exec(ctx, sqlSweepSignIns, pgx.StrictNamedArgs{"now": now}); err != nil {
		return fmt.Errorf("sweep sign-ins: %w", err)
	}
	_, err := tx.Exec(ctx, sqlInsertSignIn, pgx.StrictNamedArgs{
		"state": state, "provider": in.Provider, "nonce": in.Nonce, "verifier": in.Verifier,
		"return_to": in.ReturnTo, "expires_at": expires,
	})
	if err != nil {
		return fmt.Errorf("insert sign-in: %w", err)
	}
	return nil
}

const sqlTakeSignIn = `delete from sign_in where state_hash = @state and expires_at > @now returning provider, nonce, verifier, return_to`

// takeSignIn returns a sign-in under way and forgets it: of two that bring the
// same state, one gets it.
func takeSignIn(ctx context.Context, tx tenancy.Write, state []byte, now time.Time) (in Pending, ok bool, err error) {
	err = tx.QueryRow(ctx, sqlTakeSignIn, pgx.StrictNamedArgs{"state": state, "now": now}).
		Scan(&in.Provider, &in.Nonce, &in.Verifier, &in.ReturnTo)
	if errors.Is(err, pgx.ErrNoRows) {
		return Pending{}, false, nil
	}
	if err != nil {
		return Pending{}, false, fmt.Errorf("take sign-in: %w", err)
	}
	return in, true, nil
}

const sqlFindAccount = `select id, person from account where provider = @provider and subject = @subject`

type account struct{ ID, Person uuid.UUID }

func findAccount(ctx context.Context, tx tenancy.Read, provider uuid.UUID, subject string) (a account, ok bool, err error) {
	err = tx.QueryRow(ctx, sqlFindAccount, pgx.StrictNamedArgs{"provider": provider, "subject": subject}).Scan(&a.ID, &a.Person)
	if errors.Is(err, pgx.ErrNoRows) {
		return account{}, false, nil
	}
	if err != nil {
		return account{}, false, fmt.Errorf("find account: %w", err)
	}
	return a, true, nil
}

// The last column of each tells two persons from one with two rows.
const (
	sqlMatchUsername = `
select distinct u.person
  from roster_user u
 where u.username = @value collate "C" and u.status = 'active' and u.enabled
 order by u.person
 limit 2`
	sqlMatchSourcedID = `
select distinct u.person
  from roster_user u
 where u.sourced_id = @value collate "C" and u.status = 'active' and u.enabled
 order by u.person
 limit 2`
	sqlMatchOppijanumero = `
select p.id
  from person p
 where p.oppijanumero = @value
   and exists (select from roster_user u where u.person = p.id and u.status = 'active' and u.enabled)
 order by p.id
 limit 2`
	sqlMatchHetu = `
select p.id
  from person p
 where p.hetu_hash = @value
   and exists (select from roster_user u where u.person = p.id and u.status = 'active' and u.enabled)
 order by p.id
 limit 2`
)

// matchPersons returns the persons of the roster with an attribute, two at most.
func matchPersons(ctx context.Context, tx tenancy.Read, ks *keys.Keyset, to LinkTo, value string) ([]uuid.UUID, error) {
	q, arg := map[LinkTo]string{
		ToUsername: sqlMatchUsername, ToSourcedID: sqlMatchSourcedID, ToOppijanumero: sqlMatchOppijanumero, ToHetu: sqlMatchHetu,
	}[to], any(value)
	if to == ToHetu {
		code, err := ks.Hash([]byte(value))
		if err != nil {
			return nil, fmt.Errorf("hash hetu: %w", err)
		}
		arg = code
	}
	rows, err := tx.Query(ctx, q, pgx.StrictNamedArgs{"value": arg})
	if err != nil {
		return nil, fmt.Errorf("match by %s: %w", to, err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

const sqlPutAccount = `
insert into account (id, provider, subject, person, linked_by, linked_at, last_login_at)
values (@id, @provider, @subject, @person, @linked_by, @now, @now)
on conflict (provider, subject) do update set last_login_at = excluded.last_login_at
returning id, person`

// putAccount links an account to a person, or notes another sign-in by one that
// is linked.
func putAccount(ctx context.Context, tx tenancy.Write, p Provider, subject string, person uuid.UUID, by Link, now time.Time) (account, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return account{}, fmt.Errorf("make account id: %w", err)
	}
	var a account
	err = tx.QueryRow(ctx, sqlPutAccount, pgx.StrictNamedArgs{
		"id": id, "provider": p.ID, "subject": subject, "person": person,
		"linked_by": by.Claim + " = " + string(by.To), "now": now,
	}).Scan(&a.ID, &a.Person)
	if err != nil {
		return account{}, fmt.Errorf("put account: %w", err)
	}
	if a.Person != person {
		// Another sign-in of the same account came first and found somebody else.
		return account{}, fault.New(fault.Conflict, "error.conflict", "put account: linked meanwhile")
	}
	return a, nil
}
