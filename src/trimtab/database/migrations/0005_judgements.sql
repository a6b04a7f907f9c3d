-- Runs whose task says when its work is done, until they are judged and a day over.
CREATE TABLE runs (
    run        TEXT    NOT NULL,
    task       TEXT    NOT NULL,
    calls      INTEGER NOT NULL,
    last_ns    INTEGER NOT NULL, -- when the latest of its calls ended
    latest     BLOB    NOT NULL, -- a Score, all but the judgement filled in from the latest call
    value      REAL,             -- what the rule says of the latest call; NULL where it cannot be told
    judged     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, task)
) STRICT;

CREATE INDEX runs_by_age ON runs (judged, last_ns);

-- Calls that a model is still to be asked about.
CREATE TABLE judge_waiting (
    call       TEXT    PRIMARY KEY,
    added_ns   INTEGER NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    score      BLOB    NOT NULL -- a Score, all but the judgement filled in
) STRICT;

CREATE TABLE judge_days (
    day        INTEGER NOT NULL, -- days since 1970, UTC
    task       TEXT    NOT NULL,
    calls      INTEGER NOT NULL,
    PRIMARY KEY (day, task)
) STRICT;

-- Judgements whose call was not stored yet when they came.
CREATE TABLE scores_waiting (
    id         TEXT    PRIMARY KEY,
    added_ns   INTEGER NOT NULL,
    score      BLOB    NOT NULL
) STRICT;

CREATE TABLE judgements_taken (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    token      TEXT    NOT NULL
) STRICT;
