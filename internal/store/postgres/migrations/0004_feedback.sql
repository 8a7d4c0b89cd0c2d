-- +goose Up

-- What callers said of answers: a score and a word. It is about a decision and goes with it.
CREATE TABLE feedback (
    tenant    text             NOT NULL,
    run       text             NOT NULL,
    seq       bigint           NOT NULL,
    principal text             NOT NULL,
    step      text             NOT NULL,
    target    text             NOT NULL,
    score     double precision NOT NULL CHECK (score BETWEEN 0 AND 1),
    reason    text             NOT NULL,
    at        timestamptz      NOT NULL,
    PRIMARY KEY (tenant, run, seq, principal),
    FOREIGN KEY (tenant, run, seq) REFERENCES decisions (tenant, run, seq) ON DELETE CASCADE
);

ALTER TABLE feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON feedback
    USING (tenant = nullif(current_setting('app.tenant', true), ''))
    WITH CHECK (tenant = nullif(current_setting('app.tenant', true), ''));

-- +goose Down
DROP TABLE feedback;
