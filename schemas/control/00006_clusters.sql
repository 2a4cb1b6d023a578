-- +goose Up
alter table cluster add constraint cluster_id_form_ck check (id ~ '^[a-z][a-z0-9-]{0,30}$');
-- Where the address stands, never the address itself.
alter table cluster add constraint cluster_dsn_ref_form_ck check (dsn_ref ~ '^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$');
create trigger cluster_changed after insert or update or delete on cluster
  for each row execute function catalogue_changed();

create table tenant_move (
  tenant       text        not null constraint tenant_move_pk primary key
                           constraint tenant_move_tenant_fk references tenant (id),
  from_cell    text        not null constraint tenant_move_from_cell_fk references cell (name),
  to_cell      text        not null constraint tenant_move_to_cell_fk references cell (name),
  phase        text        not null constraint tenant_move_phase_ck
                           check (phase in ('preparing', 'held', 'closing', 'switched', 'done', 'back')),
  run          uuid        not null,
  rows         bigint      not null default 0,
  begun_at     timestamptz not null,
  held_at      timestamptz,
  closed_at    timestamptz,
  switched_at  timestamptz,
  done_at      timestamptz,
  created_at   timestamptz not null default now(),
  constraint tenant_move_done_ck check ((phase = 'done') = (done_at is not null))
);
create index tenant_move_from_cell_ix on tenant_move (from_cell);
create index tenant_move_to_cell_ix on tenant_move (to_cell);
comment on table tenant_move is 'The last move of a tenant to another cluster, and how far it is: held is read only, closing is entered by nobody. Owned by internal/tenancy.';
create trigger tenant_move_changed after insert or update or delete on tenant_move
  for each row execute function catalogue_changed();

-- +goose Down
drop table tenant_move;
drop trigger cluster_changed on cluster;
alter table cluster drop constraint cluster_dsn_ref_form_ck, drop constraint cluster_id_form_ck;
