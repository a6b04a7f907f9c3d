-- name: put
-- Puts something in that is to be delivered, unless it was there before.
INSERT INTO outbox (id, alert, kind, receiver, body, made_ns, due_ns)
VALUES (:id, :alert, :kind, :receiver, :body, :made_ns, :due_ns)
ON CONFLICT (id) DO NOTHING;

-- name: due
-- What is to be delivered by now, or later than anything is put off to, so many of each receiver, the longest due first.
SELECT id, alert, kind, receiver, body, made_ns, due_ns, tries, state, why FROM outbox
WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY receiver ORDER BY due_ns, id) AS place FROM outbox
        WHERE state = 'waiting' AND (due_ns <= :now_ns OR due_ns > :beyond_ns)
    ) WHERE place <= :limit
)
ORDER BY due_ns, id;

-- name: one
-- One of them, in whatever state.
SELECT id, alert, kind, receiver, body, made_ns, due_ns, tries, state, why FROM outbox WHERE id = :id;

-- name: of_alert
-- What was or is to be told of a group, the newest first.
SELECT id, alert, kind, receiver, body, made_ns, due_ns, tries, state, why FROM outbox WHERE alert = :alert
ORDER BY made_ns DESC, id DESC
LIMIT :limit;

-- name: delivered
-- Notes that it arrived.
UPDATE outbox SET state = 'delivered', tries = tries + 1, why = '' WHERE id = :id AND state = 'waiting';

-- name: failed
-- Notes that a try failed, and when the next one is due.
UPDATE outbox SET tries = tries + 1, why = :why, due_ns = :due_ns WHERE id = :id AND state = 'waiting';

-- name: dead
-- Notes that the last try failed, and that there is none after it.
UPDATE outbox SET state = 'dead', tries = tries + 1, why = :why WHERE id = :id AND state = 'waiting' RETURNING alert, receiver, made_ns, tries;

-- name: task_of
-- The task of the alert that leads a group.
SELECT task FROM alerts WHERE id = :alert;

-- name: bury
-- Makes a dead letter of it.
INSERT INTO dead_letters
    (id, kind, task, model, cause, detail, attempts, first_ns, last_ns, last_call, size_bytes, kept, admitted)
VALUES (:id, 'alert', :task, '', :cause, :detail, :tries, :at_ns, :at_ns, :receiver, :size_bytes, 1, x'')
ON CONFLICT (id) DO NOTHING;

-- name: over_bound
-- The oldest dead letters of alerts beyond a number, which are dropped.
DELETE FROM dead_letters WHERE id IN (
    SELECT id FROM dead_letters WHERE kind = 'alert' ORDER BY first_ns DESC, id DESC LIMIT -1 OFFSET :most
);

-- name: again
-- Takes one up again that was given up, as if it had been made now.
UPDATE outbox SET state = 'waiting', made_ns = :now_ns, due_ns = :now_ns, tries = 0, why = '' WHERE id = :id AND state = 'dead' RETURNING id;

-- name: unbury
-- Drops the dead letter of one that is taken up again.
DELETE FROM dead_letters WHERE id = :id AND kind = 'alert';

-- name: older
-- Drops what was delivered or given up before a time.
DELETE FROM outbox WHERE state <> 'waiting' AND made_ns < :before_ns;

-- name: waiting
-- How many wait.
SELECT count(*) FROM outbox WHERE state = 'waiting';
