-- name: take_slot
-- Takes a slot of time, unless it was taken.
INSERT INTO evaluation_slots (task, start_s, about) VALUES (:task, :start_s, :about) ON CONFLICT DO NOTHING;

-- name: plan
-- A case that is to be asked in a slot.
INSERT INTO evaluation_asks (task, start_s, place, name, canary, state)
VALUES (:task, :start_s, :place, :name, :canary, 'planned');

-- name: open_slots
-- The slots of a task that are not done, the oldest first.
SELECT task, start_s, about FROM evaluation_slots WHERE task = :task AND done = 0 ORDER BY start_s;

-- name: asks
-- What is asked in a slot.
SELECT place, name, canary, state, call, at_ns, marks FROM evaluation_asks
WHERE task = :task AND start_s = :start_s ORDER BY place;

-- name: asking
-- A case is asked now; it is not asked twice.
UPDATE evaluation_asks SET state = 'asking', at_ns = :at_ns
WHERE task = :task AND start_s = :start_s AND place = :place AND state = 'planned';

-- name: settle
-- What became of a case that was asked.
UPDATE evaluation_asks SET state = :state, call = :call, marks = :marks
WHERE task = :task AND start_s = :start_s AND place = :place;

-- name: interrupted
-- What was being asked when an earlier life ended: whether it was let in is not known.
UPDATE evaluation_asks SET state = 'failed' WHERE state = 'asking';

-- name: slot_done
-- All of a slot is asked and marked.
UPDATE evaluation_slots SET done = 1 WHERE task = :task AND start_s = :start_s;

-- name: keep_monitor
-- What is known of a scorer.
INSERT INTO evaluation_monitors (task, scorer, body) VALUES (:task, :scorer, :body)
ON CONFLICT (task, scorer) DO UPDATE SET body = :body;

-- name: monitors
-- What is known of all of them.
SELECT body FROM evaluation_monitors ORDER BY task, scorer;

-- name: drop_monitor
-- A scorer that is not watched any more.
DELETE FROM evaluation_monitors WHERE task = :task AND scorer = :scorer;

-- name: asked_on
-- How much was asked on a day.
SELECT calls FROM evaluation_days WHERE day = :day AND task = :task AND purpose = :purpose;

-- name: count_asked
-- Counts what is asked on a day.
INSERT INTO evaluation_days (day, task, purpose, calls) VALUES (:day, :task, :purpose, :calls)
ON CONFLICT (day, task, purpose) DO UPDATE SET calls = calls + :calls;

-- name: wait_online
-- A user's call that is to be scored.
INSERT INTO online_waiting (call, task, added_ns) VALUES (:call, :task, :added_ns) ON CONFLICT DO NOTHING;

-- name: bound_online
-- Lets go of the oldest beyond so many.
DELETE FROM online_waiting WHERE call IN (
    SELECT call FROM online_waiting ORDER BY added_ns DESC, call DESC LIMIT -1 OFFSET :most
);

-- name: waiting_online
-- The calls that have waited longest.
SELECT call, task, added_ns FROM online_waiting ORDER BY added_ns, call LIMIT :limit;

-- name: drop_online
-- A call that waits no longer.
DELETE FROM online_waiting WHERE call = :call;

-- name: forget_asks
-- Lets go of what was asked before then.
DELETE FROM evaluation_asks WHERE start_s < :start_s;

-- name: forget_slots
-- Lets go of slots before then.
DELETE FROM evaluation_slots WHERE start_s < :start_s;

-- name: forget_days
-- Lets go of days before then.
DELETE FROM evaluation_days WHERE day < :day;
