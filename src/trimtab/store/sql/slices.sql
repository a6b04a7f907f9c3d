-- name: slices
-- The slices of a window, merged of the parts that stand in the place of `parts`. One more than the bound is asked for.
SELECT
    task,
    at_minute * 60000000000 AS at_ns,
    value,
    sum(p.calls) AS calls,
    sumMap(p.outcomes) AS outcomes,
    sumMap(p.finish_reasons) AS finish_reasons,
    sum(p.valid_first) AS valid_first,
    sum(p.repaired) AS repaired,
    sum(p.rejected) AS rejected,
    sum(p.passed_invalid) AS passed_invalid,
    sum(p.truncated) AS truncated,
    sum(p.refused) AS refused,
    sum(p.repairs) AS repairs,
    sum(p.cut) AS cut,
    sum(p.repetition) AS repetition,
    sumMap(p.tool_outcomes) AS tool_outcomes,
    sumMap(p.tools) AS tools,
    sum(p.tool_results) AS tool_results,
    sum(p.tool_errors) AS tool_errors,
    sum(p.attempts) AS attempts,
    sum(p.retried) AS retried,
    sum(p.fallbacks) AS fallbacks,
    sum(p.input_tokens) AS input,
    sum(p.cache_read_tokens) AS cache_read,
    sum(p.cache_write_tokens) AS cache_write,
    sum(p.output_tokens) AS output,
    sum(p.reasoning_tokens) AS reasoning,
    sumMap(p.labels) AS labels,
    sumMap(p.pusd) AS pusd
    {merged_spreads}
FROM
(
    {parts}
) AS p
GROUP BY task, at_minute, value
ORDER BY task, at_minute, value
LIMIT {limit:UInt32};

-- name: slices_of_calls
-- A part of the slices: the calls that ended in [first_minute, end_minute), summed.
SELECT
    c.task AS task,
    if({step:Int64} = 0, {origin:Int64}, intDiv(c.minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
    if({by:String} = 'task', '', {column:Identifier}) AS value,
    count() AS calls,
    sumMap(map(toString(c.outcome), toUInt64(1))) AS outcomes,
    sumMapIf(map(toString(c.finish_reason), toUInt64(1)), c.finish_reason != '') AS finish_reasons,
    countIf(c.verdict = 'valid' AND c.repairs = 0) AS valid_first,
    countIf(c.verdict = 'valid' AND c.repairs > 0) AS repaired,
    countIf(c.verdict = 'invalid' AND c.outcome != 'ok') AS rejected,
    countIf(c.verdict = 'invalid' AND c.outcome = 'ok') AS passed_invalid,
    countIf(c.verdict = 'truncated') AS truncated,
    countIf(c.verdict = 'refused') AS refused,
    sum(c.repairs) AS repairs,
    countIf(c.finish_reason = 'length') AS cut,
    countIf(c.repetition != '') AS repetition,
    sumMap(mapFromArrays(c.tool_outcomes.outcome, arrayMap(o -> toUInt64(1), c.tool_outcomes.outcome))) AS tool_outcomes,
    sumMap(mapFromArrays(arrayMap((o, t) -> if(o = 'unknown_tool', '(unknown)', t), c.tool_outcomes.outcome, c.tool_outcomes.tool), arrayMap(o -> toUInt64(1), c.tool_outcomes.outcome))) AS tools,
    sum(length(c.tool_results)) AS tool_results,
    sum(arrayCount(c.tool_results.error)) AS tool_errors,
    sum(c.attempts) AS attempts,
    countIf(c.attempts > 1) AS retried,
    countIf(c.first_model != '') AS fallbacks,
    sum(c.input_tokens) AS input_tokens,
    sum(c.cache_read_tokens) AS cache_read_tokens,
    sum(c.cache_write_tokens) AS cache_write_tokens,
    sum(c.output_tokens) AS output_tokens,
    sum(c.reasoning_tokens) AS reasoning_tokens,
    sumMap(map(toString(c.cost_label), toUInt64(1))) AS labels,
    sumMap(map(toString(c.cost_label), toInt128(ifNull(c.cost_pusd, 0)))) AS pusd
    {spreads}
FROM calls AS c
WHERE c.minute >= {first_minute:Int64}
  AND c.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({only:String} = '' OR {column:Identifier} = {only:String})
GROUP BY task, at_minute, value

-- name: spread_of_calls
-- The histogram of a measure of calls: the bucket rule of `store/histograms.py`.
sumMapIf(map(toInt32(ceil(log(if({x} > 0 AND isFinite({x}), {x}, 1.)) / log(1.01 / 0.99) - 1e-9)), toUInt64(1)), {x} > 0 AND isFinite({x})) AS spread_{name}

-- name: measure_ttft
-- What is measured of a call, 0 where it is not known.
(1e6 * ifNull(c.ttft_s, 0.))

-- name: measure_tpot
-- Microseconds.
(1e6 * ifNull(c.tpot_s, 0.))

-- name: measure_gap
-- Microseconds.
(1e6 * ifNull(c.longest_gap_s, 0.))

-- name: measure_total
-- Microseconds, of calls that went well.
if(c.outcome = 'ok', 1e6 * ifNull(c.total_s, 0.), 0.)

-- name: measure_output
-- Tokens of the answer that was delivered.
toFloat64(ifNull(c.answer_tokens, 0))

-- name: measure_input
-- Tokens of what was asked, those that the cache held among them.
if(c.usage_known, toFloat64(c.input_tokens) + toFloat64(c.cache_read_tokens) + toFloat64(c.cache_write_tokens), 0.)

-- name: measure_request
-- Bytes of the request's body.
toFloat64(c.request_bytes)

-- name: readings
-- Counts of readings over a window, by field and step and by what the query tells apart.
SELECT
    task,
    field,
    kind,
    if({step:Int64} = 0, {origin:Int64}, intDiv(r.minute, greatest({step:Int64}, 1)) * {step:Int64}) * 60000000000 AS at_ns,
    if({by:String} = 'task', '', {column:Identifier}) AS value,
    sum(r.n) AS n,
    sumMap(r.categories) AS categories,
    sumMap(r.positive) AS positive,
    sumMap(r.negative) AS negative,
    sum(r.zeros) AS zeros
FROM readings_by_minute AS r
WHERE r.minute >= {first_minute:Int64}
  AND r.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
  AND (empty({fields:Array(String)}) OR has({fields:Array(String)}, r.field))
  AND ({only:String} = '' OR {column:Identifier} = {only:String})
GROUP BY task, field, kind, at_ns, value
ORDER BY task, field, at_ns, value, kind
LIMIT {limit:UInt32};

-- name: scores
-- Scores of a window, summed. One that came again under its id counts where it came last, and may lie past the window.
SELECT
    task,
    name,
    source,
    if({step:Int64} = 0, {origin:Int64}, intDiv(minute, greatest({step:Int64}, 1)) * {step:Int64}) * 60000000000 AS at_ns,
    told_apart AS value,
    count() AS n,
    countIf(isFinite(number)) AS valued,
    countIf(isFinite(number) AND number >= 0.5) AS passed,
    sumIf(number, isFinite(number)) AS total,
    sumIf(number * number, isFinite(number)) AS squares,
    sumMapIf(map(toString(label), toUInt64(1)), label != '') AS labels,
    sumMapIf(
        map(toInt32(ceil(log(if(lag_ms > 0, lag_ms, 1.)) / log(1.01 / 0.99) - 1e-9)), toUInt64(1)), lag_ms > 0
    ) AS lag_ms_spread
FROM
(
    SELECT
        task,
        name,
        source,
        minute,
        {column:Identifier} AS told,
        if({by:String} = 'task', '', told) AS told_apart,
        ifNull(s.value, nan) AS number,
        label,
        if(settled_ns > 0, (at_ns - settled_ns) / 1e6, 0.) AS lag_ms
    FROM scores AS s
    WHERE minute >= {first_minute:Int64}
    ORDER BY s.at_ns DESC
    LIMIT 1 BY id
)
WHERE minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, task))
  AND (empty({names:Array(String)}) OR has({names:Array(String)}, name))
  AND ({only:String} = '' OR told = {only:String})
GROUP BY task, name, source, at_ns, value
ORDER BY task, name, source, at_ns, value
LIMIT {limit:UInt32};

-- name: score_rows
-- The scores of a call, a run or a conversation, the last of each id, newest first.
SELECT *
FROM
(
    SELECT *
    FROM scores
    WHERE ({call:String} != '' AND call = {call:String})
       OR ({run:String} != '' AND run = {run:String})
       OR ({conversation:String} != '' AND conversation = {conversation:String})
    ORDER BY at_ns DESC
    LIMIT 1 BY id
)
ORDER BY at_ns DESC, id DESC
LIMIT {limit:UInt32};

-- name: engine_samples
-- Samples of a window, the last of each series in each step.
SELECT
    max(e.at_ns) AS at_ns,
    e.model AS model,
    e.replica AS replica,
    e.series AS series,
    argMax(e.value, e.at_ns) AS value
FROM engine_samples AS e
WHERE e.minute >= intDiv({since_ns:Int64}, 60000000000)
  AND e.at_ns >= {since_ns:Int64}
  AND e.at_ns < {until_ns:Int64}
  AND ({model:String} = '' OR e.model = {model:String})
  AND ({replica:String} = '' OR e.replica = {replica:String})
  AND (empty({series:Array(String)}) OR has({series:Array(String)}, e.series))
GROUP BY e.model, e.replica, e.series, intDiv(e.at_ns, {step_ns:Int64})
ORDER BY at_ns, model, replica, series
LIMIT {limit:UInt32};
