-- name: add_background
-- A call that waits to be made.
INSERT INTO background (number, key, kind, surface, model, request, repeats, headers, shown, receiver, status,
    submitted_ns, deadline_ns, life_ns, keep_ns, due_ns, tries, most_tries, after, answer, status_code, error, detail,
    told, untold)
VALUES (:number, :key, :kind, :surface, :model, :request, :repeats, :headers, :shown, :receiver, 'queued',
    :submitted_ns, :deadline_ns, :life_ns, :keep_ns, :submitted_ns, 0, :most_tries, 0, 0, 0, '', '', '', 0);

-- name: background
-- A call as it stands.
SELECT number, key, kind, surface, model, request, headers, shown, receiver, status, submitted_ns, deadline_ns, life_ns,
    keep_ns, due_ns, tries, most_tries, after, answer, status_code, error, detail, told, over_ns, expires_ns
FROM background WHERE number = :number;

-- name: background_again
-- The call that a key submitted under a name.
SELECT r.run FROM background b JOIN runs r ON r.number = b.number
WHERE b.key = :key AND b.repeats = :repeats;

-- name: background_waiting
-- How many calls of a key are not over.
SELECT count(*) FROM background WHERE key = :key AND due_ns IS NOT NULL;

-- name: background_next
-- The call that is due for the longest time, of none of these models.
SELECT r.run FROM background b JOIN runs r ON r.number = b.number
WHERE b.due_ns <= :now_ns AND b.deadline_ns > :now_ns AND r.ended_ns IS NULL AND r.ordered = ''
    AND (r.owner = '' OR r.until_ns IS NULL OR r.until_ns <= :now_ns)
    AND (:busy = '' OR replace(:busy, ',' || b.model || ',', '') = :busy)
ORDER BY b.due_ns, b.number LIMIT 1;

-- name: save_background
-- All that changes of a call.
UPDATE background SET status = :status, deadline_ns = :deadline_ns, due_ns = :due_ns, tries = :tries, after = :after,
    answer = :answer, status_code = :status_code, error = :error, detail = :detail, told = :told, over_ns = :over_ns,
    expires_ns = :expires_ns, untold = :untold
WHERE number = :number;

-- name: background_late
-- Calls that nobody makes and whose time is over.
SELECT r.run FROM background b JOIN runs r ON r.number = b.number
WHERE b.due_ns IS NOT NULL AND b.deadline_ns <= :now_ns
    AND (r.owner = '' OR r.until_ns IS NULL OR r.until_ns <= :now_ns)
ORDER BY b.deadline_ns LIMIT :limit;

-- name: background_expired
-- Calls whose answers need not be kept any longer.
SELECT r.run FROM background b JOIN runs r ON r.number = b.number WHERE b.expires_ns <= :now_ns
ORDER BY b.expires_ns LIMIT :limit;

-- name: drop_background
-- Forgets a call; its run stays.
DELETE FROM background WHERE number = :number;

-- name: background_told
-- That receivers will be told of what was over then.
UPDATE background SET untold = 0 WHERE number = :number AND over_ns = :over_ns;

-- name: find_background
-- A page of calls, the latest submitted first.
SELECT r.run FROM background b JOIN runs r ON r.number = b.number
WHERE (b.submitted_ns < :submitted_ns OR (b.submitted_ns = :submitted_ns AND b.number < :number))
    AND (:task = '' OR r.task = :task) AND (:key = '' OR b.key = :key)
    AND (:statuses = '' OR replace(:statuses, ',' || CASE WHEN b.status = 'queued' AND r.owner <> '' THEN 'in_progress'
        WHEN b.status = 'queued' AND r.ordered IN ('stop', 'cancel') THEN 'cancelled' ELSE b.status END || ',', '')
        <> :statuses)
ORDER BY b.submitted_ns DESC, b.number DESC LIMIT :limit;

-- name: untold_background
-- Calls that are over and whose receivers are to be told, the first first.
SELECT r.run FROM background b JOIN runs r ON r.number = b.number WHERE b.untold = 1 ORDER BY b.over_ns LIMIT :limit;

-- name: count_background
-- How many wait or are being made, and since when.
SELECT coalesce(sum(CASE WHEN r.owner = '' THEN 1 ELSE 0 END), 0),
    coalesce(sum(CASE WHEN r.owner <> '' THEN 1 ELSE 0 END), 0), min(b.submitted_ns)
FROM background b JOIN runs r ON r.number = b.number WHERE b.due_ns IS NOT NULL;

-- name: dead_background
-- How many failed for good.
SELECT count(*) FROM background WHERE expires_ns IS NOT NULL AND status = 'failed';

-- name: background_over
-- The run of a call has ended; one that was over before stays as it was.
UPDATE background SET status = :status, due_ns = NULL, over_ns = :at_ns, expires_ns = :at_ns + keep_ns, error = :error,
    detail = :detail, untold = CASE WHEN receiver <> '' THEN 1 ELSE 0 END
WHERE number = :number AND over_ns IS NULL;

-- name: background_leased
-- Calls that workers are making.
SELECT run, owner FROM runs WHERE until_ns > :now_ns AND through = 'background' ORDER BY until_ns LIMIT :limit;
