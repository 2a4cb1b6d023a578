-- +goose Up
alter table roster_import
  drop constraint roster_import_state_ck,
  add constraint roster_import_state_ck check (state in ('planned', 'held', 'applied', 'failed', 'rolled_back', 'closed')),
  add column failure    text        not null default '',
  add column rekeyed    jsonb       not null default '[]',
  add column totals     jsonb       not null default '[]',
  add column schools    jsonb       not null default '[]',
  add column leavers    jsonb       not null default '{}',
  add column closed_by  text        not null default '',
  add column closed_at  timestamptz,
  add column pruned_at  timestamptz;
comment on column roster_import.failure is 'Why a failed plan could not be applied: key of a sentence.';
comment on column roster_import.schools is 'What a plan would change, by school and type.';
comment on column roster_import.leavers is 'How many persons would have no role left, and the first of them.';
comment on column roster_import.pruned_at is 'When the kept package, the images and the samples were deleted: such an import cannot be rolled back.';

create table roster_sample (
  plan        text        not null constraint roster_sample_plan_fk references roster_import (id) on delete cascade,
  type        text        not null,
  kind        text        not null constraint roster_sample_kind_ck check (kind in ('insert', 'update', 'remove', 'reactivate')),
  n           integer     not null,
  sourced_id  text        not null,
  school      text        not null,
  person      uuid,
  doc         jsonb       not null,
  created_at  timestamptz not null default now(),
  constraint roster_sample_pk primary key (plan, type, kind, n)
);
comment on table roster_sample is 'Some rows that a plan would change, before and after, for a human to look at. Owned by internal/app/roster.';

create table roster_upload (
  id          uuid        not null constraint roster_upload_pk primary key,
  name        text        not null,
  size        bigint      not null constraint roster_upload_size_ck check (size > 0),
  part_size   integer     not null constraint roster_upload_part_size_ck check (part_size > 0),
  parts       integer     not null default 0,
  mark        text        not null default '',
  state       text        not null constraint roster_upload_state_ck check (state in ('receiving', 'received', 'planned', 'invalid', 'failed')),
  options     jsonb       not null default '{}',
  findings    jsonb       not null default '[]',
  totals      jsonb       not null default '[]',
  plan        text        constraint roster_upload_plan_fk references roster_import (id) on delete cascade,
  failure     text        not null default '',
  sent_by     text        not null,
  touched_at  timestamptz not null,
  created_at  timestamptz not null default now()
);
create index roster_upload_plan_ix on roster_upload (plan);
create index roster_upload_created_at_ix on roster_upload (created_at, id);
comment on table roster_upload is 'A package on its way in through the browser, in parts that lie in the object store; deleted when it became a plan or grew old. Owned by internal/app/roster.';

create table roster_work (
  id          uuid        not null constraint roster_work_pk primary key,
  kind        text        not null constraint roster_work_kind_ck check (kind in ('check', 'apply')),
  upload      uuid        constraint roster_work_upload_fk references roster_upload (id) on delete cascade,
  plan        text        constraint roster_work_plan_fk references roster_import (id) on delete cascade,
  state       text        not null constraint roster_work_state_ck check (state in ('running', 'done', 'failed')),
  stage       text        not null default '',
  type        text        not null default '',
  rows        bigint      not null default 0,
  started_by  text        not null,
  started_at  timestamptz not null,
  beat_at     timestamptz not null,
  ended_at    timestamptz,
  created_at  timestamptz not null default now()
);
create unique index roster_work_running_uq on roster_work (state) where state = 'running';
create index roster_work_upload_ix on roster_work (upload);
create index roster_work_plan_ix on roster_work (plan);
comment on table roster_work is 'What a program does for somebody who need not wait for it: one thing at a time in a tenant. Whose beat has stopped is dead. Owned by internal/app/roster.';

-- +goose Down
drop table roster_work, roster_upload, roster_sample;
alter table roster_import drop column failure, drop column rekeyed, drop column totals, drop column schools, drop column leavers,
  drop column closed_by, drop column closed_at, drop column pruned_at;
