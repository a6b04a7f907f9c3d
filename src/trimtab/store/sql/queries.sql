-- name: count
-- Rows of the base tables and what of them is rolled up, and what the roll-ups have seen.
SELECT
    (SELECT count() FROM calls) AS calls,
    (SELECT count() FROM attempts) AS attempts,
    (SELECT count() FROM changes) AS changes,
    (SELECT countIf(verdict != '' OR repetition != '' OR notEmpty(seams) OR repairs > 0) FROM calls) AS contracts,
    (SELECT sum(length(tool_outcomes)) FROM calls) AS tool_calls,
    (SELECT sum(calls) FROM slices WHERE dimension = 'task') AS rolled_up,
    (SELECT sum(contracts) FROM slices WHERE dimension = 'task') AS contracts_rolled_up,
    (SELECT sum(arraySum(mapValues(tool_calls))) FROM slices WHERE dimension = 'task') AS tool_calls_rolled_up;

-- name: locks
-- The locks that calls were made under in a window, the one that was first in force first: whole quarters of an hour
-- from the roll-up by lock, what remains at both ends from the calls.
SELECT
    lock,
    sum(made) AS calls,
    length(groupUniqArrayArray(seen)) AS snapshots,
    min(first_at) AS first_ns,
    max(last_at) AS last_ns
FROM
(
    SELECT r.value AS lock, r.calls AS made, r.snapshots AS seen, r.first_ns AS first_at, r.last_ns AS last_at
    FROM slices AS r
    WHERE r.dimension = 'lock'
      AND r.minute >= {first_quarter:Int64}
      AND r.minute < {end_quarter:Int64}
      AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
    UNION ALL
    SELECT lock, count() AS made, groupUniqArray(toString(snapshot)) AS seen, min(settled_ns) AS first_at, max(settled_ns) AS last_at
    FROM calls
    WHERE ((minute >= {first_minute:Int64} AND minute < {first_quarter:Int64})
        OR (minute >= {end_quarter:Int64} AND minute < {end_minute:Int64}))
      AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
      AND ({model:String} = '' OR model = {model:String})
    GROUP BY lock
)
GROUP BY lock
ORDER BY first_ns, lock
LIMIT {limit:UInt32};

-- name: prompt_uses
-- When the first and the last call of each prompt of a task ended in a window: whole quarters of an hour from the roll-up
-- by prompt, what remains at both ends from the calls.
SELECT task, prompt, min(first_at) AS first_ns, max(last_at) AS last_ns
FROM
(
    SELECT toString(r.task) AS task, r.value AS prompt, r.first_ns AS first_at, r.last_ns AS last_at
    FROM slices AS r
    WHERE r.dimension = 'prompt'
      AND r.value != ''
      AND r.minute >= {first_quarter:Int64}
      AND r.minute < {end_quarter:Int64}
      AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
    UNION ALL
    SELECT toString(c.task) AS task, toString(c.prompt) AS prompt, min(c.settled_ns) AS first_at, max(c.settled_ns) AS last_at
    FROM calls AS c
    WHERE ((c.minute >= {first_minute:Int64} AND c.minute < {first_quarter:Int64})
        OR (c.minute >= {end_quarter:Int64} AND c.minute < {end_minute:Int64}))
      AND c.prompt != ''
      AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
      AND ({model:String} = '' OR c.model = {model:String})
    GROUP BY task, prompt
)
GROUP BY task, prompt
ORDER BY task, first_ns, prompt
LIMIT {limit:UInt32};

-- name: call_kinds
-- Calls of a window by all that a lock pins and a record tells, those with most calls first.
SELECT
    c.task AS task,
    c.lock AS lock,
    c.prompt AS prompt,
    c.served_model AS served_by,
    c.upstream_model AS upstream_model,
    c.system_fingerprint AS system_fingerprint,
    c.schema AS schema,
    c.context_strategy AS context_strategy,
    c.context_digest AS context_digest,
    count() AS calls,
    countIf(c.context_strategy != '') AS looked_at,
    countIf(c.context_dropped > 0) AS shortened,
    sum(c.context_messages) AS messages,
    sum(c.context_dropped) AS dropped,
    sum(c.context_tokens) AS tokens,
    sum(c.context_dropped_tokens) AS dropped_tokens,
    min(c.settled_ns) AS first_ns,
    max(c.settled_ns) AS last_ns,
    sum(count()) OVER () AS all_calls
FROM calls AS c
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({model:String} = '' OR c.model = {model:String})
GROUP BY task, lock, prompt, served_by, upstream_model, system_fingerprint, schema, context_strategy, context_digest
ORDER BY calls DESC, task, lock, prompt, served_by, upstream_model, system_fingerprint, schema, context_strategy, context_digest
LIMIT {limit:UInt32};

-- name: newest_minute
-- The minute of the newest call, where `tail` begins to look.
SELECT max(minute) FROM calls;

-- name: tail
-- The calls that ended last within a window of minutes, newest first, without their chunk capture.
SELECT * EXCEPT (chunk_delays_us, chunk_lengths)
FROM calls
WHERE minute >= {first_minute:Int64}
  AND settled_ns >= {since_ns:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
  AND ({outcome:String} = '' OR outcome = {outcome:String})
  AND (empty({locks:Array(String)}) OR arrayExists(id -> startsWith(lock, id), {locks:Array(String)}))
ORDER BY settled_ns DESC, call DESC
LIMIT {limit:UInt32};

-- name: calls_in_window
-- How many calls ended in a window.
SELECT count()
FROM calls
WHERE minute >= {first_minute:Int64}
  AND settled_ns >= {since_ns:Int64}
  AND settled_ns < {until_ns:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task));

-- name: sample
-- Calls of a window in the order of a hash of their ids, which is as good as none, without their chunk capture.
SELECT * EXCEPT (chunk_delays_us, chunk_lengths)
FROM calls
WHERE minute >= {first_minute:Int64}
  AND settled_ns >= {since_ns:Int64}
  AND settled_ns < {until_ns:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
ORDER BY sipHash64({seed:String}, call), call
LIMIT {limit:UInt32};

-- name: call
-- One call by its id.
SELECT * FROM calls WHERE call = {call:String} LIMIT 1;

-- name: answered_as
-- The call that was answered under an id of the model's server, the last one.
SELECT call FROM calls
WHERE minute >= intDiv({since_ns:Int64}, 60000000000) AND upstream_id = {upstream_id:String}
ORDER BY minute DESC LIMIT 1;

-- name: attempts_of_call
-- The attempts of one call in their order.
SELECT * FROM attempts WHERE call = {call:String} ORDER BY number, ended_ns;

-- name: changes
-- What took effect in a window, newest first.
SELECT at_ns, kind, subject, before, after, by, detail
FROM changes
WHERE at_ns >= {since_ns:Int64} AND at_ns < {until_ns:Int64}
ORDER BY at_ns DESC
LIMIT {limit:UInt32};

-- name: days_before
-- The days a table holds that ended before a given one.
SELECT DISTINCT partition_id
FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String} AND toInt64(partition_id) < {day:Int64};

-- name: drop_day
-- Drops one day of a table.
ALTER TABLE {table:Identifier} DROP PARTITION ID {partition:String};

-- name: empty_table
-- Empties a roll-up that is then filled from the calls there are.
TRUNCATE TABLE {table:Identifier};

-- name: quarters
-- How many rows of a table ended in each quarter of an hour.
SELECT intDiv(minute, 15) AS quarter, count() FROM {table:Identifier} GROUP BY quarter ORDER BY quarter;

-- name: in_minutes
-- The condition that bounds what a roll-up is filled with at a time.
c.minute >= {first_minute:Int64} AND c.minute < {end_minute:Int64};

-- name: is_after_fill
-- A row if roll-ups were filled from the calls of an earlier release and nothing was inserted since.
SELECT name FROM system.tables WHERE database = currentDatabase() AND name = 'after_fill';

-- name: drop_after_fill
-- Notes that something was inserted since.
DROP TABLE IF EXISTS after_fill;

-- name: columns
-- Names and types of a table's columns.
SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String};
