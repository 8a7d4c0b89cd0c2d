-- +goose Up

-- What was decided about steps and what came of it: names, counts, times and prices, and no content.
CREATE TABLE decisions (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT    NOT NULL,
    run    TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    time   INTEGER NOT NULL,
    body   TEXT    NOT NULL, -- JSON
    UNIQUE (tenant, run, seq)
) STRICT;

CREATE INDEX decisions_tenant_time ON decisions (tenant, time, id);
CREATE INDEX decisions_time ON decisions (time);

-- +goose Down
DROP TABLE decisions;
