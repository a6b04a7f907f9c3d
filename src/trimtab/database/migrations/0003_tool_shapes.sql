CREATE TABLE tool_shapes (
    tool       TEXT PRIMARY KEY,
    last_ns    INTEGER NOT NULL,
    learned    BLOB NOT NULL
) STRICT;

CREATE TABLE tool_shapes_taken (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    token TEXT NOT NULL
) STRICT;
