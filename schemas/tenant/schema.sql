-- The schema of one tenant, as all tenant migrations together make it.
-- Written by make snapshot; do not edit. A test holds it to the migrations.
CREATE TABLE account (
    id uuid NOT NULL,
    provider uuid NOT NULL,
    subject text NOT NULL,
    person uuid NOT NULL,
    linked_by text NOT NULL,
    linked_at timestamp with time zone NOT NULL,
    last_login_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE account IS 'A sign-in identity linked to a person; linked_by names the rule. Owned by internal/app/identity.';
CREATE TABLE audit_alarm (
    id uuid NOT NULL,
    actor uuid NOT NULL,
    actor_kind text NOT NULL,
    day date NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    persons integer NOT NULL,
    usual integer NOT NULL,
    allowed integer NOT NULL,
    told_at timestamp with time zone,
    reviewed_by uuid,
    reviewed_at timestamp with time zone,
    review text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE audit_alarm IS 'Somebody looked at unusually many persons within an hour of a day. Owned by internal/app/oversight.';
COMMENT ON COLUMN audit_alarm.told_at IS 'When those who oversee were written to.';
CREATE TABLE audit_event (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor uuid,
    actor_kind text NOT NULL,
    action text NOT NULL,
    target uuid,
    target_kind text DEFAULT ''::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    request text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    actor_role text DEFAULT ''::text NOT NULL,
    CONSTRAINT audit_event_actor_kind_ck CHECK ((actor_kind = ANY (ARRAY['person'::text, 'operator'::text, 'system'::text])))
)
PARTITION BY RANGE (at);
COMMENT ON TABLE audit_event IS 'Who saw or changed what, ids only, append-only. Owned by internal/app/audit.';
CREATE TABLE audit_event_default (
    id uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    actor uuid,
    actor_kind text NOT NULL,
    action text NOT NULL,
    target uuid,
    target_kind text DEFAULT ''::text NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    request text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    actor_role text DEFAULT ''::text NOT NULL,
    CONSTRAINT audit_event_actor_kind_ck CHECK ((actor_kind = ANY (ARRAY['person'::text, 'operator'::text, 'system'::text])))
);
COMMENT ON TABLE audit_event_default IS 'Events of months without a partition of their own. Owned by internal/app/audit.';
CREATE TABLE audit_pending (
    event uuid NOT NULL,
    at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE audit_pending IS 'Events that no seal covers yet; written with the event, taken by the sealer. Owned by internal/app/audit.';
CREATE TABLE audit_seal (
    seq integer NOT NULL,
    tenant text NOT NULL,
    events uuid[] NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    root bytea NOT NULL,
    before bytea NOT NULL,
    hash bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    sealed_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE audit_seal IS 'The chain of signed heads: each covers a batch of events, listed in the order of their leaves. Owned by internal/app/audit.';
COMMENT ON COLUMN audit_seal.tenant IS 'Whose chain it was when it was sealed: a restored tenant goes on with the chain of its source.';
CREATE TABLE code (
    list text NOT NULL,
    value text NOT NULL,
    name_fi text NOT NULL,
    name_sv text DEFAULT ''::text NOT NULL,
    name_en text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE code IS 'National code lists, as far as the product uses them. Owned by internal/tenancy.';
CREATE TABLE course (
    id uuid NOT NULL,
    unit uuid NOT NULL,
    school_year_term uuid,
    title text NOT NULL,
    code text DEFAULT ''::text NOT NULL,
    grades text[] DEFAULT '{}'::text[] NOT NULL,
    subjects text[] DEFAULT '{}'::text[] NOT NULL,
    subject_codes text[] DEFAULT '{}'::text[] NOT NULL,
    source text NOT NULL,
    sourced_id text,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea,
    imported_in integer,
    extra jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT course_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE course IS 'What is taught: subject, grades, modules. Owned by internal/app/org.';
CREATE TABLE disclosure (
    id uuid NOT NULL,
    learner uuid NOT NULL,
    recipient uuid NOT NULL,
    contacts boolean NOT NULL,
    reason text NOT NULL,
    validity daterange NOT NULL,
    disclosed_by uuid NOT NULL,
    ended_by uuid,
    ended_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT disclosure_ends_ck CHECK ((NOT upper_inf(validity))),
    CONSTRAINT disclosure_self_ck CHECK ((learner <> recipient))
);
COMMENT ON TABLE disclosure IS 'A learner whom the school has disclosed to somebody of another organisation. Owned by internal/app/people.';
COMMENT ON COLUMN disclosure.contacts IS 'Whether the contact details of guardians are disclosed too.';
CREATE TABLE enrolment (
    id uuid NOT NULL,
    teaching_group uuid NOT NULL,
    person uuid NOT NULL,
    role text NOT NULL,
    is_primary boolean,
    validity daterange NOT NULL,
    source text NOT NULL,
    sourced_id text,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea,
    imported_in integer,
    source_user uuid,
    extra jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT enrolment_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE enrolment IS 'A person in a group, as learner or teacher; an open side of validity follows the group. Owned by internal/app/org.';
COMMENT ON COLUMN enrolment.source_user IS 'The roster_user row by which the source named the person.';
CREATE TABLE grade_placement (
    id uuid NOT NULL,
    learner uuid NOT NULL,
    unit uuid NOT NULL,
    grade text NOT NULL,
    home_group uuid,
    validity daterange NOT NULL,
    source text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT grade_placement_source_ck CHECK ((source = ANY (ARRAY['roster'::text, 'hand'::text])))
);
COMMENT ON TABLE grade_placement IS 'Which grade a learner attends where: what a principal counts. Owned by internal/app/org.';
CREATE TABLE guardian_block (
    id uuid NOT NULL,
    child uuid NOT NULL,
    guardian uuid NOT NULL,
    reason text NOT NULL,
    blocked_by uuid NOT NULL,
    blocked_at timestamp with time zone NOT NULL,
    lift_reason text DEFAULT ''::text NOT NULL,
    lifted_by uuid,
    lifted_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT guardian_block_self_ck CHECK ((child <> guardian))
);
COMMENT ON TABLE guardian_block IS 'A guardian who is shut out from a child, whatever any source says, until it is lifted by hand. Owned by internal/app/people.';
CREATE TABLE guardianship (
    id uuid NOT NULL,
    child uuid NOT NULL,
    guardian uuid NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    validity daterange NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_on date,
    reason text DEFAULT ''::text NOT NULL,
    decided_by uuid,
    CONSTRAINT guardianship_kind_ck CHECK ((kind = ANY (ARRAY['custodian'::text, 'foster'::text, 'agent'::text]))),
    CONSTRAINT guardianship_self_ck CHECK ((child <> guardian)),
    CONSTRAINT guardianship_source_ck CHECK ((source = ANY (ARRAY['roster'::text, 'dvv'::text, 'hand'::text])))
);
COMMENT ON TABLE guardianship IS 'Who speaks for a child, from when to when; ends by itself at 18. Owned by internal/app/people.';
COMMENT ON COLUMN guardianship.ended_on IS 'Set by hand: from this day on it counts for nothing, whatever the source says of its validity.';
CREATE TABLE identity_provider (
    id uuid NOT NULL,
    name text NOT NULL,
    issuer text NOT NULL,
    client_id text NOT NULL,
    secret_cipher bytea NOT NULL,
    scopes text[] DEFAULT '{openid,profile}'::text[] NOT NULL,
    link_claim text NOT NULL,
    link_to text NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    also jsonb DEFAULT '[]'::jsonb NOT NULL,
    require_claim text DEFAULT ''::text NOT NULL,
    require_value text DEFAULT ''::text NOT NULL,
    meant_for text[] DEFAULT '{learner,guardian,staff}'::text[] NOT NULL,
    strength text DEFAULT 'weak'::text NOT NULL,
    strong_acr text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT identity_provider_link_to_ck CHECK ((link_to = ANY (ARRAY['oppijanumero'::text, 'hetu'::text, 'username'::text, 'sourced_id'::text]))),
    CONSTRAINT identity_provider_strength_ck CHECK ((strength = ANY (ARRAY['weak'::text, 'strong'::text])))
);
COMMENT ON TABLE identity_provider IS 'Where the people of this tenant sign in, and the rule that links an account to a person. Owned by internal/app/identity.';
COMMENT ON COLUMN identity_provider.also IS 'Further rules of linking, [{claim, to}], each tried when the claims of those before are absent.';
COMMENT ON COLUMN identity_provider.require_claim IS 'A claim that must hold require_value, or a text that begins with it and a semicolon.';
COMMENT ON COLUMN identity_provider.meant_for IS 'As whom people come in by it; their other roles are not theirs in such a session.';
COMMENT ON COLUMN identity_provider.strong_acr IS 'Values of the claim acr by which a sign-in is strong where not every one is.';
CREATE TABLE job (
    name text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    failures integer DEFAULT 0 NOT NULL,
    error text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE job IS 'What runs by itself for this tenant: when it is due, who has it now, how it ended. Owned by internal/app/jobs.';
CREATE TABLE local_edit (
    id uuid NOT NULL,
    type text NOT NULL,
    sourced_id text NOT NULL,
    field text NOT NULL,
    delivered text NOT NULL,
    edited text NOT NULL,
    policy text DEFAULT 'keep'::text NOT NULL,
    edited_by text NOT NULL,
    edited_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT local_edit_policy_ck CHECK ((policy = ANY (ARRAY['keep'::text, 'overwrite'::text])))
);
COMMENT ON TABLE local_edit IS 'A field that was changed in DigiOne on a row that the roster owns; the next plan shows it as a conflict. Owned by internal/app/roster.';
CREATE TABLE match_review (
    id uuid NOT NULL,
    sourced_id text NOT NULL,
    person uuid NOT NULL,
    reason text NOT NULL,
    import_seq integer NOT NULL,
    resolved_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE match_review IS 'Roster rows whose person is in doubt, for a human to decide. Owned by internal/app/roster.';
CREATE TABLE object (
    key text NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    encrypted boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT object_size_ck CHECK ((size >= 0))
);
COMMENT ON TABLE object IS 'Inventory of the files kept for this tenant: hash and size of the plain content. Owned by internal/app/objects.';
CREATE TABLE person (
    id uuid NOT NULL,
    given_names text NOT NULL,
    call_name text DEFAULT ''::text NOT NULL,
    family_name text NOT NULL,
    birth_date date,
    language text DEFAULT ''::text NOT NULL,
    home_municipality text DEFAULT ''::text NOT NULL,
    email text DEFAULT ''::text NOT NULL,
    phone text DEFAULT ''::text NOT NULL,
    hetu_cipher bytea,
    hetu_hash bytea,
    oppijanumero text,
    protected daterange,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    merged_into uuid
);
COMMENT ON TABLE person IS 'One human being once per tenant, the golden record. Owned by internal/app/people.';
COMMENT ON COLUMN person.protected IS 'Turvakielto: the days on which identity and whereabouts are protected; null is never.';
COMMENT ON COLUMN person.merged_into IS 'The record that this one was found to be the same human being as; it is nobody of its own any more.';
CREATE TABLE person_identifier (
    id uuid NOT NULL,
    person uuid NOT NULL,
    kind text NOT NULL,
    value_hash bytea NOT NULL,
    cipher bytea,
    value text,
    source text NOT NULL,
    validity daterange NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT person_identifier_kind_ck CHECK ((kind = ANY (ARRAY['hetu'::text, 'oppijanumero'::text])))
);
COMMENT ON TABLE person_identifier IS 'Identifiers that a person no longer uses; the one in use stands in person. Owned by internal/app/people.';
CREATE TABLE person_merge (
    id uuid NOT NULL,
    kept uuid NOT NULL,
    gone uuid NOT NULL,
    reason text NOT NULL,
    moved jsonb NOT NULL,
    merged_by uuid NOT NULL,
    merged_at timestamp with time zone NOT NULL,
    undo_reason text DEFAULT ''::text NOT NULL,
    undone_by uuid,
    undone_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT person_merge_self_ck CHECK ((kept <> gone))
);
COMMENT ON TABLE person_merge IS 'Two records that are one human being. moved names every row that was re-pointed, so that it can be undone. Owned by internal/app/people.';
CREATE TABLE role_grant (
    id uuid NOT NULL,
    person uuid NOT NULL,
    role text NOT NULL,
    unit uuid NOT NULL,
    is_primary boolean DEFAULT false NOT NULL,
    validity daterange NOT NULL,
    source text NOT NULL,
    sourced_id text,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea,
    imported_in integer,
    source_user uuid,
    extra jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    teaching_group uuid,
    reason text DEFAULT ''::text NOT NULL,
    granted_by uuid,
    ended_by uuid,
    end_reason text DEFAULT ''::text NOT NULL,
    CONSTRAINT role_grant_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE role_grant IS 'What a person is where, from when to when. Owned by internal/app/identity.';
COMMENT ON COLUMN role_grant.source_user IS 'The roster_user row by which the source named the person.';
COMMENT ON COLUMN role_grant.teaching_group IS 'The right reaches this group alone; null is the unit as the role says. Given by hand only.';
COMMENT ON COLUMN role_grant.granted_by IS 'Who gave it by hand. One that was ended by hand is tobedeleted, with its validity as it was given.';
CREATE TABLE roster_change (
    import_seq integer NOT NULL,
    type text NOT NULL,
    sourced_id text NOT NULL,
    kind text NOT NULL,
    before jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_change_kind_ck CHECK ((kind = ANY (ARRAY['insert'::text, 'update'::text, 'remove'::text, 'reactivate'::text])))
);
COMMENT ON TABLE roster_change IS 'The row before each change of an import: what a rollback needs. Inserted rows are marked in their own table by imported_in. Owned by internal/app/roster.';
CREATE TABLE roster_delivery (
    id uuid NOT NULL,
    name text NOT NULL,
    tag text NOT NULL,
    size bigint NOT NULL,
    modified_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    sha256 bytea,
    attempts integer DEFAULT 0 NOT NULL,
    plan text,
    upload uuid,
    failure text DEFAULT ''::text NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    moved_at timestamp with time zone,
    told_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_delivery_state_ck CHECK ((state = ANY (ARRAY['arriving'::text, 'taken'::text, 'done'::text, 'held'::text, 'failed'::text, 'gone'::text])))
);
COMMENT ON TABLE roster_delivery IS 'What a municipality''s own system has put into the inbox, each file once. Owned by internal/app/roster.';
COMMENT ON COLUMN roster_delivery.tag IS 'What the store says of this very file: it changes whenever the file is written anew.';
COMMENT ON COLUMN roster_delivery.upload IS 'The findings of a package that has errors.';
COMMENT ON COLUMN roster_delivery.moved_at IS 'When the file was moved out of the inbox.';
COMMENT ON COLUMN roster_delivery.told_at IS 'When the municipality''s contacts were written to.';
CREATE TABLE roster_import (
    id text NOT NULL,
    seq integer,
    state text NOT NULL,
    kind text NOT NULL,
    undoes text,
    source_name text NOT NULL,
    source_hash bytea NOT NULL,
    object_key text NOT NULL,
    version text NOT NULL,
    options jsonb NOT NULL,
    base_seq integer NOT NULL,
    state_hash bytea NOT NULL,
    change_hash bytea NOT NULL,
    counts jsonb NOT NULL,
    holds jsonb NOT NULL,
    conflicts jsonb NOT NULL,
    findings jsonb NOT NULL,
    planned_by text NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    approved_by text DEFAULT ''::text NOT NULL,
    approved_at timestamp with time zone,
    reason text DEFAULT ''::text NOT NULL,
    applied_by text DEFAULT ''::text NOT NULL,
    applied_at timestamp with time zone,
    seconds double precision,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    failure text DEFAULT ''::text NOT NULL,
    rekeyed jsonb DEFAULT '[]'::jsonb NOT NULL,
    totals jsonb DEFAULT '[]'::jsonb NOT NULL,
    schools jsonb DEFAULT '[]'::jsonb NOT NULL,
    leavers jsonb DEFAULT '{}'::jsonb NOT NULL,
    closed_by text DEFAULT ''::text NOT NULL,
    closed_at timestamp with time zone,
    pruned_at timestamp with time zone,
    row_count bigint DEFAULT 0 NOT NULL,
    CONSTRAINT roster_import_kind_ck CHECK ((kind = ANY (ARRAY['package'::text, 'rollback'::text, 'part'::text]))),
    CONSTRAINT roster_import_state_ck CHECK ((state = ANY (ARRAY['planned'::text, 'held'::text, 'applied'::text, 'failed'::text, 'rolled_back'::text, 'closed'::text])))
);
COMMENT ON TABLE roster_import IS 'Plans and what became of them. seq numbers the applied ones. Owned by internal/app/roster.';
COMMENT ON COLUMN roster_import.failure IS 'Why a failed plan could not be applied: key of a sentence.';
COMMENT ON COLUMN roster_import.schools IS 'What a plan would change, by school and type.';
COMMENT ON COLUMN roster_import.leavers IS 'How many persons would have no role left, and how many would lose one of several.';
COMMENT ON COLUMN roster_import.pruned_at IS 'When the kept package, the images and the samples were deleted: such an import cannot be rolled back.';
COMMENT ON COLUMN roster_import.row_count IS 'How many rows of the package were read.';
CREATE TABLE roster_leaver (
    plan text NOT NULL,
    n integer NOT NULL,
    person uuid NOT NULL,
    role text DEFAULT ''::text NOT NULL,
    unit uuid,
    bare boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE roster_leaver IS 'The roles that a plan would take from persons, as they are called in role_grant; empty for one who would be here no longer. Owned by internal/app/roster.';
COMMENT ON COLUMN roster_leaver.bare IS 'The person would have no role left.';
CREATE TABLE roster_publication (
    id uuid NOT NULL,
    plan text NOT NULL,
    due_at timestamp with time zone NOT NULL,
    state text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    begun_at timestamp with time zone,
    ended_at timestamp with time zone,
    ended_by text DEFAULT ''::text NOT NULL,
    told text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_publication_state_ck CHECK ((state = ANY (ARRAY['scheduled'::text, 'running'::text, 'done'::text, 'cancelled'::text, 'closed'::text])))
);
COMMENT ON TABLE roster_publication IS 'A school year that is published school by school from a moment on; one at a time. Owned by internal/app/roster.';
COMMENT ON COLUMN roster_publication.told IS 'What the municipality''s contacts were last written to about.';
CREATE TABLE roster_publication_part (
    publication uuid NOT NULL,
    n integer NOT NULL,
    kind text NOT NULL,
    school text DEFAULT ''::text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    why text DEFAULT ''::text NOT NULL,
    counts jsonb NOT NULL,
    change_hash bytea NOT NULL,
    holds jsonb NOT NULL,
    leavers integer DEFAULT 0 NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    approved_by text DEFAULT ''::text NOT NULL,
    approved_at timestamp with time zone,
    reason text DEFAULT ''::text NOT NULL,
    import text,
    ended_at timestamp with time zone,
    seconds double precision,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_publication_part_kind_ck CHECK ((kind = ANY (ARRAY['common'::text, 'school'::text, 'rest'::text]))),
    CONSTRAINT roster_publication_part_state_ck CHECK ((state = ANY (ARRAY['waiting'::text, 'held'::text, 'done'::text, 'failed'::text])))
);
COMMENT ON TABLE roster_publication_part IS 'What is published in one transaction: what all need, a school, or what nobody needs any more. The row says done in the transaction that did it. Owned by internal/app/roster.';
COMMENT ON COLUMN roster_publication_part.why IS 'Key of the sentence that says why it is held or failed, empty for its holds.';
COMMENT ON COLUMN roster_publication_part.change_hash IS 'The digest of the changes that were looked at or approved.';
CREATE TABLE roster_record (
    id uuid NOT NULL,
    type text NOT NULL,
    fields jsonb NOT NULL,
    source text NOT NULL,
    sourced_id text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea NOT NULL,
    imported_in integer,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_record_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE roster_record IS 'Rows of the types that the product keeps as delivered: demographics, user profiles, gradebook, resources. Owned by internal/app/roster.';
CREATE TABLE roster_rehearsal (
    plan text NOT NULL,
    day date NOT NULL,
    result jsonb NOT NULL,
    made_by text NOT NULL,
    made_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE roster_rehearsal IS 'How schools, groups and pupils would stand on a day to come by the package of a plan. Owned by internal/app/roster.';
CREATE TABLE roster_sample (
    plan text NOT NULL,
    type text NOT NULL,
    kind text NOT NULL,
    n integer NOT NULL,
    sourced_id text NOT NULL,
    school text NOT NULL,
    person uuid,
    doc jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_sample_kind_ck CHECK ((kind = ANY (ARRAY['insert'::text, 'update'::text, 'remove'::text, 'reactivate'::text])))
);
COMMENT ON TABLE roster_sample IS 'Some rows that a plan would change, before and after, for a human to look at. Owned by internal/app/roster.';
CREATE TABLE roster_upload (
    id uuid NOT NULL,
    name text NOT NULL,
    size bigint NOT NULL,
    part_size integer NOT NULL,
    parts integer DEFAULT 0 NOT NULL,
    mark text DEFAULT ''::text NOT NULL,
    state text NOT NULL,
    options jsonb DEFAULT '{}'::jsonb NOT NULL,
    findings jsonb DEFAULT '[]'::jsonb NOT NULL,
    totals jsonb DEFAULT '[]'::jsonb NOT NULL,
    plan text,
    failure text DEFAULT ''::text NOT NULL,
    sent_by text NOT NULL,
    touched_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_upload_part_size_ck CHECK ((part_size > 0)),
    CONSTRAINT roster_upload_size_ck CHECK ((size > 0)),
    CONSTRAINT roster_upload_state_ck CHECK ((state = ANY (ARRAY['receiving'::text, 'received'::text, 'planned'::text, 'invalid'::text, 'failed'::text])))
);
COMMENT ON TABLE roster_upload IS 'A package on its way in through the browser, in parts that lie in the object store; deleted when it became a plan or grew old. Owned by internal/app/roster.';
CREATE TABLE roster_user (
    id uuid NOT NULL,
    person uuid NOT NULL,
    unit uuid,
    enabled boolean NOT NULL,
    username text NOT NULL,
    given_name text NOT NULL,
    family_name text NOT NULL,
    middle_name text DEFAULT ''::text NOT NULL,
    user_ids text DEFAULT ''::text NOT NULL,
    identifier text DEFAULT ''::text NOT NULL,
    email text DEFAULT ''::text NOT NULL,
    sms text DEFAULT ''::text NOT NULL,
    phone text DEFAULT ''::text NOT NULL,
    agents text[] DEFAULT '{}'::text[] NOT NULL,
    grades text[] DEFAULT '{}'::text[] NOT NULL,
    master_identifier text DEFAULT ''::text NOT NULL,
    hetu_cipher bytea,
    hetu_hash bytea,
    source text NOT NULL,
    sourced_id text NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea NOT NULL,
    imported_in integer,
    extra jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_user_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE roster_user IS 'A row of users.csv as delivered, and the person it is about. Owned by internal/app/roster.';
COMMENT ON COLUMN roster_user.hetu_cipher IS 'The delivered hetu, encrypted; where it stood in the row, extra or user_ids hold a placeholder.';
CREATE TABLE roster_work (
    id uuid NOT NULL,
    kind text NOT NULL,
    upload uuid,
    plan text,
    state text NOT NULL,
    stage text DEFAULT ''::text NOT NULL,
    type text DEFAULT ''::text NOT NULL,
    rows bigint DEFAULT 0 NOT NULL,
    started_by text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    beat_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT roster_work_kind_ck CHECK ((kind = ANY (ARRAY['check'::text, 'apply'::text, 'inbox'::text, 'rehearse'::text, 'schedule'::text, 'publish'::text]))),
    CONSTRAINT roster_work_state_ck CHECK ((state = ANY (ARRAY['running'::text, 'done'::text, 'failed'::text])))
);
COMMENT ON TABLE roster_work IS 'What a program does for somebody who need not wait for it: one thing at a time in a tenant. Whose beat has stopped is dead. Owned by internal/app/roster.';
CREATE TABLE session (
    token_hash bytea NOT NULL,
    account uuid NOT NULL,
    person uuid NOT NULL,
    csrf text NOT NULL,
    language text DEFAULT ''::text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    strength text DEFAULT 'weak'::text NOT NULL,
    device text DEFAULT ''::text NOT NULL,
    CONSTRAINT session_strength_ck CHECK ((strength = ANY (ARRAY['weak'::text, 'strong'::text])))
);
COMMENT ON TABLE session IS 'A signed-in browser. Only the hash of its token is kept. Owned by internal/app/identity.';
CREATE TABLE sign_in (
    state_hash bytea NOT NULL,
    provider uuid NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    return_to text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);
COMMENT ON TABLE sign_in IS 'A sign-in under way; used once. Owned by internal/app/identity.';
CREATE TABLE study_right (
    id uuid NOT NULL,
    learner uuid NOT NULL,
    unit uuid NOT NULL,
    kind text NOT NULL,
    source text NOT NULL,
    confirmed boolean DEFAULT false NOT NULL,
    states jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT study_right_source_ck CHECK ((source = ANY (ARRAY['roster'::text, 'hand'::text])))
);
COMMENT ON TABLE study_right IS 'Opiskeluoikeus: the roster proposes it, the school office confirms it. kind is from the national list opiskeluoikeudentyyppi. Owned by internal/app/org.';
CREATE TABLE teaching_group (
    id uuid NOT NULL,
    unit uuid NOT NULL,
    course uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    code text DEFAULT ''::text NOT NULL,
    location text DEFAULT ''::text NOT NULL,
    grades text[] DEFAULT '{}'::text[] NOT NULL,
    subjects text[] DEFAULT '{}'::text[] NOT NULL,
    subject_codes text[] DEFAULT '{}'::text[] NOT NULL,
    periods text[] DEFAULT '{}'::text[] NOT NULL,
    terms uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    validity daterange NOT NULL,
    source text NOT NULL,
    sourced_id text,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea,
    imported_in integer,
    extra jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT teaching_group_kind_ck CHECK ((kind = ANY (ARRAY['homeroom'::text, 'scheduled'::text, 'other'::text]))),
    CONSTRAINT teaching_group_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE teaching_group IS 'A home class or a subject group. Owned by internal/app/org.';
COMMENT ON COLUMN teaching_group.validity IS 'From the first to the last day of its terms: derived from terms, kept for speed, rebuilt by each import.';
CREATE TABLE term (
    id uuid NOT NULL,
    parent uuid,
    kind text NOT NULL,
    title text NOT NULL,
    validity daterange NOT NULL,
    school_year integer NOT NULL,
    source text NOT NULL,
    sourced_id text,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea,
    imported_in integer,
    extra jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT term_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE term IS 'School year, term, period; the end is exclusive. Owned by internal/app/org.';
CREATE TABLE unit (
    id uuid NOT NULL,
    parent uuid,
    kind text NOT NULL,
    name text NOT NULL,
    name_sv text DEFAULT ''::text NOT NULL,
    school_code text,
    oid text,
    source text NOT NULL,
    sourced_id text,
    status text DEFAULT 'active'::text NOT NULL,
    date_last_modified timestamp with time zone NOT NULL,
    row_hash bytea,
    imported_in integer,
    extra jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT unit_kind_ck CHECK ((kind = ANY (ARRAY['provider'::text, 'school'::text, 'department'::text, 'other'::text]))),
    CONSTRAINT unit_school_code_form_ck CHECK ((school_code ~ '^[0-9]{5}$'::text)),
    CONSTRAINT unit_status_ck CHECK ((status = ANY (ARRAY['active'::text, 'tobedeleted'::text])))
);
COMMENT ON TABLE unit IS 'The provider, its schools and what lies below them. Owned by internal/app/org.';
ALTER TABLE ONLY audit_event ATTACH PARTITION audit_event_default DEFAULT;
ALTER TABLE ONLY account
    ADD CONSTRAINT account_pk PRIMARY KEY (id);
ALTER TABLE ONLY account
    ADD CONSTRAINT account_subject_uq UNIQUE (provider, subject);
ALTER TABLE ONLY audit_alarm
    ADD CONSTRAINT audit_alarm_day_uq UNIQUE (actor, day);
ALTER TABLE ONLY audit_alarm
    ADD CONSTRAINT audit_alarm_pk PRIMARY KEY (id);
ALTER TABLE ONLY audit_event
    ADD CONSTRAINT audit_event_pk PRIMARY KEY (at, id);
ALTER TABLE ONLY audit_event_default
    ADD CONSTRAINT audit_event_default_pkey PRIMARY KEY (at, id);
ALTER TABLE ONLY audit_pending
    ADD CONSTRAINT audit_pending_pk PRIMARY KEY (event);
ALTER TABLE ONLY audit_seal
    ADD CONSTRAINT audit_seal_pk PRIMARY KEY (seq);
ALTER TABLE ONLY code
    ADD CONSTRAINT code_pk PRIMARY KEY (list, value);
ALTER TABLE ONLY course
    ADD CONSTRAINT course_pk PRIMARY KEY (id);
ALTER TABLE ONLY disclosure
    ADD CONSTRAINT disclosure_pk PRIMARY KEY (id);
ALTER TABLE ONLY enrolment
    ADD CONSTRAINT enrolment_pk PRIMARY KEY (id);
ALTER TABLE ONLY grade_placement
    ADD CONSTRAINT grade_placement_pk PRIMARY KEY (id);
ALTER TABLE ONLY grade_placement
    ADD CONSTRAINT grade_placement_source_uq UNIQUE (learner, unit, source);
ALTER TABLE ONLY guardian_block
    ADD CONSTRAINT guardian_block_pk PRIMARY KEY (id);
ALTER TABLE ONLY guardianship
    ADD CONSTRAINT guardianship_pk PRIMARY KEY (id);
ALTER TABLE ONLY guardianship
    ADD CONSTRAINT guardianship_roster_uq UNIQUE (child, guardian, source);
ALTER TABLE ONLY identity_provider
    ADD CONSTRAINT identity_provider_client_uq UNIQUE (issuer, client_id);
ALTER TABLE ONLY identity_provider
    ADD CONSTRAINT identity_provider_pk PRIMARY KEY (id);
ALTER TABLE ONLY job
    ADD CONSTRAINT job_pk PRIMARY KEY (name);
ALTER TABLE ONLY local_edit
    ADD CONSTRAINT local_edit_field_uq UNIQUE (type, sourced_id, field);
ALTER TABLE ONLY local_edit
    ADD CONSTRAINT local_edit_pk PRIMARY KEY (id);
ALTER TABLE ONLY match_review
    ADD CONSTRAINT match_review_pk PRIMARY KEY (id);
ALTER TABLE ONLY object
    ADD CONSTRAINT object_pk PRIMARY KEY (key);
ALTER TABLE ONLY person
    ADD CONSTRAINT person_hetu_hash_uq UNIQUE (hetu_hash);
ALTER TABLE ONLY person_identifier
    ADD CONSTRAINT person_identifier_pk PRIMARY KEY (id);
ALTER TABLE ONLY person_merge
    ADD CONSTRAINT person_merge_pk PRIMARY KEY (id);
ALTER TABLE ONLY person
    ADD CONSTRAINT person_oppijanumero_uq UNIQUE (oppijanumero);
ALTER TABLE ONLY person
    ADD CONSTRAINT person_pk PRIMARY KEY (id);
ALTER TABLE ONLY role_grant
    ADD CONSTRAINT role_grant_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_change
    ADD CONSTRAINT roster_change_pk PRIMARY KEY (import_seq, type, sourced_id);
ALTER TABLE ONLY roster_delivery
    ADD CONSTRAINT roster_delivery_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_delivery
    ADD CONSTRAINT roster_delivery_tag_uq UNIQUE (name, tag);
ALTER TABLE ONLY roster_import
    ADD CONSTRAINT roster_import_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_import
    ADD CONSTRAINT roster_import_seq_uq UNIQUE (seq);
ALTER TABLE ONLY roster_leaver
    ADD CONSTRAINT roster_leaver_pk PRIMARY KEY (plan, n);
ALTER TABLE ONLY roster_publication_part
    ADD CONSTRAINT roster_publication_part_pk PRIMARY KEY (publication, n);
ALTER TABLE ONLY roster_publication
    ADD CONSTRAINT roster_publication_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_record
    ADD CONSTRAINT roster_record_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_rehearsal
    ADD CONSTRAINT roster_rehearsal_pk PRIMARY KEY (plan);
ALTER TABLE ONLY roster_sample
    ADD CONSTRAINT roster_sample_pk PRIMARY KEY (plan, type, kind, n);
ALTER TABLE ONLY roster_upload
    ADD CONSTRAINT roster_upload_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_user
    ADD CONSTRAINT roster_user_pk PRIMARY KEY (id);
ALTER TABLE ONLY roster_work
    ADD CONSTRAINT roster_work_pk PRIMARY KEY (id);
ALTER TABLE ONLY session
    ADD CONSTRAINT session_pk PRIMARY KEY (token_hash);
ALTER TABLE ONLY sign_in
    ADD CONSTRAINT sign_in_pk PRIMARY KEY (state_hash);
ALTER TABLE ONLY study_right
    ADD CONSTRAINT study_right_pk PRIMARY KEY (id);
ALTER TABLE ONLY study_right
    ADD CONSTRAINT study_right_uq UNIQUE (learner, unit, kind);
ALTER TABLE ONLY teaching_group
    ADD CONSTRAINT teaching_group_pk PRIMARY KEY (id);
ALTER TABLE ONLY term
    ADD CONSTRAINT term_pk PRIMARY KEY (id);
ALTER TABLE ONLY unit
    ADD CONSTRAINT unit_pk PRIMARY KEY (id);
CREATE INDEX account_person_ix ON account USING btree (person);
CREATE INDEX audit_event_target_ix ON ONLY audit_event USING btree (target, at);
CREATE INDEX audit_event_default_target_at_idx ON audit_event_default USING btree (target, at);
CREATE UNIQUE INDEX course_sourced_id_uq ON course USING btree (sourced_id COLLATE "C");
CREATE INDEX course_term_ix ON course USING btree (school_year_term);
CREATE INDEX course_unit_ix ON course USING btree (unit);
CREATE INDEX disclosure_learner_ix ON disclosure USING btree (learner);
CREATE INDEX disclosure_recipient_ix ON disclosure USING btree (recipient);
CREATE INDEX enrolment_group_ix ON enrolment USING btree (teaching_group);
CREATE INDEX enrolment_person_ix ON enrolment USING btree (person);
CREATE UNIQUE INDEX enrolment_sourced_id_uq ON enrolment USING btree (sourced_id COLLATE "C");
CREATE INDEX grade_placement_home_group_ix ON grade_placement USING btree (home_group);
CREATE INDEX grade_placement_unit_ix ON grade_placement USING btree (unit);
CREATE INDEX guardian_block_child_ix ON guardian_block USING btree (child);
CREATE INDEX guardian_block_guardian_ix ON guardian_block USING btree (guardian);
CREATE UNIQUE INDEX guardian_block_open_uq ON guardian_block USING btree (child, guardian) WHERE (lifted_at IS NULL);
CREATE INDEX guardianship_guardian_ix ON guardianship USING btree (guardian);
CREATE INDEX match_review_person_ix ON match_review USING btree (person);
CREATE INDEX person_identifier_person_ix ON person_identifier USING btree (person);
CREATE INDEX person_identifier_value_ix ON person_identifier USING btree (kind, value_hash);
CREATE INDEX person_merge_gone_ix ON person_merge USING btree (gone);
CREATE INDEX person_merge_kept_ix ON person_merge USING btree (kept);
CREATE UNIQUE INDEX person_merge_open_uq ON person_merge USING btree (gone) WHERE (undone_at IS NULL);
CREATE INDEX person_merged_into_ix ON person USING btree (merged_into) WHERE (merged_into IS NOT NULL);
CREATE INDEX person_name_ix ON person USING btree (family_name COLLATE "C", given_names COLLATE "C", id);
CREATE INDEX person_names_ix ON person USING gin (array_to_tsvector(array_remove(string_to_array(lower(translate("left"(replace(((((given_names || ' '::text) || call_name) || ' '::text) || family_name), '-'::text, ' '::text), 400), 'ÅÄÖÉÈÜŠŽÁČĐŊŦÕåäöéèüšžáčđŋŧõ'::text, 'AAOEEUSZACDNTOaaoeeuszacdnto'::text)), ' '::text), ''::text))) WHERE (merged_into IS NULL);
COMMENT ON INDEX person_names_ix IS 'The words of a name, folded as internal/app/people folds what is typed, found by how they begin.';
CREATE INDEX role_grant_group_ix ON role_grant USING btree (teaching_group);
CREATE INDEX role_grant_person_ix ON role_grant USING btree (person);
CREATE UNIQUE INDEX role_grant_sourced_id_uq ON role_grant USING btree (sourced_id COLLATE "C");
CREATE INDEX role_grant_unit_ix ON role_grant USING btree (unit);
CREATE INDEX roster_change_sourced_id_ix ON roster_change USING btree (type, sourced_id);
CREATE INDEX roster_delivery_plan_ix ON roster_delivery USING btree (plan);
CREATE INDEX roster_delivery_seen_at_ix ON roster_delivery USING btree (seen_at, id);
CREATE INDEX roster_delivery_upload_ix ON roster_delivery USING btree (upload);
CREATE INDEX roster_import_fresh_ix ON roster_import USING btree (applied_at) WHERE ((state = 'applied'::text) AND (kind = 'package'::text));
CREATE INDEX roster_import_planned_at_ix ON roster_import USING btree (planned_at, id);
CREATE INDEX roster_import_undoes_ix ON roster_import USING btree (undoes);
CREATE UNIQUE INDEX roster_publication_open_uq ON roster_publication USING btree ((true)) WHERE (state = ANY (ARRAY['scheduled'::text, 'running'::text]));
CREATE INDEX roster_publication_part_import_ix ON roster_publication_part USING btree (import);
CREATE INDEX roster_publication_plan_ix ON roster_publication USING btree (plan);
CREATE UNIQUE INDEX roster_record_sourced_id_uq ON roster_record USING btree (type, sourced_id COLLATE "C");
CREATE INDEX roster_upload_created_at_ix ON roster_upload USING btree (created_at, id);
CREATE INDEX roster_upload_plan_ix ON roster_upload USING btree (plan);
CREATE INDEX roster_user_person_ix ON roster_user USING btree (person);
CREATE UNIQUE INDEX roster_user_sourced_id_uq ON roster_user USING btree (sourced_id COLLATE "C");
CREATE INDEX roster_user_unit_ix ON roster_user USING btree (unit);
CREATE INDEX roster_user_username_ix ON roster_user USING btree (username COLLATE "C");
CREATE INDEX roster_work_plan_ix ON roster_work USING btree (plan);
CREATE UNIQUE INDEX roster_work_running_uq ON roster_work USING btree (state) WHERE (state = 'running'::text);
CREATE INDEX roster_work_upload_ix ON roster_work USING btree (upload);
CREATE INDEX session_account_ix ON session USING btree (account);
CREATE INDEX session_expires_at_ix ON session USING btree (expires_at);
CREATE UNIQUE INDEX session_id_uq ON session USING btree (id);
CREATE INDEX session_person_ix ON session USING btree (person);
CREATE INDEX sign_in_expires_at_ix ON sign_in USING btree (expires_at);
CREATE INDEX sign_in_provider_ix ON sign_in USING btree (provider);
CREATE INDEX study_right_unit_ix ON study_right USING btree (unit);
CREATE INDEX teaching_group_course_ix ON teaching_group USING btree (course);
CREATE UNIQUE INDEX teaching_group_sourced_id_uq ON teaching_group USING btree (sourced_id COLLATE "C");
CREATE INDEX teaching_group_unit_ix ON teaching_group USING btree (unit);
CREATE INDEX term_parent_ix ON term USING btree (parent);
CREATE UNIQUE INDEX term_sourced_id_uq ON term USING btree (sourced_id COLLATE "C");
CREATE INDEX unit_parent_ix ON unit USING btree (parent);
CREATE UNIQUE INDEX unit_sourced_id_uq ON unit USING btree (sourced_id COLLATE "C");
ALTER INDEX audit_event_pk ATTACH PARTITION audit_event_default_pkey;
ALTER INDEX audit_event_target_ix ATTACH PARTITION audit_event_default_target_at_idx;
ALTER TABLE ONLY account
    ADD CONSTRAINT account_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY account
    ADD CONSTRAINT account_provider_fk FOREIGN KEY (provider) REFERENCES identity_provider(id);
ALTER TABLE ONLY course
    ADD CONSTRAINT course_term_fk FOREIGN KEY (school_year_term) REFERENCES term(id);
ALTER TABLE ONLY course
    ADD CONSTRAINT course_unit_fk FOREIGN KEY (unit) REFERENCES unit(id);
ALTER TABLE ONLY disclosure
    ADD CONSTRAINT disclosure_learner_fk FOREIGN KEY (learner) REFERENCES person(id);
ALTER TABLE ONLY disclosure
    ADD CONSTRAINT disclosure_recipient_fk FOREIGN KEY (recipient) REFERENCES person(id);
ALTER TABLE ONLY enrolment
    ADD CONSTRAINT enrolment_group_fk FOREIGN KEY (teaching_group) REFERENCES teaching_group(id);
ALTER TABLE ONLY enrolment
    ADD CONSTRAINT enrolment_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY grade_placement
    ADD CONSTRAINT grade_placement_home_group_fk FOREIGN KEY (home_group) REFERENCES teaching_group(id);
ALTER TABLE ONLY grade_placement
    ADD CONSTRAINT grade_placement_learner_fk FOREIGN KEY (learner) REFERENCES person(id);
ALTER TABLE ONLY grade_placement
    ADD CONSTRAINT grade_placement_unit_fk FOREIGN KEY (unit) REFERENCES unit(id);
ALTER TABLE ONLY guardian_block
    ADD CONSTRAINT guardian_block_child_fk FOREIGN KEY (child) REFERENCES person(id);
ALTER TABLE ONLY guardian_block
    ADD CONSTRAINT guardian_block_guardian_fk FOREIGN KEY (guardian) REFERENCES person(id);
ALTER TABLE ONLY guardianship
    ADD CONSTRAINT guardianship_child_fk FOREIGN KEY (child) REFERENCES person(id);
ALTER TABLE ONLY guardianship
    ADD CONSTRAINT guardianship_guardian_fk FOREIGN KEY (guardian) REFERENCES person(id);
ALTER TABLE ONLY match_review
    ADD CONSTRAINT match_review_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY person_identifier
    ADD CONSTRAINT person_identifier_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY person_merge
    ADD CONSTRAINT person_merge_gone_fk FOREIGN KEY (gone) REFERENCES person(id);
ALTER TABLE ONLY person_merge
    ADD CONSTRAINT person_merge_kept_fk FOREIGN KEY (kept) REFERENCES person(id);
ALTER TABLE ONLY person
    ADD CONSTRAINT person_merged_into_fk FOREIGN KEY (merged_into) REFERENCES person(id);
ALTER TABLE ONLY role_grant
    ADD CONSTRAINT role_grant_group_fk FOREIGN KEY (teaching_group) REFERENCES teaching_group(id);
ALTER TABLE ONLY role_grant
    ADD CONSTRAINT role_grant_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY role_grant
    ADD CONSTRAINT role_grant_unit_fk FOREIGN KEY (unit) REFERENCES unit(id);
ALTER TABLE ONLY roster_change
    ADD CONSTRAINT roster_change_import_fk FOREIGN KEY (import_seq) REFERENCES roster_import(seq);
ALTER TABLE ONLY roster_delivery
    ADD CONSTRAINT roster_delivery_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE SET NULL;
ALTER TABLE ONLY roster_delivery
    ADD CONSTRAINT roster_delivery_upload_fk FOREIGN KEY (upload) REFERENCES roster_upload(id) ON DELETE SET NULL;
ALTER TABLE ONLY roster_import
    ADD CONSTRAINT roster_import_undoes_fk FOREIGN KEY (undoes) REFERENCES roster_import(id);
ALTER TABLE ONLY roster_leaver
    ADD CONSTRAINT roster_leaver_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_publication_part
    ADD CONSTRAINT roster_publication_part_import_fk FOREIGN KEY (import) REFERENCES roster_import(id) ON DELETE SET NULL;
ALTER TABLE ONLY roster_publication_part
    ADD CONSTRAINT roster_publication_part_publication_fk FOREIGN KEY (publication) REFERENCES roster_publication(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_publication
    ADD CONSTRAINT roster_publication_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_rehearsal
    ADD CONSTRAINT roster_rehearsal_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_sample
    ADD CONSTRAINT roster_sample_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_upload
    ADD CONSTRAINT roster_upload_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_user
    ADD CONSTRAINT roster_user_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY roster_user
    ADD CONSTRAINT roster_user_unit_fk FOREIGN KEY (unit) REFERENCES unit(id);
ALTER TABLE ONLY roster_work
    ADD CONSTRAINT roster_work_plan_fk FOREIGN KEY (plan) REFERENCES roster_import(id) ON DELETE CASCADE;
ALTER TABLE ONLY roster_work
    ADD CONSTRAINT roster_work_upload_fk FOREIGN KEY (upload) REFERENCES roster_upload(id) ON DELETE CASCADE;
ALTER TABLE ONLY session
    ADD CONSTRAINT session_account_fk FOREIGN KEY (account) REFERENCES account(id);
ALTER TABLE ONLY session
    ADD CONSTRAINT session_person_fk FOREIGN KEY (person) REFERENCES person(id);
ALTER TABLE ONLY sign_in
    ADD CONSTRAINT sign_in_provider_fk FOREIGN KEY (provider) REFERENCES identity_provider(id);
ALTER TABLE ONLY study_right
    ADD CONSTRAINT study_right_learner_fk FOREIGN KEY (learner) REFERENCES person(id);
ALTER TABLE ONLY study_right
    ADD CONSTRAINT study_right_unit_fk FOREIGN KEY (unit) REFERENCES unit(id);
ALTER TABLE ONLY teaching_group
    ADD CONSTRAINT teaching_group_course_fk FOREIGN KEY (course) REFERENCES course(id);
ALTER TABLE ONLY teaching_group
    ADD CONSTRAINT teaching_group_unit_fk FOREIGN KEY (unit) REFERENCES unit(id);
ALTER TABLE ONLY term
    ADD CONSTRAINT term_parent_fk FOREIGN KEY (parent) REFERENCES term(id);
ALTER TABLE ONLY unit
    ADD CONSTRAINT unit_parent_fk FOREIGN KEY (parent) REFERENCES unit(id);
