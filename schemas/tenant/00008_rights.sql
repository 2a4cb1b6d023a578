-- +goose Up
alter table role_grant add column teaching_group uuid constraint role_grant_group_fk references teaching_group (id);
alter table role_grant add column reason text not null default '';
alter table role_grant add column granted_by uuid;
alter table role_grant add column ended_by uuid;
alter table role_grant add column end_reason text not null default '';
create index role_grant_group_ix on role_grant (teaching_group);
comment on column role_grant.teaching_group is 'The right reaches this group alone; null is the unit as the role says. Given by hand only.';
comment on column role_grant.granted_by is 'Who gave it by hand. One that was ended by hand is tobedeleted, with its validity as it was given.';

alter table guardianship add column ended_on date;
alter table guardianship add column reason text not null default '';
alter table guardianship add column decided_by uuid;
comment on column guardianship.ended_on is 'Set by hand: from this day on it counts for nothing, whatever the source says of its validity.';

create table guardian_block (
  id           uuid        not null constraint guardian_block_pk primary key,
  child        uuid        not null constraint guardian_block_child_fk references person (id),
  guardian     uuid        not null constraint guardian_block_guardian_fk references person (id),
  reason       text        not null,
  blocked_by   uuid        not null,
  blocked_at   timestamptz not null,
  lift_reason  text        not null default '',
  lifted_by    uuid,
  lifted_at    timestamptz,
  created_at   timestamptz not null default now(),
  constraint guardian_block_self_ck check (child <> guardian)
);
create unique index guardian_block_open_uq on guardian_block (child, guardian) where lifted_at is null;
create index guardian_block_child_ix on guardian_block (child);
create index guardian_block_guardian_ix on guardian_block (guardian);
comment on table guardian_block is 'A guardian who is shut out from a child, whatever any source says, until it is lifted by hand. Owned by internal/app/people.';

create table disclosure (
  id            uuid        not null constraint disclosure_pk primary key,
  learner       uuid        not null constraint disclosure_learner_fk references person (id),
  recipient     uuid        not null constraint disclosure_recipient_fk references person (id),
  contacts      boolean     not null,
  reason        text        not null,
  validity      daterange   not null constraint disclosure_ends_ck check (not upper_inf(validity)),
  disclosed_by  uuid        not null,
  ended_by      uuid,
  ended_at      timestamptz,
  created_at    timestamptz not null default now(),
  constraint disclosure_self_ck check (learner <> recipient)
);
create index disclosure_learner_ix on disclosure (learner);
create index disclosure_recipient_ix on disclosure (recipient);
comment on table disclosure is 'A learner whom the school has disclosed to somebody of another organisation. Owned by internal/app/people.';
comment on column disclosure.contacts is 'Whether the contact details of guardians are disclosed too.';

alter table person add column merged_into uuid constraint person_merged_into_fk references person (id);
create index person_merged_into_ix on person (merged_into) where merged_into is not null;
comment on column person.merged_into is 'The record that this one was found to be the same human being as; it is nobody of its own any more.';

create table person_merge (
  id           uuid        not null constraint person_merge_pk primary key,
  kept         uuid        not null constraint person_merge_kept_fk references person (id),
  gone         uuid        not null constraint person_merge_gone_fk references person (id),
  reason       text        not null,
  moved        jsonb       not null,
  merged_by    uuid        not null,
  merged_at    timestamptz not null,
  undo_reason  text        not null default '',
  undone_by    uuid,
  undone_at    timestamptz,
  created_at   timestamptz not null default now(),
  constraint person_merge_self_ck check (kept <> gone)
);
create unique index person_merge_open_uq on person_merge (gone) where undone_at is null;
create index person_merge_kept_ix on person_merge (kept);
create index person_merge_gone_ix on person_merge (gone);
comment on table person_merge is 'Two records that are one human being. moved names every row that was re-pointed, so that it can be undone. Owned by internal/app/people.';

-- +goose Down
drop table person_merge, disclosure, guardian_block;
alter table person drop column merged_into;
alter table guardianship drop column ended_on, drop column reason, drop column decided_by;
alter table role_grant drop column teaching_group, drop column reason, drop column granted_by, drop column ended_by, drop column end_reason;
