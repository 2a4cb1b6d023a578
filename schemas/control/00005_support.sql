-- +goose Up
create table support_grant (
  id             uuid        not null constraint support_grant_pk primary key,
  tenant         text        not null constraint support_grant_tenant_fk references tenant (id),
  operator       uuid        not null constraint support_grant_operator_fk references operator (id),
  operator_name  text        not null constraint support_grant_operator_name_ck check (operator_name <> ''),
  reason         text        not null constraint support_grant_reason_ck check (length(reason) between 10 and 500),
  starts_at      timestamptz not null,
  ends_at        timestamptz not null,
  ended_at       timestamptz,
  created_at     timestamptz not null default now(),
  constraint support_grant_hours_ck check (ends_at > starts_at and ends_at <= starts_at + interval '8 hours')
);
create index support_grant_tenant_ix on support_grant (tenant, starts_at);
create index support_grant_operator_ix on support_grant (operator);
comment on table support_grant is 'That an operator may look at a tenant''s data: why, from when, until when. Only its early end is ever written. Owned by internal/tenancy.';

-- +goose StatementBegin
create function support_grant_only_ends() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if old.ended_at is null and to_jsonb(new) - 'ended_at' = to_jsonb(old) - 'ended_at' then
      return new;
    end if;
  end if;
  raise exception 'support_grant can only be ended' using errcode = '42501';
end $$;
-- +goose StatementEnd
create trigger support_grant_only_ends before update or delete on support_grant
  for each row execute function support_grant_only_ends();
create trigger support_grant_stays before truncate on support_grant
  for each statement execute function support_grant_only_ends();

-- The catalogue says whether a tenant has had a visit.
create trigger support_grant_changed after insert on support_grant
  for each row execute function catalogue_changed();

create table support_entry (
  token_hash     bytea       not null constraint support_entry_pk primary key,
  support_grant  uuid        not null constraint support_entry_grant_fk references support_grant (id),
  expires_at     timestamptz not null,
  created_at     timestamptz not null default now()
);
create index support_entry_grant_ix on support_entry (support_grant);
comment on table support_entry is 'One-time ways into a tenant for a support grant; the token itself is nowhere. Owned by internal/tenancy.';

create table support_session (
  token_hash     bytea       not null constraint support_session_pk primary key,
  support_grant  uuid        not null constraint support_session_grant_fk references support_grant (id),
  csrf           text        not null,
  expires_at     timestamptz not null,
  created_at     timestamptz not null default now()
);
create index support_session_grant_ix on support_session (support_grant);
create index support_session_expires_ix on support_session (expires_at);
comment on table support_session is 'Browsers of operators inside a tenant, never longer than their grant. Owned by internal/tenancy.';

-- +goose Down
drop table support_session, support_entry, support_grant;
drop function support_grant_only_ends;
