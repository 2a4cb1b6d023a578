-- +goose Up
alter table identity_provider
  add column also          jsonb   not null default '[]',
  add column require_claim text    not null default '',
  add column require_value text    not null default '',
  add column meant_for     text[]  not null default '{learner,guardian,staff}',
  add column strength      text    not null default 'weak' constraint identity_provider_strength_ck check (strength in ('weak', 'strong')),
  add column strong_acr    text[]  not null default '{}';
comment on column identity_provider.also is 'Further rules of linking, [{claim, to}], each tried when the claims of those before are absent.';
comment on column identity_provider.require_claim is 'A claim that must hold require_value, or a text that begins with it and a semicolon.';
comment on column identity_provider.meant_for is 'As whom people come in by it; their other roles are not theirs in such a session.';
comment on column identity_provider.strong_acr is 'Values of the claim acr by which a sign-in is strong where not every one is.';

alter table session
  add column id       uuid not null default gen_random_uuid(),
  add column strength text not null default 'weak' constraint session_strength_ck check (strength in ('weak', 'strong')),
  add column device   text not null default '';
create unique index session_id_uq on session (id);

-- +goose Down
alter table session drop column device, drop column strength, drop column id;
alter table identity_provider drop column strong_acr, drop column strength, drop column meant_for, drop column require_value, drop column require_claim, drop column also;
