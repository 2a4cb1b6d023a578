-- +goose Up
create table audit_event (
  id           uuid        not null,
  at           timestamptz not null,
  actor        uuid,
  actor_kind   text        not null constraint audit_event_actor_kind_ck check (actor_kind in ('person', 'operator', 'system')),
  action       text        not null,
  target       uuid,
  target_kind  text        not null default '',
  reason       text        not null default '',
  request      text        not null default '',
  created_at   timestamptz not null default now(),
  constraint audit_event_pk primary key (at, id)
) partition by range (at);
create table audit_event_default partition of audit_event default;
create index audit_event_target_ix on audit_event (target, at);
comment on table audit_event is 'Who saw or changed what, ids only, append-only. Owned by internal/app/audit.';
comment on table audit_event_default is 'Events of months without a partition of their own. Owned by internal/app/audit.';

-- +goose Down
drop table audit_event;
