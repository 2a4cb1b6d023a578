-- +goose Up
create table person (
  id                 uuid        not null constraint person_pk primary key,
  given_names        text        not null,
  call_name          text        not null default '',
  family_name        text        not null,
  birth_date         date,
  language           text        not null default '',
  home_municipality  text        not null default '',
  email              text        not null default '',
  phone              text        not null default '',
  hetu_cipher        bytea,
  hetu_hash          bytea       constraint person_hetu_hash_uq unique,
  oppijanumero       text        constraint person_oppijanumero_uq unique,
  protected          daterange,
  created_at         timestamptz not null default now()
);
create index person_name_ix on person (family_name collate "C", given_names collate "C", id);
comment on table person is 'One human being once per tenant, the golden record. Owned by internal/app/people.';
comment on column person.protected is 'Turvakielto: the days on which identity and whereabouts are protected; null is never.';

create table person_identifier (
  id          uuid        not null constraint person_identifier_pk primary key,
  person      uuid        not null constraint person_identifier_person_fk references person (id),
  kind        text        not null constraint person_identifier_kind_ck check (kind in ('hetu', 'oppijanumero')),
  value_hash  bytea       not null,
  cipher      bytea,
  value       text,
  source      text        not null,
  validity    daterange   not null,
  created_at  timestamptz not null default now()
);
create index person_identifier_person_ix on person_identifier (person);
create index person_identifier_value_ix on person_identifier (kind, value_hash);
comment on table person_identifier is 'Identifiers that a person no longer uses; the one in use stands in person. Owned by internal/app/people.';

create table guardianship (
  id          uuid        not null constraint guardianship_pk primary key,
  child       uuid        not null constraint guardianship_child_fk references person (id),
  guardian    uuid        not null constraint guardianship_guardian_fk references person (id),
  kind        text        not null constraint guardianship_kind_ck check (kind in ('custodian', 'foster', 'agent')),
  source      text        not null constraint guardianship_source_ck check (source in ('roster', 'dvv', 'hand')),
  validity    daterange   not null,
  created_at  timestamptz not null default now(),
  constraint guardianship_roster_uq unique (child, guardian, source),
  constraint guardianship_self_ck check (child <> guardian)
);
create index guardianship_guardian_ix on guardianship (guardian);
comment on table guardianship is 'Who speaks for a child, from when to when; ends by itself at 18. Owned by internal/app/people.';

-- +goose Down
drop table guardianship, person_identifier, person;
