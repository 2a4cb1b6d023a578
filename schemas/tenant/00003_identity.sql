-- +goose Up
create table identity_provider (
  id             uuid        not null constraint identity_provider_pk primary key,
  name           text        not null,
  issuer         text        not null,
  client_id      text        not null,
  secret_cipher  bytea       not null,
  scopes         text[]      not null default '{openid,profile}',
  link_claim     text        not null,
  link_to        text        not null constraint identity_provider_link_to_ck check (link_to in ('oppijanumero', 'hetu', 'username', 'sourced_id')),
  enabled        boolean     not null default true,
  created_at     timestamptz not null default now(),
  constraint identity_provider_client_uq unique (issuer, client_id)
);
comment on table identity_provider is 'Where the people of this tenant sign in, and the rule that links an account to a person. Owned by internal/app/identity.';

create table account (
  id             uuid        not null constraint account_pk primary key,
  provider       uuid        not null constraint account_provider_fk references identity_provider (id),
  subject        text        not null,
  person         uuid        not null constraint account_person_fk references person (id),
  linked_by      text        not null,
  linked_at      timestamptz not null,
  last_login_at  timestamptz,
  created_at     timestamptz not null default now(),
  constraint account_subject_uq unique (provider, subject)
);
create index account_person_ix on account (person);
comment on table account is 'A sign-in identity linked to a person; linked_by names the rule. Owned by internal/app/identity.';

create table session (
  token_hash    bytea       not null constraint session_pk primary key,
  account       uuid        not null constraint session_account_fk references account (id),
  person        uuid        not null constraint session_person_fk references person (id),
  csrf          text        not null,
  language      text        not null default '',
  started_at    timestamptz not null,
  seen_at       timestamptz not null,
  expires_at    timestamptz not null,
  created_at    timestamptz not null default now()
);
create index session_account_ix on session (account);
create index session_person_ix on session (person);
create index session_expires_at_ix on session (expires_at);
comment on table session is 'A signed-in browser. Only the hash of its token is kept. Owned by internal/app/identity.';

create table sign_in (
  state_hash   bytea       not null constraint sign_in_pk primary key,
  provider     uuid        not null constraint sign_in_provider_fk references identity_provider (id),
  nonce        text        not null,
  verifier     text        not null,
  return_to    text        not null,
  expires_at   timestamptz not null,
  created_at   timestamptz not null default now()
);
create index sign_in_provider_ix on sign_in (provider);
create index sign_in_expires_at_ix on sign_in (expires_at);
comment on table sign_in is 'A sign-in under way; used once. Owned by internal/app/identity.';

create table role_grant (
  id                  uuid        not null constraint role_grant_pk primary key,
  person              uuid        not null constraint role_grant_person_fk references person (id),
  role                text        not null,
  unit                uuid        not null constraint role_grant_unit_fk references unit (id),
  is_primary          boolean     not null default false,
  validity            daterange   not null,
  source              text        not null,
  sourced_id          text,
  status              text        not null default 'active' constraint role_grant_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea,
  imported_in         integer,
  source_user         uuid,
  extra               jsonb,
  created_at          timestamptz not null default now()
);
create unique index role_grant_sourced_id_uq on role_grant (sourced_id collate "C");
create index role_grant_person_ix on role_grant (person);
create index role_grant_unit_ix on role_grant (unit);
comment on column role_grant.source_user is 'The roster_user row by which the source named the person.';
comment on table role_grant is 'What a person is where, from when to when. Owned by internal/app/identity.';

-- +goose Down
drop table role_grant, sign_in, session, account, identity_provider;
