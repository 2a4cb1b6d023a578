-- +goose Up
create table operator (
  id          uuid        not null constraint operator_pk primary key,
  issuer      text        not null constraint operator_issuer_ck check (issuer <> ''),
  subject     text        not null constraint operator_subject_ck check (subject <> ''),
  name        text        not null constraint operator_name_ck check (name <> ''),
  email       text        not null default '',
  role        text        not null constraint operator_role_ck check (role in ('operator', 'viewer')),
  added_by    text        not null,
  created_at  timestamptz not null default now(),
  ended_at    timestamptz,
  constraint operator_subject_uq unique (issuer, subject)
);
comment on table operator is 'Who may sign in at the operators'' host, by issuer and subject alone. Owned by internal/tenancy.';

create table operator_session (
  token_hash  bytea       not null constraint operator_session_pk primary key,
  operator    uuid        not null constraint operator_session_operator_fk references operator (id),
  csrf        text        not null,
  created_at  timestamptz not null,
  seen_at     timestamptz not null,
  expires_at  timestamptz not null
);
create index operator_session_operator_ix on operator_session (operator);
create index operator_session_expires_ix on operator_session (expires_at);
comment on table operator_session is 'Signed-in browsers of operators; the token itself is nowhere. Owned by internal/tenancy.';

create table operator_sign_in (
  state_hash  bytea       not null constraint operator_sign_in_pk primary key,
  nonce       text        not null,
  verifier    text        not null,
  return_to   text        not null,
  expires_at  timestamptz not null,
  created_at  timestamptz not null default now()
);
create index operator_sign_in_expires_ix on operator_sign_in (expires_at);
comment on table operator_sign_in is 'Operators'' sign-ins under way at the provider. Owned by internal/tenancy.';

create index operator_log_tenant_ix on operator_log (tenant, id);
create index operator_log_actor_ix on operator_log (actor, id);
create index operator_log_run_ix on operator_log (run);

-- +goose Down
drop index operator_log_tenant_ix, operator_log_actor_ix, operator_log_run_ix;
drop table operator_sign_in, operator_session, operator;
