-- +goose Up

-- What callers said of answers: a score and a word. It is about a decision and goes with it. Times are in microseconds.
CREATE TABLE feedback (
    tenant    TEXT    NOT NULL,
    run       TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    principal TEXT    NOT NULL,
    step      TEXT    NOT NULL,
    target    TEXT    NOT NULL,
    score     REAL    NOT NULL CHECK (score BETWEEN 0 AND 1),
    reason    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (tenant, run, seq, principal),
    FOREIGN KEY (tenant, run, seq) REFERENCES decisions (tenant, run, seq) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE feedback;
