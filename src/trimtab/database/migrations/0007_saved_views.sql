-- Filters of calls that somebody named.
CREATE TABLE saved_views (
    name       TEXT    PRIMARY KEY,
    filter     TEXT    NOT NULL, -- the query of an address
    by         TEXT    NOT NULL, -- the name of the key that it was saved with
    at_ns      INTEGER NOT NULL
) STRICT;
