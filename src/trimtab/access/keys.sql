-- name: insert_key
-- Keeps a new key: id, name, digest of the secret, JSON list of tasks, role, time it was made.
INSERT INTO keys (id, name, digest, tasks, role, created_ns) VALUES (?, ?, ?, ?, ?, ?);

-- name: all_keys
-- Every key there ever was, oldest first.
SELECT id, name, created_ns, revoked_ns, tasks, role FROM keys ORDER BY created_ns, id;

-- name: live_keys
-- The keys that are valid now, with their digests.
SELECT id, name, created_ns, revoked_ns, tasks, role, digest FROM keys WHERE revoked_ns IS NULL;

-- name: live_keys_without_roles
-- The same in a database that control has not yet brought to the schema with roles.
SELECT id, name, created_ns, revoked_ns, tasks, 'client', digest FROM keys WHERE revoked_ns IS NULL;

-- name: revoke_keys
-- Ends the live key of this id, or every live key of this name, at the given time.
UPDATE keys SET revoked_ns = ? WHERE (id = ? OR name = ?) AND revoked_ns IS NULL
RETURNING id, name, created_ns, revoked_ns, tasks, role;
