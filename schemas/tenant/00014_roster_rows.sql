-- +goose Up
alter table roster_import add column row_count bigint not null default 0;
update roster_import i
   set row_count = (select coalesce(sum(n.value::bigint), 0)
                      from jsonb_each(i.counts) c, jsonb_each_text(c.value) n
                     where n.key in ('insert', 'update', 'reactivate', 'unchanged', 'stale'));
comment on column roster_import.row_count is 'How many rows of the package were read.';

-- +goose Down
alter table roster_import drop column row_count;
