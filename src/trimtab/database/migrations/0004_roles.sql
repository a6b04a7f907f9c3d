-- What a key may do at control; keys made before there were roles stay what they were, keys of clients.
ALTER TABLE keys ADD COLUMN role TEXT NOT NULL DEFAULT 'client'
    CHECK (role IN ('client', 'viewer', 'operator', 'admin'));

-- Who is signed in at the console: never the token of the cookie, only its sha256.
CREATE TABLE sessions (
    digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    key        TEXT    NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    began_ns   INTEGER NOT NULL,
    ends_ns    INTEGER NOT NULL
) STRICT;
