-- name: retirable
-- Runs that are over and that nothing holds, those that ended first before others. The newest number stays, so that no
-- later run is given one whose rows are still to be deleted.
SELECT r.number, r.run, r.task, r.state, r.retention, r.ended_ns,
    EXISTS (SELECT 1 FROM reviews v WHERE v.number = r.number AND v.verdict IN ('approved', 'edited', 'rejected')),
    EXISTS (SELECT 1 FROM holds h WHERE h.number = r.number AND h.kind = 'exported')
FROM runs r
WHERE r.ended_ns IS NOT NULL AND r.ended_ns <= :before_ns
    AND (r.ended_ns > :after_ns OR (r.ended_ns = :after_ns AND r.number > :after))
    AND r.number < (SELECT max(number) FROM runs)
    AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.number = r.number AND h.kind = 'pinned')
    AND NOT EXISTS (SELECT 1 FROM reviews v WHERE v.number = r.number AND v.verdict IS NULL AND v.sampled = 0)
    AND NOT EXISTS (SELECT 1 FROM background b WHERE b.number = r.number AND (b.expires_ns > :now_ns OR b.untold = 1))
    AND NOT EXISTS (SELECT 1 FROM runs f WHERE f.fork_of = r.run AND f.fork_of <> '')
    AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = r.run AND c.parent <> '' AND c.ended_ns IS NULL)
    AND NOT EXISTS (SELECT 1 FROM runs p WHERE p.run = r.parent AND p.ended_ns IS NULL)
ORDER BY r.ended_ns, r.number LIMIT :limit;

-- name: idle
-- Runs of calls alone, which nobody ends, that nothing holds and no call of which is under way; the oldest before others.
SELECT r.number, r.run, r.task, r.state, r.retention, r.started_ns,
    EXISTS (SELECT 1 FROM reviews v WHERE v.number = r.number AND v.verdict IN ('approved', 'edited', 'rejected')),
    EXISTS (SELECT 1 FROM holds h WHERE h.number = r.number AND h.kind = 'exported')
FROM runs r
WHERE r.ended_ns IS NULL AND r.through = 'gateway' AND r.open = 0 AND r.started_ns <= :before_ns
    AND (r.started_ns > :after_ns OR (r.started_ns = :after_ns AND r.number > :after))
    AND r.number < (SELECT max(number) FROM runs)
    AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.number = r.number AND h.kind = 'pinned')
    AND NOT EXISTS (SELECT 1 FROM reviews v WHERE v.number = r.number AND v.verdict IS NULL AND v.sampled = 0)
    AND NOT EXISTS (SELECT 1 FROM background b WHERE b.number = r.number AND (b.expires_ns > :now_ns OR b.untold = 1))
    AND NOT EXISTS (SELECT 1 FROM runs f WHERE f.fork_of = r.run AND f.fork_of <> '')
    AND NOT EXISTS (SELECT 1 FROM runs c WHERE c.parent = r.run AND c.parent <> '' AND c.ended_ns IS NULL)
    AND NOT EXISTS (SELECT 1 FROM runs p WHERE p.run = r.parent AND p.ended_ns IS NULL)
ORDER BY r.started_ns, r.number LIMIT :limit;

-- name: remove_run
-- Takes a run out; what hangs on its number is deleted after it.
DELETE FROM runs WHERE number = :number;

-- name: removing
-- Notes that the rest of a run is to be deleted.
INSERT INTO removing (number) VALUES (:number);

-- name: to_remove
-- Runs of which rows are still to be deleted.
SELECT number FROM removing ORDER BY number LIMIT :limit;

-- name: removed
-- That nothing of a run is left.
DELETE FROM removing WHERE number = :number;

-- name: span
-- From where to where the log of a run goes.
SELECT min(seq), max(seq) FROM entries WHERE number = :number;

-- name: drop_entries
-- Deletes a piece of a log.
DELETE FROM entries WHERE number = :number AND seq < :before;

-- name: drop_steps
-- Deletes steps of a piece of a log.
DELETE FROM steps WHERE number = :number AND seq < :before;

-- name: drop_given
-- Deletes what was given out of a run.
DELETE FROM given WHERE number = :number;

-- name: drop_arrived
-- Deletes which events came for a run.
DELETE FROM arrived WHERE number = :number;

-- name: drop_reviews
-- Deletes the reviews of a run.
DELETE FROM reviews WHERE number = :number;

-- name: drop_holds
-- Nothing of a run is held any more.
DELETE FROM holds WHERE number = :number;

-- name: hold
-- That a run is held.
INSERT INTO holds (number, kind, held_by, at_ns, reason) VALUES (:number, :kind, :held_by, :at_ns, :reason)
ON CONFLICT (number, kind) DO UPDATE SET held_by = excluded.held_by, at_ns = excluded.at_ns, reason = excluded.reason;

-- name: let_go
-- That a run is not held any more.
DELETE FROM holds WHERE number = :number AND kind = :kind;

-- name: held
-- Whether a run is held so.
SELECT at_ns FROM holds WHERE number = :number AND kind = :kind;

-- name: holds
-- What is held, the latest first.
SELECT r.run, h.kind, h.held_by, h.at_ns, h.reason FROM holds h JOIN runs r ON r.number = h.number
WHERE :run = '' OR r.run = :run ORDER BY h.at_ns DESC, r.run LIMIT :limit;

-- name: naming_runs
-- Runs that may name bodies written before a time: those begun before it, and forks, whose logs are older than they are.
SELECT number FROM runs WHERE number > :after AND (started_ns < :before_ns OR fork_of <> '') ORDER BY number LIMIT :limit;

-- name: naming_reviews
-- What the reviews of a run name.
SELECT proposed, context, edited FROM reviews WHERE number = :number;

-- name: reviews_counted
-- How many reviews a run has.
SELECT count(*) FROM reviews WHERE number = :number;
