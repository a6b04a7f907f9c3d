-- name: slices
-- The slices of a window, merged of the parts that stand in the place of `parts`.
SELECT
    task,
    at_minute * 60000000000 AS at_ns,
    value,
    sum(p.calls) AS calls,
    sum(p.contracts) AS contracts,
    sum(p.valid_first) AS valid_first,
    sum(p.repaired) AS repaired,
    sum(p.rejected) AS rejected,
    sum(p.passed_invalid) AS passed_invalid,
    sum(p.truncated) AS truncated,
    sum(p.refused) AS refused,
    sum(p.repairs) AS repairs,
    sum(p.cut) AS cut,
    sum(p.flagged) AS flagged,
    sum(p.stopped) AS stopped,
    sum(p.resumed) AS resumed,
    sum(p.seams) AS seams,
    sum(p.tool_results) AS tool_results,
    sum(p.tool_errors) AS tool_errors,
    sum(p.attempts) AS attempts,
    sum(p.retried) AS retried,
    sum(p.fallbacks) AS fallbacks,
    sum(p.input_tokens) AS input_tokens,
    sum(p.cache_read_tokens) AS cache_read_tokens,
    sum(p.cache_write_tokens) AS cache_write_tokens,
    sum(p.output_tokens) AS output_tokens,
    sum(p.reasoning_tokens) AS reasoning_tokens,
    sum(p.exact_calls) AS exact_calls,
    sum(p.estimated_calls) AS estimated_calls,
    sum(p.unknown_calls) AS unknown_calls,
    sum(p.exact_pusd) AS exact_pusd,
    sum(p.estimated_pusd) AS estimated_pusd,
    sum(p.unknown_pusd) AS unknown_pusd,
    sum(p.prefill_tokens) AS prefill_tokens,
    sum(p.prefill_s) AS prefill_s,
    sum(p.decode_tokens) AS decode_tokens,
    sum(p.decode_s) AS decode_s,
    min(p.first_ns) AS first_ns,
    max(p.last_ns) AS last_ns,
    sumMap(p.outcomes) AS outcomes,
    sumMap(p.finish_reasons) AS finish_reasons,
    sumMap(p.tool_calls) AS tool_calls
    {merged_spreads}
FROM
(
    {parts}
) AS p
GROUP BY task, at_minute, value
ORDER BY task, at_minute, value
LIMIT {limit:UInt32};

-- name: part_of_roll_up
-- A part of the slices: rows of the roll-up from one minute to another.
SELECT
    if({across:Bool}, '', r.task) AS task,
    if({step:Int64} = 0, {origin:Int64}, intDiv(r.minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
    if({by:String} = 'task', '', {rolled:Identifier}) AS value,
    calls,
    contracts,
    valid_first,
    repaired,
    rejected,
    passed_invalid,
    truncated,
    refused,
    repairs,
    cut,
    flagged,
    stopped,
    resumed,
    seams,
    tool_results,
    tool_errors,
    attempts,
    retried,
    fallbacks,
    input_tokens,
    cache_read_tokens,
    cache_write_tokens,
    output_tokens,
    reasoning_tokens,
    exact_calls,
    estimated_calls,
    unknown_calls,
    exact_pusd,
    estimated_pusd,
    unknown_pusd,
    prefill_tokens,
    prefill_s,
    decode_tokens,
    decode_s,
    first_ns,
    last_ns,
    outcomes,
    finish_reasons,
    tool_calls,
    spread_ttft,
    spread_tpot,
    spread_gap,
    spread_total,
    spread_output,
    spread_input,
    spread_request
FROM slices AS r
WHERE r.dimension = {dimension:String}
  AND r.block >= intDiv({first_minute:Int64}, if({dimension:String} = 'minute', 60, 1440))
  AND r.block <= intDiv({end_minute:Int64}, if({dimension:String} = 'minute', 60, 1440))
  AND r.minute >= {first_minute:Int64}
  AND r.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, r.task))
  AND ({only:String} = '' OR {rolled:Identifier} = {only:String});

-- name: part_of_calls
-- A part of the slices: the calls themselves that ended from one minute to another, summed.
WITH
    {functions}
SELECT
    if({across:Bool}, '', c.task) AS task,
    if({step:Int64} = 0, {origin:Int64}, intDiv(c.minute, greatest({step:Int64}, 1)) * {step:Int64}) AS at_minute,
    if({by:String} = 'task', '', {column:Identifier}) AS value,
    {columns}
FROM calls AS c
WHERE c.minute >= {first_minute:Int64}
  AND c.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({only:String} = '' OR {column:Identifier} = {only:String})
GROUP BY task, at_minute, value;

-- name: part_across
-- The calls of a window summed by several dimensions at once, whose names stand in one value.
WITH
    {functions}
SELECT
    c.task AS task,
    {first_minute:Int64} AS at_minute,
    concat(if({by_model:Bool}, toString(c.model), ''), '\x1f', if({by_prompt:Bool}, toString(c.prompt), ''), '\x1f', if({by_lock:Bool}, toString(c.lock), '')) AS value,
    {columns}
FROM calls AS c
WHERE c.minute >= {first_minute:Int64}
  AND c.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, c.task))
  AND ({model:String} = '' OR c.model = {model:String})
GROUP BY task, at_minute, value;

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
-- Scores of a window, summed. One that came again under its id counts where it came last, which may lie past the window
-- or in another task; few come again, and only those are put in order.
WITH again AS
(
    SELECT id_hash FROM scores WHERE minute >= {first_minute:Int64} GROUP BY id_hash HAVING count() > 1
)
SELECT
    s.task AS task,
    s.name AS name,
    s.source AS source,
    if({step:Int64} = 0, {origin:Int64}, intDiv(s.minute, greatest({step:Int64}, 1)) * {step:Int64}) * 60000000000 AS at_ns,
    if({by:String} = 'task', '', s.told) AS value,
    count() AS n,
    countIf(isFinite(s.number)) AS valued,
    countIf(isFinite(s.number) AND s.number >= 0.5) AS passed,
    sumIf(s.number, isFinite(s.number)) AS total,
    sumIf(s.number * s.number, isFinite(s.number)) AS squares,
    sumMapIf(map(toString(s.label), toUInt64(1)), s.label != '') AS labels,
    sumMapIf(
        map(toInt32(ceil(log(if(s.lag_ms > 0, s.lag_ms, 1.)) / log(1.01 / 0.99) - 1e-9)), toUInt64(1)), s.lag_ms > 0
    ) AS lag_ms_spread
FROM
(
    SELECT
        task,
        name,
        source,
        minute,
        {column:Identifier} AS told,
        ifNull(value, nan) AS number,
        label,
        if(settled_ns > 0, (at_ns - settled_ns) / 1e6, 0.) AS lag_ms
    FROM scores
    WHERE minute >= {first_minute:Int64} AND minute < {end_minute:Int64} AND id_hash NOT IN (again)
    UNION ALL
    SELECT
        task,
        name,
        source,
        minute,
        {column:Identifier} AS told,
        ifNull(value, nan) AS number,
        label,
        if(settled_ns > 0, (at_ns - settled_ns) / 1e6, 0.) AS lag_ms
    FROM
    (
        SELECT *, minute
        FROM scores
        WHERE minute >= {first_minute:Int64} AND id_hash IN (again)
        ORDER BY at_ns DESC
        LIMIT 1 BY id
    )
) AS s
WHERE s.minute < {end_minute:Int64}
  AND (empty({tasks:Array(String)}) OR has({tasks:Array(String)}, s.task))
  AND (empty({names:Array(String)}) OR has({names:Array(String)}, s.name))
  AND ({only:String} = '' OR s.told = {only:String})
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
