-- +goose Up
create table object (
  key         text        not null constraint object_pk primary key,
  sha256      bytea       not null,
  size        bigint      not null constraint object_size_ck check (size >= 0),
  encrypted   boolean     not null,
  created_at  timestamptz not null default now()
);
comment on table object is 'Inventory of the files kept for this tenant: hash and size of the plain content. Owned by internal/app/objects.';

-- +goose Down
drop table object;
