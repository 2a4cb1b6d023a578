-- +goose Up
create table roster_leaver (
  plan        text        not null constraint roster_leaver_plan_fk references roster_import (id) on delete cascade,
  n           integer     not null,
  person      uuid        not null,
  role        text        not null default '',
  unit        uuid,
  bare        boolean     not null,
  created_at  timestamptz not null default now(),
  constraint roster_leaver_pk primary key (plan, n)
);
comment on table roster_leaver is 'The roles that a plan would take from persons, as they are called in role_grant; empty for one who would be here no longer. Owned by internal/app/roster.';
comment on column roster_leaver.bare is 'The person would have no role left.';
insert into roster_leaver (plan, n, person, bare)
select i.id, f.n, f.person::uuid, true
  from roster_import i
 cross join lateral jsonb_array_elements_text(case jsonb_typeof(i.leavers -> 'first') when 'array' then i.leavers -> 'first' else '[]' end) with ordinality as f(person, n);
comment on column roster_import.leavers is 'How many persons would have no role left, and how many would lose one of several.';

-- +goose Down
drop table roster_leaver;
