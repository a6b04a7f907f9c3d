-- name: run
-- A run as it stands.
SELECT {part_columns}
FROM runs WHERE run = :run;

-- name: run_of_number
-- The id of a run.
SELECT run FROM runs WHERE number = :number;

-- name: add_run
-- A run that begins, and its number.
INSERT INTO runs (run, task, name, through, lock, key, input, parent, parent_seq, fork_of, fork_seq, conversation,
    end_user, retention, started_ns, head, digest, state, epoch, owner, leased_seq, held_to, woken, waits_for, ordered,
    ordered_by, ordered_why, steps, cost_pusd, error)
VALUES (:run, :task, :name, :through, :lock, :key, :input, :parent, :parent_seq, :fork_of, :fork_seq, :conversation,
    :end_user, :retention, :started_ns, 0, :digest, 'running', 0, '', 0, 0, 0, '', '', '', '', 0, 0, '')
RETURNING number;

-- name: advance_run
-- What changes of a run while one driver goes on.
UPDATE runs SET head = :head, digest = :digest, state = :state, waits_for = :waits_for, steps = :steps,
    cost_pusd = :cost_pusd, asked = :asked, tried = :tried, requests = :requests, tokens = :tokens, open = :open
WHERE number = :number;

-- name: save_run
-- All that changes of a run.
UPDATE runs SET head = :head, digest = :digest, state = :state, epoch = :epoch, owner = :owner,
    leased_seq = :leased_seq, held_to = :held_to, until_ns = :until_ns, wake_ns = :wake_ns, ready_ns = :ready_ns,
    woken = :woken, waits_for = :waits_for, ordered = :ordered, ordered_by = :ordered_by, ordered_why = :ordered_why,
    steps = :steps, cost_pusd = :cost_pusd, ended_ns = :ended_ns, error = :error, asked = :asked, tried = :tried,
    requests = :requests, tokens = :tokens, open = :open
WHERE number = :number;

-- name: ready
-- The run of a task that could go on for the longest time.
SELECT run, ready_ns FROM runs WHERE task = :task AND ready_ns <= :now_ns ORDER BY ready_ns LIMIT 1;

-- name: expired
-- Runs whose lease has run out.
SELECT run FROM runs WHERE until_ns <= :now_ns ORDER BY until_ns LIMIT :limit;

-- name: due
-- Runs whose timer has rung.
SELECT run FROM runs WHERE wake_ns <= :now_ns ORDER BY wake_ns LIMIT :limit;

-- name: children
-- Runs that a run began.
SELECT run FROM runs WHERE parent = :run AND ended_ns IS NULL ORDER BY number;

-- name: live
-- Runs of a task, or all runs, that have not ended; read by the index of those.
SELECT run FROM runs WHERE ended_ns IS NULL AND (:task = '' OR task = :task) ORDER BY +number;

-- name: add_entry
-- An entry of a log.
INSERT INTO entries (number, seq, version, content, digest) VALUES (:number, :seq, :version, :content, :digest);

-- name: entry
-- One entry of a log.
SELECT content FROM entries WHERE number = :number AND seq = :seq;

-- name: entries
-- Entries of a log from one on.
SELECT seq, content, digest FROM entries WHERE number = :number AND seq >= :since ORDER BY seq LIMIT :limit;

-- name: add_event
-- The id of an event that arrived.
INSERT INTO arrived (number, id, seq) VALUES (:number, :id, :seq);

-- name: copy_events
-- The ids of events that arrived before a place, as those of a fork.
INSERT INTO arrived (number, id, seq) SELECT :fork, id, seq FROM arrived WHERE number = :number AND seq < :before;

-- name: event
-- Where an event of that id is written.
SELECT seq FROM arrived WHERE number = :number AND id = :id;

-- name: start_of
-- Where a run stands in the order of starts.
SELECT started_ns FROM runs WHERE run = :run;

-- name: tally_live
-- Runs that have not ended, by task and how they stand.
SELECT task, state, CASE WHEN substr(waits_for, 1, 7) = 'review ' THEN 'review' ELSE '' END AS waits, count(*)
FROM runs WHERE ended_ns IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: tally_since
-- What runs came to that began from a time on, by task.
SELECT task, count(*), CAST(sum(steps) AS BIGINT), CAST(sum(asked) AS BIGINT), CAST(sum(tried) AS BIGINT),
    CAST(sum(requests) AS BIGINT), CAST(sum(tokens) AS BIGINT), CAST(sum(cost_pusd) AS BIGINT)
FROM runs WHERE started_ns >= :since_ns GROUP BY task ORDER BY task;
