-- Client keys: never the secret, only its sha256.
CREATE TABLE keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT    NOT NULL,
    digest     BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    tasks      TEXT    NOT NULL, -- a JSON list of task names; empty for all
    created_ns INTEGER NOT NULL,
    revoked_ns INTEGER           -- NULL while the key is live
) STRICT;

CREATE INDEX keys_by_name ON keys (name);
