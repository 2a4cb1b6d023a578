-- +goose Up
alter table leaving
  add column offered_sha256 text,
  add column offered_at     timestamptz,
  add column offered        jsonb,
  add column seal_asked_by  text,
  add column seal_asked_at  timestamptz,
  add constraint leaving_offered_ck check ((offered_sha256 is null) = (offered is null) and (offered_sha256 is null) = (offered_at is null)),
  add constraint leaving_seal_asked_ck check ((seal_asked_by is null) = (seal_asked_at is null));
comment on table leaving is 'Why a tenant leaves, the export that it was offered last, who asked to seal it, and the export that it was sealed with. Owned by internal/tenancy/transfer.';

create table export_verification (
  id             bigint      generated always as identity constraint export_verification_pk primary key,
  tenant         text        not null constraint export_verification_tenant_fk references tenant (id),
  export_sha256  text        not null constraint export_verification_sha256_ck check (export_sha256 ~ '^[0-9a-f]{64}$'),
  contents       jsonb       not null,
  side           text        not null constraint export_verification_side_ck check (side in ('municipality', 'tiera')),
  actor          text        not null constraint export_verification_actor_ck check (actor <> ''),
  name           text        not null constraint export_verification_name_ck check (name <> ''),
  reason         text        not null default '',
  at             timestamptz not null,
  created_at     timestamptz not null default now(),
  constraint export_verification_paper_ck check (side = 'municipality' or reason <> '')
);
create index export_verification_tenant_ix on export_verification (tenant, id);
comment on table export_verification is 'That a leaving municipality has its export and found in it what it should hold, append-only. Owned by internal/tenancy/transfer.';

-- +goose StatementBegin
create function export_verification_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'export_verification is append-only' using errcode = '42501';
end $$;
-- +goose StatementEnd
create trigger export_verification_append_only before update or delete or truncate on export_verification
  for each statement execute function export_verification_is_append_only();

-- +goose Down
drop table export_verification;
drop function export_verification_is_append_only;
alter table leaving drop column offered_sha256, drop column offered_at, drop column offered, drop column seal_asked_by, drop column seal_asked_at;
