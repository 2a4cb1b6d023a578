-- +goose Up
create table cluster (
  id          text        not null constraint cluster_pk primary key,
  dsn_ref     text        not null,
  created_at  timestamptz not null default now()
);
comment on table cluster is 'A PostgreSQL server or a Citus cluster; its address by reference. Owned by internal/tenancy.';

create table cell (
  name        text        not null constraint cell_pk primary key
                          constraint cell_name_form_ck check (name ~ '^[a-z][a-z0-9-]{0,30}$'),
  cluster     text        not null constraint cell_cluster_fk references cluster (id),
  login_role  text        not null constraint cell_login_role_uq unique,
  pool_size   integer     not null default 4 constraint cell_pool_size_ck check (pool_size between 1 and 64),
  capacity    integer     not null default 75 constraint cell_capacity_ck check (capacity >= 1),
  created_at  timestamptz not null default now()
);
create index cell_cluster_ix on cell (cluster);
comment on table cell is 'A login role with a small pool, for a group of tenants. capacity 1 is a cell of its own. Owned by internal/tenancy.';

create table tenant (
  id                 text        not null constraint tenant_pk primary key
                                 constraint tenant_id_form_ck check (id ~ '^tnt_[0-9a-hjkmnp-tv-z]{26}$'),
  slug               text        not null constraint tenant_slug_uq unique
                                 constraint tenant_slug_form_ck check (slug ~ '^[a-z][a-z0-9]*(-[a-z0-9]+)*$' and length(slug) between 2 and 30),
  kind               text        not null constraint tenant_kind_ck check (kind in ('municipality', 'joint-authority', 'state', 'private')),
  name_fi            text        not null constraint tenant_name_fi_ck check (name_fi <> ''),
  name_sv            text        not null,
  name_en            text        not null,
  municipality_code  text        constraint tenant_municipality_code_form_ck check (municipality_code ~ '^[0-9]{3}$'),
  business_id        text        constraint tenant_business_id_form_ck check (business_id ~ '^[0-9]{7}-[0-9]$'),
  organisation_oid   text        constraint tenant_organisation_oid_form_ck check (organisation_oid ~ '^1\.2\.246\.562\.(10|99|199)\.[0-9]{11,24}$'),
  cell               text        not null constraint tenant_cell_fk references cell (name),
  schema_name        text        not null constraint tenant_schema_name_uq unique,
  role_name          text        not null constraint tenant_role_name_uq unique,
  ring               text        not null constraint tenant_ring_ck check (ring in ('canary', 'early', 'half', 'all')),
  state              text        not null constraint tenant_state_ck check (state in ('provisioning', 'active', 'suspended')),
  schema_version     bigint      not null default 0,
  keyset             bytea,
  settings           jsonb       not null default '{}',
  routable_at        timestamptz,
  created_at         timestamptz not null default now(),
  constraint tenant_routable_ck check (state = 'provisioning' or routable_at is not null)
);
create index tenant_cell_ix on tenant (cell);
create unique index tenant_business_id_uq on tenant (business_id);
create unique index tenant_municipality_code_uq on tenant (municipality_code) where kind = 'municipality';
comment on table tenant is 'An education provider. Routable only after its provisioning succeeded. Owned by internal/tenancy.';

create table tenant_host (
  host        text        not null constraint tenant_host_pk primary key
                          constraint tenant_host_form_ck check (host ~ '^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$' and length(host) <= 253),
  tenant      text        not null constraint tenant_host_tenant_fk references tenant (id),
  created_at  timestamptz not null default now()
);
create index tenant_host_tenant_ix on tenant_host (tenant);
comment on table tenant_host is 'Host names by which a tenant is reached. Owned by internal/tenancy.';

create table step (
  id           bigint      generated always as identity constraint step_pk primary key,
  tenant       text        not null constraint step_tenant_fk references tenant (id),
  process      text        not null constraint step_process_ck check (process in ('provision', 'migrate')),
  name         text        not null,
  attempt      integer     not null,
  started_at   timestamptz not null,
  finished_at  timestamptz,
  outcome      text        constraint step_outcome_ck check (outcome in ('done', 'failed')),
  detail       text        not null default '',
  created_at   timestamptz not null default now(),
  constraint step_attempt_uq unique (tenant, process, name, attempt)
);
comment on table step is 'What ran on a tenant: begun, ended, and how. A row without an end was killed or is running. Owned by internal/tenancy.';

create table operator_log (
  id          bigint      generated always as identity constraint operator_log_pk primary key,
  at          timestamptz not null,
  actor       text        not null,
  command     text        not null,
  tenant      text,
  phase       text        not null constraint operator_log_phase_ck check (phase in ('begin', 'end')),
  run         uuid        not null,
  outcome     text        not null default '' constraint operator_log_outcome_ck check (outcome in ('', 'done', 'failed', 'held', 'refused')),
  detail      text        not null default '',
  created_at  timestamptz not null default now()
);
create index operator_log_at_ix on operator_log (at, id);
comment on table operator_log is 'Who changed what and how it ended, append-only. Owned by internal/tenancy.';

-- +goose StatementBegin
create function operator_log_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'operator_log is append-only' using errcode = '42501';
end $$;
-- +goose StatementEnd
create trigger operator_log_append_only before update or delete or truncate on operator_log
  for each statement execute function operator_log_is_append_only();

-- Every node keeps the catalogue in memory; whatever changes it tells them.
-- +goose StatementBegin
create function catalogue_changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('digione_catalogue', coalesce(to_jsonb(new) ->> 'tenant', to_jsonb(new) ->> 'id',
                                                  to_jsonb(old) ->> 'tenant', to_jsonb(old) ->> 'id', ''));
  return null;
end $$;
-- +goose StatementEnd
create trigger tenant_changed after insert or update or delete on tenant
  for each row execute function catalogue_changed();
create trigger tenant_host_changed after insert or update or delete on tenant_host
  for each row execute function catalogue_changed();

-- +goose Down
drop table operator_log, step, tenant_host, tenant, cell, cluster;
drop function catalogue_changed, operator_log_is_append_only;
