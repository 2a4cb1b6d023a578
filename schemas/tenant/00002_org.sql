-- +goose Up
create table unit (
  id                  uuid        not null constraint unit_pk primary key,
  parent              uuid        constraint unit_parent_fk references unit (id),
  kind                text        not null constraint unit_kind_ck check (kind in ('provider', 'school', 'department', 'other')),
  name                text        not null,
  name_sv             text        not null default '',
  school_code         text        constraint unit_school_code_form_ck check (school_code ~ '^[0-9]{5}$'),
  oid                 text,
  source              text        not null,
  sourced_id          text,
  status              text        not null default 'active' constraint unit_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea,
  imported_in         integer,
  extra               jsonb       not null default '{}',
  created_at          timestamptz not null default now()
);
create unique index unit_sourced_id_uq on unit (sourced_id collate "C");
create index unit_parent_ix on unit (parent);
comment on table unit is 'The provider, its schools and what lies below them. Owned by internal/app/org.';

create table term (
  id                  uuid        not null constraint term_pk primary key,
  parent              uuid        constraint term_parent_fk references term (id),
  kind                text        not null,
  title               text        not null,
  validity            daterange   not null,
  school_year         integer     not null,
  source              text        not null,
  sourced_id          text,
  status              text        not null default 'active' constraint term_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea,
  imported_in         integer,
  extra               jsonb       not null default '{}',
  created_at          timestamptz not null default now()
);
create unique index term_sourced_id_uq on term (sourced_id collate "C");
create index term_parent_ix on term (parent);
comment on table term is 'School year, term, period; the end is exclusive. Owned by internal/app/org.';

create table course (
  id                  uuid        not null constraint course_pk primary key,
  unit                uuid        not null constraint course_unit_fk references unit (id),
  school_year_term    uuid        constraint course_term_fk references term (id),
  title               text        not null,
  code                text        not null default '',
  grades              text[]      not null default '{}',
  subjects            text[]      not null default '{}',
  subject_codes       text[]      not null default '{}',
  source              text        not null,
  sourced_id          text,
  status              text        not null default 'active' constraint course_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea,
  imported_in         integer,
  extra               jsonb       not null default '{}',
  created_at          timestamptz not null default now()
);
create unique index course_sourced_id_uq on course (sourced_id collate "C");
create index course_unit_ix on course (unit);
create index course_term_ix on course (school_year_term);
comment on table course is 'What is taught: subject, grades, modules. Owned by internal/app/org.';

create table teaching_group (
  id                  uuid        not null constraint teaching_group_pk primary key,
  unit                uuid        not null constraint teaching_group_unit_fk references unit (id),
  course              uuid        not null constraint teaching_group_course_fk references course (id),
  kind                text        not null constraint teaching_group_kind_ck check (kind in ('homeroom', 'scheduled', 'other')),
  title               text        not null,
  code                text        not null default '',
  location            text        not null default '',
  grades              text[]      not null default '{}',
  subjects            text[]      not null default '{}',
  subject_codes       text[]      not null default '{}',
  periods             text[]      not null default '{}',
  terms               uuid[]      not null default '{}',
  validity            daterange   not null,
  source              text        not null,
  sourced_id          text,
  status              text        not null default 'active' constraint teaching_group_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea,
  imported_in         integer,
  extra               jsonb       not null default '{}',
  created_at          timestamptz not null default now()
);
create unique index teaching_group_sourced_id_uq on teaching_group (sourced_id collate "C");
create index teaching_group_unit_ix on teaching_group (unit);
create index teaching_group_course_ix on teaching_group (course);
comment on table teaching_group is 'A home class or a subject group. Owned by internal/app/org.';
comment on column teaching_group.validity is 'From the first to the last day of its terms: derived from terms, kept for speed, rebuilt by each import.';

create table enrolment (
  id                  uuid        not null constraint enrolment_pk primary key,
  teaching_group      uuid        not null constraint enrolment_group_fk references teaching_group (id),
  person              uuid        not null constraint enrolment_person_fk references person (id),
  role                text        not null,
  is_primary          boolean,
  validity            daterange   not null,
  source              text        not null,
  sourced_id          text,
  status              text        not null default 'active' constraint enrolment_status_ck check (status in ('active', 'tobedeleted')),
  date_last_modified  timestamptz not null,
  row_hash            bytea,
  imported_in         integer,
  source_user         uuid,
  extra               jsonb,
  created_at          timestamptz not null default now()
);
create unique index enrolment_sourced_id_uq on enrolment (sourced_id collate "C");
create index enrolment_group_ix on enrolment (teaching_group);
create index enrolment_person_ix on enrolment (person);
comment on column enrolment.source_user is 'The roster_user row by which the source named the person.';
comment on table enrolment is 'A person in a group, as learner or teacher; an open side of validity follows the group. Owned by internal/app/org.';

create table grade_placement (
  id          uuid        not null constraint grade_placement_pk primary key,
  learner     uuid        not null constraint grade_placement_learner_fk references person (id),
  unit        uuid        not null constraint grade_placement_unit_fk references unit (id),
  grade       text        not null,
  home_group  uuid        constraint grade_placement_home_group_fk references teaching_group (id),
  validity    daterange   not null,
  source      text        not null constraint grade_placement_source_ck check (source in ('roster', 'hand')),
  created_at  timestamptz not null default now(),
  constraint grade_placement_source_uq unique (learner, unit, source)
);
create index grade_placement_unit_ix on grade_placement (unit);
create index grade_placement_home_group_ix on grade_placement (home_group);
comment on table grade_placement is 'Which grade a learner attends where: what a principal counts. Owned by internal/app/org.';

create table study_right (
  id          uuid        not null constraint study_right_pk primary key,
  learner     uuid        not null constraint study_right_learner_fk references person (id),
  unit        uuid        not null constraint study_right_unit_fk references unit (id),
  kind        text        not null,
  source      text        not null constraint study_right_source_ck check (source in ('roster', 'hand')),
  confirmed   boolean     not null default false,
  states      jsonb       not null default '[]',
  created_at  timestamptz not null default now(),
  constraint study_right_uq unique (learner, unit, kind)
);
create index study_right_unit_ix on study_right (unit);
comment on table study_right is 'Opiskeluoikeus: the roster proposes it, the school office confirms it. kind is from the national list opiskeluoikeudentyyppi. Owned by internal/app/org.';

create table code (
  list        text        not null,
  value       text        not null,
  name_fi     text        not null,
  name_sv     text        not null default '',
  name_en     text        not null default '',
  created_at  timestamptz not null default now(),
  constraint code_pk primary key (list, value)
);
comment on table code is 'National code lists, as far as the product uses them. Owned by internal/tenancy.';

-- +goose Down
drop table code, study_right, grade_placement, enrolment, teaching_group, course, term, unit;
