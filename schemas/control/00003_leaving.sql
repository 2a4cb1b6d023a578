-- +goose Up
alter table tenant drop constraint tenant_state_ck;
alter table tenant add constraint tenant_state_ck
  check (state in ('provisioning', 'active', 'suspended', 'leaving', 'sealed', 'erased'));
alter table step drop constraint step_process_ck;
alter table step add constraint step_process_ck check (process in ('provision', 'migrate', 'restore', 'move', 'leave', 'erase'));

create table restore (
  tenant      text        not null constraint restore_pk primary key constraint restore_tenant_fk references tenant (id),
  sha256      text        not null,
  source      text        not null,
  drill       boolean     not null default false,
  loaded_at   timestamptz,
  done_at     timestamptz,
  created_at  timestamptz not null default now()
);
create index restore_source_ix on restore (source);
comment on table restore is 'The file that a tenant is or was restored from; source is the id of the tenant that the file is of. Owned by internal/tenancy.';

create table drill (
  id          bigint      generated always as identity constraint drill_pk primary key,
  tenant      text        not null constraint drill_tenant_fk references tenant (id),
  at          timestamptz not null,
  ok          boolean     not null,
  seconds     double precision not null,
  rows        bigint      not null,
  objects     integer     not null,
  detail      text        not null default '',
  created_at  timestamptz not null default now()
);
create index drill_tenant_ix on drill (tenant, at);
comment on table drill is 'Restore drills and how they ended. Owned by internal/tenancy/transfer.';

create table leaving (
  tenant         text        not null constraint leaving_pk primary key constraint leaving_tenant_fk references tenant (id),
  reason         text        not null constraint leaving_reason_ck check (reason <> ''),
  begun_by       text        not null,
  begun_at       timestamptz not null,
  export_sha256  text,
  sealed_by      text,
  sealed_at      timestamptz,
  created_at     timestamptz not null default now(),
  constraint leaving_sealed_ck check ((sealed_at is null) = (export_sha256 is null) and (sealed_at is null) = (sealed_by is null))
);
comment on table leaving is 'Why a tenant leaves, and the export that was verified before it was sealed. Owned by internal/tenancy/transfer.';

create table erasure (
  tenant        text        not null constraint erasure_pk primary key constraint erasure_tenant_fk references tenant (id),
  reason        text        not null constraint erasure_reason_ck check (reason <> ''),
  requested_by  text        not null,
  requested_at  timestamptz not null,
  confirmed_by  text,
  confirmed_at  timestamptz,
  counts        jsonb       not null default '{}',
  receipt       jsonb,
  created_at    timestamptz not null default now(),
  constraint erasure_two_people_ck check (confirmed_by <> requested_by),
  constraint erasure_confirmed_ck check ((confirmed_at is null) = (confirmed_by is null))
);
comment on table erasure is 'Who asked for an erasure, who confirmed it, and its receipt. Owned by internal/tenancy/transfer.';

-- +goose Down
drop table erasure, leaving, drill, restore;
alter table step drop constraint step_process_ck;
alter table step add constraint step_process_ck check (process in ('provision', 'migrate'));
alter table tenant drop constraint tenant_state_ck;
alter table tenant add constraint tenant_state_ck check (state in ('provisioning', 'active', 'suspended'));
