-- +goose Up

-- ISO 639-1. Empty: none that is known.
ALTER TABLE documents ADD COLUMN language TEXT NOT NULL DEFAULT '';

CREATE INDEX documents_language ON documents (collection, language);

-- The version of package analysis that made the words of the collection's index. Another one than the program's: the
-- index is made anew when the file is opened. Empty: FTS5 made them itself.
ALTER TABLE collections ADD COLUMN analysis TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE collections DROP COLUMN analysis;
DROP INDEX documents_language;
ALTER TABLE documents DROP COLUMN language;
