-- name: count
-- Rows of the base tables and what of them is rolled up, and what the roll-ups have seen.
SELECT
    (SELECT count() FROM calls) AS calls,
    (SELECT count() FROM attempts) AS attempts,
    (SELECT count() FROM changes) AS changes,
    (SELECT countIf(verdict != '' OR repetition != '' OR notEmpty(seams) OR repairs > 0) FROM calls) AS contracts,
    (SELECT sum(length(tool_outcomes)) FROM calls) AS tool_calls,
    (SELECT sum(calls) FROM calls_by_minute) AS rolled_up,
    (SELECT sum(calls) FROM contracts_by_minute) AS contracts_rolled_up,
    (SELECT sum(tool_calls) FROM tool_calls_by_minute) AS tool_calls_rolled_up;

-- name: report
-- Sums and quantiles of the roll-up over a window, by task and, where asked for, by model and by lock. A snapshot is
-- compiled under one lock, which its calls tell.
SELECT
    task,
    if({by_model:Bool}, model, '') AS served_by,
    if({by_lock:Bool}, s.under, '') AS locked_by,
    sumMap(map(outcome, calls)) AS outcomes,
    sum(r.input_tokens) AS input,
    sum(r.cache_read_tokens) AS cache_read,
    sum(r.cache_write_tokens) AS cache_write,
    sum(r.output_tokens) AS output_sum,
    sum(r.reasoning_tokens) AS reasoning,
    sumIf(calls, cost_label = 'exact') AS exact_calls,
    sumIf(calls, cost_label = 'estimated') AS estimated_calls,
    sumIf(calls, cost_label = 'unknown') AS unknown_calls,
    sumIf(cost_pusd, cost_label = 'exact') AS exact_pusd,
    sumIf(cost_pusd, cost_label = 'estimated') AS estimated_pusd,
    sumIf(cost_pusd, cost_label = 'unknown') AS unknown_pusd,
    sum(r.prefill_tokens) AS prefill_tokens,
    sum(r.prefill_s) AS prefill_s,
    sum(r.decode_tokens) AS decode_tokens,
    sum(r.decode_s) AS decode_s,
    sum(ttft_calls) AS ttft_n,
    sum(tpot_calls) AS tpot_n,
    sum(gap_calls) AS gap_n,
    sum(total_calls) AS total_n,
    sum(output_calls) AS output_n,
    quantilesDDMerge(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(ttft_us) AS ttft_q,
    quantilesDDMerge(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(tpot_us) AS tpot_q,
    quantilesDDMerge(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(gap_us) AS gap_q,
    quantilesDDMerge(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(total_us) AS total_q,
    quantilesDDMerge(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(answer_tokens) AS output_q
FROM calls_by_minute AS r
LEFT ANY JOIN
(
    SELECT snapshot, any(lock) AS under
    FROM calls
    WHERE {by_lock:Bool} AND minute >= {first_minute:Int64} AND minute < {end_minute:Int64}
    GROUP BY snapshot
) AS s ON s.snapshot = r.snapshot
WHERE r.minute >= {first_minute:Int64}
  AND r.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
GROUP BY task, served_by, locked_by
ORDER BY task, served_by, locked_by;

-- name: contracts
-- What became of answers over a window, by task and, where asked for, by model and by prompt.
SELECT
    task,
    if({by_model:Bool}, model, '') AS served_by,
    if({by_prompt:Bool}, prompt, '') AS prompted_by,
    sum(r.valid_first) AS valid_first,
    sum(r.repaired) AS repaired,
    sum(r.rejected) AS rejected,
    sum(r.passed_invalid) AS passed_invalid,
    sum(r.truncated) AS truncated,
    sum(r.refused) AS refused,
    sum(r.repairs) AS repairs,
    sum(r.flagged) AS flagged,
    sum(r.stopped) AS stopped,
    sum(r.resumed) AS resumed,
    sum(r.seams) AS seams
FROM contracts_by_minute AS r
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
GROUP BY task, served_by, prompted_by;

-- name: tool_calls
-- Tool calls over a window by tool and outcome, and by task, model and prompt as above.
SELECT
    task,
    if({by_model:Bool}, model, '') AS served_by,
    if({by_prompt:Bool}, prompt, '') AS prompted_by,
    tool,
    outcome,
    sum(r.tool_calls) AS tool_calls
FROM tool_calls_by_minute AS r
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
GROUP BY task, served_by, prompted_by, tool, outcome;

-- name: contracts_by_lock
-- The same as `contracts` by lock too, which the roll-up does not hold: from the calls themselves.
SELECT
    task,
    if({by_model:Bool}, model, '') AS served_by,
    if({by_prompt:Bool}, prompt, '') AS prompted_by,
    lock AS locked_by,
    countIf(c.verdict = 'valid' AND c.repairs = 0) AS valid_first,
    countIf(c.verdict = 'valid' AND c.repairs > 0) AS repaired,
    countIf(c.verdict = 'invalid' AND c.outcome != 'ok') AS rejected,
    countIf(c.verdict = 'invalid' AND c.outcome = 'ok') AS passed_invalid,
    countIf(c.verdict = 'truncated') AS truncated,
    countIf(c.verdict = 'refused') AS refused,
    sum(c.repairs) AS repairs,
    countIf(c.repetition != '' AND NOT c.repetition_stopped) AS flagged,
    countIf(c.repetition != '' AND c.repetition_stopped) AS stopped,
    countIf(notEmpty(c.seams)) AS resumed,
    sum(length(c.seams)) AS seams
FROM calls AS c
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
  AND (c.verdict != '' OR c.repetition != '' OR notEmpty(c.seams) OR c.repairs > 0)
GROUP BY task, served_by, prompted_by, locked_by;

-- name: tool_calls_by_lock
-- The same as `tool_calls` by lock too.
SELECT
    task,
    if({by_model:Bool}, model, '') AS served_by,
    if({by_prompt:Bool}, prompt, '') AS prompted_by,
    lock AS locked_by,
    if(one.outcome = 'unknown_tool', '(unknown)', one.tool) AS tool,
    one.outcome AS outcome,
    count() AS tool_calls
FROM calls AS c
ARRAY JOIN c.tool_outcomes AS one
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
GROUP BY task, served_by, prompted_by, locked_by, tool, outcome;

-- name: prompts
-- Figures of a window by task and prompt, summed over the calls themselves: no roll-up tells prompts apart. What is
-- measured of a call is as in calls_to_minute.
WITH
    assumeNotNull(c.ttft_s) AS known_ttft_s,
    assumeNotNull(c.tpot_s) AS known_tpot_s,
    isFinite(ifNull(c.ttft_s, nan)) AS has_ttft,
    isFinite(ifNull(c.tpot_s, nan)) AS has_tpot,
    isFinite(ifNull(c.longest_gap_s, nan)) AS has_gap,
    isFinite(ifNull(c.total_s, nan)) AND c.outcome = 'ok' AS has_total
SELECT
    c.task AS task,
    '' AS served_by,
    '' AS locked_by,
    c.prompt AS prompted_by,
    min(c.settled_ns) AS first_ns,
    max(c.settled_ns) AS last_ns,
    sumMap(map(c.outcome, toUInt64(1))) AS outcomes,
    sum(c.input_tokens) AS input,
    sum(c.cache_read_tokens) AS cache_read,
    sum(c.cache_write_tokens) AS cache_write,
    sum(c.output_tokens) AS output_sum,
    sum(c.reasoning_tokens) AS reasoning,
    countIf(c.cost_label = 'exact') AS exact_calls,
    countIf(c.cost_label = 'estimated') AS estimated_calls,
    countIf(c.cost_label = 'unknown') AS unknown_calls,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'exact') AS exact_pusd,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'estimated') AS estimated_pusd,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'unknown') AS unknown_pusd,
    sumIf(c.input_tokens, c.usage_known AND has_ttft) AS prefill_tokens,
    sumIf(known_ttft_s, c.usage_known AND has_ttft) AS prefill_s,
    sumIf(assumeNotNull(c.answer_tokens) - 1, has_tpot AND c.answer_tokens > 1) AS decode_tokens,
    sumIf(known_tpot_s * (assumeNotNull(c.answer_tokens) - 1), has_tpot AND c.answer_tokens > 1) AS decode_s,
    countIf(has_ttft) AS ttft_n,
    countIf(has_tpot) AS tpot_n,
    countIf(has_gap) AS gap_n,
    countIf(has_total) AS total_n,
    countIf(isNotNull(c.answer_tokens)) AS output_n,
    quantilesDDIf(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(1e6 * known_ttft_s, has_ttft) AS ttft_q,
    quantilesDDIf(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(1e6 * known_tpot_s, has_tpot) AS tpot_q,
    quantilesDDIf(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(1e6 * assumeNotNull(c.longest_gap_s), has_gap) AS gap_q,
    quantilesDDIf(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(1e6 * assumeNotNull(c.total_s), has_total) AS total_q,
    quantilesDDIf(0.01, {q1:Float64}, {q2:Float64}, {q3:Float64}, {q4:Float64}, {q5:Float64}, {q6:Float64}, {q7:Float64}, {q8:Float64})(toFloat64(assumeNotNull(c.answer_tokens)), isNotNull(c.answer_tokens)) AS output_q,
    countIf(c.verdict = 'valid' AND c.repairs = 0) AS valid_first,
    countIf(c.verdict = 'valid' AND c.repairs > 0) AS repaired,
    countIf(c.verdict = 'invalid' AND c.outcome != 'ok') AS rejected,
    countIf(c.verdict = 'invalid' AND c.outcome = 'ok') AS passed_invalid,
    countIf(c.verdict = 'truncated') AS truncated,
    countIf(c.verdict = 'refused') AS refused
FROM calls AS c
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND c.prompt != ''
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({model:String} = '' OR c.model = {model:String})
GROUP BY task, prompted_by
ORDER BY task, first_ns, prompted_by
LIMIT {limit:UInt32};

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
-- How many calls ended in each quarter of an hour.
SELECT intDiv(minute, 15) AS quarter, count() FROM calls GROUP BY quarter ORDER BY quarter;

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
