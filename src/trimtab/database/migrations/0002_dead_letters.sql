CREATE TABLE dead_letters (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('call', 'records')),
    task       TEXT NOT NULL,
    model      TEXT NOT NULL,
    cause      TEXT NOT NULL,
    detail     TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    first_ns   INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL,
    redrives   INTEGER NOT NULL DEFAULT 0,
    last_call  TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    kept       INTEGER NOT NULL,
    admitted   BLOB NOT NULL
) STRICT;

CREATE INDEX dead_letters_by_age ON dead_letters (kind, first_ns);
CREATE INDEX dead_letters_by_cause ON dead_letters (kind, task, cause);

CREATE TABLE dead_letters_taken (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    token TEXT NOT NULL
) STRICT;
