-- name: create_slices
-- The roll-up that signals are made of: the calls of a task that ended in a minute (dimension `minute`), or in a quarter
-- of an hour: all of them (`task`), by one value of one dimension, and those of all tasks together by model (`models`)
-- and by replica. Histograms map a bucket of `store/histograms.py`
-- to the calls in it, those that measured 0 or less lying in the lowest; a key may stand in one twice until rows merge.
-- Within a block (an hour of minutes, a day of quarters) rows lie by task: one task reads little, and so does an hour.
CREATE TABLE IF NOT EXISTS slices
(
    dimension           LowCardinality(String),
    block               Int64 CODEC(Delta, ZSTD(1)),
    task                LowCardinality(String),
    minute              Int64 CODEC(Delta, ZSTD(1)),
    environment         LowCardinality(String),
    value               LowCardinality(String),
    snapshots           SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    calls               SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    contracts           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    valid_first         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    repaired            SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    rejected            SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    passed_invalid      SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    truncated           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    refused             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    repairs             SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cut                 SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    flagged             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    stopped             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    resumed             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    seams               SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    tool_results        SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    tool_errors         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    attempts            SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    retried             SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    fallbacks           SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    input_tokens        SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cache_read_tokens   SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    cache_write_tokens  SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    output_tokens       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    reasoning_tokens    SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    exact_calls         SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    estimated_calls     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    unknown_calls       SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    exact_pusd          SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    estimated_pusd      SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    unknown_pusd        SimpleAggregateFunction(sum, Int128) CODEC(ZSTD(1)),
    prefill_tokens      SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    prefill_s           SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    decode_tokens       SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)),
    decode_s            SimpleAggregateFunction(sum, Float64) CODEC(ZSTD(1)),
    first_ns            SimpleAggregateFunction(min, Int64) CODEC(ZSTD(1)),
    last_ns             SimpleAggregateFunction(max, Int64) CODEC(ZSTD(1)),
    outcomes            SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    finish_reasons      SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    tool_calls          SimpleAggregateFunction(sumMap, Map(String, UInt64)) CODEC(ZSTD(1)),
    spread_ttft         SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_tpot         SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_gap          SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_total        SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_output       SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_input        SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1)),
    spread_request      SimpleAggregateFunction(sumMap, Map(Int32, UInt64)) CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY intDiv(minute, 1440)
ORDER BY (dimension, block, task, minute, environment, value)
SETTINGS index_granularity = 256, non_replicated_deduplication_window = 1000, fsync_after_insert = 1;

-- name: create_calls_to_slices
-- Fills that roll-up with every insert into calls.
CREATE MATERIALIZED VIEW IF NOT EXISTS calls_to_slices TO slices AS
WITH
    {functions}
SELECT
    d.1 AS dimension,
    intDiv(c.minute, if(d.1 = 'minute', 60, 1440)) AS block,
    if(d.1 IN ('models', 'replicas'), '', c.task) AS task,
    if(d.1 = 'minute', c.minute, intDiv(c.minute, 15) * 15) AS minute,
    c.environment AS environment,
    d.2 AS value,
    groupUniqArrayIf(toString(c.snapshot), d.1 = 'lock') AS snapshots,
    {columns}
FROM calls AS c
ARRAY JOIN [
    ('minute', ''),
    ('task', ''),
    ('model', toString(c.model)),
    ('replica', toString(c.replica)),
    ('prompt', toString(c.prompt)),
    ('lock', toString(c.lock)),
    ('key', toString(c.key)),
    ('models', toString(c.model)),
    ('replicas', toString(c.replica))
] AS d
GROUP BY dimension, block, task, minute, environment, value;

-- name: drop_calls_to_minute
-- Slices hold what earlier releases summed here.
DROP VIEW IF EXISTS calls_to_minute;

-- name: drop_calls_by_minute
-- The same.
DROP TABLE IF EXISTS calls_by_minute;

-- name: drop_contracts_to_minute
-- Slices hold what earlier releases summed here.
DROP VIEW IF EXISTS contracts_to_minute;

-- name: drop_contracts_by_minute
-- The same.
DROP TABLE IF EXISTS contracts_by_minute;

-- name: drop_tool_calls_to_minute
-- Slices hold what earlier releases summed here.
DROP VIEW IF EXISTS tool_calls_to_minute;

-- name: drop_tool_calls_by_minute
-- The same.
DROP TABLE IF EXISTS tool_calls_by_minute;

-- name: slice_functions
-- The bucket of a measure, and a list of buckets as a map.
(x -> if(x > 0 AND isFinite(x), toInt32(ceil(log(if(x > 0 AND isFinite(x), x, 1.)) / log(1.01 / 0.99) - 1e-9)), -2147483648)) AS bucket,
    (b -> mapFromArrays(b, arrayWithConstant(length(b), toUInt64(1)))) AS counted;

-- name: slice_columns
-- What calls come to, in the roll-up and wherever they are summed themselves. Lists of buckets cost a fifth of maps that
-- are added up call by call. Tool calls are told apart by how they stood and by tool; models invent names without end,
-- which go under one.
count() AS calls,
    countIf(c.verdict != '' OR c.repetition != '' OR notEmpty(c.seams) OR c.repairs > 0) AS contracts,
    countIf(c.verdict = 'valid' AND c.repairs = 0) AS valid_first,
    countIf(c.verdict = 'valid' AND c.repairs > 0) AS repaired,
    countIf(c.verdict = 'invalid' AND c.outcome != 'ok') AS rejected,
    countIf(c.verdict = 'invalid' AND c.outcome = 'ok') AS passed_invalid,
    countIf(c.verdict = 'truncated') AS truncated,
    countIf(c.verdict = 'refused') AS refused,
    sum(c.repairs) AS repairs,
    countIf(c.finish_reason = 'length') AS cut,
    countIf(c.repetition != '' AND NOT c.repetition_stopped) AS flagged,
    countIf(c.repetition != '' AND c.repetition_stopped) AS stopped,
    countIf(notEmpty(c.seams)) AS resumed,
    sum(length(c.seams)) AS seams,
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
    countIf(c.cost_label = 'exact') AS exact_calls,
    countIf(c.cost_label = 'estimated') AS estimated_calls,
    countIf(c.cost_label = 'unknown') AS unknown_calls,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'exact') AS exact_pusd,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'estimated') AS estimated_pusd,
    sumIf(toInt128(ifNull(c.cost_pusd, 0)), c.cost_label = 'unknown') AS unknown_pusd,
    sumIf(c.input_tokens, c.usage_known AND isFinite(ifNull(c.ttft_s, nan))) AS prefill_tokens,
    sumIf(assumeNotNull(c.ttft_s), c.usage_known AND isFinite(ifNull(c.ttft_s, nan))) AS prefill_s,
    sumIf(assumeNotNull(c.answer_tokens) - 1, isFinite(ifNull(c.tpot_s, nan)) AND c.answer_tokens > 1) AS decode_tokens,
    sumIf(assumeNotNull(c.tpot_s) * (assumeNotNull(c.answer_tokens) - 1), isFinite(ifNull(c.tpot_s, nan)) AND c.answer_tokens > 1) AS decode_s,
    min(c.settled_ns) AS first_ns,
    max(c.settled_ns) AS last_ns,
    sumMap(map(toString(c.outcome), toUInt64(1))) AS outcomes,
    sumMapIf(map(toString(c.finish_reason), toUInt64(1)), c.finish_reason != '') AS finish_reasons,
    sumMap(mapFromArrays(arrayMap((o, t) -> concat(o, ' ', if(o = 'unknown_tool', '(unknown)', t)), c.tool_outcomes.outcome, c.tool_outcomes.tool), arrayWithConstant(length(c.tool_outcomes), toUInt64(1)))) AS tool_calls,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.ttft_s, nan)), isFinite(1e6 * ifNull(c.ttft_s, nan)))) AS spread_ttft,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.tpot_s, nan)), isFinite(1e6 * ifNull(c.tpot_s, nan)))) AS spread_tpot,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.longest_gap_s, nan)), isFinite(1e6 * ifNull(c.longest_gap_s, nan)))) AS spread_gap,
    counted(groupArrayIf(bucket(1e6 * ifNull(c.total_s, nan)), isFinite(1e6 * ifNull(c.total_s, nan)) AND c.outcome = 'ok')) AS spread_total,
    counted(groupArrayIf(bucket(toFloat64(ifNull(c.answer_tokens, 0))), isNotNull(c.answer_tokens))) AS spread_output,
    counted(groupArrayIf(bucket(toFloat64(c.input_tokens) + toFloat64(c.cache_read_tokens) + toFloat64(c.cache_write_tokens)), c.usage_known)) AS spread_input,
    counted(groupArrayIf(bucket(toFloat64(c.request_bytes)), c.request_bytes > 0)) AS spread_request;
