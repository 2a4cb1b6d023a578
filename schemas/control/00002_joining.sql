-- +goose Up
create table join_event (
  id           bigint      generated always as identity constraint join_event_pk primary key,
  tenant       text        not null constraint join_event_tenant_fk references tenant (id),
  at           timestamptz not null,
  actor        text        not null constraint join_event_actor_ck check (actor <> ''),
  name         text        not null default '',
  side         text        not null constraint join_event_side_ck check (side in ('municipality', 'tiera', 'system')),
  kind         text        not null constraint join_event_kind_ck check (kind in ('started', 'moved', 'measured', 'attested',
                                   'approved', 'waived', 'reopened', 'planned', 'opened', 'rolled-back', 'paused', 'resumed')),
  requirement  text        not null default '',
  stage        text        not null default '',
  reason       text        not null default '',
  template     text        not null default '',
  cohort       text        not null default '',
  wave         text        not null default '',
  waves        jsonb,
  evidence     jsonb,
  measurement  jsonb,
  created_at   timestamptz not null default now()
);
create index join_event_tenant_ix on join_event (tenant, id);
create unique index join_event_started_uq on join_event (tenant) where kind = 'started';
comment on table join_event is 'What happened in a tenant''s joining, append-only: its state is folded from nothing else. Owned by internal/tenancy/joining.';

-- +goose StatementBegin
create function join_event_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'join_event is append-only' using errcode = '42501';
end $$;
-- +goose StatementEnd
create trigger join_event_append_only before update or delete or truncate on join_event
  for each statement execute function join_event_is_append_only();

-- +goose StatementBegin
create function join_event_told() returns trigger language plpgsql as $$
begin
  perform pg_notify('digione_joining', new.tenant);
  return null;
end $$;
-- +goose StatementEnd
create trigger join_event_told after insert on join_event for each row execute function join_event_told();

create table join_mail (
  tenant       text        not null constraint join_mail_tenant_fk references tenant (id),
  requirement  text        not null,
  due          date        not null,
  kind         text        not null constraint join_mail_kind_ck check (kind in ('soon', 'overdue')),
  sent_at      timestamptz not null,
  created_at   timestamptz not null default now(),
  constraint join_mail_pk primary key (tenant, requirement, due, kind)
);
comment on table join_mail is 'Which warning of a due date was sent: each once. Owned by internal/tenancy/joining.';

create table tenant_opening (
  tenant      text        not null constraint tenant_opening_pk primary key
                          constraint tenant_opening_tenant_fk references tenant (id),
  opening     jsonb       not null,
  created_at  timestamptz not null default now()
);
comment on table tenant_opening is 'Which schools of a tenant that joins are open to their people; a tenant without a row is wholly open. Owned by internal/tenancy/joining.';
create trigger tenant_opening_changed after insert or update or delete on tenant_opening
  for each row execute function catalogue_changed();

-- +goose Down
drop table tenant_opening, join_mail, join_event;
drop function join_event_told, join_event_is_append_only;
