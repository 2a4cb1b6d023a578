-- +goose Up
alter table audit_event add column actor_role text not null default '';

create table audit_pending (
  event       uuid        not null constraint audit_pending_pk primary key,
  at          timestamptz not null,
  created_at  timestamptz not null default now()
);
comment on table audit_pending is 'Events that no seal covers yet; written with the event, taken by the sealer. Owned by internal/app/audit.';
insert into audit_pending (event, at) select id, at from audit_event;

create table audit_seal (
  seq         integer     not null constraint audit_seal_pk primary key,
  tenant      text        not null,
  events      uuid[]      not null,
  first_at    timestamptz not null,
  last_at     timestamptz not null,
  root        bytea       not null,
  before      bytea       not null,
  hash        bytea       not null,
  public_key  bytea       not null,
  signature   bytea       not null,
  sealed_at   timestamptz not null,
  created_at  timestamptz not null default now()
);
comment on table audit_seal is 'The chain of signed heads: each covers a batch of events, listed in the order of their leaves. Owned by internal/app/audit.';
comment on column audit_seal.tenant is 'Whose chain it was when it was sealed: a restored tenant goes on with the chain of its source.';

create table audit_alarm (
  id            uuid        not null constraint audit_alarm_pk primary key,
  actor         uuid        not null,
  actor_kind    text        not null,
  day           date        not null,
  first_at      timestamptz not null,
  last_at       timestamptz not null,
  persons       integer     not null,
  usual         integer     not null,
  allowed       integer     not null,
  told_at       timestamptz,
  reviewed_by   uuid,
  reviewed_at   timestamptz,
  review        text        not null default '',
  created_at    timestamptz not null default now(),
  constraint audit_alarm_day_uq unique (actor, day)
);
comment on table audit_alarm is 'Somebody looked at unusually many persons within an hour of a day. Owned by internal/app/oversight.';
comment on column audit_alarm.told_at is 'When those who oversee were written to.';

create table job (
  name         text        not null constraint job_pk primary key,
  due_at       timestamptz not null,
  lease_until  timestamptz not null,
  started_at   timestamptz not null,
  finished_at  timestamptz,
  failures     integer     not null default 0,
  error        text        not null default '',
  created_at   timestamptz not null default now()
);
comment on table job is 'What runs by itself for this tenant: when it is due, who has it now, how it ended. Owned by internal/app/jobs.';

-- +goose Down
drop table job;
drop table audit_alarm;
drop table audit_seal;
drop table audit_pending;
alter table audit_event drop column actor_role;
