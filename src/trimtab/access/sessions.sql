-- name: insert_session
-- Keeps a new session: digest of its token, id of its key, when it began and ends.
INSERT INTO sessions (digest, key, began_ns, ends_ns) VALUES (?, ?, ?, ?);

-- name: live_sessions
-- The sessions that have not ended by the given time, the one begun last first.
SELECT digest, key, began_ns, ends_ns FROM sessions WHERE ends_ns > ? ORDER BY began_ns DESC, digest LIMIT ?;

-- name: end_session
-- Ends one session by its digest.
DELETE FROM sessions WHERE digest = ?;

-- name: sweep_sessions
-- Drops the sessions that have ended by the given time.
DELETE FROM sessions WHERE ends_ns <= ?;
