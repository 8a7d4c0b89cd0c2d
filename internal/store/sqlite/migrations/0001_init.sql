-- +goose Up

-- A collection belongs to one tenant; all that it holds hangs on its number, which is found by
-- (tenant, name) alone. AUTOINCREMENT: a number is never given twice, so the tables that are named
-- after it (lexicon_N) cannot be mistaken for those of a collection that is gone.
CREATE TABLE collections (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant         TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    description    TEXT    NOT NULL,
    label          INTEGER NOT NULL,
    embedder       TEXT    NOT NULL,
    dimensions     INTEGER NOT NULL,
    lexical_weight REAL    NOT NULL,
    created_at     INTEGER NOT NULL, -- microseconds since 1970, as all times here
    documents      INTEGER NOT NULL DEFAULT 0,
    passages       INTEGER NOT NULL DEFAULT 0,
    -- How many documents were deleted or replaced, and how many of those when the index was last swept.
    deletions      INTEGER NOT NULL DEFAULT 0,
    swept          INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, name)
) STRICT;

CREATE INDEX collections_unswept ON collections (id) WHERE swept < deletions;

CREATE TABLE documents (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    collection   INTEGER NOT NULL REFERENCES collections (id),
    doc_id       TEXT    NOT NULL,
    uri          TEXT    NOT NULL,
    title        TEXT    NOT NULL,
    media_type   TEXT    NOT NULL,
    label        INTEGER NOT NULL,
    metadata     TEXT    NOT NULL, -- JSON, as it is given back
    content_hash TEXT    NOT NULL,
    fingerprint  TEXT    NOT NULL,
    source_bytes INTEGER NOT NULL,
    passages     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    UNIQUE (collection, doc_id),
    UNIQUE (collection, uri)
) STRICT;

-- "Is there anything above this label, and how many passages are not?" without reading a document.
CREATE INDEX documents_label ON documents (collection, label, passages);

-- Apart from documents, so that listings and joins do not step over long texts.
CREATE TABLE document_texts (
    document INTEGER PRIMARY KEY REFERENCES documents (id),
    text     TEXT NOT NULL
) STRICT;

-- Metadata as filters ask for it: a row for each value, or each item of a list. kind: 0 an empty
-- list, 1 text, 2 number, 3 boolean. item: -1 a value of its own, else the place in the list.
CREATE TABLE document_fields (
    document   INTEGER NOT NULL REFERENCES documents (id),
    key        TEXT    NOT NULL,
    item       INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    kind       INTEGER NOT NULL,
    value      ANY,
    PRIMARY KEY (document, key, item)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_fields_value ON document_fields (collection, key, kind, value, item);

CREATE TABLE passages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL,
    document   INTEGER NOT NULL REFERENCES documents (id),
    passage_id TEXT    NOT NULL,
    ordinal    INTEGER NOT NULL,
    byte_start INTEGER NOT NULL,
    byte_end   INTEGER NOT NULL,
    line_start INTEGER NOT NULL,
    line_end   INTEGER NOT NULL,
    page       INTEGER NOT NULL,
    heading    TEXT    NOT NULL, -- JSON list
    text       TEXT    NOT NULL,
    UNIQUE (collection, passage_id)
) STRICT;

CREATE INDEX passages_document ON passages (document);

-- The vectors at full precision and unit length, little-endian float32. Their codes, by which
-- candidates are found, are in the tables codes_N of sqlite-vec.
CREATE TABLE vectors (
    passage   INTEGER PRIMARY KEY REFERENCES passages (id),
    embedding BLOB NOT NULL
) STRICT;

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    label      INTEGER NOT NULL,
    messages   INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE session_messages (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    session INTEGER NOT NULL REFERENCES sessions (id),
    seq     INTEGER NOT NULL, -- from 1, without gaps
    body    TEXT    NOT NULL, -- JSON
    UNIQUE (session, seq)
) STRICT;

-- +goose Down
DROP TABLE session_messages;
DROP TABLE sessions;
DROP TABLE vectors;
DROP TABLE passages;
DROP TABLE document_fields;
DROP TABLE document_texts;
DROP TABLE documents;
DROP TABLE collections;
