-- +goose Up
create table roster_user (
  id                  uuid        not null constraint roster_user_pk primary key,
  person              uuid        not null constraint roster_user_person_fk references person (id),
  unit                uuid        constraint roster_user_unit_fk references unit (id),
  enabled             boolean     not null,
  username            text        not null,
  given_name          text        not null,
  family_name         text        not null,
  middle_name         text        not null default '',
  user_ids            text        not null default '',
  identifier          text        not null default '',
  email               text        not null default '',
  sms                 text        not null default '',
  phone               text        not null default '',
  agents              text[]      not null default '{}',
  grades              text[]      not null default '{}',
  master_identifier   text        not null default '',
  hetu_cipher         bytea,
  hetu_hash           bytea,
  source              text        not null,
  sourced_id          text        not null,
  status              text        not null default 'active' constraint roster_user_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea       not null,
  imported_in         integer,
  extra               jsonb,
  created_at          timestamptz not null default now()
);
create unique index roster_user_sourced_id_uq on roster_user (sourced_id collate "C");
create index roster_user_person_ix on roster_user (person);
create index roster_user_unit_ix on roster_user (unit);
create index roster_user_username_ix on roster_user (username collate "C");
comment on table roster_user is 'A row of users.csv as delivered, and the person it is about. Owned by internal/app/roster.';
comment on column roster_user.hetu_cipher is 'The delivered hetu, encrypted; where it stood in the row, extra or user_ids hold a placeholder.';

create table roster_record (
  id                  uuid        not null constraint roster_record_pk primary key,
  type                text        not null,
  fields              jsonb       not null,
  source              text        not null,
  sourced_id          text        not null,
  status              text        not null default 'active' constraint roster_record_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea       not null,
  imported_in         integer,
  created_at          timestamptz not null default now()
);
create unique index roster_record_sourced_id_uq on roster_record (type, sourced_id collate "C");
comment on table roster_record is 'Rows of the types that the product keeps as delivered: demographics, user profiles, gradebook, resources. Owned by internal/app/roster.';

create table roster_import (
  id            text        not null constraint roster_import_pk primary key,
  seq           integer     constraint roster_import_seq_uq unique,
  state         text        not null constraint roster_import_state_ck check (state in ('planned', 'held', 'applied', 'failed', 'rolled_back')),
  kind          text        not null constraint roster_import_kind_ck check (kind in ('package', 'rollback')),
  undoes        text        constraint roster_import_undoes_fk references roster_import (id),
  source_name   text        not null,
  source_hash   bytea       not null,
  object_key    text        not null,
  version       text        not null,
  options       jsonb       not null,
  base_seq      integer     not null,
  state_hash    bytea       not null,
  change_hash   bytea       not null,
  counts        jsonb       not null,
  holds         jsonb       not null,
  conflicts     jsonb       not null,
  findings      jsonb       not null,
  planned_by    text        not null,
  planned_at    timestamptz not null,
  approved_by   text        not null default '',
  approved_at   timestamptz,
  reason        text        not null default '',
  applied_by    text        not null default '',
  applied_at    timestamptz,
  seconds       double precision,
  created_at    timestamptz not null default now()
);
create index roster_import_undoes_ix on roster_import (undoes);
create index roster_import_planned_at_ix on roster_import (planned_at, id);
comment on table roster_import is 'Plans and what became of them. seq numbers the applied ones. Owned by internal/app/roster.';

create table roster_change (
  import_seq  integer     not null constraint roster_change_import_fk references roster_import (seq),
  type        text        not null,
  sourced_id  text        not null,
  kind        text        not null constraint roster_change_kind_ck check (kind in ('insert', 'update', 'remove', 'reactivate')),
  before      jsonb       not null,
  created_at  timestamptz not null default now(),
  constraint roster_change_pk primary key (import_seq, type, sourced_id)
);
create index roster_change_sourced_id_ix on roster_change (type, sourced_id);
comment on table roster_change is 'The row before each change of an import: what a rollback needs. Inserted rows are marked in their own table by imported_in. Owned by internal/app/roster.';

create table local_edit (
  id          uuid        not null constraint local_edit_pk primary key,
  type        text        not null,
  sourced_id  text        not null,
  field       text        not null,
  delivered   text        not null,
  edited      text        not null,
  policy      text        not null default 'keep' constraint local_edit_policy_ck check (policy in ('keep', 'overwrite')),
  edited_by   text        not null,
  edited_at   timestamptz not null,
  created_at  timestamptz not null default now(),
  constraint local_edit_field_uq unique (type, sourced_id, field)
);
comment on table local_edit is 'A field that was changed in DigiOne on a row that the roster owns; the next plan shows it as a conflict. Owned by internal/app/roster.';

create table match_review (
  id           uuid        not null constraint match_review_pk primary key,
  sourced_id   text        not null,
  person       uuid        not null constraint match_review_person_fk references person (id),
  reason       text        not null,
  import_seq   integer     not null,
  resolved_at  timestamptz,
  created_at   timestamptz not null default now()
);
create index match_review_person_ix on match_review (person);
comment on table match_review is 'Roster rows whose person is in doubt, for a human to decide. Owned by internal/app/roster.';

-- +goose Down
drop table match_review, local_edit, roster_change, roster_import, roster_record, roster_user;
