-- Alerts that somebody was or is to be told of; the body is the whole of one (MessagePack), which its reader knows.
CREATE TABLE alerts (
    id         TEXT    PRIMARY KEY,
    place      TEXT    NOT NULL, -- task, rule, value and field of what is watched
    task       TEXT    NOT NULL,
    rule       TEXT    NOT NULL,
    signal     TEXT    NOT NULL,
    severity   TEXT    NOT NULL CHECK (severity IN ('page', 'ticket')),
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'open', 'acknowledged', 'resolved')),
    led_by     TEXT    NOT NULL, -- the alert that leads its group
    found_ns   INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    body       BLOB    NOT NULL
) STRICT;

CREATE INDEX alerts_by_state ON alerts (state, changed_ns);
CREATE INDEX alerts_by_age ON alerts (found_ns);

CREATE TABLE alert_steps (
    alert      TEXT    NOT NULL REFERENCES alerts (id) ON DELETE CASCADE,
    at_ns      INTEGER NOT NULL,
    before     TEXT    NOT NULL,
    after      TEXT    NOT NULL,
    by         TEXT    NOT NULL,
    why        TEXT    NOT NULL
) STRICT;

CREATE INDEX alert_steps_by_alert ON alert_steps (alert, at_ns);

CREATE TABLE silences (
    id         TEXT    PRIMARY KEY,
    task       TEXT    NOT NULL, -- empty for all, as are signal and rule
    signal     TEXT    NOT NULL,
    rule       TEXT    NOT NULL,
    from_ns    INTEGER NOT NULL,
    until_ns   INTEGER NOT NULL,
    by         TEXT    NOT NULL,
    why        TEXT    NOT NULL
) STRICT;

-- Monitors, each as its reader encodes it, and apart what it learned, which changes once a day.
CREATE TABLE monitors (
    place      TEXT    PRIMARY KEY,
    task       TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    learned    BLOB    NOT NULL
) STRICT;

-- The minute since 1970 up to which all was evaluated.
CREATE TABLE evaluated (
    source     TEXT    PRIMARY KEY,
    minute     INTEGER NOT NULL
) STRICT;

-- What is to be delivered, each to one receiver.
CREATE TABLE outbox (
    id         TEXT    PRIMARY KEY,
    alert      TEXT    NOT NULL, -- the one that leads the group
    kind       TEXT    NOT NULL CHECK (kind IN ('opened', 'resolved', 'reminder', 'escalated', 'test')),
    receiver   TEXT    NOT NULL,
    body       BLOB    NOT NULL, -- JSON
    made_ns    INTEGER NOT NULL,
    due_ns     INTEGER NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    state      TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'dead')),
    why        TEXT    NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX outbox_by_due ON outbox (state, due_ns);

-- Alerts that could not be delivered are dead letters too.
CREATE TABLE dead_letters_of_all_kinds (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL CHECK (kind IN ('call', 'records', 'alert')),
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
INSERT INTO dead_letters_of_all_kinds
    (id, kind, task, model, cause, detail, attempts, first_ns, last_ns, redrives, last_call, size_bytes, kept, admitted)
SELECT id, kind, task, model, cause, detail, attempts, first_ns, last_ns, redrives, last_call, size_bytes, kept, admitted
FROM dead_letters;
DROP TABLE dead_letters;
ALTER TABLE dead_letters_of_all_kinds RENAME TO dead_letters;
CREATE INDEX dead_letters_by_age ON dead_letters (kind, first_ns);
CREATE INDEX dead_letters_by_cause ON dead_letters (kind, task, cause);
