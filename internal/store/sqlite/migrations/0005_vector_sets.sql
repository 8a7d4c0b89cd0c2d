-- +goose Up

-- The model whose vectors a collection holds. Empty: not known.
ALTER TABLE collections ADD COLUMN identity TEXT NOT NULL DEFAULT '';
-- The set of vectors that is searched. 0 is the first one of every collection.
ALTER TABLE collections ADD COLUMN vector_set INTEGER NOT NULL DEFAULT 0;

CREATE INDEX passages_collection ON passages (collection);

-- The sets that reindexes make, beside those that are searched. AUTOINCREMENT: a number is never given twice, so what
-- is left of an old set is never taken for a part of a new one.
CREATE TABLE reindexes (
    vector_set INTEGER PRIMARY KEY AUTOINCREMENT,
    collection INTEGER NOT NULL UNIQUE REFERENCES collections (id),
    embedder   TEXT    NOT NULL,
    identity   TEXT    NOT NULL,
    dimensions INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- How many passages have a vector in it.
    done       INTEGER NOT NULL DEFAULT 0,
    -- Every passage up to this row has one.
    up_to      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The sets that nobody searches any more. A sweep deletes them, passage by passage: up_to is how far it is.
CREATE TABLE old_sets (
    collection INTEGER NOT NULL REFERENCES collections (id),
    vector_set INTEGER NOT NULL,
    dimensions INTEGER NOT NULL,
    up_to      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (collection, vector_set)
) STRICT, WITHOUT ROWID;

-- A passage has a vector in each set: its row is the passage's, plus the set's number times 2^40. So is that of its
-- code in codes_N.
CREATE TABLE vectors_of_sets (
    id        INTEGER PRIMARY KEY,
    embedding BLOB NOT NULL
) STRICT;
INSERT INTO vectors_of_sets (id, embedding) SELECT passage, embedding FROM vectors ORDER BY passage;
DROP TABLE vectors;
ALTER TABLE vectors_of_sets RENAME TO vectors;

-- +goose Down
CREATE TABLE vectors_of_passages (
    passage   INTEGER PRIMARY KEY REFERENCES passages (id),
    embedding BLOB NOT NULL
) STRICT;
INSERT INTO vectors_of_passages (passage, embedding) SELECT id, embedding FROM vectors WHERE id < 1 << 40;
DROP TABLE vectors;
ALTER TABLE vectors_of_passages RENAME TO vectors;
DROP TABLE old_sets;
DROP TABLE reindexes;
DROP INDEX passages_collection;
ALTER TABLE collections DROP COLUMN vector_set;
ALTER TABLE collections DROP COLUMN identity;
