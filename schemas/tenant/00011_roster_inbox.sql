-- +goose Up
create table roster_delivery (
  id          uuid        not null constraint roster_delivery_pk primary key,
  name        text        not null,
  tag         text        not null,
  size        bigint      not null,
  modified_at timestamptz not null,
  state       text        not null constraint roster_delivery_state_ck check (state in ('arriving', 'taken', 'done', 'held', 'failed', 'gone')),
  sha256      bytea,
  attempts    integer     not null default 0,
  plan        text        constraint roster_delivery_plan_fk references roster_import (id) on delete set null,
  upload      uuid        constraint roster_delivery_upload_fk references roster_upload (id) on delete set null,
  failure     text        not null default '',
  seen_at     timestamptz not null,
  ended_at    timestamptz,
  moved_at    timestamptz,
  told_at     timestamptz,
  created_at  timestamptz not null default now(),
  constraint roster_delivery_tag_uq unique (name, tag)
);
create index roster_delivery_seen_at_ix on roster_delivery (seen_at, id);
create index roster_delivery_plan_ix on roster_delivery (plan);
create index roster_delivery_upload_ix on roster_delivery (upload);
comment on table roster_delivery is 'What a municipality''s own system has put into the inbox, each file once. Owned by internal/app/roster.';
comment on column roster_delivery.tag is 'What the store says of this very file: it changes whenever the file is written anew.';
comment on column roster_delivery.upload is 'The findings of a package that has errors.';
comment on column roster_delivery.moved_at is 'When the file was moved out of the inbox.';
comment on column roster_delivery.told_at is 'When the municipality''s contacts were written to.';

alter table roster_work
  drop constraint roster_work_kind_ck,
  add constraint roster_work_kind_ck check (kind in ('check', 'apply', 'inbox', 'rehearse'));

create table roster_rehearsal (
  plan        text        not null constraint roster_rehearsal_pk primary key constraint roster_rehearsal_plan_fk references roster_import (id) on delete cascade,
  day         date        not null,
  result      jsonb       not null,
  made_by     text        not null,
  made_at     timestamptz not null,
  created_at  timestamptz not null default now()
);
comment on table roster_rehearsal is 'How schools, groups and pupils would stand on a day to come by the package of a plan. Owned by internal/app/roster.';

create index roster_import_fresh_ix on roster_import (applied_at) where state = 'applied' and kind = 'package';

-- +goose Down
drop index roster_import_fresh_ix;
drop table roster_rehearsal;
delete from roster_work where kind in ('inbox', 'rehearse');
alter table roster_work
  drop constraint roster_work_kind_ck,
  add constraint roster_work_kind_ck check (kind in ('check', 'apply'));
drop table roster_delivery;
