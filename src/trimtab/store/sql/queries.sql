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
-- Sums and quantiles of the roll-up over a window, by task and, where asked for, by model.
SELECT
    task,
    if({by_model:Bool}, model, '') AS served_by,
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
WHERE minute >= {first_minute:Int64}
  AND minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND ({model:String} = '' OR model = {model:String})
GROUP BY task, served_by
ORDER BY task, served_by;

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
ORDER BY settled_ns DESC, call DESC
LIMIT {limit:UInt32};

-- name: call
-- One call by its id.
SELECT * FROM calls WHERE call = {call:String} LIMIT 1;

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

-- name: columns
-- Names and types of a table's columns.
SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String};
