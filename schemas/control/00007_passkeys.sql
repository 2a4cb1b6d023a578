-- +goose Up
create table operator_passkey (
  id          bytea       not null constraint operator_passkey_pk primary key,
  operator    uuid        not null constraint operator_passkey_operator_fk references operator (id),
  name        text        not null constraint operator_passkey_name_ck check (name <> ''),
  credential  jsonb       not null,
  created_at  timestamptz not null,
  used_at     timestamptz
);
create index operator_passkey_operator_ix on operator_passkey (operator);
comment on table operator_passkey is 'Keys by which operators prove who they are, beside their provider''s word. Owned by internal/tenancy.';

alter table operator_session
  add column strong    boolean not null default true,
  add column challenge jsonb;
comment on column operator_session.strong is 'Whoever has a passkey has shown it; who has none is as strong as the provider makes them.';

-- +goose Down
alter table operator_session drop column challenge, drop column strong;
drop table operator_passkey;
