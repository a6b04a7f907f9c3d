-- Runs that are over, by when they ended.
CREATE INDEX runs_by_end ON runs (ended_ns, number) WHERE ended_ns IS NOT NULL;

-- Runs that stay longer than their age allows, and why.
CREATE TABLE holds (
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    held_by TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (number, kind)
) WITHOUT ROWID;

-- Runs that are gone and of which rows are still to be deleted.
CREATE TABLE removing (
    number INTEGER PRIMARY KEY
);
