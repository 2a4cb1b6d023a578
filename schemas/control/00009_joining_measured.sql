-- +goose Up
alter table join_event
  add column entered text not null default '' constraint join_event_entered_ck check (entered in ('', 'tiera')),
  add column version text not null default '';
comment on column join_event.entered is 'The side that wrote down another side''s word; empty where they did it themselves.';
comment on column join_event.version is 'Of the text that was accepted, as the template names it.';

create table join_measured (
  tenant       text        not null constraint join_measured_tenant_fk references tenant (id),
  requirement  text        not null,
  at           timestamptz not null,
  created_at   timestamptz not null default now(),
  constraint join_measured_pk primary key (tenant, requirement)
);
comment on table join_measured is 'When each requirement was measured last: the log tells of changes alone. Owned by internal/tenancy/joining.';

alter table join_mail drop constraint join_mail_kind_ck;
alter table join_mail add constraint join_mail_kind_ck check (kind in ('soon', 'overdue', 'red'));

-- +goose Down
drop table join_measured;
alter table join_event drop column entered, drop column version;
