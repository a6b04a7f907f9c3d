-- name: add_step
-- An intent by what it asks for.
INSERT INTO steps (number, seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call, binds)
VALUES (:number, :seq, :alike, :occurrence, :branch, :after, :epoch, :taken, 0, '', :output, :call, :binds);

-- name: last_alike
-- The latest step of a run that asked for the same.
SELECT seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call
FROM steps WHERE number = :number AND alike = :alike ORDER BY seq DESC LIMIT 1;

-- name: next_of_branch
-- The step of a branch that follows one.
SELECT seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call
FROM steps WHERE number = :number AND branch = :branch AND branch <> '' AND seq > :after ORDER BY seq LIMIT 1;

-- name: next_alike
-- The next step that nobody orders and that asked for the same, up to a place in the log.
SELECT seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call
FROM steps WHERE number = :number AND alike = :alike AND seq > :after AND seq <= :until AND branch = ''
ORDER BY seq LIMIT 1;

-- name: all_alike
-- Steps of a run that asked for the same.
SELECT seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call
FROM steps WHERE number = :number AND alike = :alike ORDER BY seq LIMIT 1000;

-- name: step
-- One step.
SELECT seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call
FROM steps WHERE number = :number AND seq = :seq;

-- name: finish_step
-- That a step has a result.
UPDATE steps SET result = :result, outcome = :outcome, output = :output WHERE number = :number AND seq = :seq;

-- name: take_step
-- Whether, and by which driver, a step may have been sent.
UPDATE steps SET taken = :taken, epoch = :epoch WHERE number = :number AND seq = :seq;

-- name: bound
-- How many steps were taken under a binding, and how many reviews approved of it.
SELECT
    (SELECT count(*) FROM steps WHERE number = :number AND binds = :binds AND binds <> ''),
    (SELECT count(*) FROM reviews WHERE number = :number AND approves = :binds AND approves <> '');

-- name: given
-- How far steps that asked for the same were given out in a session.
SELECT seq, call FROM given WHERE number = :number AND session = :session AND alike = :alike;

-- name: give
-- That they were given out so far.
INSERT INTO given (number, session, alike, seq, call) VALUES (:number, :session, :alike, :seq, :call)
ON CONFLICT (number, session, alike) DO UPDATE SET seq = excluded.seq, call = excluded.call;

-- name: copy_entries
-- The log of a run up to a place, as the log of its fork.
SELECT seq, version, content FROM entries WHERE number = :number AND seq > 1 AND seq < :before ORDER BY seq;

-- name: copy_steps
-- Steps of a run up to a place.
SELECT seq, alike, occurrence, branch, after, epoch, taken, result, outcome, output, call
FROM steps WHERE number = :number AND seq < :before ORDER BY seq;
