-- +goose Up
create index person_names_ix on person using gin (
  array_to_tsvector(array_remove(string_to_array(lower(translate(left(replace(given_names || ' ' || call_name || ' ' || family_name, '-', ' '), 400), 'ÅÄÖÉÈÜŠŽÁČĐŊŦÕåäöéèüšžáčđŋŧõ', 'AAOEEUSZACDNTOaaoeeuszacdnto')), ' '), ''))
) where merged_into is null;
comment on index person_names_ix is 'The words of a name, folded as internal/app/people folds what is typed, found by how they begin.';

-- +goose Down
drop index person_names_ix;
