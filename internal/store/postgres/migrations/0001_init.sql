-- +goose Up

-- Every table has the tenant in its key, and every policy below asks for it: see tenant.go. The role that serves is
-- not the owner. Times are to the microsecond.

CREATE TABLE tenants (
    tenant      text        NOT NULL PRIMARY KEY,
    description text        NOT NULL,
    created_at  timestamptz NOT NULL,
    disabled_at timestamptz
);

CREATE TABLE collections (
    tenant         text             NOT NULL,
    id             bigint           NOT NULL GENERATED ALWAYS AS IDENTITY,
    name           text             NOT NULL COLLATE "C",
    description    text             NOT NULL,
    label          smallint         NOT NULL,
    lexical_weight double precision NOT NULL,
    created_at     timestamptz      NOT NULL,
    -- The set of vectors that is searched.
    generation     integer          NOT NULL DEFAULT 1,
    embedder       text             NOT NULL,
    identity       text             NOT NULL,
    dimensions     integer          NOT NULL,
    -- The set that a reindex makes. NULL: there is none.
    next_generation integer,
    next_embedder   text,
    next_identity   text,
    next_dimensions integer,
    next_started_at timestamptz,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name)
);

-- What a collection holds, in slots, so that writers side by side do not wait for one row. Slots are summed.
CREATE TABLE collection_counts (
    tenant     text     NOT NULL,
    collection bigint   NOT NULL,
    slot       smallint NOT NULL,
    documents  bigint   NOT NULL,
    passages   bigint   NOT NULL,
    -- How many words the passages have, for the average that BM25 wants.
    words      bigint   NOT NULL,
    PRIMARY KEY (tenant, collection, slot),
    FOREIGN KEY (tenant, collection) REFERENCES collections (tenant, id) ON DELETE CASCADE
);

CREATE TABLE documents (
    tenant       text        NOT NULL,
    id           bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    collection   bigint      NOT NULL,
    doc_id       text        NOT NULL COLLATE "C",
    uri          text        NOT NULL COLLATE "C",
    title        text        NOT NULL COLLATE "C",
    media_type   text        NOT NULL COLLATE "C",
    language     text        NOT NULL COLLATE "C",
    label        smallint    NOT NULL,
    metadata     text        NOT NULL, -- JSON, as it is given back
    content_hash text        NOT NULL,
    fingerprint  text        NOT NULL,
    source_bytes bigint      NOT NULL,
    passages     integer     NOT NULL,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, collection, doc_id),
    UNIQUE (tenant, collection, uri),
    FOREIGN KEY (tenant, collection) REFERENCES collections (tenant, id) ON DELETE CASCADE
);

-- How many passages a label lets through, and which languages there are, without reading a document.
CREATE INDEX documents_label ON documents (tenant, collection, label, passages);
CREATE INDEX documents_language ON documents (tenant, collection, language);

-- Apart from documents, so that listings and joins do not step over long texts.
CREATE TABLE document_texts (
    tenant   text   NOT NULL,
    document bigint NOT NULL,
    text     text   NOT NULL,
    PRIMARY KEY (tenant, document),
    FOREIGN KEY (tenant, document) REFERENCES documents (tenant, id) ON DELETE CASCADE
);

-- Metadata as filters ask for it: a row for each value, or each item of a list. kind: 0 an empty list, 1 text,
-- 2 number, 3 boolean (number 0 or 1). item: -1 a value of its own, else the place in the list. jsonb would not do:
-- its operators are not leakproof, so under row level security no index of it is ever used.
CREATE TABLE document_fields (
    tenant     text     NOT NULL,
    document   bigint   NOT NULL,
    key        text     NOT NULL COLLATE "C",
    item       integer  NOT NULL,
    collection bigint   NOT NULL,
    kind       smallint NOT NULL,
    text       text COLLATE "C",
    -- The beginning of text: a text may be longer than an index takes.
    head       text COLLATE "C" GENERATED ALWAYS AS (left(text, 200)) STORED,
    number     double precision,
    PRIMARY KEY (tenant, document, key, item),
    FOREIGN KEY (tenant, document) REFERENCES documents (tenant, id) ON DELETE CASCADE
);

CREATE INDEX document_fields_text ON document_fields (tenant, collection, key, head) WHERE kind = 1;
CREATE INDEX document_fields_number ON document_fields (tenant, collection, key, kind, number) WHERE kind IN (2, 3);

CREATE TABLE passages (
    tenant     text    NOT NULL,
    id         bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    collection bigint  NOT NULL,
    document   bigint  NOT NULL,
    passage_id text    NOT NULL COLLATE "C",
    ordinal    integer NOT NULL,
    byte_start integer NOT NULL,
    byte_end   integer NOT NULL,
    line_start integer NOT NULL,
    line_end   integer NOT NULL,
    page       integer NOT NULL,
    heading    text[]  NOT NULL,
    text       text    NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, collection, passage_id),
    FOREIGN KEY (tenant, document) REFERENCES documents (tenant, id) ON DELETE CASCADE
);

CREATE INDEX passages_document ON passages (tenant, document);
CREATE INDEX passages_collection ON passages (tenant, collection, id);

-- What the words of a passage are, as retrieval/analysis makes them: each lexeme begins with the collection's number,
-- so that the lists of the index are those of one collection, and no query reaches those of another. Positions mean
-- nothing; their weights do: A the title, B the headings, D the text.
CREATE TABLE words (
    tenant     text     NOT NULL,
    passage    bigint   NOT NULL,
    collection bigint   NOT NULL,
    document   bigint   NOT NULL,
    label      smallint NOT NULL,
    length     integer  NOT NULL,
    lexemes    tsvector NOT NULL,
    PRIMARY KEY (tenant, passage),
    FOREIGN KEY (tenant, passage) REFERENCES passages (tenant, id) ON DELETE CASCADE
);
ALTER TABLE words ALTER COLUMN lexemes SET STORAGE MAIN;
-- Without a list of pending entries: every search would read all of it, for each of its words, whoever wrote it.
CREATE INDEX words_lexemes ON words USING gin (lexemes) WITH (fastupdate = off);
CREATE INDEX words_collection ON words (tenant, collection);

-- Names, numbers and codes that stand in a collection, for queries that write one nearly right.
CREATE TABLE identifiers (
    tenant     text   NOT NULL,
    collection bigint NOT NULL,
    identifier text   NOT NULL COLLATE "C",
    PRIMARY KEY (tenant, collection, identifier),
    FOREIGN KEY (tenant, collection) REFERENCES collections (tenant, id) ON DELETE CASCADE
);
-- In which documents they stand: one goes with the last.
CREATE TABLE document_identifiers (
    tenant     text   NOT NULL,
    document   bigint NOT NULL,
    identifier text   NOT NULL COLLATE "C",
    collection bigint NOT NULL,
    PRIMARY KEY (tenant, document, identifier),
    FOREIGN KEY (tenant, document) REFERENCES documents (tenant, id) ON DELETE CASCADE
);
CREATE INDEX document_identifiers_identifier ON document_identifiers (tenant, collection, identifier);
CREATE INDEX identifiers_trigrams ON identifiers USING gin (identifier gin_trgm_ops) WITH (fastupdate = off);

-- The vectors, at unit length. Inline, so that comparing all of a small collection reads no other table. An index for
-- nearest neighbours is one for each length of vector: see index.go.
CREATE TABLE vectors (
    tenant     text     NOT NULL,
    collection bigint   NOT NULL,
    generation integer  NOT NULL,
    passage    bigint   NOT NULL,
    document   bigint   NOT NULL,
    label      smallint NOT NULL,
    dimensions integer  NOT NULL,
    embedding  halfvec  NOT NULL,
    PRIMARY KEY (tenant, collection, generation, passage),
    FOREIGN KEY (tenant, passage) REFERENCES passages (tenant, id) ON DELETE CASCADE
);
ALTER TABLE vectors ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX vectors_passage ON vectors (tenant, passage);

CREATE TABLE sessions (
    tenant     text        NOT NULL,
    id         bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    name       text        NOT NULL,
    label      smallint    NOT NULL,
    messages   integer     NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (tenant, id),
    UNIQUE (tenant, name)
);

CREATE TABLE session_messages (
    tenant  text    NOT NULL,
    session bigint  NOT NULL,
    seq     integer NOT NULL, -- from 1, without gaps
    body    text    NOT NULL, -- JSON
    PRIMARY KEY (tenant, session, seq),
    FOREIGN KEY (tenant, session) REFERENCES sessions (tenant, id) ON DELETE CASCADE
);

-- What was decided about steps and what came of it: names, counts, times and prices, and no content.
CREATE TABLE decisions (
    tenant text        NOT NULL,
    run    text        NOT NULL,
    seq    bigint      NOT NULL,
    id     bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    time   timestamptz NOT NULL,
    body   text        NOT NULL, -- JSON
    PRIMARY KEY (tenant, run, seq)
);
CREATE INDEX decisions_time ON decisions (tenant, time, id);

-- Who has decisions: an operator deletes old ones of all, and a tenant need not be in the list of tenants.
CREATE TABLE decision_tenants (
    tenant text NOT NULL PRIMARY KEY
);

-- Secrets are kept as HMAC-SHA256 under a pepper that the database never sees.
CREATE TABLE keys (
    tenant     text        NOT NULL REFERENCES tenants (tenant),
    id         text        NOT NULL UNIQUE COLLATE "C",
    hash       bytea       NOT NULL,
    name       text        NOT NULL,
    scopes     smallint    NOT NULL,
    ceiling    smallint    NOT NULL,
    models     text[],
    policies   text[],
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    replaces   text COLLATE "C",
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, replaces) REFERENCES keys (tenant, id)
);

CREATE TABLE usage (
    tenant       text        NOT NULL,
    run          text        NOT NULL,
    step         text        NOT NULL,
    attempt      integer     NOT NULL,
    time         timestamptz NOT NULL,
    key          text        NOT NULL,
    chain        text        NOT NULL,
    target       text        NOT NULL,
    backend      text        NOT NULL,
    model        text        NOT NULL,
    input        bigint      NOT NULL,
    cached_input bigint      NOT NULL,
    output       bigint      NOT NULL,
    reasoning    bigint      NOT NULL,
    estimated    boolean     NOT NULL,
    cost         bigint      NOT NULL, -- thousand-millionths of a US dollar
    cost_known   boolean     NOT NULL,
    ttft         bigint      NOT NULL, -- microseconds
    duration     bigint      NOT NULL, -- microseconds
    failed       text        NOT NULL,
    PRIMARY KEY (tenant, run, step, attempt)
);
CREATE INDEX usage_time ON usage (tenant, time);

CREATE TABLE usage_days (
    tenant       text    NOT NULL,
    day          date    NOT NULL,
    key          text    NOT NULL,
    chain        text    NOT NULL,
    target       text    NOT NULL,
    attempts     bigint  NOT NULL,
    failed       bigint  NOT NULL,
    input        bigint  NOT NULL,
    cached_input bigint  NOT NULL,
    output       bigint  NOT NULL,
    reasoning    bigint  NOT NULL,
    cost         numeric NOT NULL,
    unpriced     bigint  NOT NULL,
    estimated    bigint  NOT NULL,
    duration     numeric NOT NULL, -- microseconds
    PRIMARY KEY (tenant, day, key, chain, target)
);

-- A sample of queries, to see now and then how many of the nearest the index finds. Vectors alone, no text.
CREATE TABLE canary_queries (
    tenant     text        NOT NULL,
    collection bigint      NOT NULL,
    slot       integer     NOT NULL,
    generation integer     NOT NULL,
    embedding  halfvec     NOT NULL,
    label      smallint    NOT NULL,
    seen_at    timestamptz NOT NULL,
    PRIMARY KEY (tenant, collection, slot),
    FOREIGN KEY (tenant, collection) REFERENCES collections (tenant, id) ON DELETE CASCADE
);

-- +goose StatementBegin
DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'collections', 'collection_counts', 'documents', 'document_texts', 'document_fields',
        'passages', 'words', 'identifiers', 'document_identifiers', 'vectors', 'sessions', 'session_messages', 'decisions', 'decision_tenants', 'keys', 'usage', 'usage_days',
        'canary_queries']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
        -- A setting that was reset reads as '' and not as NULL: neither may be a tenant.
        EXECUTE format($p$CREATE POLICY tenant ON %I
            USING (tenant = nullif(current_setting('app.tenant', true), ''))
            WITH CHECK (tenant = nullif(current_setting('app.tenant', true), ''))$p$, t);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- An operator lists tenants, and whoever has a key's id may find that key, before its tenant is known.
CREATE POLICY operator ON tenants FOR SELECT USING (current_setting('app.operator', true) = 'on');
CREATE POLICY operator ON decision_tenants FOR SELECT USING (current_setting('app.operator', true) = 'on');
CREATE POLICY holder ON keys FOR SELECT USING (id = nullif(current_setting('app.key', true), ''));

INSERT INTO tenants (tenant, description, created_at)
SELECT 'default', 'the tenant of a server that knows no tenants', now()
WHERE set_config('app.tenant', 'default', true) = 'default';

-- +goose Down
DROP TABLE canary_queries, usage_days, usage, keys, decision_tenants, decisions, session_messages, sessions, vectors, document_identifiers, identifiers, words, passages,
    document_fields, document_texts, documents, collection_counts, collections, tenants;
