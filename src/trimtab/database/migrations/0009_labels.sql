-- Sets of answers that people label, each for one question.
CREATE TABLE labellings (
    name       TEXT    PRIMARY KEY,
    task       TEXT    NOT NULL,
    question   TEXT    NOT NULL,
    kind       TEXT    NOT NULL, -- rubric or pairwise
    scale      INTEGER NOT NULL, -- how many answers there are to choose from
    reviewers  INTEGER NOT NULL, -- how many label each answer by themselves
    by         TEXT    NOT NULL,
    at_ns      INTEGER NOT NULL
) STRICT;

-- What is labelled: a row as a judge sees it, as JSON.
CREATE TABLE label_items (
    id         TEXT    PRIMARY KEY, -- the digest of the set and the row
    labelling  TEXT    NOT NULL REFERENCES labellings (name) ON DELETE CASCADE,
    place      INTEGER NOT NULL, -- counts from 0 in its set
    line       TEXT    NOT NULL,
    source     TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX label_items_by_place ON label_items (labelling, place);

-- What one reviewer said of one row.
CREATE TABLE labels (
    item       TEXT    NOT NULL REFERENCES label_items (id) ON DELETE CASCADE,
    reviewer   TEXT    NOT NULL, -- the id of a key, or a name on the command line
    who        TEXT    NOT NULL,
    value      REAL    NOT NULL, -- from 0 to 1
    note       TEXT    NOT NULL,
    at_ns      INTEGER NOT NULL,
    PRIMARY KEY (item, reviewer)
) STRICT;
