-- +goose Up

CREATE TABLE tenants (
    tenant      TEXT    NOT NULL PRIMARY KEY,
    description TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT;

INSERT INTO tenants (tenant, description, created_at)
VALUES ('default', 'the tenant of a server that knows no tenants', CAST(strftime('%s', 'now') AS INTEGER) * 1000000);

-- Secrets are kept as HMAC-SHA256 under a pepper that the database never sees.
CREATE TABLE keys (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they were made
    tenant     TEXT    NOT NULL REFERENCES tenants (tenant),
    id         TEXT    NOT NULL UNIQUE,
    hash       BLOB    NOT NULL,
    name       TEXT    NOT NULL,
    scopes     INTEGER NOT NULL,
    ceiling    INTEGER NOT NULL,
    models     TEXT, -- JSON list; NULL is all, as in policies
    policies   TEXT,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    replaces   TEXT REFERENCES keys (id)
) STRICT;

CREATE INDEX keys_tenant ON keys (tenant, created_at, seq);
CREATE INDEX keys_replaces ON keys (replaces) WHERE replaces IS NOT NULL;

-- +goose Down
DROP TABLE keys;
DROP TABLE tenants;
