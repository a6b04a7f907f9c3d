-- Bodies of runs and calls that were taken out, until no pack holds them any more.
CREATE TABLE shreds (
    digest TEXT PRIMARY KEY
) WITHOUT ROWID;
