-- +goose Up

-- What was decided about which version of a target callers get. The newest decision of a target is in force. They are
-- the operators' and of no tenant, so they outlive the tenant of who decided; what was decided is never changed, and no
-- policy lets anyone change or delete it.
CREATE TABLE traffic (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target      text        NOT NULL,
    rolled_back boolean     NOT NULL,
    author      text        NOT NULL,
    reason      text        NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX traffic_target ON traffic (target, id);

ALTER TABLE traffic ENABLE ROW LEVEL SECURITY;
ALTER TABLE traffic FORCE ROW LEVEL SECURITY;
CREATE POLICY operator ON traffic FOR SELECT USING (current_setting('app.operator', true) = 'on');
CREATE POLICY decide ON traffic FOR INSERT WITH CHECK (current_setting('app.operator', true) = 'on');

-- +goose Down
DROP TABLE traffic;
