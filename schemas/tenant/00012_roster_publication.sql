-- +goose Up
create table roster_publication (
  id          uuid        not null constraint roster_publication_pk primary key,
  plan        text        not null constraint roster_publication_plan_fk references roster_import (id) on delete cascade,
  due_at      timestamptz not null,
  state       text        not null constraint roster_publication_state_ck check (state in ('scheduled', 'running', 'done', 'cancelled', 'closed')),
  asked_by    text        not null,
  asked_at    timestamptz not null,
  begun_at    timestamptz,
  ended_at    timestamptz,
  ended_by    text        not null default '',
  told        text        not null default '',
  created_at  timestamptz not null default now()
);
create index roster_publication_plan_ix on roster_publication (plan);
create unique index roster_publication_open_uq on roster_publication ((true)) where state in ('scheduled', 'running');
comment on table roster_publication is 'A school year that is published school by school from a moment on; one at a time. Owned by internal/app/roster.';
comment on column roster_publication.told is 'What the municipality''s contacts were last written to about.';

create table roster_publication_part (
  publication uuid        not null constraint roster_publication_part_publication_fk references roster_publication (id) on delete cascade,
  n           integer     not null,
  kind        text        not null constraint roster_publication_part_kind_ck check (kind in ('common', 'school', 'rest')),
  school      text        not null default '',
  name        text        not null default '',
  state       text        not null constraint roster_publication_part_state_ck check (state in ('waiting', 'held', 'done', 'failed')),
  why         text        not null default '',
  counts      jsonb       not null,
  change_hash bytea       not null,
  holds       jsonb       not null,
  leavers     integer     not null default 0,
  attempts    integer     not null default 0,
  approved_by text        not null default '',
  approved_at timestamptz,
  reason      text        not null default '',
  import      text        constraint roster_publication_part_import_fk references roster_import (id) on delete set null,
  ended_at    timestamptz,
  seconds     double precision,
  created_at  timestamptz not null default now(),
  constraint roster_publication_part_pk primary key (publication, n)
);
create index roster_publication_part_import_ix on roster_publication_part (import);
comment on table roster_publication_part is 'What is published in one transaction: what all need, a school, or what nobody needs any more. The row says done in the transaction that did it. Owned by internal/app/roster.';
comment on column roster_publication_part.change_hash is 'The digest of the changes that were looked at or approved.';
comment on column roster_publication_part.why is 'Key of the sentence that says why it is held or failed, empty for its holds.';

alter table roster_import
  drop constraint roster_import_kind_ck,
  add constraint roster_import_kind_ck check (kind in ('package', 'rollback', 'part'));

alter table roster_work
  drop constraint roster_work_kind_ck,
  add constraint roster_work_kind_ck check (kind in ('check', 'apply', 'inbox', 'rehearse', 'schedule', 'publish'));

-- +goose Down
delete from roster_work where kind in ('schedule', 'publish');
alter table roster_work
  drop constraint roster_work_kind_ck,
  add constraint roster_work_kind_ck check (kind in ('check', 'apply', 'inbox', 'rehearse'));
drop table roster_publication_part;
drop table roster_publication;
update roster_import set kind = 'package' where kind = 'part';
alter table roster_import
  drop constraint roster_import_kind_ck,
  add constraint roster_import_kind_ck check (kind in ('package', 'rollback'));
