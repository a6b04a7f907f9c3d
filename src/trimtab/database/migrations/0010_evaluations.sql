-- Evaluations of the live system: the slots of time that were taken, and what was asked in them.
CREATE TABLE evaluation_slots (
    task       TEXT    NOT NULL,
    start_s    INTEGER NOT NULL, -- seconds since 1970
    about      TEXT    NOT NULL, -- digest of the suite and its data
    done       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (task, start_s)
) STRICT;

CREATE TABLE evaluation_asks (
    task       TEXT    NOT NULL,
    start_s    INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    name       TEXT    NOT NULL, -- the case's id
    canary     INTEGER NOT NULL,
    state      TEXT    NOT NULL, -- planned, asking, answered, marked, failed
    call       TEXT    NOT NULL DEFAULT '',
    at_ns      INTEGER NOT NULL DEFAULT 0,
    marks      BLOB,             -- JSON: the mark of each scorer that could tell
    PRIMARY KEY (task, start_s, place)
) STRICT;

-- What is known of each scorer of a task over all slots.
CREATE TABLE evaluation_monitors (
    task       TEXT    NOT NULL,
    scorer     TEXT    NOT NULL,
    body       BLOB    NOT NULL,
    PRIMARY KEY (task, scorer)
) STRICT;

-- How much was asked on a day: by schedules, and to score users' calls.
CREATE TABLE evaluation_days (
    day        INTEGER NOT NULL, -- days since 1970, UTC
    task       TEXT    NOT NULL,
    purpose    TEXT    NOT NULL,
    calls      INTEGER NOT NULL,
    PRIMARY KEY (day, task, purpose)
) STRICT;

-- Users' calls that are still to be scored.
CREATE TABLE online_waiting (
    call       TEXT    PRIMARY KEY,
    task       TEXT    NOT NULL,
    added_ns   INTEGER NOT NULL
) STRICT;
