-- +goose Up

-- What attempts took and cost. Times are in microseconds, and costs in thousand-millionths of a US dollar.
CREATE TABLE usage (
    tenant       TEXT    NOT NULL,
    run          TEXT    NOT NULL,
    step         TEXT    NOT NULL,
    attempt      INTEGER NOT NULL,
    time         INTEGER NOT NULL,
    key          TEXT    NOT NULL,
    chain        TEXT    NOT NULL,
    target       TEXT    NOT NULL,
    backend      TEXT    NOT NULL,
    model        TEXT    NOT NULL,
    input        INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    estimated    INTEGER NOT NULL,
    cost         INTEGER NOT NULL,
    cost_known   INTEGER NOT NULL,
    ttft         INTEGER NOT NULL,
    duration     INTEGER NOT NULL,
    failed       TEXT    NOT NULL,
    PRIMARY KEY (tenant, run, step, attempt)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_tenant_time ON usage (tenant, time);
CREATE INDEX usage_time ON usage (time);

-- The sums by day, which outlive the rows that they are made of.
CREATE TABLE usage_days (
    tenant       TEXT    NOT NULL,
    day          INTEGER NOT NULL, -- days since 1970, in UTC
    key          TEXT    NOT NULL,
    chain        TEXT    NOT NULL,
    target       TEXT    NOT NULL,
    attempts     INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    input        INTEGER NOT NULL,
    cached_input INTEGER NOT NULL,
    output       INTEGER NOT NULL,
    reasoning    INTEGER NOT NULL,
    cost         INTEGER NOT NULL,
    unpriced     INTEGER NOT NULL,
    estimated    INTEGER NOT NULL,
    duration     INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, key, chain, target)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE usage_days;
DROP TABLE usage;
