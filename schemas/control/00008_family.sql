-- +goose Up
create table family_account (
  id          uuid        not null constraint family_account_pk primary key,
  issuer      text        not null constraint family_account_issuer_ck check (issuer <> ''),
  subject     text        not null constraint family_account_subject_ck check (subject <> ''),
  created_at  timestamptz not null default now(),
  constraint family_account_subject_uq unique (issuer, subject)
);
comment on table family_account is 'A guardian at the guardians'' own host, by issuer and subject alone: no name, no hetu, no child. Owned by internal/tenancy.';

create table family_link (
  id          uuid        not null constraint family_link_pk primary key,
  account     uuid        not null constraint family_link_account_fk references family_account (id) on delete cascade,
  tenant      text        not null constraint family_link_tenant_fk references tenant (id),
  person      uuid        not null,
  created_at  timestamptz not null,
  constraint family_link_tenant_uq unique (account, tenant)
);
create index family_link_tenant_ix on family_link (tenant);
comment on table family_link is 'That a guardian has tied their account to who they are in a tenant. They alone make and undo it. Owned by internal/tenancy.';

create table family_session (
  token_hash  bytea       not null constraint family_session_pk primary key,
  account     uuid        not null constraint family_session_account_fk references family_account (id) on delete cascade,
  csrf        text        not null,
  strong      boolean     not null,
  wish        text                 constraint family_session_wish_fk references tenant (id),
  wish_state  text        not null default '' constraint family_session_wish_state_ck check (wish_state in ('', 'asked', 'found', 'none', 'later')),
  wish_person uuid,
  wish_until  timestamptz,
  created_at  timestamptz not null,
  seen_at     timestamptz not null,
  expires_at  timestamptz not null,
  constraint family_session_wish_ck check ((wish is null) = (wish_state = '') and (wish is null) = (wish_until is null) and (wish_person is null) = (wish_state <> 'found'))
);
create index family_session_account_ix on family_session (account);
create index family_session_wish_ix on family_session (wish);
create index family_session_expires_ix on family_session (expires_at);
comment on column family_session.wish is 'The tenant that is being tied in this browser, for minutes; wish_person is whom its own hash found.';
comment on table family_session is 'Signed-in browsers at the guardians'' host; the token itself is nowhere. Owned by internal/tenancy.';

create table family_sign_in (
  state_hash  bytea       not null constraint family_sign_in_pk primary key,
  nonce       text        not null,
  verifier    text        not null,
  return_to   text        not null,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now()
);
create index family_sign_in_expires_ix on family_sign_in (expires_at);
comment on table family_sign_in is 'Guardians'' sign-ins under way at the provider. Owned by internal/tenancy.';

create table family_entry (
  token_hash  bytea       not null constraint family_entry_pk primary key,
  link        uuid        not null constraint family_entry_link_fk references family_link (id) on delete cascade,
  session     bytea       not null constraint family_entry_session_fk references family_session (token_hash) on delete cascade,
  child       uuid,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now()
);
create index family_entry_link_ix on family_entry (link);
create index family_entry_session_ix on family_entry (session);
create index family_entry_expires_ix on family_entry (expires_at);
comment on table family_entry is 'One-time ways into a tenant, to one child''s page or to the front page; the token itself is nowhere. Owned by internal/tenancy.';

create table family_visit (
  token_hash  bytea       not null constraint family_visit_pk primary key,
  link        uuid        not null constraint family_visit_link_fk references family_link (id) on delete cascade,
  session     bytea       not null constraint family_visit_session_fk references family_session (token_hash) on delete cascade,
  csrf        text        not null,
  created_at  timestamptz not null,
  seen_at     timestamptz not null
);
create index family_visit_link_ix on family_visit (link);
create index family_visit_session_ix on family_visit (session);
comment on table family_visit is 'Guardians'' browsers inside a tenant, never longer than the link and the session they came by. Owned by internal/tenancy.';

-- +goose Down
drop table family_visit, family_entry, family_sign_in, family_session, family_link, family_account;
