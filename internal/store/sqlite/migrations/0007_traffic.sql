-- +goose Up

-- What was decided about which version of a target callers get. The newest decision of a target is in force. They are the
-- server's and of no tenant; what was decided is never changed. Times are in microseconds.
CREATE TABLE traffic (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    target      TEXT    NOT NULL,
    rolled_back INTEGER NOT NULL,
    author      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    at          INTEGER NOT NULL
) STRICT;

CREATE INDEX traffic_target ON traffic (target, id);

-- +goose StatementBegin
CREATE TRIGGER traffic_kept BEFORE UPDATE ON traffic BEGIN
    SELECT raise(ABORT, 'decisions about traffic are not changed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER traffic_stays BEFORE DELETE ON traffic BEGIN
    SELECT raise(ABORT, 'decisions about traffic are not deleted');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE traffic;
