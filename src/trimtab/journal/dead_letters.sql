-- name: taken
-- The token of the batch that was taken in last.
SELECT token FROM dead_letters_taken WHERE one = 1;

-- name: take
-- Notes the token of a batch that is taken in now.
INSERT INTO dead_letters_taken (one, token) VALUES (1, :token) ON CONFLICT (one) DO UPDATE SET token = :token;

-- name: bury
-- Takes a letter in; one that is there already stays as it is.
INSERT INTO dead_letters
    (id, kind, task, model, cause, detail, attempts, first_ns, last_ns, last_call, size_bytes, kept, admitted)
VALUES (:id, :kind, :task, :model, :cause, :detail, :attempts, :at_ns, :at_ns, :last_call, :size_bytes, :kept, :admitted)
ON CONFLICT (id) DO NOTHING;

-- name: failed_again
-- A re-driven call failed too: the letter stays, with the latest cause.
UPDATE dead_letters
SET cause = :cause, detail = :detail, attempts = attempts + :attempts, last_ns = :at_ns, redrives = redrives + 1,
    last_call = :last_call
WHERE id = :id;

-- name: drop
-- Takes a letter out: its call has arrived, or somebody said so.
DELETE FROM dead_letters WHERE id = :id RETURNING id;

-- name: one
-- One letter.
SELECT id, kind, task, model, cause, detail, attempts, first_ns, last_ns, redrives, last_call, size_bytes, kept, admitted
FROM dead_letters WHERE id = :id;

-- name: listed
-- The newest letters of a task, model and cause, where given.
SELECT id, kind, task, model, cause, detail, attempts, first_ns, last_ns, redrives, last_call, size_bytes, kept, admitted
FROM dead_letters
WHERE (:task = '' OR task = :task) AND (:model = '' OR model = :model) AND (:cause = '' OR cause = :cause)
  AND first_ns >= :since_ns
ORDER BY first_ns DESC, id DESC
LIMIT :limit;

-- name: counted
-- How many letters there are, by kind, task and cause.
SELECT kind, task, cause, count(*) FROM dead_letters GROUP BY kind, task, cause ORDER BY kind, task, cause;

-- name: over_bound
-- The oldest letters of a kind beyond a number, which are dropped.
DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE kind = :kind ORDER BY first_ns DESC, id DESC LIMIT -1 OFFSET :most
) RETURNING id;

-- name: older
-- Letters of an age that retention has taken the bodies of.
DELETE FROM dead_letters WHERE first_ns < :before_ns RETURNING id, kind;
